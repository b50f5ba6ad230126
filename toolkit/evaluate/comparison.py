"""Outputs of two models on the same samples, compared in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate import metrics

Float32Array = NDArray[np.float32]
Outputs = Mapping[str, Float32Array]

# Below it half of the signal is noise: no model survives that, whatever its labels say.
COLLAPSED_SQNR_DB: Final = 6.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far one model's outputs are from another's.

    Attributes:
        sqnr_db: signal to noise ratio of the worst output.
        max_abs_error: the largest distance over all outputs; None when a value is not finite.
        cosine: of the worst output.
        top1_agreement: share of samples with the same class; None without classes.
    """

    sqnr_db: float
    max_abs_error: float | None
    cosine: float | None
    top1_agreement: float | None

    def collapse(self) -> str | None:
        """Return why the model must not be delivered, or None."""
        if self.max_abs_error is None:
            return "its outputs are not finite"
        if self.sqnr_db < COLLAPSED_SQNR_DB:
            return f"its outputs collapse: {self.sqnr_db:.1f} dB against the original"
        return None


def compare(reference: Outputs, outputs: Outputs, /) -> Comparison:
    """Compare two models' outputs, each by name with shape (sample, *the output's shape)."""
    finite = all(bool(np.isfinite(outputs[name]).all()) for name in reference)
    first = next(iter(reference))
    left, right = metrics.top1(reference[first]), metrics.top1(outputs[first])
    return Comparison(
        sqnr_db=min(metrics.sqnr_db(reference[name], outputs[name]) for name in reference),
        max_abs_error=max(
            metrics.max_abs_error(reference[name], outputs[name]) for name in reference
        )
        if finite
        else None,
        cosine=min(metrics.cosine(reference[name], outputs[name]) for name in reference)
        if finite
        else None,
        top1_agreement=None if left is None or right is None else metrics.agreement(left, right),
    )
