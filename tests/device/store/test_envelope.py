"""The envelope, and that an independent library of COSE reads ours and makes what we read."""

import hashlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys.curves import Ed25519
from pycose.keys.okp import OKPKey
from pycose.messages.sign1message import Sign1Message

from device.exit_code import ExitCode
from device.store.envelope import (
    Envelope,
    TrustedKeys,
    decode_envelope,
    encode_envelope,
    key_id,
    signed_bytes,
)
from device.store.errors import SignatureError, UntrustedKeyError
from tests.keys import KEY, OTHER_KEY, TRUSTED
from tests.models import cbor

PAYLOAD = b"a manifest"
SIGNED = KEY.sign(PAYLOAD)


def peer_key(*, is_private: bool = False) -> OKPKey:
    secret = KEY.private.private_bytes_raw() if is_private else b""
    return OKPKey(crv=Ed25519, x=KEY.public, d=secret)


def peer_message(encoded: bytes) -> Sign1Message:
    """Read an envelope by the peer; without the tag, which it expects of an older cbor2."""
    assert encoded[0] == 0xD2
    message = Sign1Message.from_cose_obj(cbor2.loads(encoded[1:]), allow_unknown_attributes=False)
    message.key = peer_key()
    return message


def verify(encoded: bytes, keys: TrustedKeys = TRUSTED) -> bytes:
    envelope = decode_envelope(encoded, where="a.bundle")
    keys.verify(envelope, where="a.bundle")
    return envelope.payload


@given(st.binary(max_size=400))
def test_a_signed_payload_is_verified_and_read_back(payload: bytes) -> None:
    assert verify(KEY.sign(payload)) == payload


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 16_384, 65_535])
def test_payloads_of_every_length_form_are_read_back(size: int) -> None:
    assert verify(KEY.sign(bytes(size))) == bytes(size)


def test_the_bytes_are_those_of_the_standard() -> None:
    protected = cbor.encode({1: -8, 4: key_id(KEY.public)})
    signature = KEY.private.sign(cbor.encode(["Signature1", protected, b"", PAYLOAD]))

    assert b"\xd2" + cbor.encode([protected, {}, PAYLOAD, signature]) == SIGNED
    assert signed_bytes(key_id(KEY.public), PAYLOAD)[:12] == b"\x84\x6aSignature1"


def test_the_key_id_begins_the_digest_of_the_key() -> None:
    assert key_id(KEY.public) == hashlib.sha256(KEY.public).digest()[:8]
    with pytest.raises(ValueError, match="a public key has 32 bytes, not 3"):
        key_id(b"abc")


@given(st.binary(max_size=400))
def test_an_independent_library_verifies_our_envelopes(payload: bytes) -> None:
    message = peer_message(KEY.sign(payload))

    assert message.verify_signature()
    assert message.payload == payload
    assert message.phdr == {Algorithm: EdDSA, KID: key_id(KEY.public)}


def test_an_independent_library_refuses_an_altered_envelope() -> None:
    assert not peer_message(SIGNED.replace(b"manifest", b"manifesT")).verify_signature()


@given(st.binary(max_size=400))
def test_envelopes_of_an_independent_library_are_verified(payload: bytes) -> None:
    message = Sign1Message(
        phdr={Algorithm: EdDSA, KID: key_id(KEY.public)},
        payload=payload,
        key=peer_key(is_private=True),
    )

    assert verify(message.encode()) == payload
    assert message.encode() == KEY.sign(payload)  # Ed25519 is deterministic


def test_an_unknown_key_is_refused_by_its_id() -> None:
    with pytest.raises(
        UntrustedKeyError, match="which is not trusted here; sign it with"
    ) as caught:
        verify(OTHER_KEY.sign(PAYLOAD))

    assert caught.value.key_id == key_id(OTHER_KEY.public).hex()
    assert caught.value.exit_code == ExitCode.VERIFICATION
    with pytest.raises(UntrustedKeyError):
        verify(SIGNED, TrustedKeys())


def test_each_of_several_trusted_keys_may_sign() -> None:
    both = TrustedKeys([KEY.public, OTHER_KEY.public])

    assert verify(SIGNED, both) == verify(OTHER_KEY.sign(PAYLOAD), both) == PAYLOAD
    assert both.key_ids == (key_id(KEY.public), key_id(OTHER_KEY.public))


def test_who_claims_to_be_a_trusted_key_is_found_out() -> None:
    claimed = key_id(KEY.public)
    forged = OTHER_KEY.private.sign(signed_bytes(claimed, PAYLOAD))

    with pytest.raises(SignatureError, match="does not match its manifest"):
        verify(encode_envelope(Envelope(claimed, PAYLOAD, forged)))


def test_an_altered_payload_is_refused() -> None:
    envelope = decode_envelope(SIGNED, where="a")
    altered = Envelope(envelope.key_id, b"A manifest", envelope.signature)

    with pytest.raises(SignatureError, match="does not match its manifest"):
        verify(encode_envelope(altered))


def test_no_bit_of_an_envelope_can_be_changed_unnoticed() -> None:
    for place in range(8 * len(SIGNED)):
        damaged = bytearray(SIGNED)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(SignatureError):
            verify(bytes(damaged))


@pytest.mark.parametrize(
    "unsigned",
    [
        b"",
        PAYLOAD,
        SIGNED[1:],  # without its tag
        SIGNED[:-1],
        SIGNED + b"\0",
        b"\xd2" + cbor.encode([b"", {}, PAYLOAD, bytes(64)]),  # says neither algorithm nor key
        b"\xd2" + cbor.encode([cbor.encode({1: -7, 4: bytes(8)}), {}, PAYLOAD, bytes(64)]),
        b"\xd2" + cbor.encode([cbor.encode({1: -8}), {4: bytes(8)}, PAYLOAD, bytes(64)]),
        b"\xd2" + cbor.encode([cbor.encode({1: -8, 4: bytes(9)}), {}, PAYLOAD, bytes(64)]),
        b"\xd2" + cbor.encode([cbor.encode({1: -8, 4: bytes(8)}), {1: -8}, PAYLOAD, bytes(64)]),
        b"\xd2" + cbor.encode([cbor.encode({1: -8, 4: bytes(8)}), {}, PAYLOAD, b""]),
        b"\xd1" + SIGNED[1:],  # COSE_Mac0
    ],
)
def test_what_is_no_envelope_of_ours_counts_as_unsigned(unsigned: bytes) -> None:
    with pytest.raises(SignatureError, match="it is not signed"):
        decode_envelope(unsigned, where="a.bundle")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_signature_error(data: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(data)
