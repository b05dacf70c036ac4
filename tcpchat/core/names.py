"""Names of people and rooms: which are allowed, and when two are the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from functools import cache, lru_cache
from typing import Any, NewType

from tcpchat.core.confusables import skeleton
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError, Code

Key = NewType("Key", str)
"""A folded name; two names are the same when their keys are."""

LOBBY = "lobby"
HERE = "."
"""In the place of a room's name: the room the session is speaking in. Never a name itself."""

# They would read as words of the program; "and" and "more" in its lists of names.
RESERVED = frozenset((
    "admin", "and", "everybody", "everyone", "me", "more", "nobody", "none", "operator", "root", "server", "system",
    "tcpchat", "you",
))  # fmt: skip

# What PRECIS has against a character, by the names that its library gives the rules of RFC 8264 and RFC 5893.
_RULES = {
    "has_compat": "it is another form of a plainer character, so use that one",
    "bidi_rule": "letters that are written from right to left and others, or their digits, can't be mixed",
    "old_hangul_jamo": "it is an old Hangul letter",
    "zwj": "it is invisible",
    "zwnj": "it is invisible",
}

_COLOR = re.compile(r"#[0-9a-fA-F]{6}|[a-z]{3,20}")


_RESERVED_LOOKS = frozenset(map(skeleton, RESERVED))

# Letters and marks that nobody can see or that look like punctuation: fillers, joiners and selectors
# (Default_Ignorable_Code_Point of Unicode, and three more joiners and fillers), and the modifier letter that looks
# like a colon.
_UNSEEN = re.compile(
    "[\u02d0\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2d7f\u3164\ufe00-\ufe0f\uffa0"
    "\U0001107f\U00016fe4\U000e0100-\U000e01ef]"
)

# Normalising takes time that grows with the square of the length. A decomposed name may be a few times longer
# than its composed form, never so long.
_FOLDED_CHARACTERS = 256
# PRECIS takes some 50 us for a name, and one command asks for the same name several times.
_KEPT_KEYS = 256


def fold(name: str) -> Key:
    """Return the key under which ``name`` is compared: PRECIS, without case and outer spaces (RFC 8265, section 3.3).

    What can't be a name is nobody's: it is compared as it is, and what is far too long, in no time.
    """
    name = name.strip()
    if name.isascii():  # nearly all, and this is done for every message
        return Key(name.lower())
    if len(name) > _FOLDED_CHARACTERS:
        return Key(name)
    return _fold(name)


@lru_cache(_KEPT_KEYS)
def _fold(name: str) -> Key:
    try:
        return Key(_precis().enforce(name))
    except UnicodeEncodeError:
        return Key(name)


@cache
def _precis() -> Any:
    """Return the profile UsernameCaseMapped; loaded with the first name that needs it: 10 ms once, and 2 MiB."""
    from precis_i18n import get_profile

    return get_profile("UsernameCaseMapped")


def check_name(name: str, limits: Limits, *, what: str = "name") -> str:
    """Return ``name`` in NFC, or raise ``bad-name`` saying which character or rule refused it.

    A name begins with a letter or digit and goes on with letters, digits, marks, ``-``, ``_`` and ``.``;
    its length is bounded in characters and in UTF-8 bytes.
    """
    name = name.strip()
    if len(name) <= _FOLDED_CHARACTERS:
        name = unicodedata.normalize("NFC", name)
    if not name:
        raise ChatError(Code.BAD_NAME, f"The {what} is empty: it needs a letter or digit to begin with.")
    # A few characters fold to many, and the key has a bound too.
    size = max(len(name.encode(errors="replace")), len(fold(name)))
    if len(name) > limits.name_characters or size > limits.name_bytes:
        raise ChatError(
            Code.BAD_NAME,
            f"The {what} is too long: at most {limits.name_characters} characters "
            f"and {limits.name_bytes} bytes of UTF-8.",
            max_characters=limits.name_characters,
            max_bytes=limits.name_bytes,
        )
    for position, character in enumerate(name):
        if not _allowed(character, first=position == 0):
            raise ChatError(Code.BAD_NAME, _complaint(what, character, position), position=position)
    if not name.isascii():
        _check_precis(name, what)
    return name


def _check_precis(name: str, what: str) -> None:
    """Raise ``bad-name`` with the character and the rule that PRECIS has against it."""
    try:
        _precis().enforce(name)
    except UnicodeEncodeError as error:
        rule = error.reason.partition("/")[2]
        shown = name[error.start : error.end]
        reason = _RULES.get(rule, "it is not used in names")
        raise ChatError(
            Code.BAD_NAME, f"The {what} can't contain '{shown}' there: {reason}.", position=error.start
        ) from None


def check_person_name(name: str, limits: Limits, forbidden: Set[str] = frozenset()) -> str:
    """Return ``name`` as `check_name` does; words that the program itself speaks with are refused too.

    So is what looks like one of ``forbidden``, which are skeletons.
    """
    name = check_name(name, limits)
    look = skeleton(name)
    if fold(name) in RESERVED or look in _RESERVED_LOOKS or look in forbidden:
        raise ChatError(Code.BAD_NAME, f"The name {name} is reserved. Please choose another one.")
    return name


def check_color(color: str | None) -> str | None:
    """Return ``color``, or raise ``bad-field`` unless it is ``#rrggbb`` or a lower-case colour word."""
    if color is None or _COLOR.fullmatch(color):
        return color
    raise ChatError(
        Code.BAD_FIELD, "A colour is one word in small letters, such as teal, or looks like #3a7bd5.", field="color"
    )


def _allowed(character: str, *, first: bool) -> bool:
    group = unicodedata.category(character)[0]
    if first:
        return group in "LN" and not _UNSEEN.match(character)
    return (group in "LNM" and not _UNSEEN.match(character)) or character in "-_."


def _complaint(what: str, character: str, position: int) -> str:
    visible = character.isprintable() and not _UNSEEN.match(character)
    shown = f"'{character}'" if visible else f"U+{ord(character):04X}"
    if position == 0:
        return f"The {what} can't begin with {shown}: it begins with a letter or digit."
    if character == " ":
        return f"The {what} can't contain a space: it is one word."
    return f"The {what} can't contain {shown}: use letters, digits, '-', '_' and '.'."
