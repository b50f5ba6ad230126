"""Creating a bundle: the parts in one file, checked by the very code that a board runs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from device.pipeline import Model
from device.store.bundle import (
    FLOW_PART,
    HEADER,
    MAGIC,
    MAX_BUNDLE_BYTES,
    MODEL_PART,
    Bundle,
    Manifest,
    Part,
    decode,
    encode_manifest,
)
from toolkit.atomic_file import replacing
from toolkit.errors import FileMissingError, FileUnreadableError, ToolkitError


class BundleTooLargeError(ToolkitError, ValueError):
    """The parts are more than a board takes."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"bundle: {size_bytes} bytes, a board takes at most {MAX_BUNDLE_BYTES}; "
            "use a smaller model"
        )
        self.size_bytes = size_bytes


def encode(name: str, version: str, sequence: int, parts: Mapping[str, bytes], /) -> bytes:
    """Return a bundle with these parts, in this order."""
    manifest = encode_manifest(
        Manifest(
            name=name,
            version=version,
            sequence=sequence,
            parts=tuple(
                Part(part, len(content), hashlib.sha256(content).digest())
                for part, content in parts.items()
            ),
        )
    )
    return HEADER.pack(MAGIC, len(manifest)) + manifest + b"".join(parts.values())


def create(
    model: Path,
    flow: Path,
    output: Path,
    /,
    *,
    name: str,
    version: str,
    sequence: int,
    extra: Mapping[str, Path] | None = None,
) -> Bundle:
    """Write a bundle and return it.

    Args:
        model: a .tflite file.
        flow: the flow.toml that runs it.
        output: where the bundle goes; replaced in one step.
        name: what the bundle is for.
        version: for people.
        sequence: rises with every release; a board may refuse a lower one.
        extra: further parts by their names, such as metadata.

    Raises:
        ToolkitError: a file cannot be read or written, or there is too much of it.
        DeviceError: the flow or the model is not what a board would run.
    """
    files = {FLOW_PART: flow, MODEL_PART: model, **(extra or {})}
    parts = {part: _read(path, part) for part, path in files.items()}
    data = encode(name, version, sequence, parts)
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleTooLargeError(len(data))
    bundle = decode(data, where=str(output))
    Model.load(bundle)
    with replacing(output) as file:
        file.write(data)
    return bundle


def read(path: Path, /) -> Bundle:
    """Return the bundle in a file.

    Raises:
        ToolkitError: the file cannot be read.
        BundleError: it is no whole bundle.
    """
    return decode(read_bytes(path), where=str(path))


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
