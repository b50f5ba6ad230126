"""Frames: COBS, CRC-32 and the delimiter."""

from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.core.errors import FrameError
from device.core.frame import MAX_ENCODED, MAX_FRAME, MAX_PAYLOAD, FrameDecoder, encode

# Long runs without a zero and long runs of zeros are what COBS treats apart.
payloads = st.one_of(
    st.binary(min_size=1, max_size=MAX_PAYLOAD),
    st.lists(st.sampled_from([b"\0", b"\0" * 40, b"x" * 253, b"y" * 254, b"z" * 255]), min_size=1)
    .map(b"".join)
    .filter(lambda payload: len(payload) <= MAX_PAYLOAD),
)
streams = st.lists(
    st.one_of(payloads.map(encode), st.binary(max_size=40), st.just(b"\0"), st.just(b"a" * 1100)),
    max_size=8,
).map(b"".join)


def counters(decoder: FrameDecoder) -> tuple[int, int, int, int]:
    return decoder.frames, decoder.crc_errors, decoder.cobs_errors, decoder.oversize


def slow_cobs(raw: bytes) -> bytes:
    """The algorithm of the paper, byte by byte."""
    out, block = bytearray(), bytearray()
    for byte in raw:
        if byte:
            block.append(byte)
        if byte == 0 or len(block) == 254:
            out += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(out + bytes([len(block) + 1]) + block)


@given(payloads)
def test_a_payload_comes_back_from_its_frame(payload: bytes) -> None:
    frame = encode(payload)

    assert FrameDecoder().feed(frame) == [payload]
    assert frame.index(0) == len(frame) - 1
    assert len(frame) <= MAX_FRAME


@given(payloads)
def test_the_encoder_agrees_with_the_algorithm_of_the_paper(payload: bytes) -> None:
    raw = payload + crc32(payload).to_bytes(4, "little")

    assert encode(payload) == slow_cobs(raw) + b"\0"


@pytest.mark.parametrize("size", [0, MAX_PAYLOAD + 1])
def test_a_payload_of_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(FrameError) as caught:
        encode(bytes(size))

    assert caught.value.size_bytes == size
    assert caught.value.limit_bytes == MAX_PAYLOAD


@given(streams, st.data())
def test_splitting_the_input_changes_neither_payloads_nor_counters(
    stream: bytes, data: st.DataObject
) -> None:
    whole = FrameDecoder()
    expected = whole.feed(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    split = FrameDecoder()

    got = [
        payload
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for payload in split.feed(stream[start:stop])
    ]

    assert got == expected
    assert counters(split) == counters(whole)


def test_byte_by_byte_gives_the_same_frames() -> None:
    stream = b"".join(encode(bytes(range(n))) for n in range(1, 200))
    decoder = FrameDecoder()

    got = [payload for byte in stream for payload in decoder.feed(bytes([byte]))]

    assert got == [bytes(range(n)) for n in range(1, 200)]


@given(payloads, st.data())
def test_a_flipped_bit_drops_the_frame_and_is_counted(payload: bytes, data: st.DataObject) -> None:
    frame = bytearray(encode(payload))
    bit = data.draw(st.integers(0, 8 * (len(frame) - 1) - 1))
    frame[bit >> 3] ^= 1 << (bit & 7)
    decoder = FrameDecoder()

    got = decoder.feed(bytes(frame))

    # Rarely the flip makes a zero: then the frame falls into two, each damaged or empty.
    assert got == []
    assert decoder.frames == 0
    assert decoder.crc_errors + decoder.cobs_errors >= 1


@given(st.binary(max_size=2000), payloads, payloads)
def test_garbage_costs_at_most_the_frame_it_runs_into(
    garbage: bytes, first: bytes, second: bytes
) -> None:
    decoder = FrameDecoder()

    got = decoder.feed(garbage + encode(first) + encode(second))

    assert got[-1] == second


@given(payloads, st.integers(0, MAX_FRAME))
def test_a_receiver_that_joins_in_the_middle_gets_the_next_frame(payload: bytes, at: int) -> None:
    decoder = FrameDecoder()

    got = decoder.feed(encode(payload)[at:] + encode(b"next"))

    assert got[-1] == b"next"


@pytest.mark.parametrize("size", [MAX_ENCODED + 1, 5 * MAX_FRAME])
@pytest.mark.parametrize("step", [1, 100, 10**6])
def test_an_endless_frame_is_counted_once_and_not_held(size: int, step: int) -> None:
    decoder = FrameDecoder()
    stream = b"\x01" * size

    for start in range(0, size, step):
        decoder.feed(stream[start : start + step])

    assert decoder.oversize == 1
    assert decoder.feed(b"\0" + encode(b"after")) == [b"after"]
    assert counters(decoder) == (1, 0, 0, 1)


def test_a_good_frame_longer_than_a_sender_may_make_is_oversize() -> None:
    payload = bytes(range(1, 201)) * 5 + b"\0" + bytes(27)
    raw = payload[: MAX_PAYLOAD + 1] + crc32(payload[: MAX_PAYLOAD + 1]).to_bytes(4, "little")
    decoder = FrameDecoder()

    assert decoder.feed(slow_cobs(raw) + b"\0") == []
    assert counters(decoder) == (0, 0, 0, 1)


def test_zero_bytes_in_a_row_are_neither_frames_nor_errors() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(b"\0\0\0" + encode(b"one") + b"\0\0") == [b"one"]
    assert counters(decoder) == (1, 0, 0, 0)


def test_a_frame_without_room_for_a_payload_is_malformed() -> None:
    decoder = FrameDecoder()

    assert decoder.feed(slow_cobs(bytes(4)) + b"\0") == []
    assert counters(decoder) == (0, 0, 1, 0)


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_give_payloads_within_the_limits(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()

    for piece in pieces:
        assert all(0 < len(payload) <= MAX_PAYLOAD for payload in decoder.feed(piece))
