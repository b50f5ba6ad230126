"""Certificates for a broker and its clients, made anew for each test that wants them."""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY: Final = dt.timedelta(days=1)


class Authority:
    """Signs certificates and keeps them in a folder as NAME.pem with NAME.key.

    Attributes:
        ca: its own certificate.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"Ferrule's tests, {name}")
        self.ca = self._write(name, self._name, self._key, is_authority=True)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return a certificate for ``name`` on this machine, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, _name(name), key, is_authority=False), self._key_path(name)

    def _key_path(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def _write(
        self, name: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> Path:
        now = dt.datetime.now(dt.timezone.utc)
        alternatives = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        self._key_path(name).write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return path


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
