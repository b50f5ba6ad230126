"""Which operators are quantized how, per precision."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_edge_quantizer.recipe_manager import RecipeManager


class Precision(StrEnum):
    """What the numbers of a variant are."""

    FP32 = "fp32"  # as converted
    FP16 = "fp16"  # weights in float16, computed in float32
    DYNAMIC = "dynamic"  # weights int8, activations quantized while running
    INT8 = "int8"  # weights, activations, input and output int8


def build_recipe(precision: Precision, /) -> RecipeManager:
    """Return ai-edge-quantizer's recipe for a precision other than fp32."""
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    recipe = recipe_manager.RecipeManager()
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    if precision is Precision.FP16:
        recipe.add_weight_only_config(
            ".*", every, num_bits=16,
            algorithm_key=algorithm_manager.AlgorithmName.FLOAT_CASTING,
        )  # fmt: skip
    elif precision is Precision.DYNAMIC:
        recipe.add_dynamic_config(".*", every, num_bits=8)
    elif precision is Precision.INT8:
        recipe.add_static_config(".*", every, activation_num_bits=8, weight_num_bits=8)
        # LiteRT computes static BATCH_MATMUL wrongly when its weights have a scale per channel
        # (0 dB against 27 dB on random weights); one scale for the tensor is right.
        recipe.add_static_config(
            ".*", qtyping.TFLOperationName.BATCH_MATMUL,
            activation_num_bits=8, weight_num_bits=8,
            weight_granularity=qtyping.QuantGranularity.TENSORWISE,
        )  # fmt: skip
    else:
        raise ValueError(f"{precision} is no quantized precision")
    return recipe
