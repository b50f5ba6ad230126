"""``Aligner.push_bytes`` against the wire's own decoder, on mutated messages.

The long run is the C core's own: ``c_ext/tests/fuzz_bytes.c``.
"""

import random
from typing import Final

import numpy as np
import pytest

from device.aligner import Aligner, Stream
from device.core.errors import MessageError
from device.core.messages import MAX_BASE_TIME_NS, Samples, decode, record_bytes

FIELDS: Final = (1, 3, 9)
INPUTS: Final = 1000


def build() -> Aligner:
    return Aligner(
        [Stream(str(fields), rate_hz=1e6, fields=fields, capacity=1024) for fields in FIELDS],
        grid_hz=1e6,
        window=4,
        hop=4,
        lateness_ms=0.02,
    )


def message(generator: random.Random, now_ns: int) -> bytes:
    stream = generator.randrange(len(FIELDS))
    records = bytearray(generator.randbytes(record_bytes(FIELDS[stream]) * generator.randint(1, 9)))
    for start in range(0, len(records), record_bytes(FIELDS[stream])):
        records[start + 2 : start + 4] = b"\0\0"  # within 65 us of the base
    return Samples(
        stream, FIELDS[stream], generator.getrandbits(32), now_ns, bytes(records)
    ).encode()


def mutated(generator: random.Random, payload: bytes) -> bytes:
    changed = bytearray(payload)
    match generator.randrange(8):
        case 0:
            changed[generator.randrange(16)] ^= 1 << generator.randrange(8)
        case 1:
            changed[generator.randrange(4)] = generator.randrange(256)
        case 2:
            del changed[generator.randrange(len(changed)) :]
        case 3:
            changed += generator.randbytes(generator.randint(1, 40))
        case 4:
            base_ns = generator.choice((-1, 1)) * MAX_BASE_TIME_NS + generator.randint(-1, 1)
            changed[8:16] = base_ns.to_bytes(8, "little", signed=True)
    return bytes(changed)


def push_decoded(aligner: Aligner, payload: bytes) -> int | None:
    """Return how many were accepted of what the wire's decoder finds; None: nothing for it."""
    try:
        found = decode(payload) if payload else None
    except MessageError:
        return None
    if not isinstance(found, Samples) or found.stream >= len(FIELDS):
        return None
    if found.fields != FIELDS[found.stream]:
        return None
    layout = np.dtype([("offset_ns", "<u4"), ("values", "<f4", (found.fields,))])
    records = np.frombuffer(found.records, layout)
    times_ns = records["offset_ns"].astype(np.int64) + found.base_time_ns
    return aligner.push(str(found.fields), times_ns, records["values"].astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_push_bytes_takes_what_the_decoder_takes_and_counts_the_rest(seed: int) -> None:
    generator = random.Random(seed)
    by_bytes, by_decoder = build(), build()
    malformed = 0
    for now_ns in range(0, INPUTS * 10_000, 10_000):
        payload = mutated(generator, message(generator, now_ns))
        expected = push_decoded(by_decoder, payload)
        malformed += expected is None
        assert by_bytes.push_bytes(payload) == (expected or 0), payload.hex()
        assert by_bytes.malformed == malformed, payload.hex()
        assert by_bytes.counters() == by_decoder.counters(), payload.hex()
    assert INPUTS / 4 < malformed < INPUTS * 3 / 4
    assert all(counts["accepted"] for counts in by_bytes.counters().values())
