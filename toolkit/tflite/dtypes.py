"""The element types of a .tflite file: their names, and how many bits an element has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

# By their code. Source: enum TensorType of LiteRT's schema.fbs; strings, resources and variants
# have no fixed size.
_TYPES: Final = (
    ("float32", 32), ("float16", 16), ("int32", 32), ("uint8", 8), ("int64", 64), ("string", 0),
    ("bool", 8), ("int16", 16), ("complex64", 64), ("int8", 8), ("float64", 64),
    ("complex128", 128), ("uint64", 64), ("resource", 0), ("variant", 0), ("uint32", 32),
    ("uint16", 16), ("int4", 4), ("bfloat16", 16), ("int2", 2), ("uint4", 4),
    ("float8_e4m3fn", 8), ("float8_e5m2", 8),
)  # fmt: skip
_BITS: Final = dict(_TYPES)


def dtype_name(code: int, /) -> str:
    """Return NumPy's name of an element type, or one of the same manner where NumPy has none."""
    return _TYPES[code][0] if 0 <= code < len(_TYPES) else f"type{code}"


def size_bytes(dtype: str, shape: Sequence[int], /) -> int:
    """Return what the elements of a tensor take; 0 when its type has no fixed size."""
    return (math.prod(shape) * _BITS.get(dtype, 0) + 7) // 8
