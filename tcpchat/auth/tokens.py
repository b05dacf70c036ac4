"""Tokens: random secrets for bots and programs. Only their SHA-256 is kept, so whoever reads it can't log in."""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b32encode

PREFIX = "tcpchat_"
"""What every token begins with: people and scanners of published files see what they have found."""

# 160 random bits and a checksum of 40 are 32 and 8 letters of base32 (RFC 4648, section 6), in lower case: one word
# for a double click, and no two letters that look alike.
_RANDOM_BYTES = 20
_CHECKSUM_BYTES = 5
_TOKEN = re.compile(PREFIX + "([a-z2-7]{32})([a-z2-7]{8})")


def new_token() -> str:
    """Return a new token: 48 characters of ASCII, 160 bits of them random."""
    body = _base32(secrets.token_bytes(_RANDOM_BYTES))
    return PREFIX + body + _checksum(body)


def is_token(text: str) -> bool:
    """Return whether ``text`` has the form and the checksum of a token: what hasn't is mistyped, or something else."""
    found = _TOKEN.fullmatch(text)
    return found is not None and _checksum(found[1]) == found[2]


def digest(token: str) -> str:
    """Return what is kept of a token: its SHA-256 in hexadecimal.

    With 160 random bits there is nothing to guess, so it needs neither salt nor cost, and can be looked up.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _base32(hashlib.sha256((PREFIX + body).encode()).digest()[:_CHECKSUM_BYTES])


def _base32(data: bytes) -> str:
    return b32encode(data).decode().lower()
