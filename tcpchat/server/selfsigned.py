"""A certificate for a first try, signed by itself: those who connect must be told its fingerprint."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tcpchat.errors import StartError
from tcpchat.server.certificates import PairFiles

CERTIFICATE = "tls-certificate.pem"
KEY = "tls-key.pem"

# It is known by its fingerprint, and nothing would renew it.
_DAYS = 3650
# A clock may be a little slow where the certificate is looked at.
_MARGIN = timedelta(hours=1)
_DNS_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def self_signed(directory: Path) -> PairFiles:
    """Return the pair in ``directory``, made now if it isn't there whole (mode 0600); raises `StartError`.

    It is for localhost, this machine's host name and the loopback addresses.
    """
    pair = PairFiles(directory / CERTIFICATE, directory / KEY)
    try:
        if not (pair.certificate.exists() and pair.key.exists()):
            key, certificate = _make(socket.gethostname())
            _write(pair.key, key)
            _write(pair.certificate, certificate)  # last: without it both are made anew
    except OSError as error:
        raise StartError(f"can't make a certificate in {directory}: {error.strerror or error}") from None
    return pair


def _make(host: str) -> tuple[bytes, bytes]:
    """Return a key and its certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if host != "localhost" and _DNS_NAME.fullmatch(host):
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tcpchat, signed by itself")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MARGIN)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Put a file there whole, for nobody else to read."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(file, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(path)
