"""Passwords: which are taken, and the argon2id hashes (RFC 9106) that they are checked against."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from tcpchat.core.names import fold
from tcpchat.core.proofs import check_length
from tcpchat.errors import ChatError, Code

# NIST SP 800-63B, section 5.1.1.2, asks for at least 64 characters to be allowed; a sentence in any script fits this,
# and normalising it takes 1 ms.
PASSWORD_BYTES = 1024

_SALT_BYTES = 16
_HASH_BYTES = 32

# The first that anybody tries, of those that are long enough: SP 800-63B wants them refused.
_COMMON = frozenset((
    "00000000", "01234567", "0123456789", "11111111", "11223344", "12341234", "123123123", "12344321", "12345678",
    "123456789", "1234567890", "1234567a", "1234qwer", "123qwe123", "147258369", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx",
    "87654321", "987654321", "9876543210", "a1234567", "a1b2c3d4", "aa123456", "abc12345", "abcd1234", "abcdefgh",
    "admin123", "adminadmin", "asdfasdf", "asdfghjk", "asdfghjkl", "baseball", "changeme", "computer", "football",
    "iloveyou", "internet", "letmein1", "liverpool", "michelle", "p@ssw0rd", "pass1234", "passw0rd", "password",
    "password1", "password12", "password123", "princess", "q1w2e3r4", "qazwsxedc", "qwer1234", "qwerty12", "qwerty123",
    "qwertyui", "qwertyuiop", "starwars", "sunshine", "superman", "tcpchat1", "tcpchat123", "test1234", "testtest",
    "trustno1", "welcome1", "whatever", "zxcvbnm1",
))  # fmt: skip

# Fewer different characters than this are a key held down.
_DIFFERENT = 3
# What people put around their name to make a password of it.
_AROUND = "0123456789!?.-_ *#@$"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one check costs. A check with these takes 15 to 60 ms of one core, which is what a guess costs a thief.

    They are the second of the settings that OWASP's Password Storage Cheat Sheet gives for argon2id.
    """

    passes: int = 2
    memory_kib: int = 19 * 1024
    lanes: int = 1


class Hasher:
    """Hashes passwords and checks them. Each call but `needs_rehash` blocks for one check; threads may share it."""

    def __init__(self, cost: Cost | None = None) -> None:
        cost = cost or Cost()
        self._argon2 = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        salt, tail = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES))
        self._decoy = f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${tail}"

    @property
    def decoy(self) -> str:
        """A hash that no password is known for: checking one against it takes as long as against any other."""
        return self._decoy

    def hash(self, secret: bytes) -> str:
        """Return the hash of a prepared password in its PHC form, with a salt of its own; 97 characters of ASCII.

        Raises `argon2.exceptions.HashingError` when there is no memory.
        """
        return self._argon2.hash(secret)

    def verify(self, data: str, secret: bytes) -> bool:
        """Return whether ``data`` is the hash of a prepared password.

        Raises `argon2.exceptions.VerificationError` or `InvalidHashError` when that can't be told: there is no
        memory, or ``data`` is no hash.
        """
        try:
            return self._argon2.verify(data, secret)
        except VerifyMismatchError:
            return False

    def needs_rehash(self, data: str) -> bool:
        """Return whether ``data`` was made at another cost than passwords are hashed at now."""
        return self._argon2.check_needs_rehash(data)


def prepare(password: str) -> bytes | None:
    """Return what is hashed of a password: PRECIS OpaqueString (RFC 8265, section 4.2) in UTF-8, 1 to 1,024 bytes.

    None for what no account's password can be: empty, too long, or with characters that the profile doesn't allow.
    How strong it is doesn't matter here.
    """
    if not password or len(password) > PASSWORD_BYTES:
        return None
    if not password.isascii():
        try:
            password = _precis().enforce(password)
        except UnicodeEncodeError:  # it holds the password: it goes no further
            return None
    elif not password.isprintable():
        return None
    prepared = password.encode()
    return prepared if len(prepared) <= PASSWORD_BYTES else None


def check_password(password: str, name: str) -> bytes:
    """Return what is hashed of a new password for the account called ``name``.

    Raises ``bad-field`` for what can't be a password, and ``weak-password`` for one that is guessed at once (NIST
    SP 800-63B, section 5.1.1.2): shorter than 8 characters, common, or the name itself.
    """
    prepared = prepare(password)
    if prepared is None and password:
        raise _impossible(password)
    text = (prepared or b"").decode()
    check_length(text)
    if _is_name(text, name):
        raise ChatError(Code.WEAK_PASSWORD, "The password is your name, which everybody knows. Several words are good.")
    if text.lower() in _COMMON or len(set(text)) < _DIFFERENT:
        raise ChatError(
            Code.WEAK_PASSWORD, "This password is one of the first that anybody tries. Several words are good."
        )
    return text.encode()


def _impossible(password: str) -> ChatError:
    if len(password.encode(errors="replace")) > PASSWORD_BYTES:
        text = f"The password is too long: at most {PASSWORD_BYTES} bytes of UTF-8."
        return ChatError(Code.BAD_FIELD, text, field="password", max_bytes=PASSWORD_BYTES)
    text = "The password has a character that is not for typing, such as a tab: use letters, digits, signs and spaces."
    return ChatError(Code.BAD_FIELD, text, field="password")


def _is_name(password: str, name: str) -> bool:
    """Return whether the password is the name, or the name with digits and signs around it."""
    key, folded = fold(name), fold(password)
    bare = folded.strip(_AROUND)
    return folded == key or (bare != "" and bare == key.strip(_AROUND))


@cache
def _precis() -> Any:
    """Return the profile OpaqueString; loaded with the first password that isn't ASCII."""
    from precis_i18n import get_profile

    return get_profile("OpaqueString")
