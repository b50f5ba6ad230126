"""What is being received: the file, and a journal of the chunks that are in it.

Rules:
 * The journal begins with the offer; its records follow as chunks come, each with the CRC-32 of its
   chunk and one of its own. A chunk counts as held when the file has the bytes of its record: so it
   does not matter which of both the disk kept.
 * A journal that a power cut tore is cut off at the first damaged record, and what the file does
   not have is taken out of it: it never has more records than chunks.
 * The same offer goes on where it was, after a restart and on another link too; another one begins
   anew.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from device.core.errors import MessageError
from device.core.messages import Message, Offer, decode
from device.core.transfer import ChunkStore
from device.store.storage import Storage, StorageFile

FILE: Final = "incoming"
JOURNAL: Final = "incoming.journal"
SYNC_EVERY: Final = 16  # chunks; what a power cut may cost
_MAGIC: Final = b"FJNL"
_HEAD_BYTES: Final = len(_MAGIC) + Offer.HEADER_BYTES
_CRC: Final = struct.Struct("<I")
_RECORD: Final = struct.Struct("<III")  # chunk, CRC-32 of its data, CRC-32 of both
_FIELDS: Final = struct.Struct("<II")


class Incoming(ChunkStore):
    """One transfer's file and journal in a directory of the storage."""

    def __init__(
        self, storage: Storage, directory: str, /, *, make_room: Callable[[int], None]
    ) -> None:
        """Hold nothing yet.

        Args:
            storage: the board's.
            directory: is there.
            make_room: makes the directory ready for so many bytes, or raises StorageError.
        """
        self._storage = storage
        self._make_room = make_room
        self._path = f"{directory}/{FILE}"
        self._journal_path = f"{directory}/{JOURNAL}"
        self._offer: Offer | None = None
        self._file: StorageFile | None = None
        self._journal: StorageFile | None = None
        self._journal_bytes = 0
        self._unsynced = 0

    def begin(self, offer: Offer) -> bytearray:
        """Open the transfer of this offer and return the bitmap of the chunks that are held.

        Raises:
            StorageError: the disk refuses, or has no room.
        """
        self.close()
        if self._journaled_offer() != offer:
            self.discard()
            self._make_room(offer.size_bytes)
            self._storage.open(self._path, truncate=True).close()
            head = _MAGIC + offer.encode()
            self._storage.replace(self._journal_path, head + _CRC.pack(zlib.crc32(head)))
        self._file = self._storage.open(self._path)
        bitmap = self._repair(offer, self._file)
        self._journal = self._storage.open(self._journal_path)
        self._offer = offer
        return bitmap

    def write(self, index: int, data: bytes) -> None:
        """Keep one chunk.

        Raises:
            StorageError: the disk refuses; the chunk is not held.
        """
        if self._offer is None or self._file is None or self._journal is None:
            raise RuntimeError("incoming: no transfer is open")
        self._file.write_at(index * self._offer.chunk_bytes, data)
        fields = _FIELDS.pack(index, zlib.crc32(data))
        self._journal.write_at(self._journal_bytes, fields + _CRC.pack(zlib.crc32(fields)))
        self._journal_bytes += _RECORD.size
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Return a piece of what has come."""
        if self._file is None:
            raise RuntimeError("incoming: no transfer is open")
        return self._file.read_at(offset_bytes, size_bytes)

    def sync(self) -> None:
        """Return when what has come survives a power cut."""
        if self._file is not None and self._journal is not None:
            self._file.sync()
            self._journal.sync()
        self._unsynced = 0

    def keep(self, path: str) -> None:
        """Give the file, which is whole and synced, a name of its own; the transfer is over."""
        self.close()
        self._storage.rename(self._path, path)
        self._storage.unlink(self._journal_path)
        self._storage.sync_directory(path)

    def discard(self) -> None:
        """Forget the transfer and give its room back."""
        self.close()
        self._storage.unlink(self._journal_path)
        self._storage.unlink(self._path)

    def close(self) -> None:
        """Close the files; the transfer can be taken up again."""
        for file in (self._file, self._journal):
            if file is not None:
                file.close()
        self._offer = self._file = self._journal = None
        self._unsynced = 0

    def _journaled_offer(self) -> Message | None:
        size_bytes = self._storage.size_bytes(self._journal_path) or 0
        if size_bytes < _HEAD_BYTES + _CRC.size or self._storage.size_bytes(self._path) is None:
            return None
        file = self._storage.open(self._journal_path)
        try:
            data = file.read_at(0, _HEAD_BYTES + _CRC.size)
        finally:
            file.close()
        head, crc = data[:_HEAD_BYTES], data[_HEAD_BYTES:]
        if not head.startswith(_MAGIC) or crc != _CRC.pack(zlib.crc32(head)):
            return None
        try:
            return decode(head[len(_MAGIC) :])
        except MessageError:
            return None

    def _repair(self, offer: Offer, file: StorageFile) -> bytearray:
        """Return the bitmap of the chunks held, and let the journal hold their records alone."""
        content = self._storage.read(self._journal_path)
        head, records = content[: _HEAD_BYTES + _CRC.size], content[_HEAD_BYTES + _CRC.size :]
        bitmap = bytearray((offer.chunk_count + 7) // 8)
        kept = bytearray()
        for record, index, crc in _whole_records(records):
            if index >= offer.chunk_count or bitmap[index >> 3] >> (index & 7) & 1:
                continue
            data = file.read_at(index * offer.chunk_bytes, offer.chunk_size(index))
            if len(data) == offer.chunk_size(index) and zlib.crc32(data) == crc:
                bitmap[index >> 3] |= 1 << (index & 7)
                kept += record
        if kept != records:
            self._storage.replace(self._journal_path, head + bytes(kept))
        self._journal_bytes = len(head) + len(kept)
        return bitmap


def _whole_records(records: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each record with its chunk and its CRC, up to the first that is damaged."""
    for offset_bytes in range(0, len(records) - _RECORD.size + 1, _RECORD.size):
        index, crc, own_crc = _RECORD.unpack_from(records, offset_bytes)
        if own_crc != zlib.crc32(_FIELDS.pack(index, crc)):
            return
        yield records[offset_bytes : offset_bytes + _RECORD.size], index, crc
