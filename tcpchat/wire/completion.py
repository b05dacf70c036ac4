"""How a line that was begun may go on, by the command table: it is asked for with a Tab at its end."""

from __future__ import annotations

from typing import Literal

from tcpchat.core.commands import Complete
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.table import WORDS

# What the parameters of the table stand for.
_KINDS: dict[str, Literal["user", "room"]] = {"USER": "user", "ROOM": "room"}


def is_begun(line: str) -> bool:
    """Return whether ``line`` asks how it may go on: a command with a Tab at its end. In speech a Tab is a space."""
    if not line.endswith("\t"):
        return False
    word, space, _ = _split(line)
    if word.startswith(":"):  # nothing is a command but those of the table
        return word in WORDS if space else bool(_beginning(word))
    return word.startswith("/") and not word.startswith("//")


def complete(line: str) -> list[str] | Complete:
    """Return the words that ``line`` may become, or the question for names in the place of its last word.

    Raises ``bad-field`` when there is nothing to choose from.
    """
    word, space, rest = _split(line)
    if not space:
        if words := _beginning(word):
            return words
        raise ChatError(Code.UNKNOWN_COMMAND, f"No command begins with {word[:32]}.", word=word[:32])
    row = WORDS.get(word)
    *before, begun = rest.split(" ")
    place = len([one for one in before if one])
    if row is not None and place < len(row.parameters) and (kind := _KINDS.get(row.parameters[place].name)):
        return Complete(kind, begun)
    raise ChatError(Code.BAD_FIELD, "There is nothing to complete there: a Tab completes commands, rooms and people.")


def _split(line: str) -> tuple[str, str, str]:
    """Return the first word of what was begun, the space after it, and the rest."""
    word, space, rest = line.rstrip("\t").lstrip().partition(" ")
    return clean(word).lower(), space, rest


def _beginning(word: str) -> list[str]:
    return sorted(known for known in WORDS if known.startswith(word))
