"""Blocks: the arrays of numbers in a model file, and where in it they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit._native import lib


class Form(IntEnum):
    """What the numbers of a block are."""

    INT8 = lib.DLT_FORM_INT8
    INT16 = lib.DLT_FORM_INT16
    INT32 = lib.DLT_FORM_INT32
    FLOAT16 = lib.DLT_FORM_FLOAT16
    FLOAT32 = lib.DLT_FORM_FLOAT32

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the numbers."""
        return np.dtype(f"<{_CODES[self]}")

    @property
    def is_float(self) -> bool:
        """Whether the numbers have exponents."""
        return self in {Form.FLOAT16, Form.FLOAT32}


_CODES: Final = {
    Form.INT8: "i1", Form.INT16: "i2", Form.INT32: "i4", Form.FLOAT16: "f2", Form.FLOAT32: "f4",
}  # fmt: skip
_FORMS: Final = {
    "int8": Form.INT8, "int16": Form.INT16, "int32": Form.INT32, "float16": Form.FLOAT16,
    "float32": Form.FLOAT32,
}  # fmt: skip


def form_of(dtype: str, /) -> Form | None:
    """Return the form of a type by NumPy's name; None for one whose numbers are not predicted."""
    return _FORMS.get(dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """What the codes of a block are multiplied with.

    Attributes:
        values: shape (channels,), float32.
        offset_bytes: where they are in the file; None when they were not found there.
        run: codes in a row that have one scale; the channels follow one another, again and again.
    """

    values: NDArray[np.float32]
    offset_bytes: int | None
    run: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One array of numbers.

    Attributes:
        key: what finds the same block in another file.
        form: of its numbers.
        offset_bytes: where they are.
        count: of numbers.
        scales: None for numbers that are what they stand for.
        is_scale: the numbers are scales themselves.
    """

    key: Hashable
    form: Form
    offset_bytes: int
    count: int
    scales: Scales | None = None
    is_scale: bool = False

    @property
    def size_bytes(self) -> int:
        """What it takes in the file."""
        return self.count * self.form.dtype.itemsize

    @property
    def end_bytes(self) -> int:
        """Where it ends."""
        return self.offset_bytes + self.size_bytes

    def numbers(self, content: bytes, /) -> NDArray[Any]:
        """Return its numbers out of the file, not copied."""
        return np.frombuffer(content, self.form.dtype, self.count, self.offset_bytes)


BlockReader = Callable[[bytes], list[Block]]
