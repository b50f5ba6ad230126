"""The messages inside the frames: the whole wire, bit by bit as docs/PROTOCOL.md says.

Rules:
 * All integers are little-endian; the first byte of a payload is the message's type.
 * A message object is always valid: its constructor checks every field, for senders and receivers
   alike, because MicroPython's struct cuts off what does not fit without a word.
 * Bytes from outside become a message or a MessageError, never anything else; a message has
   exactly one encoding.
"""

import struct

from device.core.errors import MessageError
from device.core.frame import MAX_PAYLOAD

SAMPLES, SEGMENT = 0x01, 0x02
OFFER, WANT, CHUNK, QUERY, STATUS = range(0x10, 0x15)

PHASE_NAMES = ("IDLE", "RECEIVING", "VERIFYING", "STAGED", "TRIAL", "CONFIRMED", "ROLLED_BACK")
IDLE, RECEIVING, VERIFYING, STAGED, TRIAL, CONFIRMED, ROLLED_BACK = range(len(PHASE_NAMES))

CODE_NAMES = (
    "OK",
    "WRONG_PHASE",
    "BUSY",
    "TOO_LARGE",
    "NO_SPACE",
    "STORE_FAILED",
    "BAD_DIGEST",
    "BAD_BUNDLE",
    "BAD_FLOW",
    "BAD_MODEL",
    "WRONG_BOARD",
    "UNHEALTHY",
    "BAD_SIGNATURE",
    "OLD_SEQUENCE",
    "WRONG_BASE",
)
OK, WRONG_PHASE, BUSY, TOO_LARGE, NO_SPACE, STORE_FAILED = range(6)
BAD_DIGEST, BAD_BUNDLE, BAD_FLOW, BAD_MODEL, WRONG_BOARD, UNHEALTHY = range(6, 12)
BAD_SIGNATURE, OLD_SEQUENCE, WRONG_BASE = range(12, 15)

DIGEST_BYTES = 32  # SHA-256 of a whole file
PREFIX_BYTES = 8  # of the digest: enough to tell one transfer from another
MIN_CHUNK = 64  # keeps the receiver's bitmap below 1/512 of the bundle
MAX_CHUNK = MAX_PAYLOAD - 16
WINDOW_CHUNKS = 64  # a WANT asks for at most so many
MAX_TEXT = 200
MAX_SEQUENCE = 2**63 - 1
MAX_FIELDS = (MAX_PAYLOAD - 16) // 4 - 1  # one record of SAMPLES still fits
MAX_BASE_TIME_NS = 1 << 62  # either sign: base + offset never leaves int64

NO_DIGEST = bytes(DIGEST_BYTES)
NO_PREFIX = bytes(PREFIX_BYTES)


def code_name(code: int) -> str:
    """Return the name of an error code; a newer board may send one that is not in the table."""
    return CODE_NAMES[code] if code < len(CODE_NAMES) else f"code {code}"


def record_bytes(fields: int) -> int:
    """Return the size of one record of SAMPLES: offset_ns and ``fields`` float32 values."""
    return 4 + 4 * fields


def max_records(fields: int) -> int:
    """Return how many records of ``fields`` values fit one SAMPLES message."""
    return min(255, (MAX_PAYLOAD - Samples.HEADER_BYTES) // record_bytes(fields))


def bounded_text(text: str) -> str:
    """Return ``text`` cut to MAX_TEXT bytes of UTF-8, between characters."""
    encoded = text.encode("utf-8", "replace")
    size = min(len(encoded), MAX_TEXT)
    while size < len(encoded) and encoded[size] & 0xC0 == 0x80:
        size -= 1
    return encoded[:size].decode()


class Message:
    """What every message has; two are equal when their bytes are.

    Attributes:
        TYPE: first byte.
        NAME: as in docs/PROTOCOL.md.
        LAYOUT: struct format of the fixed part.
        HEADER_BYTES: size of the fixed part.
    """

    __slots__ = ()
    TYPE = 0
    NAME = "message"
    LAYOUT = "<B"
    HEADER_BYTES = 1

    def encode(self) -> bytes:
        """Return the payload for one frame."""
        return struct.pack(self.LAYOUT, self.TYPE, *self._fixed()) + self._tail()

    @classmethod
    def _parse(cls, payload: bytes) -> "Message":
        raise NotImplementedError

    def _fixed(self) -> "tuple[object, ...]":
        return ()

    def _tail(self) -> bytes:
        return b""

    def __eq__(self, other: object) -> bool:
        """Compare by bytes."""
        return isinstance(other, Message) and self.encode() == other.encode()

    def __repr__(self) -> str:
        """Show the name and the bytes."""
        return f"<{self.NAME} {self.encode().hex()}>"

    def _require_range(self, field: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            raise MessageError(self.NAME, f"{field} {value} is not in {low}..{high}")

    def _require_size(self, field: str, value: "bytes | memoryview", size: int) -> None:
        if len(value) != size:
            raise MessageError(self.NAME, f"{field} has {len(value)} bytes, not {size}")


class Samples(Message):
    """Samples of one stream of the flow, in any order.

    Attributes:
        stream: index of the stream in the flow.
        fields: values per sample.
        count: number of records.
        seq: number of this message in its stream, wraps at 2**32; a gap counts lost messages.
        base_time_ns: added to every record's offset.
        records: ``count`` records of u32 offset_ns and ``fields`` float32; a view when parsed.
    """

    __slots__ = ("base_time_ns", "count", "fields", "records", "seq", "stream")
    TYPE = SAMPLES
    NAME = "SAMPLES"
    LAYOUT = "<BBBBIq"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(
        self, stream: int, fields: int, seq: int, base_time_ns: int, records: "bytes | memoryview"
    ) -> None:
        """Check and keep the fields; ``count`` follows from the records."""
        self._require_range("stream", stream, 0, 0xFF)
        self._require_range("fields", fields, 1, MAX_FIELDS)
        self._require_range("seq", seq, 0, 0xFFFFFFFF)
        self._require_range("base_time_ns", base_time_ns, -MAX_BASE_TIME_NS, MAX_BASE_TIME_NS)
        self.count = len(records) // record_bytes(fields)
        self._require_range("count", self.count, 1, max_records(fields))
        self._require_size("records", records, self.count * record_bytes(fields))
        self.stream = stream
        self.fields = fields
        self.seq = seq
        self.base_time_ns = base_time_ns
        self.records = records

    @classmethod
    def _parse(cls, payload: bytes) -> "Samples":
        _, stream, fields, _, seq, base_time_ns = struct.unpack_from(cls.LAYOUT, payload)
        return cls(stream, fields, seq, base_time_ns, memoryview(payload)[cls.HEADER_BYTES :])

    def _fixed(self) -> "tuple[object, ...]":
        return self.stream, self.fields, self.count, self.seq, self.base_time_ns

    def _tail(self) -> bytes:
        return bytes(self.records)


class Segment(Message):
    """The sender starts a new recording; everything before is complete.

    Attributes:
        number: of the recording, wraps at 2**16.
    """

    __slots__ = ("number",)
    TYPE = SEGMENT
    NAME = "SEGMENT"
    LAYOUT = "<BxH"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(self, number: int) -> None:
        """Check and keep the number."""
        self._require_range("number", number, 0, 0xFFFF)
        self.number = number

    @classmethod
    def _parse(cls, payload: bytes) -> "Segment":
        _, number = struct.unpack_from(cls.LAYOUT, payload)
        return cls(number)

    def _fixed(self) -> "tuple[object, ...]":
        return (self.number,)


class Offer(Message):
    """The host has a bundle for the board.

    Attributes:
        chunk_bytes: size of every chunk but the last.
        size_bytes: of the file that is sent: a whole bundle or a delta.
        digest: SHA-256 of that file.
        bundle_digest: of the whole bundle that the board then runs; the file's own if it is whole.
        base_digest: of the whole bundle that a delta applies to; NO_DIGEST for a whole bundle.
    """

    __slots__ = ("base_digest", "bundle_digest", "chunk_bytes", "digest", "size_bytes")
    TYPE = OFFER
    NAME = "OFFER"
    LAYOUT = "<BxHI32s32s32s"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(
        self,
        chunk_bytes: int,
        size_bytes: int,
        digest: bytes,
        bundle_digest: bytes = b"",
        base_digest: bytes = NO_DIGEST,
    ) -> None:
        """Check and keep the fields; without ``bundle_digest`` the file is a whole bundle."""
        bundle_digest = bundle_digest or digest
        self._require_range("chunk_bytes", chunk_bytes, MIN_CHUNK, MAX_CHUNK)
        self._require_range("size_bytes", size_bytes, 1, 0xFFFFFFFF)
        for field, value in (
            ("digest", digest),
            ("bundle_digest", bundle_digest),
            ("base_digest", base_digest),
        ):
            self._require_size(field, value, DIGEST_BYTES)
        if (base_digest == NO_DIGEST) != (bundle_digest == digest):
            raise MessageError(self.NAME, "base_digest and bundle_digest disagree on a delta")
        self.chunk_bytes = chunk_bytes
        self.size_bytes = size_bytes
        self.digest = digest
        self.bundle_digest = bundle_digest
        self.base_digest = base_digest

    @property
    def digest_prefix(self) -> bytes:
        """The part of the digest that the other messages of the transfer carry."""
        return self.digest[:PREFIX_BYTES]

    @property
    def chunk_count(self) -> int:
        """Number of chunks, the last one included."""
        return (self.size_bytes + self.chunk_bytes - 1) // self.chunk_bytes

    def chunk_size(self, index: int) -> int:
        """Return the size of one chunk in bytes; only the last one may be shorter."""
        return min(self.chunk_bytes, self.size_bytes - index * self.chunk_bytes)

    @classmethod
    def _parse(cls, payload: bytes) -> "Offer":
        return cls(*struct.unpack_from(cls.LAYOUT, payload)[1:])

    def _fixed(self) -> "tuple[object, ...]":
        return (
            self.chunk_bytes,
            self.size_bytes,
            self.digest,
            self.bundle_digest,
            self.base_digest,
        )


class Want(Message):
    """The board's answer to an OFFER and to each half window: which chunks it lacks.

    Attributes:
        first_chunk: chunk of bit 0; every chunk before it has arrived.
        bit_count: chunks that the bitmap speaks of.
        digest_prefix: of the bundle.
        bitmap: bit k, the lowest bit of a byte first, is set when chunk ``first_chunk + k`` lacks.
    """

    __slots__ = ("bit_count", "bitmap", "digest_prefix", "first_chunk")
    TYPE = WANT
    NAME = "WANT"
    LAYOUT = "<BxHI8s"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(
        self, first_chunk: int, bit_count: int, digest_prefix: bytes, bitmap: bytes
    ) -> None:
        """Check and keep the fields."""
        self._require_range("first_chunk", first_chunk, 0, 0xFFFFFFFF)
        self._require_range("bit_count", bit_count, 1, WINDOW_CHUNKS)
        self._require_size("digest_prefix", digest_prefix, PREFIX_BYTES)
        self._require_size("bitmap", bitmap, (bit_count + 7) // 8)
        if bit_count % 8 and bitmap[-1] >> bit_count % 8:
            raise MessageError(self.NAME, "bits set beyond bit_count")
        self.first_chunk = first_chunk
        self.bit_count = bit_count
        self.digest_prefix = digest_prefix
        self.bitmap = bitmap

    def missing(self) -> list[int]:
        """Return the indexes of the chunks that lack, ascending."""
        return [
            self.first_chunk + bit
            for bit in range(self.bit_count)
            if self.bitmap[bit >> 3] >> (bit & 7) & 1
        ]

    @classmethod
    def _parse(cls, payload: bytes) -> "Want":
        _, bit_count, first_chunk, prefix = struct.unpack_from(cls.LAYOUT, payload)
        return cls(first_chunk, bit_count, prefix, payload[cls.HEADER_BYTES :])

    def _fixed(self) -> "tuple[object, ...]":
        return self.bit_count, self.first_chunk, self.digest_prefix

    def _tail(self) -> bytes:
        return self.bitmap


class Chunk(Message):
    """One piece of the bundle; the frame's CRC-32 guards it.

    Attributes:
        index: its place, in chunks.
        digest_prefix: of the bundle.
        data: 1 to MAX_CHUNK bytes.
    """

    __slots__ = ("data", "digest_prefix", "index")
    TYPE = CHUNK
    NAME = "CHUNK"
    LAYOUT = "<BxHI8s"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(self, index: int, digest_prefix: bytes, data: bytes) -> None:
        """Check and keep the fields."""
        self._require_range("index", index, 0, 0xFFFFFFFF)
        self._require_size("digest_prefix", digest_prefix, PREFIX_BYTES)
        self._require_range("data_bytes", len(data), 1, MAX_CHUNK)
        self.index = index
        self.digest_prefix = digest_prefix
        self.data = data

    @classmethod
    def _parse(cls, payload: bytes) -> "Chunk":
        _, _, index, prefix = struct.unpack_from(cls.LAYOUT, payload)
        return cls(index, prefix, payload[cls.HEADER_BYTES :])

    def _fixed(self) -> "tuple[object, ...]":
        return len(self.data), self.index, self.digest_prefix

    def _tail(self) -> bytes:
        return self.data


class Query(Message):
    """Asks for a STATUS."""

    __slots__ = ()
    TYPE = QUERY
    NAME = "QUERY"
    LAYOUT = "<B3x"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    @classmethod
    def _parse(cls, _payload: bytes) -> "Query":
        return cls()


class Status(Message):
    """Where the board's update stands.

    Attributes:
        phase: one of the phases.
        code: OK, or why the last offer or update failed.
        received_count: chunks that arrived.
        sequence: the board's roll-back counter; a bundle with a lower one is refused.
        active_digest: of the bundle that runs, or that is kept while one is on trial; NO_DIGEST
            when there is none.
        trial_digest: of the bundle on trial; NO_DIGEST when there is none.
        offered_prefix: of the file offered last; NO_PREFIX when there is none.
        text: the reason in words, at most MAX_TEXT bytes of UTF-8.
    """

    __slots__ = (
        "active_digest",
        "code",
        "offered_prefix",
        "phase",
        "received_count",
        "sequence",
        "text",
        "trial_digest",
    )
    TYPE = STATUS
    NAME = "STATUS"
    LAYOUT = "<BBHIQ32s32s8sH"
    HEADER_BYTES = struct.calcsize(LAYOUT)

    def __init__(
        self,
        phase: int,
        code: int,
        received_count: int,
        sequence: int,
        active_digest: bytes,
        trial_digest: bytes,
        offered_prefix: bytes,
        text: str,
    ) -> None:
        """Check and keep the fields; an unknown code passes, for a newer board may know more."""
        self._require_range("phase", phase, 0, len(PHASE_NAMES) - 1)
        self._require_range("code", code, 0, 0xFFFF)
        self._require_range("received_count", received_count, 0, 0xFFFFFFFF)
        self._require_range("sequence", sequence, 0, MAX_SEQUENCE)
        self._require_size("active_digest", active_digest, DIGEST_BYTES)
        self._require_size("trial_digest", trial_digest, DIGEST_BYTES)
        self._require_size("offered_prefix", offered_prefix, PREFIX_BYTES)
        self._require_range("text_bytes", len(text.encode()), 0, MAX_TEXT)
        self.phase = phase
        self.code = code
        self.received_count = received_count
        self.sequence = sequence
        self.active_digest = active_digest
        self.trial_digest = trial_digest
        self.offered_prefix = offered_prefix
        self.text = text

    @classmethod
    def _parse(cls, payload: bytes) -> "Status":
        _, phase, code, received_count, sequence, active_digest, trial_digest, prefix, _ = (
            struct.unpack_from(cls.LAYOUT, payload)
        )
        try:
            text: "str | None" = payload[cls.HEADER_BYTES :].decode()
        except UnicodeError:
            text = None
        if text is None:  # not from the handler: MicroPython would print a warning on the wire
            raise MessageError(cls.NAME, "text is not UTF-8")
        return cls(phase, code, received_count, sequence, active_digest, trial_digest, prefix, text)

    def _fixed(self) -> "tuple[object, ...]":
        return (
            self.phase,
            self.code,
            self.received_count,
            self.sequence,
            self.active_digest,
            self.trial_digest,
            self.offered_prefix,
            len(self.text.encode()),
        )

    def _tail(self) -> bytes:
        return self.text.encode()


_CLASSES: "dict[int, type[Message]]" = {
    kind.TYPE: kind for kind in (Samples, Segment, Offer, Want, Chunk, Query, Status)
}


def decode(payload: bytes) -> Message:
    """Return the message in ``payload``.

    Raises:
        MessageError: it is of an unknown type, too short or too long, or a field is wrong.
    """
    if not payload:
        raise MessageError("message", "empty payload")
    kind = _CLASSES.get(payload[0])
    if kind is None:
        raise MessageError("message", f"unknown type 0x{payload[0]:02x}")
    if len(payload) < kind.HEADER_BYTES:
        raise MessageError(kind.NAME, f"{len(payload)} bytes, less than the fixed part")
    message = kind._parse(payload)  # noqa: SLF001 - the classes of this module
    if message.encode() != payload:  # a reserved byte, a count or the length
        raise MessageError(kind.NAME, "lengths and reserved bytes do not agree with the fields")
    return message


def level_of(kind: int) -> str:
    """Return the MQTT topic of a type of message, below that of its board; never an empty one."""
    known = _CLASSES.get(kind)
    return "upd/" + (known.NAME.lower() if known else "unknown")
