"""Certificates of all kinds, made for a test."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A key and its certificate; ``issuer`` None: signed by itself."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuer: Issued | None = None

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: bytes = b"") -> bytes:
        secret: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)

    def write(self, directory: Path, stem: str = "tls") -> tuple[Path, Path]:
        """Write both, and return the paths of the certificate and of the key."""
        directory.mkdir(exist_ok=True)
        certificate, key = directory / f"{stem}-certificate.pem", directory / f"{stem}-key.pem"
        # As programs do that renew certificates: the key first, each file at one go.
        for path, content in ((key, self.key_pem()), (certificate, self.pem())):
            draft = path.with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(path)
        return certificate, key


def issue(
    *names: str, by: Issued | None = None, days: tuple[float, float] = (-1, 1), authority: bool = False
) -> Issued:
    """Return a certificate for host names and addresses; ``days`` from now it begins and ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names and not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    return Issued(key, builder.sign(by.key if by else key, hashes.SHA256()), by)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
