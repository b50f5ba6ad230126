import hashlib
from contextlib import suppress

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.exit_code import ExitCode
from device.store.bundle import (
    HEADER,
    MAGIC,
    MAX_MANIFEST_BYTES,
    MAX_PARTS,
    Bundle,
    BundleError,
    decode,
    decode_manifest,
)
from toolkit.bundle.create import encode

PARTS = {"flow.toml": b"schema = 1", "model.tflite": bytes(range(64)), "empty": b""}
BUNDLE = encode("press", "1.2", 7, PARTS)
FIELDS = {
    "schema": 1,
    "name": "press",
    "version": "1.2",
    "sequence": 7,
    "parts": [{"name": "a", "size": 1, "sha256": hashlib.sha256(b"x").digest()}],
}


def with_manifest(encoded: bytes) -> bytes:
    return HEADER.pack(MAGIC, len(encoded)) + encoded + b"x"


def with_fields(**changes: object) -> bytes:
    return with_manifest(cbor2.dumps({**FIELDS, **changes}, canonical=True))


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        decode(data, where="a.bundle")
    assert caught.value.where == "a.bundle"
    assert caught.value.exit_code == ExitCode.VERIFICATION
    return caught.value.reason


def test_a_bundle_is_read_as_it_was_written() -> None:
    bundle = decode(BUNDLE)

    assert bundle.parts == PARTS
    assert (bundle.manifest.name, bundle.manifest.version, bundle.manifest.sequence) == (
        "press",
        "1.2",
        7,
    )
    assert bundle.digest == hashlib.sha256(BUNDLE).digest()


def test_the_manifest_is_read_without_the_parts() -> None:
    head = BUNDLE[: decode_manifest(BUNDLE)[1]]

    manifest, offset_bytes = decode_manifest(head)

    assert [part.name for part in manifest.parts] == list(PARTS)
    assert BUNDLE[offset_bytes:] == b"".join(PARTS.values())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few for a bundle"),
        (b"PK\x03\x04" + bytes(20), "not a bundle of this version"),
        (MAGIC[:-1] + b"\x02" + BUNDLE[8:], "not a bundle of this version"),
        (BUNDLE[:40], "the file ends inside the manifest"),
        (BUNDLE[:-1], "part 'model.tflite' has 63 of 64 bytes"),
        (BUNDLE[:-1] + b"x", "the digest of part 'model.tflite' does not match"),
        (BUNDLE + b"x", "1 bytes follow the last part"),
        (HEADER.pack(MAGIC, MAX_MANIFEST_BYTES + 1), "a manifest of 65537 bytes is over the limit"),
        (with_manifest(b"\x9f"), "the manifest is no CBOR"),
        (with_manifest(b"\x81" * 60_000), "the manifest is no CBOR"),
        (with_manifest(b"\x80"), "a manifest has exactly the fields"),
        (with_manifest(cbor2.dumps(FIELDS)), "the manifest is not in deterministic CBOR"),
        (
            with_manifest(cbor2.dumps(FIELDS, canonical=True) + b"\x00"),
            "the manifest is not in deterministic CBOR",
        ),
        (with_fields(extra=1), "a manifest has exactly the fields"),
        (with_fields(schema=2), "manifest schema 2 is not 1"),
        (with_fields(schema=True), "manifest: schema is no int"),
        (with_fields(name=b"press"), "manifest: name is no str"),
        (with_fields(sequence=-1), "sequence -1 is out of range"),
        (with_fields(sequence=2**63), "sequence 9223372036854775808 is out of range"),
        (with_fields(parts=["a"]), "a part has exactly the fields"),
        (with_fields(parts=FIELDS["parts"] * 2), "two parts have one name"),  # type: ignore[operator]
        (
            with_fields(parts=[{"name": "a", "size": -1, "sha256": b""}]),
            "part 'a' has size -1",
        ),
        (
            with_fields(parts=[{"name": "a", "size": 2**40, "sha256": b""}]),
            "part 'a' has size 1099511627776",
        ),
        (
            with_fields(parts=[{"name": "a", "size": 1, "sha256": b"short"}]),
            "the digest of part 'a' does not match",
        ),
        (
            with_fields(
                parts=[{"name": str(i), "size": 0, "sha256": b""} for i in range(MAX_PARTS + 1)]
            ),
            "17 parts, at most 16 are allowed",
        ),
    ],
)
def test_what_is_not_as_the_manifest_says_is_refused(data: bytes, reason: str) -> None:
    assert refusal(data).startswith(reason)


def test_a_cut_bundle_is_refused_wherever_it_was_cut() -> None:
    for size in range(len(BUNDLE)):
        refusal(BUNDLE[:size])


def test_only_what_is_said_of_the_parts_escapes_the_digests_inside() -> None:
    """The signature will cover these; until then the file's own digest does, in every transfer."""
    whole = decode(BUNDLE)
    unnoticed = bytearray()
    for place in range(len(BUNDLE)):
        for mask in (0x01, 0x20, 0x80):
            damaged = bytearray(BUNDLE)
            damaged[place] ^= mask
            try:
                bundle = decode(bytes(damaged))
            except BundleError:
                continue
            assert bundle.digest != whole.digest
            assert list(bundle.parts.values()) == list(whole.parts.values())
            unnoticed.append(BUNDLE[place])

    said = "".join(["press", "1.2", "\x07", *PARTS])
    assert set(unnoticed) == set(said.encode())


@given(st.binary(max_size=300))
@example(b"\xd8\x1e\x82\x01\x00")  # 1/0
@example(b"\xd8\x23\x61(")  # a regular expression that is none
@example(b"\xbb" + b"\x7f" * 8)  # a map of 2**62 entries
def test_any_manifest_is_a_bundle_or_a_bundle_error(encoded: bytes) -> None:
    with suppress(BundleError):
        assert isinstance(decode(with_manifest(encoded)), Bundle)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bundle_or_a_bundle_error(data: bytes) -> None:
    with suppress(BundleError):
        assert isinstance(decode(data), Bundle)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from([*FIELDS, None]),
)
def test_any_value_in_a_manifest_is_a_bundle_or_a_bundle_error(
    value: object, field: str | None
) -> None:
    fields = value if field is None else {**FIELDS, field: value}
    with suppress(BundleError):
        assert isinstance(decode(with_manifest(cbor2.dumps(fields, canonical=True))), Bundle)
