"""Staging: where samples that come one by one wait, to be pushed together.

Fetching the address of an array costs more than pushing a sample, and so does each argument of a
call into the core: here all that does not change is handed over once.

Rules:
 * The arrays stay where they are; between two commits they are the caller's to fill.
 * Nothing but a commit pushes, and what was committed is not held on to.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device._native import ffi, lib

_commit: Final[Callable[[Any], int]] = lib.aln_staging_commit


class Stage:
    """Room for samples of one stream; ``Aligner.staging`` makes it.

    Single samples are stored fastest through a ``memoryview`` of the arrays.

    Attributes:
        times_ns: shape (capacity,), int64; to be filled.
        values: shape (capacity, fields), float32; to be filled.
    """

    def __init__(self, aligner: object, core: Any, index: int, fields: int, capacity: int) -> None:
        """Make room.

        Args:
            aligner: owns the memory of ``core``, and lives as long as the stage.
            core: the C core's aligner.
            index: of the stream.
            fields: of the stream.
            capacity: samples.
        """
        self.times_ns: Final[npt.NDArray[np.int64]] = np.zeros(capacity, np.int64)
        self.values: Final[npt.NDArray[np.float32]] = np.zeros((capacity, fields), np.float32)
        self._times_at = ffi.from_buffer("int64_t[]", self.times_ns)
        self._values_at = ffi.from_buffer("float[]", self.values)
        self._aligner = aligner
        self._capacity = capacity
        self._count = 0
        self._staging = ffi.new("aln_staging_t *")
        lib.aln_staging_init(self._staging, core, index, self._times_at, self._values_at)

    def commit(self, count: int, /) -> int:
        """Push the first ``count`` samples; the arrays can then be filled anew.

        Returns:
            How many were accepted.

        Raises:
            ValueError: there is no room for so many. Nothing was pushed.
        """
        if count != self._count:  # a call with one argument costs half of one with two
            self._set_count(count)
        return _commit(self._staging)

    def _set_count(self, count: int) -> None:
        if not 0 <= count <= self._capacity:
            raise ValueError(f"count: {count} is not within 0 and {self._capacity}")
        self._staging.count = self._count = count
