"""What is decided about a bundle before it gets a slot: early by its head, then by its digests.

Rules:
 * The head is judged as soon as its bytes are there; until it has passed, nothing else of the file
   is looked at.
 * What gets a slot is the whole bundle whose parts have the signed digests, whether it came whole
   or was made by a patch.
 * Work is done in small steps, so that windows go on in between.
"""

import hashlib
from collections.abc import Generator, Iterator
from typing import Final

from device.core.messages import Offer
from device.delta import HEADER_BYTES, Decoder, read_header
from device.pipeline import read_flow
from device.store.bundle import (
    DELTA_HEADER,
    HEADER,
    MAX_ENVELOPE_BYTES,
    DeltaHeader,
    Head,
    decode_head,
)
from device.store.errors import BundleError
from device.store.requirements import (
    BoardFacts,
    RamExceededError,
    check_base,
    check_sequence,
    unmet,
)
from device.store.slots import Slots, slot_name
from device.store.verifier import PartsVerifier

_WHERE: Final = "offered bundle"
_MAX_HEAD_BYTES: Final = HEADER.size + MAX_ENVELOPE_BYTES + DELTA_HEADER.size
_READ_BYTES: Final = 65_536
_PATCH_BYTES: Final = 2048  # may make a thousand times as much


class WrongDigestError(BundleError):
    """The received bytes are not those that were offered."""


class Admission:
    """Judges one offered file.

    Attributes:
        offer: what is judged.
    """

    def __init__(self, offer: Offer, slots: Slots, facts: BoardFacts) -> None:
        self.offer: Final = offer
        self._slots = slots
        self._facts = facts
        self._head: Head | None = None

    def inspect(self, prefix_bytes: int) -> None:
        """Judge the head as soon as it is among the first ``prefix_bytes`` of the file.

        Raises:
            SignatureError: no trusted key signed it.
            BundleError: it is no head, or the file is not of the size that it says.
            RequirementError: the bundle is for another board.
            OldSequenceError: it is older than what was confirmed.
            WrongBaseError: it is a delta to something else than what runs.
            StorageError: the disk has no room for what it makes.
        """
        if self._head is not None or prefix_bytes == 0:
            return
        prefix = self._slots.incoming.read(0, min(prefix_bytes, _MAX_HEAD_BYTES))
        head = decode_head(prefix, self._slots.keys.load(), where=_WHERE)
        if head is None:
            return
        if head.file_bytes != self.offer.size_bytes:
            raise BundleError(
                _WHERE, f"its head speaks of {head.file_bytes} bytes, not {self.offer.size_bytes}"
            )
        self._check_board(head)
        if head.delta is not None:
            self._check_delta(head, head.delta)
        PartsVerifier(head, where=_WHERE)
        self._head = head

    def admit(self) -> Generator[None, None, bytes]:
        """Verify the whole file and give it a slot, step by step.

        Returns:
            The digest of the bundle in its slot.

        Raises:
            WrongDigestError: the file is not the one that was offered.
            BundleError, PatchError: a part or the patch is damaged.
            ConfigError, AlignerConfigError: its flow is not right.
            RamExceededError: applying the patch takes more than the board gives.
            StorageError: the disk refuses.
        """
        head = self._head
        if head is None:
            raise BundleError(_WHERE, f"{self.offer.size_bytes} bytes are too few for a bundle")
        self._slots.incoming.sync()
        digest = hashlib.sha256()
        for data in self._pieces(0, _READ_BYTES):
            digest.update(data)
            yield
        if digest.digest() != self.offer.digest:
            raise WrongDigestError(_WHERE, "its digest is not the one offered")
        if head.delta is not None:
            return (yield from self._apply(head, head.delta))
        verifier = PartsVerifier(head, where=_WHERE)
        for data in self._pieces(head.size_bytes, _READ_BYTES):
            verifier.feed(data)
            yield
        self._finish(verifier, head)
        self._slots.keep_incoming(self.offer.digest)
        return self.offer.digest

    def _check_board(self, head: Head) -> None:
        ram_bytes = head.delta.ram_needed_bytes if head.delta is not None else 0
        for refusal in unmet(head.manifest, self._facts, ram_needed_bytes=ram_bytes, where=_WHERE):
            raise refusal
        check_sequence(head.manifest, self._slots.record().counter, where=_WHERE)

    def _check_delta(self, head: Head, header: DeltaHeader) -> None:
        check_base(header, self._slots.record().active, where=_WHERE)
        self._slots.make_room(head.size_bytes + head.manifest.parts_bytes)

    def _apply(self, head: Head, header: DeltaHeader) -> Generator[None, None, bytes]:
        patch = hashlib.sha256()
        for data in self._pieces(head.size_bytes, _READ_BYTES):
            patch.update(data)
            yield
        if patch.digest() != header.patch_digest:
            raise BundleError(_WHERE, "the digest of the patch does not match")
        base = self._base(header.base_digest)
        start = self._slots.incoming.read(head.size_bytes, HEADER_BYTES)
        self._check_ram(head, len(base), read_header(start, where=_WHERE).memory_bytes)
        result = bytearray(head.manifest.parts_bytes)
        decoder = Decoder(start, base, result, where=_WHERE)
        yield
        file = self._slots.build()
        try:
            whole = head.whole()
            file.write_at(0, whole)
            digest = hashlib.sha256(whole)
            verifier = PartsVerifier(head, where=_WHERE)
            made_bytes = 0
            for data in self._pieces(head.size_bytes + HEADER_BYTES, _PATCH_BYTES):
                decoder.push(data)
                piece = bytes(result[made_bytes : decoder.made_bytes])
                file.write_at(len(whole) + made_bytes, piece)
                made_bytes += len(piece)
                digest.update(piece)
                verifier.feed(piece)
                yield
            decoder.finish()
            self._finish(verifier, head)
            file.sync()
        finally:
            file.close()
        self._slots.keep_built(digest.digest())
        return digest.digest()

    def _base(self, digest: bytes) -> bytes:
        """Return the parts of the bundle that runs."""
        data = self._slots.storage.read(slot_name(digest))
        head = decode_head(data, None, where=slot_name(digest))
        return data[head.size_bytes if head is not None else len(data) :]

    def _check_ram(self, head: Head, base_bytes: int, memory_bytes: int) -> None:
        needed_bytes = base_bytes + head.manifest.parts_bytes + memory_bytes
        limit_bytes = self._facts.ram_limit_bytes
        if needed_bytes > limit_bytes:
            raise RamExceededError(_WHERE, "RAM", f"{needed_bytes} bytes", f"{limit_bytes} bytes")

    def _pieces(self, offset_bytes: int, size_bytes: int) -> Iterator[bytes]:
        for start in range(offset_bytes, self.offer.size_bytes, size_bytes):
            yield self._slots.incoming.read(start, size_bytes)

    def _finish(self, verifier: PartsVerifier, head: Head) -> None:
        verifier.finish()
        manifest = head.manifest
        read_flow(bytes(verifier.flow), where=f"{manifest.name} {manifest.version}")
