"""Ed25519 keys (RFC 8032): reading a public one, and checking what its owner has signed."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from tcpchat.errors import ChatError, Code

KEY_BYTES = 32

_OPENSSH_KIND = b"ssh-ed25519"
_OPENSSH_BYTES = 4 + len(_OPENSSH_KIND) + 4 + KEY_BYTES
# A comment of an OpenSSH line is often a mail address.
_LINE_CHARACTERS = 1_024

# The y of the points of small order, as they may be spelled (RFC 7748 and libsodium list them). For these, signatures
# can be made that hold for any message, by anybody.
_PRIME = 2**255 - 19
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_WEAK = frozenset((0, 1, _PRIME - 1, _PRIME, _PRIME + 1, _ORDER_8, _PRIME - _ORDER_8))


def parse_public_key(text: str) -> str:
    """Return a public key as it is kept, 44 characters of base64.

    ``text`` is the raw key (RFC 8032, 32 bytes) in base64, or a line of OpenSSH, ``ssh-ed25519 AAAA… comment``.
    Raises ``bad-field`` saying what is expected.
    """
    words = text[: _LINE_CHARACTERS + 1].split(maxsplit=2)
    if "PRIVATE KEY" in text:
        raise _bad("That is a private key, which nobody else may see. Please give the line of the file ending in .pub.")
    if not words or len(text) > _LINE_CHARACTERS:
        raise _expected()
    if words[0] == _OPENSSH_KIND.decode():
        raw = _openssh(_base64(words[1])) if len(words) > 1 else None
    elif re.match("(ssh|ecdsa|sk)-", words[0]):
        raise _bad("The key is of another kind: make one with ssh-keygen -t ed25519.")
    else:
        raw = _base64(words[0]) if len(words) == 1 else None
    if raw is None or len(raw) != KEY_BYTES:
        raise _expected()
    if int.from_bytes(raw, "little") % 2**255 in _WEAK:
        raise _bad("This key protects nothing, since anybody can sign for it. Please make another one.")
    return b64encode(raw).decode()


def is_signed(key: str, signature: bytes, message: bytes) -> bool:
    """Return whether ``signature``, 64 bytes, is that of ``message`` by a key as `parse_public_key` gives it.

    Raises ValueError if ``key`` is none.
    """
    # Loaded with the first signature: it takes 10 ms, and few servers ever see one.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(b64decode(key, validate=True))
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _openssh(blob: bytes | None) -> bytes | None:
    """Return the raw key of an OpenSSH blob (RFC 8709, section 4), or None if it is none."""
    if blob is None or len(blob) != _OPENSSH_BYTES:
        return None
    raw = blob[-KEY_BYTES:]
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in (_OPENSSH_KIND, raw))
    return raw if whole == blob else None


def _base64(text: str) -> bytes | None:
    """Return what is encoded, with or without its padding; None for what is no base64."""
    try:
        return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (Base64Error, ValueError):
        return None


def _expected() -> ChatError:
    return _bad(
        "That is no Ed25519 public key: give 32 bytes in base64, or a line such as ssh-ed25519 AAAA… of OpenSSH."
    )


def _bad(text: str) -> ChatError:
    return ChatError(Code.BAD_FIELD, text, field="key")
