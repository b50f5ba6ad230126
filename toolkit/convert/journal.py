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
from toolkit.errors import FileUnreadableError

FOLDER_NAME: Final = "unfinished"
_KEY: Final = "key"


class Journal:
    """Files of an unfinished conversion by their names, in a folder beside the results."""

    def __init__(self, output: Path, key: str, /) -> None:
        """Open the journal of a conversion.

        Args:
            output: the conversion's output folder; the journal is a folder in it.
            key: what the files depend on.

        Raises:
            FileUnreadableError: the folder cannot be made or read.
        """
        self._folder = output / FOLDER_NAME
        try:
            if self._read(_KEY) != key.encode():
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
                self.save(_KEY, key.encode())
        except OSError as error:
            raise FileUnreadableError(
                str(self._folder), error.strerror or "cannot be made"
            ) from error

    def load(self, name: str, /) -> bytes | None:
        """Return a file that was saved under this name; None when there is none."""
        return self._read(name)

    def save(self, name: str, content: bytes, /) -> None:
        """Keep a file, whole or not at all.

        Raises:
            FileUnreadableError: it cannot be written.
        """
        with replacing(self._folder / name) as stream:
            stream.write(content)

    def remove(self) -> None:
        """Forget everything: the conversion is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
