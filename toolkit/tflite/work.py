"""How many multiplications with an addition an operator does: what its time mostly goes with."""

from __future__ import annotations

import math
from typing import Final

from toolkit.tflite.graph import Graph, Operator, TfliteModel

# Operators whose work is not a count of their tensors' elements: loops, and recurrent layers.
_UNCOUNTED: Final = frozenset({
    "WHILE", "IF", "CALL", "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN",
    "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL",
    "STABLEHLO_COMPOSITE",
})  # fmt: skip


def macs(graph: Graph, operator: Operator, /) -> int | None:
    """Return an operator's multiply-accumulates; 0 for one that has none worth counting.

    None when the file does not tell: a loop, a recurrent layer, a custom operator, a damaged shape.
    """
    if operator.is_custom or operator.name in _UNCOUNTED:
        return None
    shapes = [graph.tensors[index].shape for index in operator.inputs if index >= 0]
    result = [graph.tensors[index].shape for index in operator.outputs]
    try:
        return _count(operator, shapes, result)
    except IndexError:
        return None


def total_macs(model: TfliteModel, /) -> int | None:
    """Return the multiply-accumulates of one run of the main graph; None when one is not known."""
    main = model.graphs[0]
    counts = [macs(main, operator) for operator in main.operators]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _count(
    operator: Operator, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]
) -> int:
    match operator.name:
        case "CONV_2D" | "CONV_3D":  # weights: output channels last in 3-D, first in 2-D
            weights = inputs[1]
            per_output = weights[1:] if operator.name == "CONV_2D" else weights[:-1]
            return math.prod(outputs[0]) * math.prod(per_output)
        case "DEPTHWISE_CONV_2D":
            return math.prod(outputs[0]) * math.prod(inputs[1][1:3])
        case "TRANSPOSE_CONV":  # inputs: the output's shape, the weights, the values
            return math.prod(inputs[2]) * math.prod(inputs[1][:3])
        case "FULLY_CONNECTED":
            return math.prod(outputs[0]) * inputs[1][-1]
        case "BATCH_MATMUL":
            inner = inputs[0][-2 if operator.options.get("adj_x") else -1]
            return math.prod(outputs[0]) * inner
        case _:
            return 0
