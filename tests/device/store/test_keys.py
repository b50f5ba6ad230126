from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device.exit_code import ExitCode
from device.store.bundle import decode
from device.store.envelope import key_id
from device.store.errors import UntrustedKeyError
from device.store.keys import (
    MAX_KEYS,
    KeyFileError,
    KeyRefusedError,
    KeyStore,
    decode_public_key,
)
from device.store.manifest import Manifest
from device.store.storage import Storage
from tests.keys import KEY, OTHER_KEY, TRUSTED, key_number
from toolkit.bundle.create import encode

ID = key_id(KEY.public)
OTHER_ID = key_id(OTHER_KEY.public)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(Storage(tmp_path))


def pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_new_board_trusts_nobody(keys: KeyStore) -> None:
    assert keys.load().key_ids == ()
    with pytest.raises(UntrustedKeyError, match="ferrule-device trust"):
        decode(encode(Manifest("a", "1", 1), {}, KEY), keys.load())


def test_a_key_is_trusted_from_then_on(keys: KeyStore, tmp_path: Path) -> None:
    keys.add(KEY.public)
    keys.add(KEY.public)

    found = KeyStore(Storage(tmp_path)).load()

    assert found.key_ids == (ID,)
    assert decode(encode(Manifest("a", "1", 1), {}, KEY), found).manifest.name == "a"
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [f"{ID.hex()}.key"]


def test_a_removed_key_is_trusted_no_more_and_the_last_one_stays(keys: KeyStore) -> None:
    keys.add(KEY.public)
    with pytest.raises(KeyRefusedError, match="the only trusted key; trust the next one first"):
        keys.remove(ID)
    keys.add(OTHER_KEY.public)

    keys.remove(ID)

    assert keys.load().key_ids == (OTHER_ID,)
    with pytest.raises(KeyRefusedError, match="this key is not trusted") as caught:
        keys.remove(ID)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_a_damaged_key_is_told_not_trusted_and_mended_by_adding_it(
    keys: KeyStore, tmp_path: Path
) -> None:
    for key in (KEY, OTHER_KEY):
        keys.add(key.public)
    file = tmp_path / "keys" / f"{ID.hex()}.key"

    for content in (b"", b"\xff\xfe", b"zz" * 32, KEY.public.hex()[:-2].encode(),
                    OTHER_KEY.public.hex().encode()):  # fmt: skip
        file.write_bytes(content)
        assert keys.load().key_ids == (OTHER_ID,)
        assert keys.damaged() == (f"keys/{ID.hex()}.key",)

    keys.add(KEY.public)
    assert set(keys.load().key_ids) == {ID, OTHER_ID}
    assert keys.damaged() == ()


def test_there_is_an_end_to_the_keys_that_a_board_trusts(keys: KeyStore) -> None:
    for number in range(MAX_KEYS):
        keys.add(key_number(number).public)

    with pytest.raises(KeyRefusedError, match="16 keys are trusted already; remove one first"):
        keys.add(key_number(MAX_KEYS).public)

    assert len(keys.load().key_ids) == MAX_KEYS


def test_the_next_key_is_trusted_once_the_bundle_that_introduced_it_is_confirmed(
    keys: KeyStore,
) -> None:
    keys.add(KEY.public)
    introducing = encode(Manifest("a", "1", 1, next_keys=(OTHER_KEY.public,)), {}, KEY)
    signed_by_next = encode(Manifest("a", "2", 2), {}, OTHER_KEY)

    bundle = decode(introducing, keys.load())
    with pytest.raises(UntrustedKeyError):
        decode(signed_by_next, keys.load())  # received, not confirmed
    keys.trust_next(bundle.manifest)
    keys.trust_next(bundle.manifest)

    assert decode(signed_by_next, keys.load()).manifest.version == "2"
    assert decode(introducing, keys.load()).manifest.version == "1"  # the old key stays
    keys.remove(ID)
    with pytest.raises(UntrustedKeyError):
        decode(introducing, keys.load())


def test_a_manifest_of_nobodys_introduces_no_key() -> None:
    introducing = encode(Manifest("a", "1", 1, next_keys=(OTHER_KEY.public,)), {}, OTHER_KEY)

    with pytest.raises(UntrustedKeyError):
        decode(introducing, TRUSTED)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no public key in PEM"),
        (b"\xff" * 100, "it is no public key in PEM"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "it is no public key in PEM",
        ),
        (
            pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
            "another algorithm than Ed25519",
        ),
    ],
)
def test_a_file_that_holds_no_key_of_ours_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(KeyFileError, match=reason):
        decode_public_key(content, where="a.pub")
