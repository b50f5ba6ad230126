"""The range of every activation over the calibration samples."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ai_edge_quantizer.recipe_manager import RecipeManager

Range = dict[str, Any]  # {"min": array, "max": array}, what ai-edge-quantizer calls a QSV


def merge_ranges(known: Range, new: Range, /) -> Range:
    """Return the range that holds both.

    ai-edge-quantizer's default is a moving average instead, which clips every extreme: an int8
    network for activity recognition has 24.2 dB with it and 30.0 dB with the true range.
    """
    if not known or not new:
        return known or new
    return {
        "min": np.minimum(known["min"], new["min"]),
        "max": np.maximum(known["max"], new["max"]),
    }


def calibrate(
    content: bytes, feeds: Iterable[Mapping[str, NDArray[Any]]], /, *, recipe: RecipeManager
) -> dict[str, Range]:
    """Run the float model on every sample; return the true range of each tensor by its name.

    Args:
        content: the float32 TFLite file, with one signature.
        feeds: per sample the inputs by name, each of the input's shape.
        recipe: decides which tensors are looked at.
    """
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import calibrator

    (signature,) = Interpreter(model_content=content).get_signature_list()
    with quiet():
        runner = calibrator.Calibrator(content, num_threads=1, qsv_update_func=merge_ranges)
        runner.calibrate({signature: [dict(feed) for feed in feeds]}, recipe)
    ranges: dict[str, Range] = runner.get_model_qsvs()
    return ranges


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bar off stderr, and its warning that it keeps every tensor."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
        yield
