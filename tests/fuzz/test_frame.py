"""Frames and messages against damage: what comes out was sent, and the next frame is found."""

from typing import Final

import pytest

from device.core.errors import MessageError
from device.core.frame import FrameDecoder, encode
from device.core.messages import (
    Chunk,
    Message,
    Offer,
    Query,
    Samples,
    Segment,
    Status,
    Want,
    decode,
)
from tests.fuzz.mutation import FEW, MANY, run

DIGEST: Final = bytes(range(32))
MESSAGES: Final[list[Message]] = [
    Samples(0, 1, 7, 1 << 40, bytes(range(16))),
    Segment(3),
    Offer(64, 1000, DIGEST),
    Want(3, 12, DIGEST[:8], b"\xff\x0f"),
    Chunk(2, DIGEST[:8], bytes(300)),
    Query(),
    Status(6, 7, 8, 9, DIGEST, DIGEST, DIGEST[:8], "too slow"),
]
PAYLOADS: Final = [message.encode() for message in MESSAGES]
SENT: Final = [*PAYLOADS, bytes(range(1, 256)) * 4]
STREAMS: Final = [*map(encode, SENT), b"console text\n\0" + b"".join(map(encode, PAYLOADS))]
NEXT: Final = b"the next one"


def check_stream(data: bytes) -> bool:
    """Return whether a frame is left of ``data``; the one behind the next zero always is."""
    decoder = FrameDecoder()
    middle = len(data) // 2
    found = decoder.feed(data[:middle]) + decoder.feed(data[middle:])
    *last, behind = decoder.feed(b"\0" + encode(NEXT))
    assert all(payload in SENT for payload in found + last), data.hex()
    assert behind == NEXT, data.hex()
    return bool(found)


def check_message(data: bytes) -> bool:
    """Return whether ``data`` is a message; then it is the one encoding of what was read."""
    try:
        message = decode(data)
    except MessageError:
        return False
    assert message.encode() == data, data.hex()
    return True


@pytest.mark.parametrize("seed", range(2))
def test_frames_out_of_a_damaged_stream_are_those_that_were_sent(seed: int) -> None:
    assert 0 < run(check_stream, STREAMS, inputs=FEW, seed=seed) < FEW / 2


@pytest.mark.parametrize("seed", range(2))
def test_a_mutated_message_is_refused_or_read_as_it_stands(seed: int) -> None:
    assert 0 < run(check_message, PAYLOADS, inputs=FEW, seed=seed) < FEW


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_a_million_damaged_streams(seed: int) -> None:
    assert run(check_stream, STREAMS, inputs=MANY // 2, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_a_million_mutated_messages(seed: int) -> None:
    assert run(check_message, PAYLOADS, inputs=MANY // 2, seed=seed)
