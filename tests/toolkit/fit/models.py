"""Models of a chosen size, as an engineer would bring them to a board."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.toolkit.quantize.tflite_models import matrix_product
from tests.toolkit.tflite.models import changed
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

INPUTS = 64


def product(outputs: int, *, precision: Precision = Precision.FP32) -> bytes:
    """Return one matrix product of 64 inputs: 64 weights for each output."""
    rng = np.random.default_rng(0)
    content = matrix_product(
        rng.normal(size=(INPUTS, outputs)).astype(np.float32), rows=1, is_batched=False
    )
    if precision is Precision.FP32:
        return content
    feeds = [{"x": rng.normal(size=(1, 1, INPUTS)).astype(np.float32)} for _ in range(2)]
    return quantize(content, precision, feeds=feeds)


def with_operator(name: str) -> bytes:
    """Return a model whose one operator takes two tensors and has no options."""

    def change(model: Any) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        (operator,) = model.subgraphs[0].operators
        operator.inputs = [0, 1]
        operator.builtinOptionsType, operator.builtinOptions = 0, None

    return changed(matrix_product(np.ones((1, 1), np.float32), rows=1, is_batched=False), change)
