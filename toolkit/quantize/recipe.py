"""Which operators are quantized how, per precision."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
    from ai_edge_quantizer.recipe_manager import RecipeManager


class Precision(StrEnum):
    """What the numbers of a variant are."""

    FP32 = "fp32"  # as converted
    FP16 = "fp16"  # weights in float16, computed in float32
    DYNAMIC = "dynamic"  # weights int8, activations quantized while running
    WEIGHT_ONLY = "weight-only"  # weights int8, computed in float32
    INT8 = "int8"  # weights, activations, input and output int8
    INT16X8 = "int16x8"  # weights int8; activations, input and output int16
    MIXED = "mixed"  # int8 inside; the ends and the layers that suffer most in float32
    QDQ = "qdq"  # int8 as QuantizeLinear/DequantizeLinear in an ONNX file, for TensorRT


_ACTIVATION_BITS: Final = {Precision.INT8: 8, Precision.MIXED: 8, Precision.INT16X8: 16}


def build_recipe(
    precision: Precision,
    /,
    *,
    float_layers: Collection[str] = (),
    tensorwise_products: bool = False,
) -> RecipeManager:
    """Return ai-edge-quantizer's recipe for a precision of a TFLite file other than fp32.

    Args:
        precision: neither fp32 nor qdq.
        float_layers: operators to leave alone, by the names of their first outputs.
        tensorwise_products: one scale for the whole weight tensor of a matrix product, not one per
            channel: coarser, and the only way that tflite-runtime 2.14 computes rightly in dynamic.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    operators = qtyping.TFLOperationName
    recipe = recipe_manager.RecipeManager()
    _add(recipe, precision, operators.ALL_SUPPORTED, qtyping.QuantGranularity.CHANNELWISE)
    tensorwise = set()
    if tensorwise_products and precision is not Precision.FP16:  # which has no scale at all
        tensorwise |= {operators.FULLY_CONNECTED, operators.BATCH_MATMUL}
    if precision in _ACTIVATION_BITS:
        # LiteRT computes static BATCH_MATMUL wrongly when its weights have a scale per channel
        # (0 dB against 27 dB on random weights); one scale for the tensor is right.
        tensorwise.add(operators.BATCH_MATMUL)
    for product in sorted(tensorwise):
        _add(recipe, precision, product, qtyping.QuantGranularity.TENSORWISE)
    exempt = []
    if precision is Precision.MIXED:
        # Where int8 fails, its ends often fail first: one scale for all of a recurrent state.
        exempt += [(".*", operators.INPUT), (".*", operators.OUTPUT)]
    if float_layers:
        names = "|".join(re.escape(name) for name in float_layers)
        exempt.append((f"^(?:{names});", operators.ALL_SUPPORTED))
    for scope, operator in exempt:
        recipe.add_quantization_config(
            scope, operator, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE
        )
    return recipe


def _add(
    recipe: RecipeManager,
    precision: Precision,
    operator: TFLOperationName,
    granularity: QuantGranularity,
) -> None:
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    if precision is Precision.FP16:
        recipe.add_weight_only_config(
            ".*", operator, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
    elif precision is Precision.DYNAMIC:
        recipe.add_dynamic_config(".*", operator, num_bits=8, granularity=granularity)
    elif precision is Precision.WEIGHT_ONLY:
        recipe.add_weight_only_config(".*", operator, num_bits=8, granularity=granularity)
    elif bits := _ACTIVATION_BITS.get(precision):
        recipe.add_static_config(
            ".*", operator, activation_num_bits=bits, weight_num_bits=8,
            weight_granularity=granularity,
        )  # fmt: skip
    else:
        raise ValueError(f"{precision} is no quantized precision of a TFLite file")
