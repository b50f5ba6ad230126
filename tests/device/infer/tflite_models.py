"""TFLite models with the one operator that turns real values into int8 codes, or back."""

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
