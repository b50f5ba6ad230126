"""The key of the tests: always the same one, made from a fixed seed and written to no file."""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.store.envelope import TrustedKeys
from device.store.keys import KeyStore
from device.store.manifest import Manifest
from device.store.storage import Storage
from toolkit.bundle.create import encode
from toolkit.bundle.keys import SigningKey


def key_number(number: int) -> SigningKey:
    """Return one of several keys."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


KEY = key_number(1)
OTHER_KEY = key_number(2)
TRUSTED = TrustedKeys([KEY.public])


def signed(name: str, version: str, sequence: int, parts: Mapping[str, bytes]) -> bytes:
    """Return a bundle that asks for nothing, signed by the tests' key."""
    return encode(Manifest(name, version, sequence), parts, KEY)


def trust(root: Path, key: SigningKey = KEY) -> None:
    """Make the board below ``root`` trust a key."""
    KeyStore(Storage(root)).add(key.public)
