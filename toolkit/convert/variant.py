"""One variant of a model, made and run where the scheduler puts it.

What may abort, hang or eat memory (the quantizer, a runtime with a new file) happens here, in a
process of its own; what comes back are bytes and arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from device.infer.engine import ModelError
from toolkit.convert.errors import NotMadeError
from toolkit.dataset.dataset import Dataset
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.errors import MetricError, OriginalUnusableError
from toolkit.evaluate.evaluation import judge
from toolkit.evaluate.stateful import Recurrence
from toolkit.evaluate.task_metric import TaskMetric
from toolkit.evaluate.tensors import TensorError, compare_tensors
from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.likeness import resemble, share_of_codes_kept
from toolkit.quantize.mixed import MixedPrecision, Mixture
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

if TYPE_CHECKING:
    from toolkit.evaluate.runner import Runner

Float32Array = NDArray[np.float32]
Feed = dict[str, NDArray[Any]]

TENSOR_SAMPLES: Final = 32  # of the test samples, evenly spread, for the error per layer


@dataclass(frozen=True, slots=True)
class MetricName:
    """The metric by what names it: the metric itself does not travel to another process."""

    name: str
    threshold: float

    def metric(self) -> TaskMetric:
        """Return the metric."""
        return TaskMetric.named(self.name, threshold=self.threshold)


@dataclass(frozen=True, slots=True)
class Material:
    """What every variant of one model is made from and compared with.

    Attributes:
        stem: of the files' names.
        content: the float32 TFLite file; of an original that is quantized, that file.
        precision: of ``content``.
        onnx: the original as ONNX; None when it is none.
        input_names: in the original's order.
        output_names: in the original's order.
        calibration: samples, states among them as the original met them.
        test: the same, to compare on.
        recurrence: the states that are fed back.
        reference: the original's outputs for ``test``, states fed back, without them.
        metric: what the loss is of; None when there is nothing to judge by.
        max_loss: the budget of mixed precision.
        tensorwise_products: one scale for the whole weight tensor of a matrix product.
        like: the TFLite file that quantized ones are to be like; None: none.
    """

    stem: str
    content: bytes
    precision: Precision
    onnx: bytes | None
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    calibration: Dataset
    test: Dataset
    recurrence: Recurrence
    reference: Mapping[str, Float32Array]
    metric: MetricName | None
    max_loss: float
    tensorwise_products: bool
    like: bytes | None = None

    def file_name(self, precision: Precision) -> str:
        """Return the name of a variant's file."""
        return f"{self.stem}-{precision}.{'onnx' if precision is Precision.QDQ else 'tflite'}"

    def every_file(self) -> list[str]:
        """Return the names of all files that a conversion of this model may deliver."""
        names = [self.file_name(precision) for precision in Precision]
        return [*names, *(golden_name(name) for name in names)]

    def result_names(self) -> list[str]:
        """Return the outputs that are no states, in the original's order."""
        return [name for name in self.output_names if name in self.reference]

    def open(self, content: bytes, precision: Precision) -> Runner:
        """Load a variant.

        Raises:
            ModelError: LiteRT refuses it.
            OriginalUnusableError: ONNX Runtime refuses it.
        """
        where = self.file_name(precision)
        if precision is Precision.QDQ:
            import onnx

            from toolkit.evaluate.reference import OnnxRunner

            proto = onnx.load_model_from_string(content)
            return OnnxRunner(proto, path=where)
        return Artifact(
            content, where=where, input_names=self.input_names, output_names=self.output_names
        )

    def run(self, runner: Runner) -> dict[str, Float32Array]:
        """Return a runner's outputs for the test samples, states fed back, without them."""
        outputs = self.recurrence.run_all(runner, feeds(self.test), recordings=self.test.recordings)
        return self.recurrence.results(outputs)

    def run_open_loop(self, runner: Runner) -> dict[str, Float32Array] | None:
        """Return the same with the original's states fed in; None for a model without states."""
        if not self.recurrence.states:
            return None
        single = Recurrence(())
        outputs = single.run_all(runner, feeds(self.test), recordings=self.test.recordings)
        return self.recurrence.results(outputs)


@dataclass(frozen=True, slots=True)
class Order:
    """A variant to be made; ``content`` and ``float_layers`` when it was made before."""

    precision: Precision
    content: bytes | None = None
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A variant that was made and run, or the reason why not.

    Attributes:
        precision: what was ordered.
        content: the file; empty without one.
        outputs: for the test samples, states fed back, without them.
        open_loop: with the original's states fed in; None for a model without states.
        tensors: the error of every computed tensor beside the float32 model's.
        float_layers: operators left in float32.
        kept_codes: the share of int8 weights that are those of ``Material.like``; None without.
        reason: why it was not made or cannot be run; None when it could.
    """

    precision: Precision
    content: bytes = b""
    outputs: Mapping[str, Float32Array] | None = None
    open_loop: Mapping[str, Float32Array] | None = None
    tensors: Sequence[TensorError] = ()
    float_layers: tuple[str, ...] = ()
    kept_codes: float | None = None
    reason: str | None = None


def golden_name(file: str, /) -> str:
    """Return the name of a variant's golden vectors."""
    return f"{file.rpartition('.')[0]}.golden.cbor"


def feeds(data: Dataset, /) -> Iterator[Feed]:
    """Yield the samples one by one: input name to an array of the input's shape."""
    return (data.feed(index) for index in range(len(data)))


def make(material: Material, order: Order, /) -> Made:
    """Make a variant and run it on the test samples."""
    precision = order.precision
    try:
        content, float_layers = order.content, order.float_layers
        if content is None:
            content, float_layers = _make(material, precision)
            if material.like is not None and _may_be_like(material, precision):
                content = resemble(content, material.like, material.content)
        runner = material.open(content, precision)
        return Made(
            precision,
            content,
            material.run(runner),
            material.run_open_loop(runner),
            _tensors(material, precision, content),
            float_layers,
            _kept_codes(material, precision, content),
        )
    except NotMadeError as error:
        return Made(precision, reason=error.reason)
    except QuantizationError as error:
        return Made(precision, reason=f"the quantizer failed: {error.reason}")
    except (ModelError, OriginalUnusableError, MetricError) as error:
        return Made(precision, reason=str(error))


def _may_be_like(material: Material, precision: Precision) -> bool:
    return precision is not Precision.QDQ and precision is not material.precision


def _kept_codes(material: Material, precision: Precision, content: bytes) -> float | None:
    if material.like is None or not _may_be_like(material, precision):
        return None
    return share_of_codes_kept(content, material.like)


def _make(material: Material, precision: Precision) -> tuple[bytes, tuple[str, ...]]:
    if precision is material.precision:
        return material.content, ()
    if material.precision is not Precision.FP32:
        raise NotMadeError(
            str(precision), f"the original is {material.precision} already, there is no float one"
        )
    if precision is Precision.MIXED:
        return _mix(material)
    if precision is Precision.QDQ:
        return _quantize_onnx(material), ()
    content = quantize(
        material.content,
        precision,
        feeds=feeds(material.calibration),
        tensorwise_products=material.tensorwise_products,
    )
    return content, ()


def _quantize_onnx(material: Material) -> bytes:
    import onnx

    from toolkit.quantize.qdq import quantize_qdq

    if material.onnx is None:
        raise NotMadeError(str(Precision.QDQ), "the original is no ONNX model")
    proto = onnx.load_model_from_string(material.onnx)
    content: bytes = quantize_qdq(proto, feeds=feeds(material.calibration)).SerializeToString()
    return content


def _mix(material: Material) -> tuple[bytes, tuple[str, ...]]:
    if material.metric is None:
        raise NotMadeError(
            str(Precision.MIXED), "there is nothing to judge it by; give targets or --metric"
        )
    metric = material.metric.metric()

    def is_within_budget(mixture: Mixture) -> bool:
        outputs = material.run(material.open(mixture.content, Precision.MIXED))
        merit = judge(metric, material.test, material.reference, outputs)
        return merit.loss.upper <= material.max_loss

    search = MixedPrecision(material.content, list(feeds(material.calibration)))
    mixture = search.search(is_within_budget)
    if mixture is None:
        raise NotMadeError(
            str(Precision.MIXED), f"no mixture with int8 loses at most {material.max_loss:g}"
        )
    names = tuple(name for layer in mixture.float_layers for name in layer.operators)
    return mixture.content, names


def _tensors(material: Material, precision: Precision, content: bytes) -> list[TensorError]:
    if precision in {Precision.FP32, Precision.QDQ} or content == material.content:
        return []
    count = min(len(material.test), TENSOR_SAMPLES)
    chosen = [material.test.feed(len(material.test) * index // count) for index in range(count)]
    return compare_tensors(material.content, content, chosen, input_names=material.input_names)
