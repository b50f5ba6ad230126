"""Range check: finds the column whose values a working sensor cannot give."""

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def column_out_of_range(
    window: Float32Array, low: Float32Array, high: Float32Array, /
) -> int | None:
    """Return the first column with a value outside ``[low, high]`` or none at all (NaN).

    Args:
        window: shape (time, column), float32.
        low: shape (column,), float32, same units.
        high: shape (column,), float32, same units.

    Returns:
        The column's position, or None when all values are within.
    """
    is_within = ((window >= low) & (window <= high)).all(axis=0)  # a NaN is not within
    if is_within.all():
        return None
    return int(np.argmin(is_within))
