"""The chain of preprocessing steps that a flow declares."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from device.config import PreprocessConfig
from device.errors import DeviceError
from device.preprocess.range_check import column_out_of_range
from device.preprocess.standardise import standardise

Float32Array = npt.NDArray[np.float32]
Step = Callable[[Float32Array], Float32Array]


class RejectedWindowError(DeviceError, ValueError):
    """A window must not reach the model; the message says why."""


class Chain:
    """Steps applied one after the other; the model never sees a value that is not finite."""

    def __init__(self, steps: Sequence[PreprocessConfig], columns: Sequence[str]) -> None:
        """Build a chain.

        Args:
            steps: as the flow declares them.
            columns: the columns' names, for messages.
        """
        self._columns = tuple(columns)
        self._steps = [self._build(step) for step in steps]

    def apply(self, window: Float32Array, /) -> Float32Array:
        """Return the window as the model wants it.

        Args:
            window: shape (time, column), float32, in the streams' units; not changed.

        Returns:
            Same shape, float32.

        Raises:
            RejectedWindowError: a value is missing, out of its range or beyond float32.
        """
        with np.errstate(over="ignore"):  # becomes infinite, and is rejected for that
            for step in self._steps:
                window = step(window)
        is_finite = np.isfinite(window).all(axis=0)
        if not is_finite.all():
            column = self._columns[int(np.argmin(is_finite))]
            raise RejectedWindowError(f"{column} is missing or too large")
        return window

    def _build(self, config: PreprocessConfig) -> Step:
        first = np.array(config.first, dtype=np.float32)
        second = np.array(config.second, dtype=np.float32)
        if config.kind == "range":
            return lambda window: self._check(window, first, second)
        return lambda window: standardise(window, first, second)

    def _check(self, window: Float32Array, low: Float32Array, high: Float32Array) -> Float32Array:
        column = column_out_of_range(window, low, high)
        if column is not None:
            raise RejectedWindowError(
                f"{self._columns[column]} is missing or outside {low[column]:g} to {high[column]:g}"
            )
        return window
