"""``device.delta`` on mutated patches: the result, or a typed error; and on mutated models.

The long run is the C core's own: ``c_ext/tests/fuzz_delta.c``.
"""

import random
from typing import Final

import pytest

from device.delta import PatchError, apply
from tests.golden.delta import files, patches
from tests.toolkit.delta.models import int8, noisy, stretched, weights
from toolkit.delta.create import create

INPUTS: Final = 1000
MODELS: Final = 60


def mutated(generator: random.Random, patch: bytes) -> bytes:
    changed = bytearray(patch)
    at = generator.randrange(len(changed))
    match generator.randrange(5):
        case 0:
            changed[at] ^= 1 << generator.randrange(8)
        case 1:
            changed[at:] = generator.randbytes(len(changed) - at)
        case 2:
            del changed[at:]
        case 3:
            del changed[at : at + generator.randint(1, 20)]
        case 4:
            changed += generator.randbytes(generator.randint(1, 40))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_any_bytes_make_the_result_or_are_refused(seed: int) -> None:
    generator = random.Random(seed)
    base, result, _ = files()
    originals = [patch for _, patch in patches()]
    refused = 0
    for _ in range(INPUTS):
        patch = mutated(generator, generator.choice(originals))
        try:
            assert apply(base, patch, max_bytes=4096) == result, patch.hex()
        except PatchError:
            refused += 1
    assert refused > INPUTS * 0.9


def damaged(generator: random.Random, model: bytes) -> bytes:
    """Return a model with some numbers changed where they are not weights."""
    changed = bytearray(model)
    for _ in range(generator.randint(1, 12)):
        at = generator.randrange(0, min(len(changed), 8000))
        changed[at] = generator.choice(
            (0, 1, 0x7F, 0xFF, changed[at] ^ 1 << generator.randrange(8))
        )
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_model_is_a_file_like_any_other(seed: int) -> None:
    generator = random.Random(seed)
    models = [int8(matrices) for matrices in (weights(), noisy(0.01), stretched(0.1))]
    for _ in range(MODELS):
        old, new = (damaged(generator, generator.choice(models)) for _ in range(2))
        assert apply(old, create(old, new).content) == new
