"""Small TFLite models: one operator between real values and codes, or a sum that is remembered."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils


def conversion(*, is_quantize: bool, size: int, scale: float, zero_point: int) -> bytes:
    """Return a model of shape (1, size): QUANTIZE to int8, or DEQUANTIZE from it."""
    real, codes = schema.TensorT(), schema.TensorT()
    real.name, real.type = b"real", schema.TensorType.FLOAT32
    codes.name, codes.type = b"codes", schema.TensorType.INT8
    codes.quantization = schema.QuantizationParametersT()
    codes.quantization.scale = np.array([scale], np.float32)
    codes.quantization.zeroPoint = np.array([zero_point], np.int64)
    for tensor in (real, codes):
        tensor.shape, tensor.buffer = [1, size], 0
    code = schema.OperatorCodeT()
    builtin = schema.BuiltinOperator
    code.builtinCode = builtin.QUANTIZE if is_quantize else builtin.DEQUANTIZE
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 2
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    graph = schema.SubGraphT()
    graph.tensors = [real, codes] if is_quantize else [codes, real]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [graph]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def accumulator(size: int) -> bytes:
    """Return a model of shape (1, size) that gives the sum of all it was ever given.

    The sum is held in a resource variable, as in streaming models.
    """
    builtin, options = schema.BuiltinOperator, schema.BuiltinOptions
    handles = schema.VarHandleOptionsT()
    handles.container, handles.sharedName = b"", b"sum"
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = 1
    kinds: dict[str, tuple[int, int, Any]] = {
        "once": (builtin.CALL_ONCE, options.CallOnceOptions, once),
        "handle": (builtin.VAR_HANDLE, options.VarHandleOptions, handles),
        "read": (builtin.READ_VARIABLE, options.ReadVariableOptions,
                 schema.ReadVariableOptionsT()),
        "add": (builtin.ADD, options.AddOptions, schema.AddOptionsT()),
        "assign": (builtin.ASSIGN_VARIABLE, options.AssignVariableOptions,
                   schema.AssignVariableOptionsT()),
    }  # fmt: skip

    def operator(kind: str, inputs: list[int], outputs: list[int]) -> Any:
        made = schema.OperatorT()
        made.opcodeIndex = list(kinds).index(kind)
        made.inputs, made.outputs = inputs, outputs
        _, made.builtinOptionsType, made.builtinOptions = kinds[kind]
        return made

    def tensor(name: bytes, *, is_resource: bool = False, buffer: int = 0) -> Any:
        made = schema.TensorT()
        made.name, made.buffer = name, buffer
        made.shape = [] if is_resource else [1, size]
        made.type = schema.TensorType.RESOURCE if is_resource else schema.TensorType.FLOAT32
        return made

    def graph(
        tensors: list[Any], operators: list[Any], inputs: list[int], outputs: list[int]
    ) -> Any:
        made = schema.SubGraphT()
        made.tensors, made.operators, made.inputs, made.outputs = (
            tensors, operators, inputs, outputs
        )  # fmt: skip
        return made

    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.zeros(size * 4, np.uint8)
    model.operatorCodes = []
    for code_number, _, _ in kinds.values():
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = code_number, 1
        code.deprecatedBuiltinCode = min(code_number, 127)
        model.operatorCodes.append(code)
    model.subgraphs = [
        graph(
            [tensor(b"x"), tensor(b"sum", is_resource=True), tensor(b"before"), tensor(b"y")],
            [
                operator("once", [], []),
                operator("handle", [], [1]),
                operator("read", [1], [2]),
                operator("add", [0, 2], [3]),
                operator("assign", [1, 3], []),
            ],
            [0],
            [3],
        ),
        graph(
            [tensor(b"sum", is_resource=True), tensor(b"zeros", buffer=1)],
            [operator("handle", [], [0]), operator("assign", [0, 1], [])],
            [],
            [],
        ),
    ]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
