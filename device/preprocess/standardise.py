"""Standardise: every column to the mean and deviation that the model was trained with."""

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def standardise(window: Float32Array, mean: Float32Array, std: Float32Array, /) -> Float32Array:
    """Return ``(window - mean) / std``.

    Args:
        window: shape (time, column), float32, in the streams' units.
        mean: shape (column,), float32, same units.
        std: shape (column,), float32, same units, positive.

    Returns:
        Shape (time, column), float32, without unit.
    """
    standardised: Float32Array = (window - mean) / std
    return standardised
