"""The bundles that a board holds, and which of them is active.

Rules:
 * A bundle's file is named by its digest: what is there is whole.
 * The pointer names a whole bundle or is absent; it is replaced in one step.
 * The active bundle and the one before it are kept, older ones are removed.
"""

import errno
import hashlib
import os
import shutil
from typing import Final

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.store.bundle import Bundle, decode
from device.store.errors import BundleError
from device.store.keys import KeyStore
from device.store.manifest import MAX_BUNDLE_BYTES
from device.store.storage import Storage, StorageError, StorageFile

_DIRECTORY: Final = "bundles"
_POINTER: Final = "active"
_INCOMING: Final = f"{_DIRECTORY}/incoming"
_DIGEST_CHARACTERS: Final = 64


class NoBundleError(DeviceError, FileNotFoundError):
    """The board has no bundle to run."""

    exit_code = ExitCode.NOT_FOUND


class WrongDigestError(BundleError):
    """The received bytes are not those that were offered."""


class BundleStore:
    """Content-addressed bundles below the storage's root."""

    def __init__(self, storage: Storage, /) -> None:
        self._storage = storage
        self.keys = KeyStore(storage)
        storage.make_directory(_DIRECTORY)

    def active(self) -> Bundle:
        """Return the active bundle; its signature was verified when it came.

        Raises:
            NoBundleError: none was ever made active.
            BundleError: the pointer or the file is damaged.
        """
        names = self._pointer()
        if not names:
            raise NoBundleError(
                f"{self._storage.root}: no bundle is active; install one with "
                "'ferrule-device install ROOT BUNDLE'"
            )
        path = self._storage.path(_file(names[0]))
        if not path.is_file():
            raise BundleError(str(path), "the active bundle's file is not there")
        bundle = decode(self._storage.read(_file(names[0])), None, where=str(path))
        if bundle.digest.hex() != names[0]:
            raise BundleError(str(path), "the file's digest is not its name")
        return bundle

    def check_space(self, size_bytes: int, /) -> None:
        """Refuse a transfer that the disk has no room for.

        Raises:
            StorageError: ``is_full``.
        """
        path = self._storage.path(_DIRECTORY)
        if shutil.disk_usage(path).free < size_bytes:
            raise StorageError(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def open_incoming(self) -> StorageFile:
        """Open the file that a transfer writes into."""
        return self._storage.open(_INCOMING, truncate=True)

    def read_incoming(self, size_bytes: int, digest: bytes, /) -> Bundle:
        """Return the bundle that a transfer wrote.

        Raises:
            WrongDigestError: size or digest are not those that were offered.
            BundleError: they are, and it is no whole bundle that a trusted key signed.
        """
        path = self._storage.path(_INCOMING)
        held_bytes = path.stat().st_size if path.is_file() else 0
        if size_bytes > MAX_BUNDLE_BYTES or held_bytes != size_bytes:
            raise WrongDigestError("incoming bundle", "its size is not the one offered")
        data = self._storage.read(_INCOMING)
        if hashlib.sha256(data).digest() != digest:
            raise WrongDigestError("incoming bundle", "its digest is not the one offered")
        return decode(data, self.keys.load(), where="incoming bundle")

    def activate_incoming(self, digest: bytes, /) -> None:
        """Make the received bundle, which the caller has verified, the active one."""
        self._storage.rename(_INCOMING, _file(digest.hex()))
        self._storage.sync_directory(_INCOMING)
        try:
            others = [name for name in self._pointer() if name != digest.hex()]
        except BundleError:
            others = []  # a damaged pointer must not keep a good bundle out
        kept = [digest.hex(), *others[:1]]
        self._storage.replace(_POINTER, "".join(f"{name}\n" for name in kept).encode())
        for path in sorted(self._storage.path(_DIRECTORY).glob("*.bundle")):
            if path.stem not in kept:
                self._storage.unlink(f"{_DIRECTORY}/{path.name}")

    def install(self, data: bytes, /, *, where: str) -> Bundle:
        """Verify a bundle and make it the active one.

        Raises:
            BundleError: it is not whole, or not signed by a trusted key.
        """
        bundle = decode(data, self.keys.load(), where=where)
        file = self.open_incoming()
        try:
            file.write_at(0, data)
            file.sync()
        finally:
            file.close()
        self.activate_incoming(bundle.digest)
        return bundle

    def _pointer(self) -> list[str]:
        path = self._storage.path(_POINTER)
        if not path.is_file():
            return []
        names = self._storage.read(_POINTER).decode("ascii", errors="replace").split()
        for name in names:
            if len(name) != _DIGEST_CHARACTERS or set(name) - set("0123456789abcdef"):
                raise BundleError(str(path), "the pointer is damaged")
        return names


def _file(digest: str) -> str:
    return f"{_DIRECTORY}/{digest}.bundle"
