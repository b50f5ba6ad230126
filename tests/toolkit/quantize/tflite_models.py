"""Tiny float32 TFLite models with one matrix product, built table by table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


def _tensor(name: str, shape: Sequence[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name = name.encode()
    tensor.shape = list(shape)
    tensor.type = schema.TensorType.FLOAT32
    tensor.buffer = buffer
    return tensor


def _signature(inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    signature.subgraphIndex = 0
    for side, names in (("inputs", inputs), ("outputs", outputs)):
        entries = []
        for name, index in names.items():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), index
            entries.append(entry)
        setattr(signature, side, entries)
    return signature


def matrix_product(
    weights: Float32Array, *, rows: int, is_batched: bool, custom_code: str | None = None
) -> bytes:
    """Return a model ``y = x w`` with x of shape (1, rows, inputs) and y (1, rows, outputs).

    Args:
        weights: shape (inputs, outputs).
        rows: of x.
        is_batched: as BATCH_MATMUL, else as FULLY_CONNECTED.
        custom_code: make the operator a custom one of that name.
    """
    constant = weights[np.newaxis] if is_batched else np.ascontiguousarray(weights.T)
    filled = schema.BufferT()
    filled.data = np.frombuffer(constant.tobytes(), np.uint8)
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT(), filled]

    code = schema.OperatorCodeT()
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = ([0, 1] if is_batched else [0, 1, -1]), [2]
    operator.opcodeIndex = 0
    if custom_code:
        code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, custom_code.encode()
    elif is_batched:
        code.builtinCode = schema.BuiltinOperator.BATCH_MATMUL
        operator.builtinOptionsType = schema.BuiltinOptions.BatchMatMulOptions
        operator.builtinOptions = schema.BatchMatMulOptionsT()
    else:
        code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
        operator.builtinOptions.keepNumDims = True
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    model.operatorCodes = [code]

    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("x", (1, rows, weights.shape[0]), 0),
        _tensor("w", constant.shape, 1),
        _tensor("y", (1, rows, weights.shape[1]), 0),
    ]
    graph.inputs, graph.outputs = [0], [2]
    graph.operators = [operator]
    model.subgraphs = [graph]
    model.signatureDefs = [_signature({"x": 0}, {"y": 2})]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
