"""Files that appear under their names only when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from toolkit.errors import FileUnwritableError


@contextmanager
def replacing(path: Path, /) -> Iterator[BinaryIO]:
    """Yield a file to write; when that went well, it is on the disk and takes the path's place.

    Raises:
        FileUnwritableError: the folder cannot be made, or the file cannot be written.
    """
    if path.is_dir():
        raise FileUnwritableError(str(path), "it is a directory")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise FileUnwritableError(str(path), error.strerror or str(error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
