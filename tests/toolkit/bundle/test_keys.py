import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from device.exit_code import ExitCode
from device.store.envelope import TrustedKeys, decode_envelope
from device.store.keys import KeyFileError
from toolkit.bundle.keys import KeyExistsError, new_key, read_private_key, read_public_key
from toolkit.errors import FileMissingError, FileUnwritableError


def private_pem(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, how: KeySerializationEncryption
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def test_a_new_key_is_read_back_and_signs(tmp_path: Path) -> None:
    made = new_key(tmp_path / "keys" / "sign.pem")

    private = read_private_key(tmp_path / "keys" / "sign.pem")
    public = read_public_key(tmp_path / "keys" / "sign.pem.pub")

    assert made.public == private.public == public
    envelope = decode_envelope(private.sign(b"a manifest"), where="a")
    TrustedKeys([public]).verify(envelope, where="a")


def test_the_private_key_is_for_its_owner_only(tmp_path: Path) -> None:
    new_key(tmp_path / "sign.pem")

    assert stat.S_IMODE((tmp_path / "sign.pem").stat().st_mode) == 0o600


def test_two_keys_are_two(tmp_path: Path) -> None:
    assert new_key(tmp_path / "a").public != new_key(tmp_path / "b").public


@pytest.mark.parametrize("taken", ["sign.pem", "sign.pem.pub"])
def test_no_key_is_ever_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"precious")

    with pytest.raises(KeyExistsError, match="keys are never overwritten") as caught:
        new_key(tmp_path / "sign.pem")

    assert caught.value.exit_code == ExitCode.REFUSED
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_bytes() == b"precious"


def test_the_public_key_is_found_in_the_private_ones_file(tmp_path: Path) -> None:
    made = new_key(tmp_path / "sign.pem")

    assert read_public_key(tmp_path / "sign.pem") == made.public


def test_a_public_key_signs_nothing(tmp_path: Path) -> None:
    new_key(tmp_path / "sign.pem")

    with pytest.raises(KeyFileError, match=r"no private key in PEM; .* and KEY.pub"):
        read_private_key(tmp_path / "sign.pem.pub")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it is no private"),
        (
            private_pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption()),
            "another algorithm than Ed25519",
        ),
        (
            private_pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
            "the private key is encrypted",
        ),
    ],
)
def test_a_file_that_holds_no_private_key_of_ours_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.pem").write_bytes(content)

    with pytest.raises(KeyFileError, match=reason):
        read_private_key(tmp_path / "a.pem")


def test_a_file_that_is_not_there_or_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileMissingError, match="there is no such key file"):
        read_private_key(tmp_path / "absent.pem")
    with pytest.raises(FileUnwritableError):
        new_key(tmp_path / "file" / "sign.pem")
