"""What is sent so that a board runs a bundle: the bundle itself, or a delta to it."""

import hashlib
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device.core.messages import MAX_CHUNK, Offer
from device.store.bundle import Bundle, decode
from device.store.manifest import MAX_BUNDLE_BYTES
from toolkit.errors import FileMissingError

SUFFIX: Final = ".bundle"
_MAX_XZ_BYTES: Final = 16 << 20  # beyond it the comparison would take longer than many a push


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to send, and its offer."""

    data: bytes
    offer: Offer

    @property
    def is_delta(self) -> bool:
        """Whether the board needs its present bundle to make use of it."""
        return self.offer.bundle_digest != self.offer.digest


def whole(data: bytes, /) -> Parcel:
    """Return the parcel of a whole bundle."""
    digest = hashlib.sha256(data).digest()
    return Parcel(data, Offer(MAX_CHUNK, len(data), digest, digest))


def delta(base: bytes, data: bytes, bundle: Bundle, /) -> Parcel | None:
    """Return the parcel of a delta; None when it is no smaller than the whole bundle.

    Args:
        base: the whole bundle file that the board runs.
        data: the whole bundle file that it shall run.
        bundle: the same, decoded.
    """
    from toolkit.bundle.delta import make_delta
    from toolkit.delta.create import FileTooLargeError

    running = decode(base, None)
    try:
        made = make_delta(base, running, data, bundle)
    except FileTooLargeError:
        return None
    if len(made) >= len(data):
        return None
    digest = hashlib.sha256(made).digest()
    return Parcel(made, Offer(MAX_CHUNK, len(made), digest, bundle.digest, running.digest))


def find_base(place: Path, digest: bytes, /) -> bytes | None:
    """Return the bundle of this digest: ``place`` itself, or a bundle in that folder.

    Raises:
        FileMissingError: there is no such place.
    """
    if not place.exists():
        raise FileMissingError(str(place), "bundle or folder")
    paths = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
    for path in paths:
        try:
            if path.stat().st_size > MAX_BUNDLE_BYTES:
                continue
            content = path.read_bytes()
        except OSError:
            continue  # another program's, or gone meanwhile
        if hashlib.sha256(content).digest() == digest:
            return content
    return None


def xz_bytes(data: bytes, /) -> int | None:
    """Return what the file takes as .xz; None when it is too large to try."""
    return len(lzma.compress(data, preset=9)) if len(data) <= _MAX_XZ_BYTES else None
