"""A patch out of two files."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device.delta import MAX_FILE_BYTES
from device.exit_code import ExitCode
from toolkit.delta import onnx_blocks, tflite_blocks
from toolkit.delta.block import Block
from toolkit.delta.encoder import MAX_CONTEXTS, Encoder
from toolkit.delta.plan import match, plan
from toolkit.delta.region import Pair, Region
from toolkit.errors import FileMissingError, FileUnreadableError, ToolkitError

HEADER: Final = struct.Struct("<3sBBIII8s16s")  # docs/DELTA.md, section Header
MAGIC: Final = b"FDL"
VERSION: Final = 1
_ONNX_START: Final = b"\x08"  # the tag of ir_version, which ONNX's writers put first


class FileTooLargeError(ToolkitError, ValueError):
    """A file is larger than patches reach."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, size_bytes: int) -> None:
        super().__init__(f"{path}: {size_bytes} bytes; patches reach {MAX_FILE_BYTES}")
        self.path = path
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch, and how it came about.

    Attributes:
        content: the patch.
        regions: the blocks that are coded as numbers.
        is_whole: it brings the whole new file, because that is smaller than what has changed.
        full_bytes: what a patch that brings the whole file takes.
    """

    content: bytes
    regions: Sequence[Region]
    is_whole: bool
    full_bytes: int


def create(
    old: bytes,
    new: bytes,
    /,
    *,
    old_blocks: Sequence[Block] | None = None,
    new_blocks: Sequence[Block] | None = None,
) -> Patch:
    """Return the smallest patch that makes ``new`` out of ``old``.

    Args:
        old: what is there.
        new: what is wanted.
        old_blocks: its arrays of numbers; absent: what ``read_blocks`` finds.
        new_blocks: likewise.

    Raises:
        FileTooLargeError: a file is larger than patches reach.
    """
    for what, content in (("the old file", old), ("the new file", new)):
        if len(content) > MAX_FILE_BYTES:
            raise FileTooLargeError(what, len(content))
    pairs = match(
        old,
        new,
        read_blocks(old) if old_blocks is None else old_blocks,
        read_blocks(new) if new_blocks is None else new_blocks,
    )
    whole, _ = _encode(b"", new, [Pair(pair.new, None) for pair in pairs])
    patch, regions = _encode(old, new, pairs)
    is_whole = len(whole) < len(patch)
    return Patch(whole if is_whole else patch, regions, is_whole, len(whole))


def read_blocks(content: bytes, /) -> list[Block]:
    """Return the blocks of an ONNX file, or of all .tflite files that are in a file or are one."""
    if content[:1] == _ONNX_START and (found := onnx_blocks.read_blocks(content)):
        return found
    return tflite_blocks.read_blocks(content)


def load(path: Path, what: str, /) -> bytes:
    """Return a file's bytes.

    Raises:
        FileMissingError: there is none.
        FileUnreadableError: the system does not let us.
        FileTooLargeError: it is larger than patches reach.
    """
    if not path.is_file():
        raise FileMissingError(str(path), what)
    try:
        if path.stat().st_size > MAX_FILE_BYTES + HEADER.size:
            raise FileTooLargeError(str(path), path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error


def _encode(old: bytes, new: bytes, pairs: Sequence[Pair]) -> tuple[bytes, Sequence[Region]]:
    contexts = _contexts([pair.new for pair in pairs])
    encoder = Encoder(old, new, contexts=contexts)
    regions = plan(old, new, pairs, encoder)
    payload = encoder.encode(regions)
    header = HEADER.pack(
        MAGIC, VERSION, contexts, len(old), len(new), len(payload),
        hashlib.sha256(old).digest()[:8], hashlib.sha256(new).digest()[:16],
    )  # fmt: skip
    return header + payload, regions


def _contexts(blocks: Sequence[Block]) -> int:
    """Return how many exponent contexts pay for their memory: many when most bytes are floats'."""
    all_bytes = sum(block.size_bytes for block in blocks)
    float_bytes = sum(block.size_bytes for block in blocks if block.form.is_float)
    return MAX_CONTEXTS if 2 * float_bytes > all_bytes else 1
