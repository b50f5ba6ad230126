"""One float32 TFLite file in, one smaller one out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from toolkit.quantize.calibration import calibrate, quiet
from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.recipe import Precision, build_recipe


def quantize(
    content: bytes, precision: Precision, /, *, feeds: Iterable[Mapping[str, NDArray[Any]]]
) -> bytes:
    """Quantize a model.

    Args:
        content: the float32 TFLite file.
        precision: any but fp32.
        feeds: the calibration samples, per sample the inputs by name; read for int8 only.

    Returns:
        The quantized TFLite file.

    Raises:
        QuantizationError: ai-edge-quantizer cannot do it.
    """
    from ai_edge_quantizer import quantizer

    recipe = build_recipe(precision)
    try:
        with quiet():
            ranges = calibrate(content, feeds, recipe=recipe) if recipe.need_calibration() else None
            result = quantizer.Quantizer(content, recipe.get_quantization_recipe()).quantize(
                ranges, enable_progress_bar=False, enable_progress_report=False
            )
    except (
        ValueError,
        RuntimeError,
        NotImplementedError,
        KeyError,
        IndexError,
        TypeError,
    ) as error:
        # Another project's library, fed with the user's model: what it raises is its verdict.
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise QuantizationError(str(precision), line) from error
    if result.quantized_model is None:
        raise QuantizationError(str(precision), "it returned no model")
    return bytes(result.quantized_model)
