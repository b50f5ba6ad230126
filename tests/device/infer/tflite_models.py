"""Small TFLite models: real values to codes and back; sums that are remembered."""

from collections.abc import Sequence
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


class _Builder:
    """Makes models of ADD and NEG, and of a resource variable; all tensors of shape (1, size)."""

    def __init__(self, size: int) -> None:
        builtin, options = schema.BuiltinOperator, schema.BuiltinOptions
        variable = schema.VarHandleOptionsT()
        variable.container, variable.sharedName = b"", b"sum"
        once = schema.CallOnceOptionsT()
        once.initSubgraphIndex = 1
        self._size = size
        self._kinds: dict[str, tuple[int, int, Any]] = {
            "add": (builtin.ADD, options.AddOptions, schema.AddOptionsT()),
            "neg": (builtin.NEG, options.NegOptions, schema.NegOptionsT()),
            "once": (builtin.CALL_ONCE, options.CallOnceOptions, once),
            "handle": (builtin.VAR_HANDLE, options.VarHandleOptions, variable),
            "read": (builtin.READ_VARIABLE, options.ReadVariableOptions,
                     schema.ReadVariableOptionsT()),
            "assign": (builtin.ASSIGN_VARIABLE, options.AssignVariableOptions,
                       schema.AssignVariableOptionsT()),
        }  # fmt: skip

    def graph(
        self,
        tensors: Sequence[str],
        operators: Sequence[tuple[str, list[int], list[int]]],
        inputs: list[int],
        outputs: list[int],
    ) -> Any:
        """Return a graph; the tensor "sum" is the variable, "zeros" is constant."""
        made = schema.SubGraphT()
        made.tensors = [self._tensor(name) for name in tensors]
        made.operators = [self._operator(*each) for each in operators]
        made.inputs, made.outputs = inputs, outputs
        return made

    def model(self, *graphs: Any) -> bytes:
        model = schema.ModelT()
        model.version, model.buffers = 3, [schema.BufferT(), schema.BufferT()]
        model.buffers[1].data = np.zeros(self._size * 4, np.uint8)
        model.subgraphs, model.operatorCodes = list(graphs), []
        for number, _, _ in self._kinds.values():
            code = schema.OperatorCodeT()
            code.builtinCode, code.version = number, 1
            code.deprecatedBuiltinCode = min(number, 127)
            model.operatorCodes.append(code)
        return bytes(flatbuffer_utils.convert_object_to_bytearray(model))

    def _operator(self, kind: str, inputs: list[int], outputs: list[int]) -> Any:
        made = schema.OperatorT()
        made.opcodeIndex = list(self._kinds).index(kind)
        made.inputs, made.outputs = inputs, outputs
        _, made.builtinOptionsType, made.builtinOptions = self._kinds[kind]
        return made

    def _tensor(self, name: str) -> Any:
        made = schema.TensorT()
        made.name, made.buffer = name.encode(), 1 if name == "zeros" else 0
        is_resource = name == "sum"
        made.shape = [] if is_resource else [1, self._size]
        made.type = schema.TensorType.RESOURCE if is_resource else schema.TensorType.FLOAT32
        return made


def accumulator(size: int) -> bytes:
    """Return a model ``x -> y`` that gives the sum of all it was ever given.

    The sum is held in a resource variable, as in streaming models.
    """
    builder = _Builder(size)
    return builder.model(
        builder.graph(
            ["x", "sum", "before", "y"],
            [
                ("once", [], []),
                ("handle", [], [1]),
                ("read", [1], [2]),
                ("add", [0, 2], [3]),
                ("assign", [1, 3], []),
            ],
            [0],
            [3],
        ),
        builder.graph(["sum", "zeros"], [("handle", [], [0]), ("assign", [0, 1], [])], [], []),
    )


def recurrent(size: int) -> bytes:
    """Return a model ``x, state -> y, stateN`` with ``stateN = state + x`` and ``y = -stateN``."""
    builder = _Builder(size)
    return builder.model(
        builder.graph(
            ["x", "state", "stateN", "y"],
            [("add", [0, 1], [2]), ("neg", [2], [3])],
            [0, 1],
            [3, 2],
        )
    )
