"""Deterministic CBOR by definition: small, obvious, the oracle of the manifest's encoding.

Source: RFC 8949 sections 3, 4.1 and 4.2.1.
"""

import math
import struct
from typing import Any, Final

_ARGUMENTS: Final = ((24, 1), (25, 2), (26, 4), (27, 8))  # additional information, bytes
_FLOATS: Final = ((25, ">e"), (26, ">f"), (27, ">d"))


def encode(value: Any, /) -> bytes:
    """Return bool, int, bytes, str, float, list or dict, deterministically encoded."""
    if value is False or value is True:
        return bytes([7 << 5 | 20 + value])
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    assert isinstance(value, float)
    return _float(value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for information, size_bytes in _ARGUMENTS:
        if argument < 1 << 8 * size_bytes:
            return bytes([major << 5 | information]) + argument.to_bytes(size_bytes, "big")
    raise AssertionError(f"{argument} needs more than 8 bytes")


def _float(value: float) -> bytes:
    for information, layout in _FLOATS:
        try:
            packed = struct.pack(layout, value)
        except OverflowError:
            continue
        if struct.unpack(layout, packed)[0] == value or math.isnan(value):
            return bytes([7 << 5 | information]) + packed
    raise AssertionError("a double holds any float")
