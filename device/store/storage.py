"""The one module of the board that writes files.

Every durable step is one call here (open, write, fsync, rename, unlink, fsync of the directory), so
that a virtual board can number them and cut the power before, half-way and after each; what the
store reads goes through here too, so that such a board needs no disk.

Rules:
 * Paths are relative to the root and never leave it.
 * ``replace`` leaves the old content or the new, whatever happens.
"""

import errno
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Final

from device.errors import DeviceError
from device.exit_code import ExitCode

_TEMPORARY_SUFFIX: Final = ".part"


class StorageError(DeviceError, OSError):
    """The file system refuses; carries the path and the reason."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, path: Path, error: OSError) -> None:
        advice = "free some space" if error.errno == errno.ENOSPC else "check the disk and rights"
        super().__init__(f"{path}: {error.strerror or error}; {advice}")
        self.path = path
        self.is_full = error.errno == errno.ENOSPC


class StorageFile:
    """A file open for reading and writing at any place."""

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise StorageError(path, error) from error

    def read_at(self, offset_bytes: int, size_bytes: int, /) -> bytes:
        """Return what stands at the offset; less than asked for only at the end of the file."""
        try:
            return os.pread(self._fd, size_bytes, offset_bytes)
        except OSError as error:
            raise StorageError(self._path, error) from error

    def write_at(self, offset_bytes: int, data: bytes, /) -> None:
        """Write all of ``data`` at the offset."""
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._fd, view, offset_bytes)
                offset_bytes += written
                view = view[written:]
        except OSError as error:
            raise StorageError(self._path, error) from error

    def append(self, data: bytes, /) -> None:
        """Write all of ``data`` behind the end."""
        self.write_at(self.size_bytes(), data)

    def size_bytes(self) -> int:
        """Return the file's size."""
        return os.fstat(self._fd).st_size

    def sync(self) -> None:
        """Return when what was written survives a power cut."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise StorageError(self._path, error) from error

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Storage:
    """The board's files below one root."""

    def __init__(self, root: Path, /) -> None:
        self.root = root

    def path(self, name: str, /) -> Path:
        """Return where ``name`` lies.

        Raises:
            ValueError: ``name`` leaves the root.
        """
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ValueError(f"{name!r}: not a path below the root")
        return self.root / relative

    def read(self, name: str, /) -> bytes:
        """Return a file's content."""
        path = self.path(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise StorageError(path, error) from error

    def size_bytes(self, name: str, /) -> int | None:
        """Return a file's size; None when there is no such file."""
        path = self.path(name)
        try:
            return path.stat().st_size if path.is_file() else None
        except OSError as error:
            raise StorageError(path, error) from error

    def names(self, directory: str, /) -> list[str]:
        """Return the names of the files in a directory, sorted; none when it is not there."""
        path = self.path(directory)
        try:
            return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
        except OSError as error:
            raise StorageError(path, error) from error

    def free_bytes(self) -> int:
        """Return what the disk has left for us."""
        try:
            return shutil.disk_usage(self.root).free
        except OSError as error:
            raise StorageError(self.root, error) from error

    def make_directory(self, name: str, /) -> None:
        """Create a directory and those above it, durably; an existing one is kept."""
        for parent in (*reversed(PurePosixPath(name).parents[:-1]), name):
            path = self.path(str(parent))
            if path.is_dir():
                continue
            try:
                path.mkdir(parents=True, exist_ok=True)  # the root, too
            except OSError as error:
                raise StorageError(path, error) from error
            self.sync_directory(str(parent))

    def open(self, name: str, /, *, truncate: bool = False) -> StorageFile:
        """Open a file for writing, created when absent."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
        return StorageFile(self.path(name), flags)

    def rename(self, old: str, new: str, /) -> None:
        """Give a file another name; an existing one is replaced in one step."""
        try:
            self.path(old).replace(self.path(new))
        except OSError as error:
            raise StorageError(self.path(old), error) from error

    def unlink(self, name: str, /) -> None:
        """Remove a file; an absent one is fine."""
        try:
            self.path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(self.path(name), error) from error

    def sync_directory(self, name: str, /) -> None:
        """Return when the names in the directory of file ``name`` survive a power cut."""
        directory = self.path(name).parent
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(directory, error) from error

    def replace(self, name: str, data: bytes, /, *, durable: bool = True) -> None:
        """Give a file new content in one step.

        Args:
            name: the file.
            data: its whole new content.
            durable: survive a power cut; without it only a crash of the process.
        """
        temporary = name + _TEMPORARY_SUFFIX
        file = self.open(temporary, truncate=True)
        try:
            file.write_at(0, data)
            if durable:
                file.sync()
        except StorageError:
            self.unlink(temporary)  # a full disk needs the space
            raise
        finally:
            file.close()
        self.rename(temporary, name)
        if durable:
            self.sync_directory(name)

    def remove_leftovers(self, directory: str, /) -> None:
        """Remove what a ``replace`` that was cut short left in a directory."""
        for name in self.names(directory):
            if name.endswith(_TEMPORARY_SUFFIX):
                self.unlink(f"{directory}/{name}")
