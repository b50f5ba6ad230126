import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.exit_code import ExitCode
from device.store.bundle import (
    DELTA,
    DELTA_HEADER,
    HEADER,
    MAGIC,
    MAX_ENVELOPE_BYTES,
    MAX_PATCH_OVERHEAD_BYTES,
    WHOLE,
    Bundle,
    DeltaBundle,
    Head,
    decode,
    decode_delta,
    decode_head,
    encode_header,
)
from device.store.envelope import TrustedKeys, key_id
from device.store.errors import BundleError, SignatureError, UntrustedKeyError
from device.store.manifest import MAX_BUNDLE_BYTES, Manifest, Part, encode_manifest
from tests.device.store.manifests import FULL
from tests.keys import KEY, OTHER_KEY, TRUSTED, signed
from toolkit.bundle.create import encode, encode_delta

PARTS = {"flow.toml": b"schema = 1", "model.tflite": bytes(range(64)), "golden.cbor": b""}
BUNDLE = encode(FULL, PARTS, KEY)
PATCH = b"what makes the new parts of the old ones"


def head_of(data: bytes) -> Head:
    head = decode_head(data, TRUSTED)
    assert head is not None
    return head


HEAD = head_of(BUNDLE)
BASE = hashlib.sha256(b"the base").digest()
DELTA_BUNDLE = encode_delta(HEAD, BASE, PATCH, ram_needed_bytes=12_000)


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        decode(data, TRUSTED, where="a.bundle")
    assert caught.value.where == "a.bundle"
    assert caught.value.exit_code == ExitCode.VERIFICATION
    return caught.value.reason


def with_delta_header(base: bytes, digest: bytes, size_bytes: int, ram_bytes: int) -> bytes:
    header = encode_header(DELTA, HEAD.envelope) + HEAD.envelope
    return header + DELTA_HEADER.pack(base, digest, size_bytes, ram_bytes) + PATCH


def test_a_bundle_is_read_as_it_was_written() -> None:
    bundle = decode(BUNDLE, TRUSTED)

    assert bundle.parts == PARTS
    assert replace(bundle.manifest, parts=FULL.parts) == FULL
    assert bundle.digest == hashlib.sha256(BUNDLE).digest()
    assert bundle.head.key_id == key_id(KEY.public)
    assert bundle.head.file_bytes == len(BUNDLE)


def test_the_head_is_verified_as_soon_as_its_bytes_are_there() -> None:
    for data in (BUNDLE, DELTA_BUNDLE):
        whole = head_of(data)
        for size in range(len(data)):
            assert decode_head(data[:size], TRUSTED) == (None if size < whole.size_bytes else whole)
        assert whole.file_bytes == len(data)


def test_what_cannot_become_a_head_is_refused_at_its_first_wrong_byte() -> None:
    for prefix, reason in (
        (b"P", "not a bundle of this version"),
        (MAGIC[:-1] + b"\1", "not a bundle of this version"),
        (MAGIC + b"\2\0\0\0\0\0\0\0", "kind 2"),
        (MAGIC + b"\0\0\1\0\0\0\0\0", "kind 0"),
        (HEADER.pack(MAGIC, WHOLE, b"", MAX_ENVELOPE_BYTES + 1), "over the limit"),
    ):
        with pytest.raises(BundleError, match=reason):
            decode_head(prefix, TRUSTED)


def test_a_head_by_a_wrong_key_is_refused_before_its_parts_come() -> None:
    data = encode(FULL, PARTS, OTHER_KEY)

    with pytest.raises(UntrustedKeyError):
        decode_head(data[: HEAD.size_bytes], TRUSTED)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few for a bundle"),
        (BUNDLE[: HEADER.size - 1], "15 bytes are too few for a bundle"),
        (BUNDLE[: HEAD.size_bytes - 1], f"{HEAD.size_bytes - 1} bytes are too few for a bundle"),
        (b"PK\x03\x04" + bytes(20), "not a bundle of this version"),
        (BUNDLE[:-1], "part 'model.tflite' has 63 of 64 bytes"),
        (BUNDLE[:-1] + b"x", "the digest of part 'model.tflite' does not match"),
        (BUNDLE + b"x", "1 bytes follow the last part"),
        (HEADER.pack(MAGIC, WHOLE, b"", 3) + b"abc", "it is not signed"),
        (DELTA_BUNDLE, "it is a delta"),
    ],
)
def test_what_is_not_as_the_manifest_says_is_refused(data: bytes, reason: str) -> None:
    assert refusal(data).startswith(reason)


def test_an_unsigned_manifest_is_refused() -> None:
    manifest = encode_manifest(Manifest("press", "1", 1))

    assert "it is not signed" in refusal(encode_header(WHOLE, manifest) + manifest)


def test_a_wrong_key_is_refused() -> None:
    with pytest.raises(UntrustedKeyError, match=key_id(OTHER_KEY.public).hex()):
        decode(encode(FULL, PARTS, OTHER_KEY), TRUSTED)
    with pytest.raises(UntrustedKeyError):
        decode(BUNDLE, TrustedKeys())


def test_an_altered_manifest_is_refused() -> None:
    for old, new in ((b"acme", b"evil"), (b"1.2", b"1.1"), (b"raspberry", b"Raspberry")):
        altered = BUNDLE.replace(old, new, 1)
        assert altered != BUNDLE
        with pytest.raises(SignatureError, match="does not match its manifest"):
            decode(altered, TRUSTED)


def test_the_manifest_of_another_bundle_does_not_fit_these_parts() -> None:
    other = encode(FULL, PARTS | {"flow.toml": b"schema = 2"}, KEY)
    head = head_of(other)

    mixed = other[: head.size_bytes] + BUNDLE[HEAD.size_bytes :]

    assert refusal(mixed) == "the digest of part 'flow.toml' does not match"


def test_no_bit_of_a_bundle_can_be_changed_unnoticed() -> None:
    for place in range(8 * len(BUNDLE)):
        damaged = bytearray(BUNDLE)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(BundleError):
            decode(bytes(damaged), TRUSTED)


def test_a_cut_bundle_is_refused_wherever_it_was_cut() -> None:
    for size in range(len(BUNDLE)):
        refusal(BUNDLE[:size])


def test_an_endless_stream_is_refused_by_the_size_that_its_head_gives() -> None:
    assert HEAD.file_bytes == len(BUNDLE)
    assert refusal(BUNDLE + bytes(100_000)) == "100000 bytes follow the last part"


def test_parts_that_are_larger_than_any_bundle_are_refused_at_the_head() -> None:
    manifest = Manifest("a", "1", 1, parts=(Part("a", MAX_BUNDLE_BYTES + 1, bytes(32)),))
    envelope = KEY.sign(encode_manifest(manifest))

    with pytest.raises(BundleError, match="image-size"):
        decode_head(encode_header(WHOLE, envelope) + envelope, TRUSTED)


def test_looking_at_a_bundle_needs_no_key() -> None:
    data = encode(FULL, PARTS, OTHER_KEY)

    bundle = decode(data, None)

    assert bundle.head.key_id == key_id(OTHER_KEY.public)
    assert bundle.parts == PARTS


def test_a_delta_bundle_is_read_as_it_was_written() -> None:
    bundle = decode_delta(DELTA_BUNDLE, TRUSTED)

    assert bundle.patch == PATCH
    assert bundle.header == bundle.head.delta
    assert bundle.header.base_digest == BASE
    assert bundle.header.ram_needed_bytes == 12_000
    assert bundle.head.manifest == HEAD.manifest


def test_the_head_of_a_delta_and_the_parts_that_its_patch_makes_are_the_whole_bundle() -> None:
    head = decode_delta(DELTA_BUNDLE, TRUSTED).head

    assert head.whole() + b"".join(PARTS.values()) == BUNDLE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BUNDLE, "it is a whole bundle, no delta; install it as it is"),
        (DELTA_BUNDLE[:-1], "the patch has 39 of 40 bytes"),
        (DELTA_BUNDLE + b"x", "the patch has 41 of 40 bytes"),
        (DELTA_BUNDLE[:-1] + b"x", "the digest of the patch does not match"),
        (DELTA_BUNDLE[: -len(PATCH) - 1], "bytes are too few for a bundle"),
        (with_delta_header(BASE, bytes(32), len(PATCH), 0), "the digest of the patch does not"),
        (
            with_delta_header(BASE, bytes(32), 74 + MAX_PATCH_OVERHEAD_BYTES + 1, 0),
            "a patch of 4171 bytes is over the limit",
        ),
        (with_delta_header(BASE, bytes(32), 2**32 - 1, 0), "bytes is over the limit"),
        (DELTA_BUNDLE.replace(b"acme", b"evil"), "does not match its manifest"),
    ],
)
def test_a_delta_that_is_not_as_its_header_says_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        decode_delta(data, TRUSTED)


def test_a_patch_corrupted_at_any_decile_is_refused() -> None:
    start = len(DELTA_BUNDLE) - len(PATCH)
    for decile in range(10):
        damaged = bytearray(DELTA_BUNDLE)
        damaged[start + decile * len(PATCH) // 10] ^= 1
        with pytest.raises(BundleError, match="the digest of the patch does not match"):
            decode_delta(bytes(damaged), TRUSTED)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bundle_or_a_bundle_error(data: bytes) -> None:
    for start in (b"", MAGIC, BUNDLE[: HEADER.size]):
        with suppress(BundleError):
            assert isinstance(decode(start + data, None), Bundle)
        with suppress(BundleError):
            assert isinstance(decode_delta(start + data, None), DeltaBundle)


def test_bundles_of_one_manifest_and_key_are_equal() -> None:
    assert signed("a", "1", 1, PARTS) == signed("a", "1", 1, PARTS)
