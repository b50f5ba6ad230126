"""The bundle: one file, a signed manifest first, then the parts it names; see docs/BUNDLE.md.

Rules:
 * Before the signature of its manifest is verified, nothing of a file is parsed but sizes.
 * What is taken from a file was named by that manifest: its size, and its digest.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from device.store.envelope import TrustedKeys, decode_envelope
from device.store.errors import BundleError
from device.store.manifest import (
    MAX_BUNDLE_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    decode_manifest,
)

MAGIC: Final = b"FERRULE\x02"
HEADER: Final = struct.Struct("<8sB3sI")  # magic, kind, zeros, envelope size in bytes
WHOLE: Final = 0  # the parts follow the envelope
DELTA: Final = 1  # DELTA_HEADER and a patch follow it
# base digest, patch digest, patch size in bytes, RAM that applying it takes in bytes
DELTA_HEADER: Final = struct.Struct("<32s32sII")
MAX_ENVELOPE_BYTES: Final = MAX_MANIFEST_BYTES + 256
MAX_PATCH_OVERHEAD_BYTES: Final = 4096  # by which a patch may exceed the parts that it makes
FLOW_PART: Final = "flow.toml"
MODEL_PART: Final = "model.tflite"
GOLDEN_PART: Final = "golden.cbor"
_ZEROS: Final = bytes(3)


@dataclass(frozen=True, slots=True)
class DeltaHeader:
    """What a delta bundle says of its patch.

    The manifest's signature does not cover it: it is bounded by what is signed, and what the patch
    makes is verified against the signed digests.

    Attributes:
        base_digest: of the whole bundle file that the patch applies to, 32 bytes.
        patch_digest: SHA-256 of the patch, 32 bytes.
        patch_bytes: its size.
        ram_needed_bytes: what applying it takes.
    """

    base_digest: bytes
    patch_digest: bytes
    patch_bytes: int
    ram_needed_bytes: int

    def encode(self) -> bytes:
        """Return it as it stands in the file."""
        return DELTA_HEADER.pack(
            self.base_digest, self.patch_digest, self.patch_bytes, self.ram_needed_bytes
        )


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a bundle's parts or its patch.

    Attributes:
        manifest: what the bundle says of itself.
        envelope: the manifest and its signature, encoded.
        size_bytes: where the parts or the patch begin.
        delta: what is said of the patch; None in a whole bundle.
        key_id: of the key that signed the manifest.
    """

    manifest: Manifest
    envelope: bytes
    size_bytes: int
    delta: DeltaHeader | None
    key_id: bytes

    @property
    def file_bytes(self) -> int:
        """The size that the whole file has."""
        body_bytes = self.manifest.parts_bytes if self.delta is None else self.delta.patch_bytes
        return self.size_bytes + body_bytes

    def whole(self) -> bytes:
        """Return the head of the whole bundle; the parts that a patch makes complete the file."""
        return encode_header(WHOLE, self.envelope) + self.envelope


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole bundle whose every part has the digest that the manifest gives."""

    head: Head
    digest: bytes  # SHA-256 of the whole file, 32 bytes
    parts: Mapping[str, bytes]

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.head.manifest


@dataclass(frozen=True, slots=True)
class DeltaBundle:
    """A delta bundle whose patch has the digest that its header gives."""

    head: Head
    header: DeltaHeader
    digest: bytes  # SHA-256 of the whole file, 32 bytes
    patch: bytes


def encode_header(kind: int, envelope: bytes, /) -> bytes:
    """Return the first bytes of a bundle of this kind with this envelope."""
    return HEADER.pack(MAGIC, kind, _ZEROS, len(envelope))


def decode_head(
    prefix: bytes, keys: TrustedKeys | None, /, *, where: str = "bundle"
) -> Head | None:
    """Return a bundle's head as soon as its bytes are there.

    Args:
        prefix: the file's first bytes, as many as have come.
        keys: one of them must have signed; None verifies nothing and is only for looking at a file,
            or for one that was verified when it came.
        where: what messages call it.

    Returns:
        The head; None while more bytes are needed.

    Raises:
        SignatureError: the manifest is not signed by one of the keys.
        BundleError: the head is not as docs/BUNDLE.md says.
    """
    if not MAGIC.startswith(prefix[: len(MAGIC)]):
        raise BundleError(where, "not a bundle of this version")
    if len(prefix) < HEADER.size:
        return None
    _, kind, zeros, envelope_bytes = HEADER.unpack_from(prefix)
    if kind not in {WHOLE, DELTA} or zeros != _ZEROS:
        raise BundleError(where, f"a bundle of kind {kind} is not known")
    if envelope_bytes > MAX_ENVELOPE_BYTES:
        raise BundleError(where, f"an envelope of {envelope_bytes} bytes is over the limit")
    end_bytes = HEADER.size + envelope_bytes
    if len(prefix) < end_bytes:
        return None
    encoded = prefix[HEADER.size : end_bytes]
    envelope = decode_envelope(encoded, where=where)
    if keys is not None:
        keys.verify(envelope, where=where)
    manifest = decode_manifest(envelope.payload, where=where)
    if kind == WHOLE:
        return Head(manifest, encoded, end_bytes, None, envelope.key_id)
    if len(prefix) < end_bytes + DELTA_HEADER.size:
        return None
    delta = DeltaHeader(*DELTA_HEADER.unpack_from(prefix, end_bytes))
    if delta.patch_bytes > manifest.parts_bytes + MAX_PATCH_OVERHEAD_BYTES:
        raise BundleError(where, f"a patch of {delta.patch_bytes} bytes is over the limit")
    return Head(manifest, encoded, end_bytes + DELTA_HEADER.size, delta, envelope.key_id)


def decode(data: bytes, keys: TrustedKeys | None, /, *, where: str = "bundle") -> Bundle:
    """Return the whole bundle in ``data``.

    Args:
        data: the whole file.
        keys: as in ``decode_head``.
        where: what messages call it.

    Raises:
        SignatureError: the manifest is not signed by one of the keys.
        BundleError: the head or a part is not as docs/BUNDLE.md says, or it is a delta.
    """
    head = _whole_head(data, keys, where)
    if head.delta is not None:
        raise BundleError(
            where,
            "it is a delta",
            advice="use the whole bundle; 'ferrule push' makes a delta of it by itself",
        )
    parts = {}
    offset_bytes = head.size_bytes
    for part in head.manifest.parts:
        content = data[offset_bytes : offset_bytes + part.size_bytes]
        if len(content) != part.size_bytes:
            raise BundleError(
                where, f"part {part.name!r} has {len(content)} of {part.size_bytes} bytes"
            )
        if hashlib.sha256(content).digest() != part.sha256:
            raise BundleError(where, f"the digest of part {part.name!r} does not match")
        parts[part.name] = content
        offset_bytes += part.size_bytes
    if offset_bytes != len(data):
        raise BundleError(where, f"{len(data) - offset_bytes} bytes follow the last part")
    return Bundle(head, hashlib.sha256(data).digest(), parts)


def decode_delta(data: bytes, keys: TrustedKeys | None, /, *, where: str = "bundle") -> DeltaBundle:
    """Return the delta bundle in ``data``; arguments and errors as for ``decode``."""
    head = _whole_head(data, keys, where)
    if head.delta is None:
        raise BundleError(where, "it is a whole bundle, no delta", advice="install it as it is")
    patch = data[head.size_bytes :]
    if len(patch) != head.delta.patch_bytes:
        raise BundleError(where, f"the patch has {len(patch)} of {head.delta.patch_bytes} bytes")
    if hashlib.sha256(patch).digest() != head.delta.patch_digest:
        raise BundleError(where, "the digest of the patch does not match")
    return DeltaBundle(head, head.delta, hashlib.sha256(data).digest(), patch)


def _whole_head(data: bytes, keys: TrustedKeys | None, where: str) -> Head:
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleError(where, f"over {MAX_BUNDLE_BYTES} bytes")
    head = decode_head(data, keys, where=where)
    if head is None:
        raise BundleError(where, f"{len(data)} bytes are too few for a bundle")
    return head
