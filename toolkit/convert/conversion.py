"""The whole way: an ONNX file and data in, TFLite variants and a report out."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.infer.engine import ModelError
from toolkit.convert import onnx_model
from toolkit.convert.delivery import deliver
from toolkit.convert.errors import InterfaceMismatchError, UnsupportedOperatorError
from toolkit.convert.interface import Restoration, custom_operators, find_order, restore
from toolkit.convert.lowering import DEFAULT_TIME_LIMIT_S, Lowered, lower
from toolkit.convert.onnx_model import OnnxModel
from toolkit.convert.report import Report, Status, Variant
from toolkit.dataset.dataset import Dataset
from toolkit.dataset.load import load
from toolkit.environment.environment import CONVERTER, Environment
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.comparison import accuracy, compare
from toolkit.evaluate.reference import OnnxRunner
from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

Float32Array = NDArray[np.float32]
Feed = dict[str, NDArray[Any]]

DEFAULT_PRECISIONS: Final = (Precision.FP32, Precision.DYNAMIC, Precision.INT8)
_LAYOUT_SAMPLES: Final = 8
_TOOLS: Final = (
    "ferrule", "onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "numpy",
)  # fmt: skip


def convert(
    model: Path,
    output: Path,
    /,
    *,
    data: Path,
    test_data: Path | None = None,
    precisions: Sequence[Precision] = DEFAULT_PRECISIONS,
    shapes: Mapping[str, Sequence[int]] | None = None,
    environment: Environment | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    say: Callable[[str], None] = lambda _line: None,
) -> Report:
    """Convert, quantize, compare and deliver.

    Args:
        model: the ``.onnx`` file.
        output: folder for ``<stem>-<precision>.tflite`` and ``report.json``.
        data: calibration samples, ``.npz`` or ``.npy``; see ``toolkit.dataset.load``.
        test_data: samples to compare on; the calibration samples when not given.
        precisions: the variants wanted.
        shapes: fixed shapes for inputs whose shape is open.
        environment: where the converter lives; default: where it belongs.
        time_limit_s: for the converter's process.
        say: told in one line what is about to be done.

    Returns:
        The report; a variant that may not be used is in it with its reason, and is not delivered.

    Raises:
        ToolkitError: the model, the data or the converter is not as it must be; nothing is written.
    """
    say(f"checking {model.name}")
    original = onnx_model.load(model, shapes=shapes)
    calibration = load(str(data), original.inputs)
    test = load(str(test_data), original.inputs) if test_data else calibration
    environment = environment or CONVERTER.find()
    say("running the original")
    reference = OnnxRunner(original.proto, path=str(model)).run_all(_feeds(test))
    say("converting to float32")
    content, restorations = _convert_to_float(original, environment, time_limit_s, test, reference)
    job = _Job(original, calibration, test, reference)
    float_outputs = job.open(content, Precision.FP32).run_all(_feeds(test))
    made = []
    for precision in dict.fromkeys(precisions):
        say(f"making and measuring {precision}")
        made.append(job.make(precision, content, float_outputs))
    report = Report(
        model=_describe_model(original),
        data={"calibration": _describe_data(calibration), "test": _describe_data(test)},
        tools=_versions(),
        host={"machine": platform.machine(), "system": platform.system()},
        conversion=compare(reference, float_outputs),
        accuracy_original=accuracy(reference, test.labels),
        outputs=restorations,
        variants=[variant for variant, _content in made],
    )
    delivered = {variant.file: content for variant, content in made if variant.file}
    stale = {job.file_name(precision) for precision in Precision} - delivered.keys()
    deliver(report, delivered, output, stale=stale)
    return report


@dataclass(frozen=True, slots=True)
class _Job:
    """What every variant of one model is made from and compared with."""

    original: OnnxModel
    calibration: Dataset
    test: Dataset
    reference: Mapping[str, Float32Array]

    def file_name(self, precision: Precision) -> str:
        return f"{self.original.path.stem}-{precision}.tflite"

    def open(self, content: bytes, precision: Precision) -> Artifact:
        return Artifact(
            content,
            where=self.file_name(precision),
            input_names=[spec.name for spec in self.original.inputs],
            output_names=self.original.output_names,
        )

    def make(
        self,
        precision: Precision,
        float_content: bytes,
        float_outputs: Mapping[str, Float32Array],
    ) -> tuple[Variant, bytes]:
        """Return the variant's record and its content (empty when it could not be made)."""
        content = float_content
        try:
            if precision is not Precision.FP32:
                content = quantize(content, precision, feeds=_feeds(self.calibration))
            artifact = self.open(content, precision)
            outputs = artifact.run_all(_feeds(self.test))
            latency = artifact.measure_latency(self.test.feed(0))
        except (QuantizationError, ModelError) as error:
            return Variant(precision, Status.FAILED, reason=str(error)), b""
        total = compare(self.reference, outputs)
        reason = total.collapse()
        variant = Variant(
            precision,
            Status.REFUSED if reason else Status.OK,
            reason=reason,
            file=None if reason else self.file_name(precision),
            sha256=sha256(content).hexdigest(),
            size_bytes=len(content),
            latency_ms=latency,
            accuracy=accuracy(outputs, self.test.labels),
            total=total,
            quantization=None if precision is Precision.FP32 else compare(float_outputs, outputs),
        )
        return variant, content


def _feeds(data: Dataset) -> Iterator[Feed]:
    return (data.feed(index) for index in range(len(data)))


def _convert_to_float(
    original: OnnxModel,
    environment: Environment,
    time_limit_s: float,
    test: Dataset,
    reference: Mapping[str, Float32Array],
) -> tuple[bytes, list[Restoration]]:
    """Return the float32 TFLite file with the original's ends, and what was put back."""
    with tempfile.TemporaryDirectory(prefix="ferrule-") as work:
        lowered = lower(
            original.proto,
            path=original.path,
            environment=environment,
            work=Path(work),
            time_limit_s=time_limit_s,
        )
    _refuse_custom_operators(original, lowered)
    artifact = Artifact(lowered.content, where=f"{original.path} as float32")
    _check_ends(original, lowered, artifact)
    plain = {name: plain for plain, name in lowered.input_names.items()}
    outputs = artifact.run_all(
        {plain[name]: value for name, value in feed.items()}
        for feed in islice(_feeds(test), _LAYOUT_SAMPLES)
    )
    orders = {}
    for plain_name, name in lowered.output_names.items():
        order = find_order(outputs[plain_name], reference[name][:_LAYOUT_SAMPLES])
        if order is None:
            raise InterfaceMismatchError(
                str(original.path),
                f"output '{name}' has shape {list(outputs[plain_name].shape[1:])}, "
                f"the original's is {list(reference[name].shape[1:])}",
            )
        orders[plain_name] = order
    return restore(lowered, orders)


def _refuse_custom_operators(original: OnnxModel, lowered: Lowered) -> None:
    codes = set(custom_operators(lowered.content))
    if codes:
        nodes = [
            node for node in original.proto.graph.node if f"ONNX_{node.op_type.upper()}" in codes
        ]
        raise UnsupportedOperatorError(
            str(original.path),
            onnx_model.count_operators(nodes) or [(code, "?", 1) for code in sorted(codes)],
            "no runtime on a board has it: express it with other operators",
        )


def _check_ends(original: OnnxModel, lowered: Lowered, artifact: Artifact) -> None:
    shapes = artifact.input_shapes()
    wanted = {
        plain: next(spec.shape for spec in original.inputs if spec.name == name)
        for plain, name in lowered.input_names.items()
    }
    for plain, name in lowered.input_names.items():
        if plain not in shapes:
            raise InterfaceMismatchError(
                str(original.path),
                f"input '{name}' is gone: nothing in the model uses it; remove it and export again",
            )
        if shapes[plain] != wanted[plain]:
            raise InterfaceMismatchError(
                str(original.path),
                f"input '{name}' has shape {list(shapes[plain])}, "
                f"the original's is {list(wanted[plain])}",
            )


def _describe_model(original: OnnxModel) -> dict[str, Any]:
    return {
        "file": original.path.name,
        "sha256": original.digest,
        "inputs": [
            {"name": spec.name, "shape": list(spec.shape), "dtype": str(spec.dtype)}
            for spec in original.inputs
        ],
        "outputs": list(original.output_names),
    }


def _describe_data(data: Dataset) -> dict[str, Any]:
    return {
        "file": data.path.name,
        "sha256": data.digest,
        "samples": len(data),
        "labels": data.labels is not None,
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "onnx2tf": CONVERTER.pinned_version()}
    return versions | {package: _version(package) for package in _TOOLS}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        return "unknown"
