"""A table: named columns of times and numbers, in which cells may be empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """What was read of a table.

    Attributes:
        times: by the names of the columns: nanoseconds, shape (n,), int64, and which are not empty.
        values: likewise, float32.
        places: what to call row ``i`` in a message, shape (n,), int64: lines of a text, or rows.
        place: "line" or "row".
    """

    times: Mapping[str, tuple[Int64Array, BoolArray]]
    values: Mapping[str, tuple[Float32Array, BoolArray]]
    places: Int64Array
    place: str


class Table(Protocol):
    """A file with columns."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""

    def read(self, times: Mapping[str, int], values: Sequence[str], /) -> Cells:
        """Return some columns.

        Args:
            times: the columns that hold times, and the nanoseconds of their units.
            values: the columns that hold numbers.

        Raises:
            RecordingError: a cell holds something else; names its place.
        """

    def texts(self, name: str, /) -> list[str]:
        """Return one column as text; an empty cell is "".

        Raises:
            RecordingError: the column holds neither text nor numbers.
        """
