"""Messages: every field checked, one encoding each, any bytes give a message or a MessageError."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.core import messages
from device.core.errors import MessageError
from device.core.frame import MAX_PAYLOAD
from device.core.messages import (
    NO_DIGEST,
    Chunk,
    Message,
    Offer,
    Query,
    Samples,
    Segment,
    Status,
    Want,
    bounded_text,
    decode,
)

DIGEST = bytes(range(32))
LETTERS = "a é€😀"  # 1 to 4 bytes of UTF-8 each
u32 = st.integers(0, 0xFFFFFFFF)
prefixes = st.binary(min_size=8, max_size=8)
digests = st.binary(min_size=32, max_size=32)


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    fields = draw(st.integers(1, 20))
    count = draw(st.integers(1, messages.max_records(fields)))
    size = count * messages.record_bytes(fields)
    base = draw(st.integers(-messages.MAX_BASE_TIME_NS, messages.MAX_BASE_TIME_NS))
    records = (draw(st.binary(min_size=1, max_size=40)) * size)[:size]
    return Samples(draw(st.integers(0, 255)), fields, draw(u32), base, records)


@st.composite
def wants(draw: st.DrawFn) -> Want:
    bit_count = draw(st.integers(1, messages.WINDOW_CHUNKS))
    bits = draw(st.integers(0, (1 << bit_count) - 1))
    bitmap = bits.to_bytes((bit_count + 7) // 8, "little")
    return Want(draw(u32), bit_count, draw(prefixes), bitmap)


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    text = bounded_text(draw(st.text(LETTERS, max_size=300)))
    phase = draw(st.integers(0, len(messages.PHASE_NAMES) - 1))
    code = draw(st.integers(0, 0xFFFF))
    sequence = draw(st.integers(0, messages.MAX_SEQUENCE))
    return Status(
        phase, code, draw(u32), sequence, draw(digests), draw(digests), draw(prefixes), text
    )


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    chunk_bytes = draw(st.integers(messages.MIN_CHUNK, messages.MAX_CHUNK))
    digest, bundle_digest, base_digest = draw(
        st.lists(digests, min_size=3, max_size=3, unique=True)
    )
    if base_digest == NO_DIGEST or draw(st.booleans()):
        return Offer(chunk_bytes, draw(st.integers(1, 0xFFFFFFFF)), digest, digest)
    return Offer(chunk_bytes, draw(st.integers(1, 0xFFFFFFFF)), digest, bundle_digest, base_digest)


any_message = st.one_of(
    samples(),
    st.builds(Segment, st.integers(0, 0xFFFF)),
    offers(),
    wants(),
    st.builds(Chunk, u32, prefixes, st.binary(min_size=1, max_size=messages.MAX_CHUNK)),
    st.just(Query()),
    statuses(),
)


@given(any_message)
def test_a_message_comes_back_from_its_payload(message: Message) -> None:
    again = decode(message.encode())

    assert type(again) is type(message)
    assert again == message


@given(st.binary(max_size=1100))
def test_any_bytes_are_a_message_or_a_message_error(payload: bytes) -> None:
    try:
        message = decode(payload)
    except MessageError:
        return
    assert message.encode() == payload


@given(any_message, st.data())
def test_an_altered_message_is_a_message_or_a_message_error(
    message: Message, data: st.DataObject
) -> None:
    payload = bytearray(message.encode())
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = decode(bytes(payload))
    except MessageError:
        return
    assert again.encode() == payload


@given(any_message, st.data())
def test_a_message_cut_short_or_made_longer_is_refused(
    message: Message, data: st.DataObject
) -> None:
    payload = message.encode()
    cut = data.draw(st.integers(0, len(payload) - 1))

    for wrong in (payload[:cut], payload + b"\0"):
        with pytest.raises(MessageError):
            decode(wrong)


@pytest.mark.parametrize(
    ("payload", "offset"),
    [
        (Segment(7).encode(), 1),
        (Offer(64, 100, DIGEST, DIGEST).encode(), 1),
        (Want(0, 3, DIGEST[:8], b"\7").encode(), 1),
        (Chunk(0, DIGEST[:8], b"x").encode(), 1),
        (Query().encode(), 1),
        (Query().encode(), 3),
    ],
)
def test_a_reserved_byte_that_is_not_zero_is_refused(payload: bytes, offset: int) -> None:
    altered = bytearray(payload)
    altered[offset] = 1

    with pytest.raises(MessageError, match="reserved"):
        decode(bytes(altered))


def test_the_records_of_samples_are_a_view_into_the_payload() -> None:
    record = struct.pack("<I2f", 5, 1.5, -2.0)

    message = decode(Samples(3, 2, 9, 10**18, record * 4).encode())

    assert isinstance(message, Samples)
    assert isinstance(message.records, memoryview)
    assert (message.stream, message.fields, message.count, message.seq) == (3, 2, 4, 9)
    assert message.base_time_ns == 10**18
    assert bytes(message.records) == record * 4


def test_samples_whose_count_does_not_match_the_records_are_refused() -> None:
    payload = bytearray(Samples(0, 1, 0, 0, bytes(16)).encode())
    payload[3] = 1

    with pytest.raises(MessageError):
        decode(bytes(payload))


@pytest.mark.parametrize(
    ("fields", "base_time_ns", "records"),
    [
        (0, 0, bytes(4)),
        (1, 0, b""),
        (1, 0, bytes(9)),
        (1, 1 << 62 | 1, bytes(8)),
        (1, 0, bytes(8 * 127)),
        (252, 0, bytes(4 * 253)),
    ],
)
def test_samples_out_of_bounds_are_refused(fields: int, base_time_ns: int, records: bytes) -> None:
    with pytest.raises(MessageError):
        Samples(0, fields, 0, base_time_ns, records)


@pytest.mark.parametrize("fields", [1, 3, 6, 251])
def test_as_many_records_as_promised_fit_one_message(fields: int) -> None:
    size = messages.record_bytes(fields)
    count = messages.max_records(fields)

    assert len(Samples(0, fields, 0, 0, bytes(count * size)).encode()) <= MAX_PAYLOAD
    with pytest.raises(MessageError):
        Samples(0, fields, 0, 0, bytes((count + 1) * size))


def test_the_bits_of_a_want_start_at_the_lowest() -> None:
    want = Want(100, 10, DIGEST[:8], bytes([0b00000101, 0b10]))

    assert want.missing() == [100, 102, 109]


def test_a_want_with_bits_beyond_its_count_is_refused() -> None:
    with pytest.raises(MessageError, match="beyond"):
        Want(0, 3, DIGEST[:8], b"\x08")


def test_an_offer_knows_its_chunks() -> None:
    offer = Offer(100, 201, DIGEST, DIGEST)

    assert offer.chunk_count == 3
    assert [offer.chunk_size(index) for index in range(3)] == [100, 100, 1]


@pytest.mark.parametrize(("chunk_bytes", "size_bytes"), [(63, 1), (1009, 1), (64, 0)])
def test_an_offer_out_of_bounds_is_refused(chunk_bytes: int, size_bytes: int) -> None:
    with pytest.raises(MessageError, match=r"not in") as caught:
        Offer(chunk_bytes, size_bytes, DIGEST, DIGEST)

    assert caught.value.name == "OFFER"


def test_a_status_with_text_that_is_not_utf8_is_refused() -> None:
    payload = Status(0, 0, 0, 0, DIGEST, DIGEST, DIGEST[:8], "é").encode()

    with pytest.raises(MessageError, match="UTF-8"):
        decode(payload[:-2] + b"\xc3\xc3")


def test_a_code_of_a_newer_board_has_a_name_too() -> None:
    assert messages.code_name(messages.BUSY) == "BUSY"
    assert messages.code_name(999) == "code 999"


@given(st.text(LETTERS, max_size=400))
def test_a_reason_is_cut_between_characters(text: str) -> None:
    cut = bounded_text(text)

    assert len(cut.encode()) <= messages.MAX_TEXT
    assert text.startswith(cut)
    assert len(text.encode()) <= messages.MAX_TEXT or len(cut.encode()) > messages.MAX_TEXT - 4


@pytest.mark.parametrize(
    ("bundle_digest", "base_digest"),
    [(DIGEST[::-1], NO_DIGEST), (DIGEST, DIGEST[::-1])],
    ids=["a whole file that makes another bundle", "a delta that makes itself"],
)
def test_an_offer_whose_digests_contradict_one_another_is_refused(
    bundle_digest: bytes, base_digest: bytes
) -> None:
    with pytest.raises(MessageError, match="disagree"):
        Offer(64, 100, DIGEST, bundle_digest, base_digest)


def test_the_topic_of_a_message_is_its_name() -> None:
    assert messages.level_of(Query().encode()[0]) == "upd/query"
    assert messages.level_of(0xFF) == "upd/unknown"
