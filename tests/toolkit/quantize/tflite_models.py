"""Tiny float32 TFLite models of matrix products, built table by table."""

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
    return matrix_products([weights], rows=rows, is_batched=is_batched, custom_code=custom_code)


def matrix_products(
    weights: Sequence[Float32Array],
    *,
    rows: int,
    is_batched: bool = False,
    custom_code: str | None = None,
) -> bytes:
    """Return a chain of products ``x``, ``h1``, ``h2``, ..., ``y``; see ``matrix_product``."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    model.operatorCodes = [_code(is_batched=is_batched, custom_code=custom_code)]
    graph.tensors = [_tensor("x", (1, rows, weights[0].shape[0]), 0)]
    graph.operators = []
    source = 0
    for number, matrix in enumerate(weights, 1):
        constant = matrix[np.newaxis] if is_batched else np.ascontiguousarray(matrix.T)
        filled = schema.BufferT()
        filled.data = np.frombuffer(constant.tobytes(), np.uint8)
        model.buffers.append(filled)
        name = "y" if number == len(weights) else f"h{number}"
        graph.tensors += [
            _tensor("w" if len(weights) == 1 else f"w{number}", constant.shape, number),
            _tensor(name, (1, rows, matrix.shape[1]), 0),
        ]
        here = len(graph.tensors)
        graph.operators.append(
            _product([source, here - 2], here - 1, is_batched=is_batched, custom_code=custom_code)
        )
        source = here - 1
    graph.inputs, graph.outputs = [0], [source]
    model.subgraphs = [graph]
    model.signatureDefs = [_signature({"x": 0}, {"y": source})]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _code(*, is_batched: bool, custom_code: str | None) -> Any:
    code = schema.OperatorCodeT()
    if custom_code:
        code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, custom_code.encode()
    elif is_batched:
        code.builtinCode = schema.BuiltinOperator.BATCH_MATMUL
    else:
        code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    return code


def _product(inputs: list[int], output: int, *, is_batched: bool, custom_code: str | None) -> Any:
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = (inputs if is_batched else [*inputs, -1]), [output]
    operator.opcodeIndex = 0
    if custom_code:
        return operator
    if is_batched:
        operator.builtinOptionsType = schema.BuiltinOptions.BatchMatMulOptions
        operator.builtinOptions = schema.BatchMatMulOptionsT()
    else:
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
        operator.builtinOptions.keepNumDims = True
    return operator
