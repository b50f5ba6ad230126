"""Any bytes are a model or a typed error, whatever is changed in a sound file."""

from hypothesis import given
from hypothesis import strategies as st

from tests.toolkit.tflite.models import dense, with_metadata, with_reshape
from toolkit.tflite.errors import TfliteError
from toolkit.tflite.graph import parse

SOUND = with_metadata(with_reshape(dense()), "author", b"we")


@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=4)), max_size=6
    ),
    end=st.integers(0, len(SOUND)),
)
def test_a_changed_file_is_read_or_refused(changes: list[tuple[int, bytes]], end: int) -> None:
    content = bytearray(SOUND)
    for place, values in changes:
        content[place : place + len(values)] = values
    for candidate in (bytes(content), bytes(content[:end])):
        try:
            model = parse(candidate)
        except TfliteError:
            continue
        for span in filter(None, model.buffers):
            assert len(model.data(span)) == span.size_bytes


@given(content=st.binary(max_size=200))
def test_any_bytes_behind_the_identifier_are_read_or_refused(content: bytes) -> None:
    try:
        parse(content[:4].ljust(4, b"\0") + b"TFL3" + content[4:])
    except TfliteError:
        pass
    else:
        raise AssertionError("random bytes are no model")
