"""The work that a hostile file can ask for is bounded."""

import struct

import pytest

from toolkit.tflite.flatbuffer import Flatbuffer, FlatbufferError

_VECTOR_LENGTH = 1000
_TABLE_COUNT = 2000


def _shared_vector() -> bytes:
    """Return a root table whose first field lists one table many times; that one has a vector."""
    content = bytearray(struct.pack("<I", 16) + b"TEST")
    content += struct.pack("<HHHH", 6, 8, 4, 0)  # at 8: where the one field of a table is
    content += struct.pack("<iI", 8, 4)  # at 16: the root, its field leads to 24
    child = 24 + 4 + 4 * _TABLE_COUNT
    content += struct.pack("<I", _TABLE_COUNT)
    for index in range(_TABLE_COUNT):
        content += struct.pack("<I", child - (28 + 4 * index))
    content += struct.pack("<iI", child - 8, 4)
    content += struct.pack("<I", _VECTOR_LENGTH) + bytes(4 * _VECTOR_LENGTH)
    return bytes(content)


def test_a_vector_that_many_tables_share_is_not_read_for_ever() -> None:
    children = Flatbuffer(_shared_vector(), identifier=b"TEST").root().tables(0)

    assert len(children) == _TABLE_COUNT
    assert len(children[0].integers(0, "i")) == _VECTOR_LENGTH
    with pytest.raises(FlatbufferError, match="refer to one another too often"):
        _ = [child.integers(0, "i") for child in children]


def test_the_number_of_tables_is_bounded() -> None:
    buffer = Flatbuffer(_shared_vector() + bytes(1 << 24), identifier=b"TEST")
    root = buffer.root()

    with pytest.raises(FlatbufferError, match="more than 1048576 tables"):
        _ = [root.tables(0) for _ in range((1 << 20) // _TABLE_COUNT + 1)]


def test_a_field_that_is_not_written_has_its_default() -> None:
    root = Flatbuffer(_shared_vector(), identifier=b"TEST").root()

    assert root.integer(7, "i", 3) == 3
    assert root.integers(7, "i") == ()
    assert root.text(7, "none") == "none"
    assert root.table(7) is None
    assert root.tables(7) == []
    assert root.span(7) == (0, 0)
    assert not root.has(7)


def test_a_length_beyond_the_end_is_refused() -> None:
    content = _shared_vector()

    with pytest.raises(FlatbufferError):
        Flatbuffer(content[:-1], identifier=b"TEST").root().tables(0)[0].integers(0, "i")
