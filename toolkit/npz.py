"""NumPy's archives from outside: how much they hold is known before any of it is unpacked."""

import os
import tokenize
import zipfile
import zlib
from typing import BinaryIO, Final

# What NumPy and zipfile raise on files that are damaged, beside an OSError.
BROKEN: Final = (
    ValueError, TypeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    OverflowError, SystemError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def unpacked_bytes(stream: BinaryIO, /) -> int:
    """Return what a .npz or .npy file says it unpacks to; leaves the stream at its start.

    Raises:
        zipfile.BadZipFile: it looks like an archive and is none.
    """
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            size = sum(member.file_size for member in archive.infolist())
    else:
        size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size
