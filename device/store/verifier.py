"""A bundle's parts against their digests, as they come past; nothing of them is kept but one."""

import hashlib
from typing import Final

from device.store.bundle import FLOW_PART, MODEL_PART, Head
from device.store.errors import BundleError

_MAX_FLOW_BYTES: Final = 1 << 20


class PartsVerifier:
    """Takes the bytes behind a bundle's head.

    Attributes:
        flow: the content of the flow's part; whole when ``finish`` has returned.
    """

    def __init__(self, head: Head, /, *, where: str) -> None:
        """Expect the parts that the head names.

        Raises:
            BundleError: a part that a board needs is not among them.
        """
        self.flow = bytearray()
        self._where = where
        self._parts = list(head.manifest.parts)
        sizes = {part.name: part.size_bytes for part in self._parts}
        for name in (FLOW_PART, MODEL_PART):
            if name not in sizes:
                raise BundleError(where, f"it has no {name}")
        if sizes[FLOW_PART] > _MAX_FLOW_BYTES:
            raise BundleError(where, f"its {FLOW_PART} has over {_MAX_FLOW_BYTES} bytes")
        self._left_bytes = self._parts[0].size_bytes
        self._digest = hashlib.sha256()

    def feed(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes.

        Raises:
            BundleError: a part has another digest, or there are too many bytes.
        """
        view = memoryview(data)
        while view:
            self._skip_whole()
            if not self._parts:
                raise BundleError(self._where, f"{len(view)} bytes follow the last part")
            piece, view = view[: self._left_bytes], view[self._left_bytes :]
            self._digest.update(piece)
            self._left_bytes -= len(piece)
            if self._parts[0].name == FLOW_PART:
                self.flow += piece

    def finish(self) -> None:
        """Say that there is no more.

        Raises:
            BundleError: the last part has another digest, or one is not whole.
        """
        self._skip_whole()
        if self._parts:
            raise BundleError(
                self._where, f"part {self._parts[0].name!r} lacks {self._left_bytes} bytes"
            )

    def _skip_whole(self) -> None:
        while self._parts and self._left_bytes == 0:
            part = self._parts.pop(0)
            if self._digest.digest() != part.sha256:
                raise BundleError(self._where, f"the digest of part {part.name!r} does not match")
            self._digest = hashlib.sha256()
            self._left_bytes = self._parts[0].size_bytes if self._parts else 0
