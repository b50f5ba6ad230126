"""The file sink: results as JSON lines below the board's root, within a hard cap."""

from typing import Final

from device.result import Result
from device.store.storage import Storage, StorageError

_OLDER_SUFFIX: Final = ".1"


class FileSink:
    """Appends results to a file.

    Rules:
     * The file and one older generation never hold more than ``max_bytes`` together.
     * A line that a power cut or a full disk tore is ended before the next is written.
     * A full disk costs results, which are counted, never the inference.
    """

    def __init__(self, storage: Storage, path: str, *, max_bytes: int) -> None:
        self._storage = storage
        self._path = path
        self._max_bytes = max_bytes
        self._written = 0
        self._lost = 0
        storage.make_directory("results")
        self._name = f"results/{path}"
        self._file = storage.open(self._name)
        self._is_torn = self._ends_torn()

    def write(self, result: Result, /) -> None:
        """Append one line."""
        line = result.to_json().encode() + b"\n"
        limit_bytes = self._max_bytes // 2
        size_bytes = self._file.size_bytes()
        if len(line) > limit_bytes:
            self._lost += 1
            return
        try:
            if size_bytes + self._is_torn + len(line) > limit_bytes:
                self._rotate()
            self._file.append(b"\n" + line if self._is_torn else line)
        except StorageError:
            self._is_torn = self._is_torn or self._file.size_bytes() != size_bytes
            self._lost += 1
            return
        self._is_torn = False
        self._written += 1

    def assign(self, flow: str, /) -> None:
        """Do nothing: each line names its bundle."""

    def counters(self) -> dict[str, int]:
        """Return the lines written and lost."""
        return {"written": self._written, "lost": self._lost}

    def close(self) -> None:
        """Make the lines durable."""
        try:
            self._file.sync()
        finally:
            self._file.close()

    def _rotate(self) -> None:
        if self._storage.size_bytes(self._name) is not None:  # else opening failed the last time
            self._storage.rename(self._name, self._name + _OLDER_SUFFIX)
        fresh = self._storage.open(self._name, truncate=True)
        self._file.close()
        self._file = fresh
        self._is_torn = False

    def _ends_torn(self) -> bool:
        size_bytes = self._file.size_bytes()
        return size_bytes > 0 and self._file.read_at(size_bytes - 1, 1) != b"\n"
