"""How far two sets of outputs are apart; pure functions of arrays."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

SQNR_LIMIT_DB: Final = 200.0  # stands for "equal": float32 itself resolves about 150 dB


def sqnr_db(reference: Float32Array, values: Float32Array, /) -> float:
    """Return the signal to noise ratio of ``values``: ``10 log10(sum r^2 / sum (r - v)^2)``.

    Args:
        reference: any shape.
        values: same shape.

    Returns:
        In dB, within +-``SQNR_LIMIT_DB``; the lower limit when a value is not finite.
    """
    exact = reference.astype(np.float64)
    signal = float(np.sum(exact**2))
    with np.errstate(invalid="ignore", over="ignore"):
        noise = float(np.sum((exact - values) ** 2))
    return energy_ratio_db(signal, noise)


def energy_ratio_db(signal: float, noise: float, /) -> float:
    """Return ``10 log10(signal / noise)`` in dB, within the limits of ``sqnr_db``."""
    if not math.isfinite(noise):
        return -SQNR_LIMIT_DB
    if noise == 0.0:
        return SQNR_LIMIT_DB
    if signal == 0.0:
        return -SQNR_LIMIT_DB
    return max(-SQNR_LIMIT_DB, min(SQNR_LIMIT_DB, 10.0 * math.log10(signal / noise)))


def max_abs_error(reference: Float32Array, values: Float32Array, /) -> float:
    """Return the largest distance of two values; NaN when a value is not finite."""
    with np.errstate(invalid="ignore"):
        largest = float(np.max(np.abs(reference.astype(np.float64) - values)))
    return largest if math.isfinite(largest) else math.nan


def cosine(reference: Float32Array, values: Float32Array, /) -> float:
    """Return the cosine of the angle between the two, each seen as one vector; 1 for two zeros."""
    left, right = reference.astype(np.float64).ravel(), values.astype(np.float64).ravel()
    norms = float(np.linalg.norm(left) * np.linalg.norm(right))
    if norms == 0.0:
        return 1.0 if np.array_equal(left, right) else 0.0
    # Rounding may take it a hair beyond.
    return max(-1.0, min(1.0, float(np.dot(left, right)) / norms))


def top1(outputs: Float32Array, /) -> IntArray | None:
    """Return the class of each sample, or None when the output is no vector of classes.

    Args:
        outputs: shape (sample, ...), of which one dimension behind the sample is the classes and
            the others are 1.
    """
    if sum(size > 1 for size in outputs.shape[1:]) != 1:
        return None
    return np.argmax(outputs.reshape(len(outputs), -1), axis=1).astype(np.int64)


def agreement(left: IntArray, right: IntArray, /) -> float:
    """Return the share of samples with the same class; both of shape (sample,)."""
    return float(np.mean(left == right))
