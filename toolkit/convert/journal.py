"""What an unfinished conversion has already made, so that the same command goes on from there.

Rules it keeps:
 * It belongs to one key: the model, the data, the options and the tools. With another key it starts
   empty.
 * A file is in it only when it is whole.
 * It is removed when the report is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from toolkit.atomic_file import replacing
from toolkit.errors import FileUnwritableError

FOLDER_NAME: Final = "unfinished"
_KEY: Final = "key"


class Journal:
    """Files of an unfinished conversion by their names, in a folder beside the results."""

    def __init__(self, output: Path, key: str, /) -> None:
        """Open the journal of a conversion; nothing is written yet.

        Args:
            output: the conversion's output folder; the journal is a folder in it.
            key: what the files depend on.
        """
        self._folder = output / FOLDER_NAME
        self._key = key.encode()
        self._is_ours = self._read(_KEY) == self._key

    def load(self, name: str, /) -> bytes | None:
        """Return a file that was saved under this name; None when there is none."""
        return self._read(name) if self._is_ours else None

    def save(self, name: str, content: bytes, /) -> None:
        """Keep a file, whole or not at all.

        Raises:
            FileUnwritableError: it cannot be written.
        """
        if not self._is_ours:
            self._begin()
        with replacing(self._folder / name) as stream:
            stream.write(content)

    def remove(self) -> None:
        """Forget everything: the conversion is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise FileUnwritableError(
                str(self._folder), error.strerror or "cannot be made"
            ) from error
        self._is_ours = True
        self.save(_KEY, self._key)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None  # not there, or not to be had: it is made anew
