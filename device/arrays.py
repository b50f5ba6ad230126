"""Arrays, handed to the C core: checked once, by what they are made of, and never copied."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device._native import ffi

# What an array is made of, to NumPy and to the C core.
Element = tuple[np.dtype[Any], Any]
INT64: Final[Element] = (np.dtype(np.int64), ffi.typeof("int64_t[]"))
FLOAT32: Final[Element] = (np.dtype(np.float32), ffi.typeof("float[]"))
UINT16: Final[Element] = (np.dtype(np.uint16), ffi.typeof("uint16_t[]"))
UINT8: Final[Element] = (np.dtype(np.uint8), ffi.typeof("uint8_t[]"))
INT8: Final[Element] = (np.dtype(np.int8), ffi.typeof("int8_t[]"))

# Found once: looking a name up in the module of the core costs a tenth of a call.
_from_buffer: Final = ffi.from_buffer


def pointer_to(
    what: str,
    array: npt.NDArray[Any],
    element: Element,
    dimensions: int,
    *,
    is_written: bool = False,
) -> Any:
    """Return a pointer to the array's elements, which knows their number and keeps them in place.

    That all is right costs two comparisons and the buffer's own check of the layout; only what
    these stop is looked at more closely.
    """
    dtype, pointer = element
    try:
        if array.dtype is dtype and array.ndim == dimensions:
            return _from_buffer(pointer, array, is_written)
    except (AttributeError, TypeError, ValueError):
        pass  # no array, or not contiguous: the check names it
    _check_array(what, array, dtype, dimensions)
    return _from_buffer(pointer, array, is_written)


def _check_array(what: str, array: npt.NDArray[Any], dtype: np.dtype[Any], dimensions: int) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{what}: {type(array).__name__}; pass a NumPy array")  # noqa: TRY004 - one error for all misuse
    if array.dtype != dtype:
        raise ValueError(f"{what}: dtype {array.dtype}; it must be {dtype}")
    if array.ndim != dimensions:
        raise ValueError(f"{what}: {array.ndim} dimensions; it must have {dimensions}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{what}: not C-contiguous; pass numpy.ascontiguousarray of it")
