"""Damage to sound bytes, and a great deal of it."""

import random
from collections.abc import Callable, Sequence
from typing import Final

FEW: Final = 5_000
MANY: Final = 1_000_000
# What CBOR takes for heads of long items, tags, simple values and floats.
HEADS: Final = bytes([0x1B, 0x3B, 0x5B, 0x7B, 0x9B, 0xBB, 0x5F, 0x7F, 0x9F, 0xBF, 0xC1, 0xD8, 0xF7,
                      0xF9, 0xFB, 0xFF])  # fmt: skip


def mutated(generator: random.Random, whole: bytes) -> bytes:
    changed = bytearray(whole)
    for _ in range(generator.choice((1, 1, 1, 2, 4, 16))):
        place = generator.randrange(len(changed) + 1)
        match generator.randrange(6):
            case 0:
                changed[place : place + 1] = generator.randbytes(1)
            case 1:
                changed[place : place + 1] = generator.choice(HEADS).to_bytes(1, "big")
            case 2:
                changed[place : place + generator.randint(1, 9)] = b""
            case 3:
                changed[place:place] = generator.randbytes(generator.randint(1, 9))
            case 4:
                other = generator.randrange(len(changed) + 1)
                changed[place:place] = changed[other : other + generator.randint(1, 80)]
            case 5 if place < len(changed):
                changed[place] ^= 1 << generator.randrange(8)
    return bytes(changed)


def run(check: Callable[[bytes], bool], whole: Sequence[bytes], *, inputs: int, seed: int) -> int:
    """Return how many of so many mutated inputs are accepted."""
    generator = random.Random(seed)
    return sum(check(mutated(generator, generator.choice(whole))) for _ in range(inputs))
