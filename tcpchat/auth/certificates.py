"""Fingerprints of TLS client certificates."""

from __future__ import annotations

import hashlib
import re

from tcpchat.errors import ChatError, Code

# As openssl prints it too, which puts "sha256 Fingerprint=" before it and colons between the bytes.
_FINGERPRINT = re.compile("(?:sha256 fingerprint=)?([0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})", re.IGNORECASE)


def check_fingerprint(text: str) -> str:
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


def fingerprint(der: bytes) -> str:
    """Return the fingerprint of a certificate in DER, as it is kept."""
    return hashlib.sha256(der).hexdigest()
