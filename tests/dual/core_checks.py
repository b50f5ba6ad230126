"""What device/core must do alike under CPython and MicroPython.

Each ``check_`` function asserts, and returns text that must be the same under both. Only what both
interpreters have is used here: no pytest, no typing, no f-string tricks.
"""

import sys
from hashlib import sha256

from device.core import messages
from device.core.errors import (
    CoreError,
    FrameError,
    MessageError,
    TransferRefusedError,
    TransferTimeoutError,
)
from device.core.frame import MAX_PAYLOAD, FrameDecoder, encode
from device.core.messages import Chunk, Offer, Query, Samples, Segment, Status, Want, decode
from device.core.transfer import (
    PROVEN,
    QUIET_US,
    STARTED,
    ChunkStore,
    Receiver,
    Sender,
)

DOC = "docs/PROTOCOL.md"
DIGEST = bytes(range(32))
PREFIX = DIGEST[: messages.PREFIX_BYTES]


class Noise:
    """Numbers that look random and are the same everywhere.

    Source: Marsaglia, Xorshift RNGs, Journal of Statistical Software 8(14), 2003.
    """

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        """Return a number from 0 up to but without ``limit``."""
        x = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return x % limit

    def bytes(self, size: int) -> bytes:
        """Return so many bytes, every fourth a zero."""
        return bytes([self.below(4) and self.below(256) for _ in range(size)])


class Store(ChunkStore):
    """Keeps a file in memory, and what it has of it through restarts."""

    def __init__(self) -> None:
        self.offer: "Offer | None" = None
        self.data = bytearray()
        self.held = bytearray()

    def begin(self, offer: Offer) -> bytearray:
        """Go on with the same offer, or begin anew."""
        if self.offer != offer:
            self.offer = offer
            self.data = bytearray(offer.size_bytes)
            self.held = bytearray((offer.chunk_count + 7) // 8)
        return bytearray(self.held)

    def write(self, index: int, data: bytes) -> None:
        """Keep one chunk."""
        assert self.offer is not None
        start = index * self.offer.chunk_bytes
        self.data[start : start + len(data)] = data
        self.held[index >> 3] |= 1 << (index & 7)


def refusal(call: "object", *arguments: object) -> str:
    """Return the message of the CoreError that a call ends with."""
    try:
        call(*arguments)  # type: ignore[operator]
    except CoreError as error:
        return str(error)
    raise AssertionError("it was not refused")


def hexed(data: "bytes | bytearray") -> str:
    """Return bytes as hexadecimal digits."""
    return "".join([f"{byte:02x}" for byte in data])


def digest_of(texts: "list[str]") -> str:
    """Return one digest of many lines."""
    return hexed(sha256("\n".join(texts).encode()).digest())


def examples() -> "list[bytes]":
    """Return the hexadecimal blocks of docs/PROTOCOL.md."""
    found = []
    digits: "list[str] | None" = None
    with open(DOC, encoding="utf-8") as file:  # noqa: PTH123 - MicroPython has no pathlib
        for line in file:
            if line.startswith("```hex"):
                digits = []
            elif line.startswith("```") and digits is not None:
                words = "".join(digits)
                found.append(bytes([int(words[at : at + 2], 16) for at in range(0, len(words), 2)]))
                digits = None
            elif digits is not None:
                digits.append("".join(line.split()))
    return found


def check_the_examples_of_the_document_decode() -> str:
    """Payload, its frame, and one example per message."""
    payload, framed, *others = examples()
    assert encode(payload) == framed
    assert FrameDecoder().feed(framed) == [payload]
    names = []
    for example in others:
        message = decode(example)
        assert message.encode() == example
        names.append(message.NAME)
    return " ".join(names)


def check_frames_come_back_from_any_stream_of_pieces() -> str:
    """With noise between them, cut anywhere."""
    noise = Noise(7)
    sent = []
    stream = b""
    for _ in range(40):
        payload = noise.bytes(1 + noise.below(MAX_PAYLOAD))
        sent.append(payload)
        stream += noise.bytes(noise.below(20)) + b"\0" + encode(payload)
    decoder = FrameDecoder()
    got = []
    at = 0
    while at < len(stream):
        size = 1 + noise.below(700)
        got += decoder.feed(stream[at : at + size])
        at += size
    assert got == sent
    return (
        f"{decoder.frames} {decoder.crc_errors} {decoder.cobs_errors} {digest_of([hexed(stream)])}"
    )


def check_a_damaged_frame_costs_no_other() -> str:
    """Each of its bytes altered or lost in turn."""
    decoder = FrameDecoder()
    good = encode(b"the one that follows")
    framed = encode(b"\x13\0\0\0 and something longer than a query")
    for place in range(len(framed) - 1):
        for wrong in (
            framed[:place] + bytes([framed[place] ^ 0x55]) + framed[place + 1 :],
            framed[:place] + framed[place + 1 :],
        ):
            assert decoder.feed(wrong + b"\0" + good)[-1] == b"the one that follows"
    return f"{decoder.frames} {decoder.crc_errors} {decoder.cobs_errors} {decoder.oversize}"


def check_what_is_no_frame_is_refused() -> str:
    """Nothing, too much, and text."""
    texts = [refusal(encode, b""), refusal(encode, bytes(MAX_PAYLOAD + 1))]
    assert isinstance(FrameError(0, 1), ValueError)
    decoder = FrameDecoder()
    assert decoder.feed(b"login: root\r\n" * 200 + b"\0" + encode(b"x")) == [b"x"]
    assert decoder.oversize == 1
    return digest_of(texts)


def check_messages_come_back_from_their_payloads() -> str:
    """Fields at their limits."""
    texts = []
    for message in (
        Samples(255, 2, 0xFFFFFFFF, -messages.MAX_BASE_TIME_NS, bytes(range(24))),
        Segment(0xFFFF),
        Offer(messages.MAX_CHUNK, 0xFFFFFFFF, DIGEST, DIGEST),
        Offer(messages.MIN_CHUNK, 1, DIGEST, bytes(reversed(DIGEST)), bytes(31) + b"\1"),
        Want(0xFFFFFFFF, 10, PREFIX, b"\x05\x02"),
        Chunk(0xFFFFFFFF, PREFIX, bytes(messages.MAX_CHUNK)),
        Query(),
        Status(6, 0xFFFF, 7, messages.MAX_SEQUENCE, DIGEST, DIGEST, PREFIX, "kühl"),
    ):
        payload = message.encode()
        again = decode(payload)
        assert again == message
        assert isinstance(again, type(message))
        texts.append(hexed(payload))
        for size in range(len(payload)):
            refusal(decode, payload[:size])
        refusal(decode, payload + b"\0")
    return digest_of(texts)


def check_fields_out_of_range_are_refused_in_the_same_words() -> str:
    """Of constructors, where MicroPython's struct would cut off in silence."""
    texts = [
        refusal(Segment, -1),
        refusal(Segment, 0x10000),
        refusal(Offer, 63, 1, DIGEST, DIGEST),
        refusal(Offer, 64, 0x100000000, DIGEST, DIGEST),
        refusal(Offer, 64, 1, DIGEST[:31], DIGEST),
        refusal(Offer, 64, 1, DIGEST, bytes(reversed(DIGEST))),
        refusal(Want, 0, 65, PREFIX, bytes(9)),
        refusal(Want, 0, 3, PREFIX, b"\x08"),
        refusal(Chunk, 0, PREFIX, b""),
        refusal(Status, 7, 0, 0, 0, DIGEST, DIGEST, PREFIX, ""),
        refusal(Status, 0, 0, 0, messages.MAX_SEQUENCE + 1, DIGEST, DIGEST, PREFIX, ""),
        refusal(Status, 0, 0, 0, 0, DIGEST, DIGEST, PREFIX, "x" * (messages.MAX_TEXT + 1)),
        refusal(decode, b""),
        refusal(decode, b"\xff"),
    ]
    assert isinstance(MessageError("x", "y"), ValueError)
    return "\n".join(texts)


def check_any_bytes_are_a_message_or_refused() -> str:
    """Random ones, and good ones with a bit turned."""
    noise = Noise(11)
    good = [example for example in examples()[2:] if example]
    outcomes = []
    for _ in range(2000):
        payload = bytearray(good[noise.below(len(good))])
        payload[noise.below(len(payload))] ^= 1 << noise.below(8)
        try:
            outcomes.append(repr(decode(bytes(payload))))
        except MessageError as error:
            outcomes.append(str(error))
    return digest_of(outcomes)


def check_a_text_is_cut_between_characters() -> str:
    """At most MAX_TEXT bytes of UTF-8."""
    cut = messages.bounded_text("a" + "é" * messages.MAX_TEXT)
    assert len(cut.encode()) == messages.MAX_TEXT - 1
    return hexed(cut.encode())


def transfer(seed: int, size: int, loss: int, restarts: "tuple[int, ...]") -> str:
    """Send a file over a line that loses one message of ``loss``; returns what happened.

    Args:
        seed: of what is lost.
        size: of the file in bytes.
        loss: 0: nothing.
        restarts: chunks received after which the board forgets everything but its store.
    """
    noise = Noise(seed)
    data = noise.bytes(size)
    digest = sha256(data).digest()
    sender = Sender(
        Offer(messages.MIN_CHUNK, size, digest, digest), data, timeout_us=100_000, max_attempts=50
    )
    store = Store()
    receiver = Receiver(store, 1_000_000)
    waiting = list(restarts)
    log = []
    now_us = 0
    while not sender.is_done:
        now_us += 1000
        assert now_us < 1_000_000_000
        message = sender.next_message(now_us)
        if message is None:
            continue
        log.append(message.NAME)
        if loss and noise.below(loss) == 0:
            continue
        replies = receiver.handle(decode(message.encode()), now_us)
        if receiver.phase == messages.VERIFYING and sha256(store.data).digest() == digest:
            replies.append(receiver.finish(messages.OK))
            replies.append(receiver.advance(STARTED))
            receiver.active_digest = digest
            replies.append(receiver.advance(PROVEN))
        if waiting and receiver.received_count >= waiting[0]:
            waiting.pop(0)
            receiver = Receiver(store, 1_000_000)
            replies = []
        for reply in replies:
            log.append(reply.NAME)
            if not loss or noise.below(loss):
                sender.handle(decode(reply.encode()), now_us)
    assert bytes(store.data) == data
    return f"{sender.sent_count} of {sender.offer.chunk_count} in {now_us} us {digest_of(log)}"


def check_a_transfer_over_a_good_line() -> str:
    """Every chunk is sent once."""
    outcome = transfer(1, 64 * 100 + 1, 0, ())
    assert outcome.startswith("101 of 101 ")
    return outcome


def check_a_transfer_over_a_line_that_loses_every_fifth_message() -> str:
    """It ends all the same."""
    return transfer(2, 64 * 150, 5, ())


def check_a_transfer_through_restarts_of_the_board() -> str:
    """At every 10 %: no more than a window is sent again each time."""
    outcome = transfer(3, 64 * 200, 0, tuple(range(20, 200, 20)))
    sent = int(outcome.split()[0])
    assert sent <= 200 + 9 * messages.WINDOW_CHUNKS
    return outcome


def check_refusals_of_a_transfer() -> str:
    """Too large, busy, wrong base, silence."""
    receiver = Receiver(Store(), 1000)
    other = bytes(reversed(DIGEST))
    texts = []
    for offer, now_us in (
        (Offer(64, 2000, DIGEST, DIGEST), 0),
        (Offer(64, 900, DIGEST, other, bytes(31) + b"\1"), 0),
        (Offer(64, 900, DIGEST, DIGEST), 0),
        (Offer(64, 800, other, other), QUIET_US - 1),
        (Offer(64, 800, other, other), QUIET_US),
    ):
        replies = receiver.handle(offer, now_us)
        texts += [repr(reply) for reply in replies]
    sender = Sender(Offer(64, 64, DIGEST, DIGEST), bytes(64), timeout_us=1, max_attempts=2)
    try:
        for now_us in range(10):
            sender.next_message(now_us)
    except TransferTimeoutError as error:
        texts.append(str(error))
    status = Status(0, messages.BAD_SIGNATURE, 0, 0, other, DIGEST, PREFIX, "who?")
    try:
        sender.handle(status, 0)
    except TransferRefusedError as error:
        texts.append(str(error))
    assert len(texts) == 7
    return "\n".join(texts)


def checks() -> "dict[str, object]":
    """Return the checks by their names."""
    return {name: value for name, value in globals().items() if name.startswith("check_")}


def main(names: "list[str]") -> None:
    """Run the named checks and print what each returned, one line each."""
    for name in names:
        outcome = globals()[name]()
        sys.stdout.write(name + " " + repr(outcome) + "\n")
