"""The board's storage without a disk: every operation is numbered, and the power may go at any.

What a program sees is the page cache: everything it did. What a power cut leaves is the disk: what
was fsynced, and of the rest as much as ``Aftermath`` says. Names are entries of directories and
have an fsync of their own, as in POSIX: a file that was synced and renamed may come back under its
old name.

Rules:
 * An operation is one call of ``Storage`` or ``StorageFile`` that a real board would make of its
   operating system; ``replace`` is the real one, made of such calls.
 * After the cut, every operation raises: a program that is off does nothing.
"""

import errno
import os
import random
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, NoReturn

from device.store.storage import Storage, StorageError, StorageFile

ROOT: Final = Path("/sim")
_CAPACITY_BYTES: Final = 1 << 30
_DIRECTORY: Final = -1  # in place of a file's number


class PowerCutError(BaseException):
    """The power went; nothing of the program may catch it."""


class Aftermath(Enum):
    """What the disk holds of what was not fsynced."""

    DROP = "drop"  # nothing
    KEEP = "keep"  # everything, as when only the process was killed
    TEAR = "tear"  # some writes, some of them in part, and some changes of names, in any order


class Refusal(Enum):
    """What a disk that is in trouble answers, and to which operations."""

    FULL = errno.ENOSPC  # to what takes room
    READ_ONLY = errno.EROFS  # to what changes something
    BROKEN = errno.EIO  # to everything

    def applies_to(self, kind: str) -> bool:
        if self is Refusal.FULL:
            return kind in {"create", "write", "mkdir"}
        return self is Refusal.BROKEN or kind not in READS


READS: Final = {"open", "read", "size", "names"}


@dataclass
class _File:
    """One file's content: as the program sees it, as it is on the disk, and what lies between."""

    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)  # writes, truncations

    def change(self, change: tuple[int, bytes] | int) -> None:
        _apply(self.now, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable = bytes(self.now)
        self.pending.clear()

    def after(self, aftermath: Aftermath, rng: random.Random) -> bytes:
        if aftermath is Aftermath.DROP:
            return self.durable
        if aftermath is Aftermath.KEEP:
            return bytes(self.now)
        content = bytearray(self.durable)
        for change in self.pending:
            fate = rng.randrange(3)
            if fate == 1 and not isinstance(change, int):
                offset_bytes, data = change
                _apply(content, (offset_bytes, data[: rng.randint(0, len(data))]))
            elif fate:
                _apply(content, change)
        return bytes(content)


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del content[change:]
        return
    offset_bytes, data = change
    if data:
        content.extend(bytes(max(0, offset_bytes - len(content))))
        content[offset_bytes : offset_bytes + len(data)] = data


class SimStorage(Storage):
    """A storage in memory.

    Attributes:
        operations: what was done so far, ``kind name`` each.
        sizes: of each in bytes; 0 for all but writes.
        cut_at: number of the operation before which the power goes; None: never.
        torn_bytes: of the write at which it goes, how much is done; None: nothing.
        refusal: what the disk answers from operation ``refuse_from`` to ``refuse_to``; None: it is
            well.
        capacity_bytes: of the disk.
    """

    def __init__(self) -> None:
        super().__init__(ROOT)
        self.operations: list[str] = []
        self.sizes: list[int] = []
        self.cut_at: int | None = None
        self.torn_bytes: int | None = None
        self.refusal: Refusal | None = None
        self.refuse_from = 0
        self.refuse_to: int | None = None
        self.capacity_bytes = _CAPACITY_BYTES
        self._is_off = False
        self._files: list[_File] = []
        self._entries: dict[str, int] = {}  # path -> number of the file, as the program sees it
        self._durable: dict[str, int] = {}  # the same on the disk
        self._pending: dict[str, list[dict[str, int | None]]] = {}  # directory -> changes of paths

    def after_power_returns(self, aftermath: Aftermath, *, seed: int = 0) -> "SimStorage":
        """Return the disk as the next start finds it."""
        rng = random.Random(seed)
        disk = SimStorage()
        disk.capacity_bytes = self.capacity_bytes
        entries = dict(self._durable)
        for changes in self._pending.values():
            for change in changes:
                is_kept = aftermath is not Aftermath.DROP and rng.random() < 0.5
                if is_kept or aftermath is Aftermath.KEEP:
                    _rename(entries, change)
        for path, number in sorted(entries.items()):
            if not all(parent in entries for parent in _parents(path)):
                continue
            disk._entries[path] = _DIRECTORY
            if number != _DIRECTORY:
                disk._entries[path] = len(disk._files)
                content = self._files[number].after(aftermath, rng)
                disk._files.append(_File(bytearray(content), content))
        disk._durable = dict(disk._entries)
        return disk

    def content(self) -> dict[str, bytes]:
        """Return every file that the program sees; no operation."""
        return {
            path: bytes(self._files[number].now)
            for path, number in self._entries.items()
            if number != _DIRECTORY
        }

    def put(self, name: str, content: bytes) -> None:
        """Make a durable file, as who sets up a board does; no operation."""
        for parent in _parents(name):
            self._entries[parent] = self._durable[parent] = _DIRECTORY
        self._entries[name] = self._durable[name] = len(self._files)
        self._files.append(_File(bytearray(content), content))

    # What a storage offers.

    def read(self, name: str, /) -> bytes:
        self._step("read", name)
        return bytes(self._file(name).now)

    def size_bytes(self, name: str, /) -> int | None:
        self._step("size", name)
        number = self._entries.get(name, _DIRECTORY)
        return None if number == _DIRECTORY else len(self._files[number].now)

    def names(self, directory: str, /) -> list[str]:
        self._step("names", directory)
        return sorted(
            path.rpartition("/")[2] for path in self._entries if _directory(path) == directory
        )

    def free_bytes(self) -> int:
        return self.capacity_bytes - sum(len(file.now) for file in self._files_in_use())

    def make_directory(self, name: str, /) -> None:
        for path in (*_parents(name), name):
            if self._entries.get(path) != _DIRECTORY:
                self._step("mkdir", path)
                self._change({path: _DIRECTORY})
                self.sync_directory(path)

    def open(self, name: str, /, *, truncate: bool = False) -> StorageFile:
        is_new = name not in self._entries
        self._step("create" if is_new else "truncate" if truncate else "open", name)
        if is_new:
            self._check_parents(name, told=name)
            self._change({name: len(self._files)})
            self._files.append(_File())
        file = self._file(name)
        if truncate and file.now:
            file.change(0)
        return _SimFile(self, name, file)

    def rename(self, old: str, new: str, /) -> None:
        self._step("rename", f"{old} {new}")
        self._file(old)
        self._check_parents(new, told=old)
        self._change({old: None, new: self._entries[old]})

    def unlink(self, name: str, /) -> None:
        self._step("unlink", name)
        if name in self._entries:
            self._change({name: None})

    def sync_directory(self, name: str, /) -> None:
        self._step("sync_directory", name)
        for change in self._pending.pop(_directory(name), []):
            _rename(self._durable, change)

    # What its files ask of it.

    def step(self, kind: str, name: str, size_bytes: int) -> int:
        """Number an operation on a file and return how much of it is to be done."""
        torn = kind == "write" and self.torn_bytes is not None
        if torn and self.cut_at == len(self.operations) and not self._is_off:
            return min(self.torn_bytes or 0, size_bytes)
        if kind == "write" and not self._is_off and self.free_bytes() < size_bytes:
            self._note(kind, name, size_bytes)
            self.refuse(name, errno.ENOSPC)
        self._step(kind, name, size_bytes)
        return size_bytes

    def cut(self) -> NoReturn:
        """Switch the power off."""
        self._is_off = True
        raise PowerCutError

    def refuse(self, name: str, code: int) -> NoReturn:
        """Answer as an operating system does."""
        raise StorageError(self.path(name), OSError(code, os.strerror(code)))

    def _note(self, kind: str, name: str, size_bytes: int) -> None:
        self.operations.append(f"{kind} {name}")
        self.sizes.append(size_bytes)

    def _step(self, kind: str, name: str, size_bytes: int = 0) -> None:
        number = len(self.operations)
        if self._is_off or self.cut_at == number:
            self.cut()
        self._note(kind, name, size_bytes)
        is_in_time = number >= self.refuse_from and (
            self.refuse_to is None or number <= self.refuse_to
        )
        if self.refusal is not None and is_in_time and self.refusal.applies_to(kind):
            self.refuse(name.split()[0], self.refusal.value)

    def _check_parents(self, name: str, *, told: str) -> None:
        if not all(parent in self._entries for parent in _parents(name)):
            self.refuse(told, errno.ENOENT)

    def _file(self, name: str) -> _File:
        number = self._entries.get(name)
        if number is None or number == _DIRECTORY:
            self.refuse(name, errno.ENOENT if number is None else errno.EISDIR)
        return self._files[number]

    def _files_in_use(self) -> list[_File]:
        return [self._files[n] for n in set(self._entries.values()) if n != _DIRECTORY]

    def _change(self, change: dict[str, int | None]) -> None:
        _rename(self._entries, change)
        self._pending.setdefault(_directory(next(iter(change))), []).append(change)


class _SimFile(StorageFile):
    """One open file of a ``SimStorage``."""

    def __init__(self, storage: SimStorage, name: str, file: _File) -> None:
        self._storage = storage
        self._name = name
        self._file = file

    def read_at(self, offset_bytes: int, size_bytes: int, /) -> bytes:
        self._storage.step("read", self._name, 0)
        return bytes(self._file.now[offset_bytes : offset_bytes + size_bytes])

    def write_at(self, offset_bytes: int, data: bytes, /) -> None:
        done_bytes = self._storage.step("write", self._name, len(data))
        self._file.change((offset_bytes, bytes(data[:done_bytes])))
        if done_bytes < len(data):
            self._storage.cut()

    def size_bytes(self) -> int:
        return len(self._file.now)

    def sync(self) -> None:
        self._storage.step("sync", self._name, 0)
        self._file.sync()

    def close(self) -> None:
        """Nothing is held."""


def _rename(entries: dict[str, int], change: dict[str, int | None]) -> None:
    for path, number in change.items():
        if number is None:
            entries.pop(path, None)
        else:
            entries[path] = number


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _directory(name: str) -> str:
    return name.rpartition("/")[0]
