"""A delta bundle out of two whole ones: the new one's signed envelope, and a patch to its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from device.store.bundle import Bundle
from toolkit.bundle.create import encode_delta

if TYPE_CHECKING:
    from toolkit.delta.block import Block


def make_delta(base: bytes, base_bundle: Bundle, data: bytes, bundle: Bundle, /) -> bytes:
    """Return the delta bundle that makes ``data`` where ``base`` runs.

    Args:
        base: the whole bundle file that runs.
        base_bundle: the same, decoded.
        data: the whole bundle file that shall run.
        bundle: the same, decoded.

    Raises:
        FileTooLargeError: patches do not reach that far.
    """
    from device.delta import read_header
    from toolkit.delta.create import create

    old, new = base[base_bundle.head.size_bytes :], data[bundle.head.size_bytes :]
    patch = create(
        old, new, old_blocks=list(_blocks(base_bundle)), new_blocks=list(_blocks(bundle))
    ).content
    memory_bytes = read_header(patch).memory_bytes
    return encode_delta(
        bundle.head,
        base_bundle.digest,
        patch,
        ram_needed_bytes=len(old) + len(new) + memory_bytes,
    )


def _blocks(bundle: Bundle) -> Iterator[Block]:
    """Yield the blocks of every part, by their places among the parts."""
    from toolkit.delta.create import read_blocks

    start_bytes = 0
    for name, content in bundle.parts.items():
        for block in read_blocks(content):
            scales = block.scales
            if scales is not None and scales.offset_bytes is not None:
                scales = replace(scales, offset_bytes=scales.offset_bytes + start_bytes)
            yield replace(
                block,
                key=(name, block.key),
                offset_bytes=block.offset_bytes + start_bytes,
                scales=scales,
            )
        start_bytes += len(content)
