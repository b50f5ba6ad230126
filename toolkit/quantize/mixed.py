"""Mixed precision: where int8 fails, the layers that suffer most stay in float32.

A layer here is an operator together with those behind it that only move or clip its values: to
leave one of them in float32 and not the other would gain nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.infer.engine import ModelError
from toolkit.evaluate import metrics
from toolkit.evaluate.artifact import Artifact
from toolkit.quantize.calibration import Ranges, calibrate
from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.quantizer import apply_recipe
from toolkit.quantize.recipe import Precision, build_recipe
from toolkit.tflite.graph import Graph, parse

Float32Array = NDArray[np.float32]
Feed = Mapping[str, NDArray[Any]]

RANKING_SAMPLES: Final = 24  # of the calibration samples, evenly spread
_FOLLOWERS: Final = frozenset({
    "BROADCAST_TO", "CONCATENATION", "EXPAND_DIMS", "GATHER", "MAX_POOL_2D", "MIRROR_PAD", "PACK",
    "PAD", "PADV2", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V",
    "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """What is quantized or left in float32 as one.

    Attributes:
        name: of its first operator.
        kind: of its first operator, such as ``CONV_2D``.
        operators: the names of all its operators, as ``quantize`` takes them in ``float_layers``.
        damage_db: signal to noise ratio of the worst output when only this layer is in int8; the
            lower, the worse. -200 when no runtime takes such a model.
    """

    name: str
    kind: str
    operators: tuple[str, ...]
    damage_db: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """A model of mixed precision.

    Attributes:
        content: the TFLite file.
        float_layers: the layers left in float32, the worst first.
    """

    content: bytes
    float_layers: tuple[Layer, ...]


class MixedPrecision:
    """The search for the mixture that leaves as little as possible in float32."""

    def __init__(self, content: bytes, feeds: Sequence[Feed], /) -> None:
        """Calibrate the model.

        Args:
            content: the float32 TFLite file.
            feeds: the calibration samples, per sample the inputs by name.

        Raises:
            ModelError: LiteRT cannot run the model on the samples.
        """
        self._content = content
        self._ranges: Ranges = calibrate(content, feeds)
        count = min(len(feeds), RANKING_SAMPLES)
        self._feeds = [feeds[len(feeds) * index // count] for index in range(count)]
        exact = Artifact(content, where="the float32 model")
        self._input_names = list(exact.input_shapes())
        self._reference = exact.run_all(self._feeds)

    def rank(self) -> list[Layer]:
        """Return every layer with its damage, the worst first."""
        groups = _group(parse(self._content).graphs[0])
        everything = [name for _kind, names in groups for name in names]
        layers = []
        for kind, names in groups:
            others = [name for name in everything if name not in names]
            layers.append(Layer(names[0], kind, tuple(names), self._quality_db(others)))
        return sorted(layers, key=lambda layer: layer.damage_db)

    def search(self, is_within_budget: Callable[[Mixture], bool], /) -> Mixture | None:
        """Leave one layer after the other in float32, the worst first, until the budget holds.

        Args:
            is_within_budget: judges a mixture; the first one it sees has every layer in int8 and
                only the model's ends in float32.

        Returns:
            The first mixture within the budget; None when none is that still has int8 in it.
        """
        if mixture := self._judge((), is_within_budget):
            return mixture
        layers = tuple(self.rank())
        for count in range(1, len(layers)):
            if mixture := self._judge(layers[:count], is_within_budget):
                return mixture
        return None

    def _judge(
        self, float_layers: tuple[Layer, ...], is_within_budget: Callable[[Mixture], bool]
    ) -> Mixture | None:
        names = [name for layer in float_layers for name in layer.operators]
        try:
            mixture = Mixture(self._mix(names), float_layers)
            return mixture if is_within_budget(mixture) else None
        except (QuantizationError, ModelError):
            return None  # it cannot be made or run; with one more layer in float32 it may

    def _mix(self, float_layers: Sequence[str]) -> bytes:
        recipe = build_recipe(Precision.MIXED, float_layers=float_layers)
        return apply_recipe(self._content, recipe, self._ranges, precision=Precision.MIXED)

    def _quality_db(self, float_layers: Sequence[str]) -> float:
        try:
            outputs = Artifact(
                self._mix(float_layers), where="a mixture",
                input_names=self._input_names, output_names=list(self._reference),
            ).run_all(self._feeds)  # fmt: skip
        except (QuantizationError, ModelError):
            return -metrics.SQNR_LIMIT_DB
        return min(metrics.sqnr_db(values, outputs[n]) for n, values in self._reference.items())


def _group(graph: Graph) -> list[tuple[str, list[str]]]:
    """Return per layer the kind of its first operator and the names of all its operators."""
    layers: list[tuple[str, list[str]]] = []
    writer: dict[int, int | None] = dict.fromkeys(graph.inputs)  # tensor to position in layers
    for operator in graph.operators:
        sources = {writer[index] for index in operator.inputs if index in writer}
        is_follower = operator.name in _FOLLOWERS and len(sources) == 1
        position = sources.pop() if is_follower else None
        if position is None:
            position = len(layers)
            layers.append((operator.name, []))
        layers[position][1].append(graph.tensors[operator.outputs[0]].name)
        writer.update(dict.fromkeys(operator.outputs, position))
    return layers
