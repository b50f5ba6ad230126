"""Manifests and bundles against damage: whole ones, mutated, are refused or read as they stand."""

import random
from contextlib import suppress
from typing import Final

import pytest

from device.store.bundle import MAGIC, decode, decode_delta, decode_head
from device.store.errors import BundleError
from device.store.manifest import Manifest, decode_manifest, encode_manifest
from tests.device.store.manifests import FULL
from tests.fuzz.mutation import FEW, MANY, run
from tests.keys import KEY, TRUSTED
from toolkit.bundle.create import encode, encode_delta

PARTS: Final = {"flow.toml": b"schema = 1", "model.tflite": bytes(40), "golden.cbor": b"12345"}
BUNDLE: Final = encode(FULL, PARTS, KEY)
HEAD: Final = decode(BUNDLE, TRUSTED).head
PATCH: Final = b"a patch"
DELTA: Final = encode_delta(HEAD, bytes(32), PATCH, ram_needed_bytes=12_000)
MANIFESTS: Final = [
    encode_manifest(manifest) for manifest in (FULL, HEAD.manifest, Manifest("a", "1", 1))
]


def check_manifest(data: bytes) -> bool:
    """Return whether ``data`` is a manifest; then it is the one encoding of what was read."""
    try:
        manifest = decode_manifest(data, where="a")
    except BundleError:
        return False
    assert encode_manifest(manifest) == data, data.hex()
    return True


def check_bundle(data: bytes) -> bool:
    """Return whether ``data`` has the head of a bundle; then it is that of the signed one."""
    with suppress(BundleError):
        decode_head(data, None)
    try:
        head = decode_head(data, TRUSTED)
    except BundleError:
        return False
    if head is None:
        return False
    assert head.envelope == HEAD.envelope, data.hex()
    with suppress(BundleError):
        decode(data, TRUSTED)
        assert data == BUNDLE, data.hex()
    with suppress(BundleError):
        # Of a delta, base and RAM are not signed: they decide whether it is tried, not what is run.
        assert decode_delta(data, TRUSTED).patch == PATCH, data.hex()
    return True


@pytest.mark.parametrize("seed", range(2))
def test_a_mutated_manifest_is_refused_or_read_as_it_stands(seed: int) -> None:
    accepted = run(check_manifest, MANIFESTS, inputs=FEW, seed=seed)

    assert 0 < accepted < FEW / 2


@pytest.mark.parametrize("seed", range(2))
def test_a_mutated_bundle_is_refused_or_has_the_signed_head(seed: int) -> None:
    accepted = run(check_bundle, [BUNDLE, DELTA], inputs=FEW, seed=seed)

    assert 0 < accepted < FEW / 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_a_million_mutated_manifests(seed: int) -> None:
    assert run(check_manifest, MANIFESTS, inputs=MANY // 2, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 4))
def test_a_million_mutated_bundles(seed: int) -> None:
    assert run(check_bundle, [BUNDLE, DELTA], inputs=MANY // 2, seed=seed)


def test_random_bytes_behind_the_magic_are_refused() -> None:
    generator = random.Random(1)
    for _ in range(FEW):
        data = MAGIC + generator.randbytes(generator.randrange(400))
        with pytest.raises(BundleError):
            decode(data, None)
