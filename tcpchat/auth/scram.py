"""Verifiers for SCRAM-SHA-256 (RFC 5802, RFC 7677): with one, a wire can let somebody log in without the password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode

ITERATIONS = 600_000
"""What OWASP's Password Storage Cheat Sheet gives for PBKDF2 with HMAC-SHA-256: 0.2 s of one core."""

# RFC 7677 forbids fewer; the most keeps a slip of the finger from holding a core for minutes.
MIN_ITERATIONS = 4_096
MAX_ITERATIONS = 10_000_000

_SALT_BYTES = 16


def make_verifier(secret: bytes, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """Return the verifier of a prepared password, in the form of RFC 5803, section 2, at most 160 characters of ASCII.

    That is ``SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey``, the latter three in base64. ``salt`` None: a new
    one. It is cheaper to guess from than an argon2id hash. Blocks for as long as the iterations take; raises
    ValueError for a number of them beyond the bounds.
    """
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise ValueError(f"SCRAM takes {MIN_ITERATIONS} to {MAX_ITERATIONS} iterations, not {iterations}")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
