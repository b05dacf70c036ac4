"""Whether the server that answers under TLS is the one that was meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from zope.interface import implementer

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_HOW_TO_TRUST = "if you know it, trust it by --tls-ca FILE or --tls-fingerprint SHA256"

# What OpenSSL says of a certificate (x509_vfy.h), and what a person can do about it.
_UNKNOWN_ISSUER = f"nobody that this machine trusts has signed its certificate; {_HOW_TO_TRUST}"
_COMPLAINTS = {
    2: _UNKNOWN_ISSUER,
    9: "its certificate is not valid yet; is this machine's clock right?",
    10: "its certificate has expired",
    18: f"its certificate is signed by itself; {_HOW_TO_TRUST}",
    19: _UNKNOWN_ISSUER,
    20: _UNKNOWN_ISSUER,
    21: _UNKNOWN_ISSUER,
}


class Untrusted(Exception):
    """The server may be another one; the text is one sentence for the person who wanted to talk there."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe. ``authorities``: a PEM file with those who may sign, in place of the system's own.

    ``fingerprint``: the SHA-256 of the only certificate that is right, in 64 hexadecimal digits; then neither its
    name, nor its time, nor its issuer are looked at.
    """

    authorities: Path | None = None
    fingerprint: str | None = None


def parse_fingerprint(text: str) -> str:
    """Return a SHA-256 in its usual form, from one with colons or capitals, as openssl prints it; raises ValueError."""
    digits = text.replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise ValueError("a fingerprint is a SHA-256 in 64 hexadecimal digits, with or without colons")
    return digits


@implementer(IOpenSSLClientConnectionCreator)
class Verifier:
    """Makes connections of TLS 1.2 or later that go no further than an untrusted certificate.

    Names are compared as RFC 9525 says, by service-identity. Raises ValueError for authorities that can't be read.
    """

    def __init__(self, host: str, trust: Trust) -> None:
        self._host = host
        self._fingerprint = trust.fingerprint
        self._service: ServiceID
        try:
            ip_address(host)
            self._service, self._server_name = IPAddress_ID(host), None
        except ValueError:
            name = _ascii(host)
            self._service, self._server_name = DNS_ID(name), name.encode()
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        if trust.authorities is None:
            self._context.set_default_verify_paths()
            return
        try:
            trust.authorities.open("rb").close()
            self._context.load_verify_locations(str(trust.authorities))
        except OSError as error:
            raise ValueError(f"can't read {trust.authorities}: {error.strerror or error}") from None
        except SSL.Error:
            raise ValueError(f"there is no certificate in {trust.authorities}") from None

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Return a connection; what is wrong with the certificate becomes the reason of its end, as `Untrusted`."""
        connection = SSL.Connection(self._context, None)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)

        def verify(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, valid: int) -> bool:
            try:
                complaint = self._complaint(certificate, error, depth, valid)
            except Exception:  # what is raised here would be lost in OpenSSL
                complaint = "its certificate can't be understood"
            if complaint is not None:
                protocol.failVerification(Failure(Untrusted(f"the server can't be trusted: {complaint}.")))
            return complaint is None

        connection.set_verify(SSL.VERIFY_PEER, verify)
        return connection

    def _complaint(self, certificate: crypto.X509, error: int, depth: int, valid: int) -> str | None:
        """Return what is wrong with one certificate of the chain; its end, the server's own, has the depth 0."""
        if self._fingerprint is not None:
            shown = sha256(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)).hexdigest()
            if depth == 0 and shown != self._fingerprint:
                return f"its certificate is another one, with the fingerprint {shown}"
            return None
        if not valid:
            return _COMPLAINTS.get(error) or f"its certificate is not valid (error {error} of X.509)"
        if depth == 0:
            try:
                verify_service_identity(extract_patterns(certificate), [self._service], [])
            except VerificationError:
                return f"its certificate is not for {self._host}"
        return None


def _ascii(host: str) -> str:
    """Return a host name as it is sent (IDNA); raises ValueError."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise ValueError(f"{host!r} can't be the name of a host") from None
