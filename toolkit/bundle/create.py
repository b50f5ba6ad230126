"""Creating a bundle: the parts in one file, checked by the very code that a board runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from device.golden import GoldenVectors
from device.pipeline import Model
from device.store.bundle import (
    DELTA,
    FLOW_PART,
    GOLDEN_PART,
    MODEL_PART,
    WHOLE,
    Bundle,
    DeltaHeader,
    Head,
    decode,
    encode_header,
)
from device.store.envelope import TrustedKeys
from device.store.manifest import MAX_BUNDLE_BYTES, GoldenPart, Manifest, Part, encode_manifest
from toolkit.atomic_file import replacing
from toolkit.bundle.keys import SigningKey
from toolkit.errors import FileMissingError, FileUnreadableError, ToolkitError


class BundleTooLargeError(ToolkitError, ValueError):
    """The parts are more than a board takes."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"bundle: {size_bytes} bytes, a board takes at most {MAX_BUNDLE_BYTES}; "
            "use a smaller model"
        )
        self.size_bytes = size_bytes


def encode(manifest: Manifest, parts: Mapping[str, bytes], key: SigningKey, /) -> bytes:
    """Return a signed bundle with these parts, in this order.

    Args:
        manifest: what it says of itself; its parts are replaced by these.
        parts: their contents by their names.
        key: signs it.
    """
    described = tuple(
        Part(name, len(content), hashlib.sha256(content).digest())
        for name, content in parts.items()
    )
    envelope = key.sign(encode_manifest(replace(manifest, parts=described)))
    return encode_header(WHOLE, envelope) + envelope + b"".join(parts.values())


def encode_delta(
    head: Head, base_digest: bytes, patch: bytes, /, *, ram_needed_bytes: int
) -> bytes:
    """Return a delta bundle; no key is needed, since the signature covers what the patch makes.

    Args:
        head: of the whole bundle that the patch makes from the base.
        base_digest: of the whole base bundle file, 32 bytes.
        patch: docs/DELTA.md; from the base's parts to the new ones.
        ram_needed_bytes: what applying it takes.
    """
    delta = DeltaHeader(base_digest, hashlib.sha256(patch).digest(), len(patch), ram_needed_bytes)
    return encode_header(DELTA, head.envelope) + head.envelope + delta.encode() + patch


def create(
    model: Path,
    flow: Path,
    output: Path,
    /,
    *,
    key: SigningKey,
    manifest: Manifest,
    golden: Path | None = None,
) -> Bundle:
    """Write a signed bundle and return it.

    Args:
        model: a .tflite file.
        flow: the flow.toml that runs it.
        output: where the bundle goes; replaced in one step.
        key: signs it.
        manifest: what it says of itself; its parts and golden vectors are filled in.
        golden: golden vectors from 'ferrule convert', with their tolerance.

    Raises:
        ToolkitError: a file cannot be read or written, or there is too much of it.
        DeviceError: the flow, the model or the vectors are not what a board would run.
    """
    files = {FLOW_PART: flow, MODEL_PART: model}
    if golden is not None:
        files[GOLDEN_PART] = golden
    parts = {part: _read(path, part) for part, path in files.items()}
    if golden is not None:
        vectors = GoldenVectors.decode(parts[GOLDEN_PART], where=str(golden))
        manifest = replace(manifest, golden=GoldenPart(GOLDEN_PART, vectors.tolerance))
    data = encode(manifest, parts, key)
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleTooLargeError(len(data))
    bundle = decode(data, TrustedKeys([key.public]), where=str(output))
    loaded = Model.load(bundle)
    if golden is not None:
        vectors.check(loaded.engine, where=str(golden))
    with replacing(output) as file:
        file.write(data)
    return bundle


def read_bytes(path: Path, /) -> bytes:
    """Return a bundle file's bytes, whole or not.

    Raises:
        ToolkitError: the file cannot be read.
    """
    return _read(path, "bundle")


def _read(path: Path, what: str) -> bytes:
    if not path.is_file():
        raise FileMissingError(str(path), f"file for {what}")
    try:
        if (size_bytes := path.stat().st_size) > MAX_BUNDLE_BYTES:
            raise BundleTooLargeError(size_bytes)
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or str(error)) from error
