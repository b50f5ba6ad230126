"""TFLite models that use what a file may hold: built by LiteRT's own writer."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from tests.toolkit.quantize.tflite_models import matrix_product

INPUTS = 12
OUTPUTS = 5


def dense(*, is_batched: bool = False) -> bytes:
    weights = np.random.default_rng(0).normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    return matrix_product(weights, rows=1, is_batched=is_batched)


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Return the file after ``change`` was made to the tables that LiteRT reads from it."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    change(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_metadata(content: bytes, name: str, value: bytes) -> bytes:
    def change(model: Any) -> None:
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(value, np.uint8)
        entry.name, entry.buffer = name.encode(), len(model.buffers)
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), entry]

    return changed(content, change)


def with_reshape(content: bytes) -> bytes:
    """Return the file with a RESHAPE behind its output, its shape an option."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        code, operator, tensor = schema.OperatorCodeT(), schema.OperatorT(), schema.TensorT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
        code.version = 1
        model.operatorCodes.append(code)
        tensor.name, tensor.shape, tensor.buffer = b"flat", [OUTPUTS], 0
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [graph.outputs[0]], [len(graph.tensors) - 1]
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = [OUTPUTS]
        graph.operators.append(operator)
        graph.outputs = [len(graph.tensors) - 1]

    return changed(content, change)


def with_relu(content: bytes) -> bytes:
    """Return the file with a RELU behind its output."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        code, operator, tensor = schema.OperatorCodeT(), schema.OperatorT(), schema.TensorT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
        code.version = 1
        model.operatorCodes.append(code)
        before = graph.tensors[graph.outputs[0]]
        tensor.name, tensor.shape, tensor.buffer = b"clipped", list(before.shape), 0
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [graph.outputs[0]], [len(graph.tensors) - 1]
        graph.operators.append(operator)
        graph.outputs = [len(graph.tensors) - 1]
        model.signatureDefs[0].outputs[0].tensorIndex = len(graph.tensors) - 1

    return changed(content, change)
