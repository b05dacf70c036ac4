"""What somebody shows to prove who it is. Their secrets are never shown, logged or compared here."""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec

from tcpchat.errors import ChatError, Code

_KEY_BYTES = 32
# The name of the algorithm and the length of the key, each as SSH writes it (RFC 4253, section 6.6).
_OPENSSH = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


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


def signed_message(server: str, account: str, nonce: str, exporter: str) -> bytes:
    """Return what a key signs to log in: five parts, each with its length before it, so that none runs into the next.

    A context string, the server's configured name, the account's name, the nonce, and the TLS exporter value
    (RFC 9266) in hexadecimal, empty without TLS: so a signature is good for nothing else.
    """
    parts = [part.encode() for part in ("tcpchat login 1", server, account, nonce, exporter)]
    return b"".join(b"%d:%b," % (len(part), part) for part in parts)


def parse_key(text: str) -> str:
    """Return an Ed25519 public key as 32 bytes in base64; ``text`` is that, or a line of OpenSSH's (RFC 8709).

    Raises ``bad-field``.
    """
    words = text.split()
    blob = words[1] if len(words) > 1 and words[0] == "ssh-ed25519" else "".join(words[:1])
    try:
        raw = b64decode(blob, validate=True)
    except ValueError:
        raw = b""
    if raw.startswith(_OPENSSH) and len(raw) == len(_OPENSSH) + _KEY_BYTES:
        raw = raw[len(_OPENSSH) :]
    if len(raw) != _KEY_BYTES:
        raise ChatError(
            Code.BAD_FIELD,
            "That is no Ed25519 public key: paste the line of a file such as id_ed25519.pub.",
            field="key",
        )
    return b64encode(raw).decode()
