"""The envelope: the manifest with its signature, a COSE_Sign1 by Ed25519.

Rules:
 * There is one encoding of each envelope; any other with the same meaning is refused.
 * The key is named in the signed header, and the algorithm is always the same.

Source: RFC 9052 sections 4.2 and 4.4, RFC 9053 section 2.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from device.store.errors import SignatureError, UntrustedKeyError

KEY_BYTES: Final = 32  # a public key of Ed25519
KEY_ID_BYTES: Final = 8  # first bytes of the key's SHA-256
SIGNATURE_BYTES: Final = 64
_TAG: Final = 0xD2  # tag 18, COSE_Sign1
_ALGORITHM: Final = 1
_KEY_ID: Final = 4
_EDDSA: Final = -8
# tag, array of 4, byte string of 13: map of 2, 1: -8, 4: byte string of 8; the key id, an empty map
_KEY_ID_OFFSET_BYTES: Final = 1 + 1 + 1 + 1 + 2 + 2
_PAYLOAD_OFFSET_BYTES: Final = _KEY_ID_OFFSET_BYTES + KEY_ID_BYTES + 1
_PAYLOAD_HEADS_BYTES: Final = (1, 2, 3)  # CBOR's head of a byte string up to 23, 255, 65535 bytes
_SIGNATURE_HEAD_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed manifest, encoded; nothing is verified yet."""

    key_id: bytes
    payload: bytes
    signature: bytes


class TrustedKeys:
    """The public keys by which a board or a host verifies."""

    def __init__(self, keys: Iterable[bytes] = (), /) -> None:
        """Trust these keys, 32 bytes each."""
        self._keys: Mapping[bytes, bytes] = {key_id(key): key for key in keys}

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """The ids of the keys."""
        return tuple(self._keys)

    def verify(self, envelope: Envelope, /, *, where: str) -> None:
        """Return when the envelope is signed by one of these keys.

        Raises:
            UntrustedKeyError: it names another key.
            SignatureError: it names one of these, which did not sign what is in it.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        key = self._keys.get(envelope.key_id)
        if key is None:
            raise UntrustedKeyError(where, envelope.key_id)
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(
                envelope.signature, signed_bytes(envelope.key_id, envelope.payload)
            )
        except InvalidSignature as error:
            raise SignatureError(
                where, f"the signature of key {envelope.key_id.hex()} does not match its manifest"
            ) from error


def key_id(key: bytes, /) -> bytes:
    """Return the id of a public key of 32 bytes."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(key)}")
    return sha256(key).digest()[:KEY_ID_BYTES]


def encode_envelope(envelope: Envelope, /) -> bytes:
    """Return an envelope as tagged COSE_Sign1 in deterministic CBOR."""
    import cbor2

    message = [_protected(envelope.key_id), {}, envelope.payload, envelope.signature]
    return bytes([_TAG]) + cbor2.dumps(message, canonical=True)


def decode_envelope(data: bytes, /, *, where: str) -> Envelope:
    """Return the envelope in ``data``; its signature is not verified.

    There is one encoding, so each field stands where sizes put it: nothing unsigned is parsed.

    Raises:
        SignatureError: it is no COSE_Sign1 of that encoding.
    """
    for head_bytes in _PAYLOAD_HEADS_BYTES:
        envelope = Envelope(
            key_id=data[_KEY_ID_OFFSET_BYTES : _KEY_ID_OFFSET_BYTES + KEY_ID_BYTES],
            payload=data[
                _PAYLOAD_OFFSET_BYTES + head_bytes : -_SIGNATURE_HEAD_BYTES - SIGNATURE_BYTES
            ],
            signature=data[-SIGNATURE_BYTES:],
        )
        if encode_envelope(envelope) == data:
            return envelope
    raise SignatureError(where, "it is not signed: its envelope is no COSE_Sign1 by Ed25519")


def signed_bytes(key_id: bytes, payload: bytes, /) -> bytes:
    """Return what the signature is over: the Sig_structure of RFC 9052 section 4.4."""
    import cbor2

    return cbor2.dumps(["Signature1", _protected(key_id), b"", payload], canonical=True)


def _protected(key_id: bytes) -> bytes:
    import cbor2

    return cbor2.dumps({_ALGORITHM: _EDDSA, _KEY_ID: key_id}, canonical=True)
