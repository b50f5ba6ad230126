"""Activations into the operators before them, where onnx2tf leaves them on their own.

XNNPACK fuses them by itself in a float model, but a quantizer sees two tensors: it spends most of
the codes of the first one on negative values that nothing reads. Fused, the demo's network in int8
has 37.7 dB instead of 34.2 and runs in half the time; in float32 not one bit changes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any


def fuse_activations(model: Any, /) -> None:
    """Fuse each RELU of the main graph into the operator whose values it clips.

    Between the two there may be operators that only move values, since those commute with it.

    Args:
        model: LiteRT's object of the file, changed in place.
    """
    from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator

    fused = {
        BuiltinOperator.RELU: ActivationFunctionType.RELU,
        BuiltinOperator.RELU6: ActivationFunctionType.RELU6,
        BuiltinOperator.RELU_N1_TO_1: ActivationFunctionType.RELU_N1_TO_1,
    }
    fusing = {
        BuiltinOperator.ADD, BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D,
        BuiltinOperator.FULLY_CONNECTED, BuiltinOperator.MUL, BuiltinOperator.SUB,
    }  # fmt: skip
    moving = {
        BuiltinOperator.EXPAND_DIMS, BuiltinOperator.RESHAPE, BuiltinOperator.SQUEEZE,
        BuiltinOperator.TRANSPOSE,
    }  # fmt: skip
    graph = model.subgraphs[0]
    kinds = [code.builtinCode for code in model.operatorCodes]
    uses = Counter(graph.outputs)
    uses.update(index for operator in graph.operators for index in operator.inputs)
    writers = {index: operator for operator in graph.operators for index in operator.outputs}

    def find_source(index: int) -> Any:
        """Return the operator that can take the activation of a tensor, or None."""
        while (writer := writers.get(index)) is not None and uses[index] == 1:
            if kinds[writer.opcodeIndex] in fusing:
                options = writer.builtinOptions
                is_free = options.fusedActivationFunction == ActivationFunctionType.NONE
                return writer if is_free else None
            if kinds[writer.opcodeIndex] not in moving:
                return None
            index = writer.inputs[0]
        return None

    kept = []
    for operator in graph.operators:
        activation = fused.get(kinds[operator.opcodeIndex])
        source = None if activation is None else find_source(operator.inputs[0])
        if source is None:
            kept.append(operator)
            continue
        source.builtinOptions.fusedActivationFunction = activation
        last = writers[operator.inputs[0]]
        last.outputs = operator.outputs
        writers[operator.outputs[0]] = last
    graph.operators = kept
