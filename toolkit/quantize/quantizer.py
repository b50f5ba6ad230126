"""One float32 TFLite file in, one smaller one out."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from toolkit.quantize.calibration import Ranges, calibrate
from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.recipe import Precision, build_recipe
from toolkit.tflite.graph import parse

if TYPE_CHECKING:
    from ai_edge_quantizer.recipe_manager import RecipeManager


def quantize(
    content: bytes,
    precision: Precision,
    /,
    *,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    float_layers: Collection[str] = (),
    tensorwise_products: bool = False,
) -> bytes:
    """Quantize a model.

    Args:
        content: the float32 TFLite file.
        precision: neither fp32 nor qdq.
        feeds: the calibration samples, per sample the inputs by name; read when activations are
            quantized.
        float_layers: operators to leave in float32, by the names of their first outputs.
        tensorwise_products: one scale for the whole weight tensor of a matrix product.

    Returns:
        The quantized TFLite file.

    Raises:
        TfliteError: ``content`` is no whole TFLite file.
        QuantizationError: it is quantized already, or ai-edge-quantizer cannot do it.
        ModelError: LiteRT cannot run the float model on the samples.
    """
    if any(tensor.quantization for graph in parse(content).graphs for tensor in graph.tensors):
        # The library would return it as it is and say nothing.
        raise QuantizationError(str(precision), "the model is quantized already")
    recipe = build_recipe(
        precision, float_layers=float_layers, tensorwise_products=tensorwise_products
    )
    ranges = calibrate(content, feeds) if recipe.need_calibration() else None
    return apply_recipe(content, recipe, ranges, precision=precision)


def apply_recipe(
    content: bytes, recipe: RecipeManager, ranges: Ranges | None, /, *, precision: Precision
) -> bytes:
    """Quantize a model as a recipe says; ``ranges`` when activations are quantized.

    Raises:
        QuantizationError: ai-edge-quantizer cannot do it.
    """
    from ai_edge_quantizer import quantizer

    try:
        with _quiet():
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress bar off stderr, and its warning that it keeps every tensor."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        yield
