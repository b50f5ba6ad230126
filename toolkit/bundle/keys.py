"""Keys that sign bundles: Ed25519; the private one is PKCS #8 in PEM, for its owner's eyes only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode
from device.store.envelope import Envelope, encode_envelope, key_id, signed_bytes
from device.store.keys import MAX_KEY_FILE_BYTES, KeyFileError, decode_public_key
from toolkit.errors import FileMissingError, FileUnreadableError, FileUnwritableError, ToolkitError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_SUFFIX: Final = ".pub"


class KeyExistsError(ToolkitError, FileExistsError):
    """A key would be written over another file."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: it is there already, and keys are never overwritten")
        self.path = path


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, payload: bytes, /) -> bytes:
        """Return the envelope with this payload, encoded."""
        identity = key_id(self.public)
        signature = self.private.sign(signed_bytes(identity, payload))
        return encode_envelope(Envelope(identity, payload, signature))


def new_key(path: Path, /) -> SigningKey:
    """Make a key pair: the private key at ``path``, the public one beside it with ``.pub``.

    Raises:
        KeyExistsError: one of the two files is there.
        FileUnwritableError: one cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    if public_path.exists():
        raise KeyExistsError(str(public_path))
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(path, pem, 0o600)
    public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(public_path, public_pem, 0o644)
    return SigningKey(private)


def read_private_key(path: Path, /) -> SigningKey:
    """Return the private key in a file.

    Raises:
        FileMissingError, FileUnreadableError: there is no such file, or it cannot be read.
        KeyFileError: it holds something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError as error:
        raise KeyFileError(str(path), "the private key is encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(str(path), "it is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(str(path), "it is a key of another algorithm than Ed25519")
    return SigningKey(key)


def read_public_key(path: Path, /) -> bytes:
    """Return the 32 bytes of a public key, from its file or from that of its private key.

    Raises:
        FileMissingError, FileUnreadableError: there is no such file, or it cannot be read.
        KeyFileError: it holds something else.
    """
    content = _read(path)
    if b"PRIVATE KEY-----" in content:
        return read_private_key(path).public
    return decode_public_key(content, where=str(path))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise FileMissingError(str(path), "key file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or str(error)) from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet; not through atomic_file, which replaces."""
    if path.exists():
        raise KeyExistsError(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise FileUnwritableError(str(path), error.strerror or str(error)) from error
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise FileUnwritableError(str(path), error.strerror or str(error)) from error
