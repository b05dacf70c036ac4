"""What somebody shows to prove who it is. Their secrets are never shown, logged or compared here."""

from __future__ import annotations

import msgspec


class PasswordProof(msgspec.Struct, frozen=True, gc=False):
    """A password as it was given."""

    password: str

    def __repr__(self) -> str:
        return "PasswordProof(…)"


class TokenProof(msgspec.Struct, frozen=True, gc=False):
    """A token as it was given."""

    token: str

    def __repr__(self) -> str:
        return "TokenProof(…)"


class SignatureProof(msgspec.Struct, frozen=True, gc=False):
    """An Ed25519 signature of ``message``, which the server has made: by any of the account's keys."""

    signature: bytes
    message: bytes


class CertificateProof(msgspec.Struct, frozen=True, gc=False):
    """The SHA-256, in hexadecimal, of the certificate that the peer has shown under TLS."""

    fingerprint: str


Proof = PasswordProof | TokenProof | SignatureProof | CertificateProof
