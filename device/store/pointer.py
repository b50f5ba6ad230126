"""The pointer: one record that says which slots a board has and what it does with them.

Rules:
 * A record has a fixed size and a CRC-32, and lies in two copies with a number that rises; the
   whole copy with the higher number counts.
 * A change writes both copies, one after the other, each in one step: one that is lost later costs
   nothing.
 * A change begins at what the storage holds, never at what is remembered.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, Final

from device.core.messages import (
    CONFIRMED,
    IDLE,
    MAX_SEQUENCE,
    MAX_TEXT,
    NO_DIGEST,
    OK,
    ROLLED_BACK,
    STAGED,
    TRIAL,
    bounded_text,
)
from device.store.errors import BundleError
from device.store.storage import Storage, StorageError

_NAMES: Final = ("pointer.0", "pointer.1")
_MAGIC: Final = b"FPTR"
_SCHEMA: Final = 1
# magic, schema, phase, starts, code, keys due, number, counter, active, previous, trial, offered,
# failed, text size, text
_LAYOUT: Final = struct.Struct(f"<4sBBHHH QQ 32s32s32s32s32s H{MAX_TEXT}s")
_CRC: Final = struct.Struct("<I")
_PHASES: Final = (IDLE, STAGED, TRIAL, CONFIRMED, ROLLED_BACK)
MAX_STARTS: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """What the pointer says; digests are SHA-256 of whole bundle files, zeros: none.

    Attributes:
        phase: of the last update: IDLE, STAGED, TRIAL, CONFIRMED or ROLLED_BACK.
        active: the bundle that was confirmed last.
        previous: the one before, when it is still there.
        trial: the one that is staged or on trial.
        offered: of the file that was offered, which may have been a delta.
        failed: the bundle that failed last.
        starts: how often the trial was started.
        code: why the last update failed; OK when it did not.
        text: the same in words.
        counter: the highest sequence that was confirmed.
        has_keys_due: the keys that the active bundle introduces are still to be trusted.
        number: of the change that wrote it.
    """

    phase: int = IDLE
    active: bytes = NO_DIGEST
    previous: bytes = NO_DIGEST
    trial: bytes = NO_DIGEST
    offered: bytes = NO_DIGEST
    failed: bytes = NO_DIGEST
    starts: int = 0
    code: int = OK
    text: str = ""
    counter: int = 0
    has_keys_due: bool = False
    number: int = 0

    @property
    def held(self) -> frozenset[bytes]:
        """The digests of the bundles that must be kept."""
        return frozenset({self.active, self.previous, self.trial} - {NO_DIGEST})

    def encode(self) -> bytes:
        """Return the record with its CRC-32."""
        text = bounded_text(self.text).encode()
        record = _LAYOUT.pack(
            _MAGIC,
            _SCHEMA,
            self.phase,
            self.starts,
            self.code,
            self.has_keys_due,
            self.number,
            self.counter,
            self.active,
            self.previous,
            self.trial,
            self.offered,
            self.failed,
            len(text),
            text,
        )
        return record + _CRC.pack(zlib.crc32(record))

    @classmethod
    def decode(cls, data: bytes, /) -> "Record | None":
        """Return the record in ``data``; None when it is damaged."""
        if len(data) != _LAYOUT.size + _CRC.size:
            return None
        record, crc = data[: _LAYOUT.size], data[_LAYOUT.size :]
        if _CRC.unpack(crc) != (zlib.crc32(record),):
            return None
        magic, schema, phase, starts, code, keys, number, counter, *digests, size, text = (
            _LAYOUT.unpack(record)
        )
        if (magic, schema) != (_MAGIC, _SCHEMA) or phase not in _PHASES or counter > MAX_SEQUENCE:
            return None
        active, previous, trial, offered, failed = digests
        return cls(
            phase=phase,
            active=active,
            previous=previous,
            trial=trial,
            offered=offered,
            failed=failed,
            starts=starts,
            code=code,
            text=text[:size].decode("utf-8", "replace"),
            counter=counter,
            has_keys_due=bool(keys),
            number=number,
        )


class Pointer:
    """The record in a directory of the storage."""

    def __init__(self, storage: Storage, directory: str, /) -> None:
        self._storage = storage
        self._paths = tuple(f"{directory}/{name}" for name in _NAMES)
        self.file_names = _NAMES

    def read(self) -> Record:
        """Return the record that counts; an empty one on a new board.

        Raises:
            BundleError: both copies are damaged.
            StorageError: neither copy can be read.
        """
        copies = [copy for path in self._paths for copy in self._copy_or_failure(path)]
        whole = [copy for copy in copies if isinstance(copy, Record)]
        for copy in copies:
            if not whole and isinstance(copy, StorageError):
                raise copy
        if not whole and copies:
            raise self._damaged()
        return max(whole, key=lambda record: record.number, default=Record())

    def held(self) -> frozenset[bytes]:
        """Return the digests that any copy names: a change may have been cut short.

        Raises:
            BundleError: both copies are damaged.
            StorageError: a copy cannot be read.
        """
        copies = [record for path in self._paths for record in self._copy(path)]
        if copies and not any(copies):
            raise self._damaged()
        return frozenset().union(*(record.held for record in copies if record is not None))

    def change(self, **fields: Any) -> Record:
        """Write the record with these fields changed, and return it.

        Raises:
            StorageError: the change was not made, or may not survive a power cut; made again it
                does no harm.
        """
        old = self.read()
        new = replace(old, **fields, number=old.number + 1)
        return self._write(new)

    def complete(self) -> None:
        """Write the copy that a change which was cut short did not reach.

        Raises:
            BundleError: both copies are damaged.
            StorageError: the disk refuses.
        """
        record = self.read()
        for path in self._paths:
            if record.number and self._number(path) != record.number:
                self._storage.replace(path, record.encode())

    def begin_anew(self) -> None:
        """Replace a damaged pointer by an empty one; the counter is lost with it."""
        self._write(Record(number=1))

    def _write(self, record: Record) -> Record:
        numbers = {path: self._number(path) for path in self._paths}
        first, second = sorted(self._paths, key=lambda path: numbers[path])
        self._storage.replace(first, record.encode())
        try:
            self._storage.replace(second, record.encode())
        except StorageError:
            return record  # the first copy counts already; the next change writes this one anew
        return record

    def _number(self, path: str) -> int:
        copies = self._copy_or_failure(path)
        return max((copy.number for copy in copies if isinstance(copy, Record)), default=-1)

    def _copy_or_failure(self, path: str) -> list[Record | None] | list[StorageError]:
        try:
            return self._copy(path)
        except StorageError as error:
            return [error]

    def _copy(self, path: str) -> list[Record | None]:
        """Return the copy at a path, None when it is damaged; nothing when it is not there."""
        if self._storage.size_bytes(path) is None:
            return []
        return [Record.decode(self._storage.read(path))]

    def _damaged(self) -> BundleError:
        return BundleError(
            str(self._storage.path(self._paths[0])),
            "both copies of the pointer are damaged",
            advice="install a bundle with 'ferrule-device install'",
        )
