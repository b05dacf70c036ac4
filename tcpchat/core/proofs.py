"""What somebody shows to prove who it is. Their secrets are never shown, logged or compared here."""

from __future__ import annotations

import re

import msgspec

from tcpchat.errors import ChatError, Code

# Of NIST SP 800-63B, section 5.1.1.2: at least 8 characters, no rules of composition, and every space and character
# counts.
PASSWORD_CHARACTERS = 8
NONCE_BYTES = 32
EXPORTER_BYTES = 32
"""The length of the channel binding tls-exporter (RFC 9266, section 2)."""

# Separates these signatures from all that the key may be used for elsewhere; the number is that of this format.
_CONTEXT = b"tcpchat login 1\0"

# As openssl prints it too, which puts "sha256 Fingerprint=" before it and colons between the bytes.
_FINGERPRINT = re.compile("(?:sha256 fingerprint=)?([0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})", re.IGNORECASE)


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


def login_message(server: str, account: str, nonce: bytes, exporter: bytes | None) -> bytes:
    """Return what is signed to log in: for one account of one server, over one connection, once.

    ``server`` is the server's configured name, ``account`` the account's as the server spells it, ``nonce`` 32 bytes
    from the server; ``exporter`` the 32 bytes of tls-exporter (RFC 9266), None without TLS. These follow the context,
    ``tcpchat login 1`` and a zero byte, each in UTF-8 or as it is, after its length in four bytes, the highest first;
    no exporter has length 0. Raises ValueError for a nonce or an exporter of another length.
    """
    if len(nonce) != NONCE_BYTES or (exporter is not None and len(exporter) != EXPORTER_BYTES):
        raise ValueError("a nonce and an exporter value have 32 bytes")
    parts = (server.encode(), account.encode(), nonce, exporter or b"")
    return _CONTEXT + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def parse_fingerprint(text: str) -> str:
    """Return the SHA-256 of a certificate's DER as it is kept: 64 hexadecimal digits in lower case.

    It may come with colons and in capitals, as ``openssl x509 -fingerprint -sha256`` prints it. Raises ``bad-field``.
    """
    found = _FINGERPRINT.fullmatch(text.strip())
    if found is None:
        raise ChatError(
            Code.BAD_FIELD,
            "That is no fingerprint of a certificate: it has 64 hexadecimal digits, as printed by "
            "openssl x509 -fingerprint -sha256.",
            field="fingerprint",
        )
    return found[1].replace(":", "").lower()


def check_length(password: str) -> None:
    """Raise ``weak-password`` for a new password that is too short."""
    if len(password) < PASSWORD_CHARACTERS:
        text = f"The password is too short: it needs at least {PASSWORD_CHARACTERS} characters. Several words are good."
        raise ChatError(Code.WEAK_PASSWORD, text, min_characters=PASSWORD_CHARACTERS)
