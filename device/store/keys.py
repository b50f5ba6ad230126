"""The keys that a board trusts, in its folder ``keys/``.

Rules:
 * A key's file is named by the key's id and holds the public key in hexadecimal; any other content
   is not trusted, and told.
 * The last key is never removed: the board could not be updated any more.
"""

from typing import Final

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.store.envelope import KEY_BYTES, TrustedKeys, key_id
from device.store.manifest import Manifest
from device.store.storage import Storage

MAX_KEYS: Final = 16
MAX_KEY_FILE_BYTES: Final = 16_384
_DIRECTORY: Final = "keys"
_SUFFIX: Final = ".key"


class KeyRefusedError(DeviceError, ValueError):
    """A key cannot be trusted, or not be given up."""

    exit_code = ExitCode.REFUSED


class KeyFileError(DeviceError, ValueError):
    """A file is no key of the kind that is needed."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: {reason}; 'ferrule keys new KEY' makes KEY, the private one, and KEY.pub"
        )
        self.where = where
        self.reason = reason


def decode_public_key(content: bytes, /, *, where: str) -> bytes:
    """Return the 32 bytes of a public key file: SubjectPublicKeyInfo in PEM, of Ed25519.

    Raises:
        KeyFileError: it is something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(where, "it is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(where, "it is a key of another algorithm than Ed25519")
    return key.public_bytes_raw()


class KeyStore:
    """The trusted keys below the storage's root."""

    def __init__(self, storage: Storage, /) -> None:
        self._storage = storage

    def load(self) -> TrustedKeys:
        """Return the keys that are trusted."""
        return TrustedKeys(key for key in self._read().values() if key is not None)

    def damaged(self) -> tuple[str, ...]:
        """Return the names of the files that hold no key of that name."""
        return tuple(name for name, key in self._read().items() if key is None)

    def add(self, key: bytes, /) -> None:
        """Trust a public key of 32 bytes; a known one is fine.

        Raises:
            KeyRefusedError: there are too many already.
        """
        name = _file(key_id(key))
        held = self._read()
        if held.get(name) == key:
            return
        if len(held.keys() - {name}) >= MAX_KEYS:
            raise KeyRefusedError(
                f"{self._storage.path(_DIRECTORY)}: {MAX_KEYS} keys are trusted already; "
                "remove one first"
            )
        self._storage.make_directory(_DIRECTORY)
        self._storage.replace(name, key.hex().encode() + b"\n")

    def remove(self, removed_id: bytes, /) -> None:
        """Trust a key no more.

        Raises:
            KeyRefusedError: it is not trusted, or it is the last one.
        """
        trusted = self.load().key_ids
        if removed_id not in trusted:
            raise KeyRefusedError(f"{removed_id.hex()}: this key is not trusted")
        if len(trusted) == 1:
            raise KeyRefusedError(
                f"{removed_id.hex()}: this is the only trusted key; trust the next one first"
            )
        self._storage.unlink(_file(removed_id))
        self._storage.sync_directory(_file(removed_id))

    def trust_next(self, manifest: Manifest, /) -> None:
        """Trust the keys that a confirmed bundle introduces.

        To be called after the confirm, and again at the next start if that was cut short: a key
        that is known already is fine.

        Raises:
            KeyRefusedError: there are too many already.
        """
        for key in manifest.next_keys:
            self.add(key)
        if manifest.next_keys:  # one that is there already may not be durable
            self._storage.sync_directory(_file(key_id(manifest.next_keys[0])))

    def clean_up(self) -> None:
        """Remove what an interrupted change left."""
        self._storage.remove_leftovers(_DIRECTORY)

    def _read(self) -> dict[str, bytes | None]:
        names = [name for name in self._storage.names(_DIRECTORY) if name.endswith(_SUFFIX)]
        paths = [f"{_DIRECTORY}/{name}" for name in names]
        return {path: _decode(path, self._storage.read(path)) for path in paths}


def _file(identity: bytes) -> str:
    return f"{_DIRECTORY}/{identity.hex()}{_SUFFIX}"


def _decode(name: str, content: bytes) -> bytes | None:
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES and _file(key_id(key)) == name else None
