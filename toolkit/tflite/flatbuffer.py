"""Tables, vectors and strings of a FlatBuffer, every offset checked before it is followed.

Rules it keeps:
 * Nothing outside of the bytes is read, whatever the offsets say.
 * The work is bounded by the file's size: offsets may lead to one place many times, so what was
   read is counted and refused when it is several times what the file holds.

Source: the FlatBuffers internals, flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from typing import Final

_SHARING: Final = 8  # how many times over a sound file's parts are read; its strings may be shared
_MAX_TABLES: Final = 1 << 20
_IDENTIFIER_OFFSET_BYTES: Final = 4


class FlatbufferError(ValueError):
    """The bytes are no FlatBuffer, or a damaged one; the caller says which file it is."""


class Flatbuffer:
    """The bytes of one FlatBuffer."""

    def __init__(self, content: bytes, /, *, identifier: bytes) -> None:
        """Take the bytes.

        Raises:
            FlatbufferError: the identifier is not there.
        """
        self.content = content
        end = _IDENTIFIER_OFFSET_BYTES + len(identifier)
        if content[_IDENTIFIER_OFFSET_BYTES:end] != identifier:
            raise FlatbufferError(f"bytes 4 to {end} are not {identifier.decode('ascii')!r}")
        self._left_bytes = _SHARING * len(content)
        self._left_tables = _MAX_TABLES

    def root(self) -> Table:
        """Return the outermost table."""
        return Table(self, self.follow(0))

    def follow(self, offset_bytes: int) -> int:
        """Return where the forward offset at a place leads."""
        (distance,) = self.unpack("<I", offset_bytes)
        return offset_bytes + int(distance)

    def unpack(self, form: str, offset_bytes: int) -> tuple[int | float, ...]:
        """Return the numbers at a place.

        Raises:
            FlatbufferError: they lie outside of the bytes.
        """
        size_bytes = struct.calcsize(form)
        self.spend(size_bytes)
        if offset_bytes < 0 or offset_bytes + size_bytes > len(self.content):
            raise FlatbufferError(f"it ends at byte {len(self.content)}, {offset_bytes} is used")
        return struct.unpack_from(form, self.content, offset_bytes)

    def spend(self, size_bytes: int) -> None:
        """Count what is read.

        Raises:
            FlatbufferError: far more than the file holds.
        """
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise FlatbufferError("its parts refer to one another too often")

    def count_table(self) -> None:
        """Count a table.

        Raises:
            FlatbufferError: there are too many.
        """
        self._left_tables -= 1
        if self._left_tables < 0:
            raise FlatbufferError(f"it has more than {_MAX_TABLES} tables")


class Table:
    """One table; its fields are known by their slot, their place in the schema."""

    def __init__(self, buffer: Flatbuffer, offset_bytes: int) -> None:
        """Find the table's fields.

        Raises:
            FlatbufferError: there is no table at this place.
        """
        buffer.count_table()
        self.buffer = buffer
        self.offset_bytes = offset_bytes
        (back,) = buffer.unpack("<i", offset_bytes)
        start = offset_bytes - int(back)
        (size_bytes,) = buffer.unpack("<H", start)
        slots = (int(size_bytes) - 4) // 2
        if slots < 0:
            raise FlatbufferError(f"the table at byte {offset_bytes} has no fields' offsets")
        self._fields = buffer.unpack(f"<{slots}H", start + 4)

    def has(self, slot: int, /) -> bool:
        """Return whether a field is written."""
        return bool(self._place(slot))

    def integer(self, slot: int, form: str, default: int = 0, /) -> int:
        """Return a field that is an integer; ``form`` as in ``struct``."""
        place = self._place(slot)
        return int(self.buffer.unpack(f"<{form}", place)[0]) if place else default

    def integers(self, slot: int, form: str, /) -> tuple[int, ...]:
        """Return a field that is a vector of integers; empty when it is not written."""
        return tuple(map(int, self._vector(slot, form)))

    def numbers(self, slot: int, /) -> tuple[float, ...]:
        """Return a field that is a vector of float32; empty when it is not written."""
        return tuple(map(float, self._vector(slot, "f")))

    def text(self, slot: int, default: str = "", /) -> str:
        """Return a field that is a string; bytes that are no UTF-8 are replaced."""
        if not self.has(slot):
            return default
        offset_bytes, size_bytes = self.span(slot)
        self.buffer.spend(size_bytes)
        text = self.buffer.content[offset_bytes : offset_bytes + size_bytes]
        return text.decode("utf-8", errors="replace")

    def span(self, slot: int, /) -> tuple[int, int]:
        """Return where a vector of bytes is in the file, and its length; (0, 0) when absent."""
        place = self._place(slot)
        if not place:
            return 0, 0
        offset_bytes = self.buffer.follow(place)
        (size_bytes,) = self.buffer.unpack("<I", offset_bytes)
        start, size_bytes = offset_bytes + 4, int(size_bytes)
        if start + size_bytes > len(self.buffer.content):
            raise FlatbufferError(f"{size_bytes} bytes from byte {start} reach beyond its end")
        return start, size_bytes

    def table(self, slot: int, /) -> Table | None:
        """Return a field that is a table; None when it is not written."""
        place = self._place(slot)
        return Table(self.buffer, self.buffer.follow(place)) if place else None

    def tables(self, slot: int, /) -> list[Table]:
        """Return a field that is a vector of tables; empty when it is not written."""
        place = self._place(slot)
        if not place:
            return []
        offset_bytes = self.buffer.follow(place)
        distances = self._vector(slot, "I")
        return [
            Table(self.buffer, offset_bytes + 4 * index + int(distance))
            for index, distance in enumerate(distances, start=1)
        ]

    def _place(self, slot: int) -> int:
        """Return where a field is in the file, 0 when it is not written."""
        offset_bytes = int(self._fields[slot]) if slot < len(self._fields) else 0
        return self.offset_bytes + offset_bytes if offset_bytes else 0

    def _vector(self, slot: int, form: str) -> tuple[int | float, ...]:
        place = self._place(slot)
        if not place:
            return ()
        offset_bytes = self.buffer.follow(place)
        (count,) = self.buffer.unpack("<I", offset_bytes)
        return self.buffer.unpack(f"<{int(count)}{form}", offset_bytes + 4)
