"""Lines as wide as the reader's terminal."""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import category, east_asian_width

_INDENT = "  "
# Longer lines are left to the terminal: they would be cut anew for each width among the readers.
_CHARACTERS = 2048
_WORDS = re.compile(r" *[^ ]+")
# The selector that makes a wide picture of a narrow character.
_EMOJI = "\ufe0f"


def wrap(line: str, width: int) -> list[str]:
    """Return ``line`` as lines of at most ``width`` columns, cut at spaces; those after the first are indented.

    A word that is longer than a line is cut anywhere, but not between a character and its marks. ``width``
    is at least 3, or 0: no bound. A line of more than 2,048 characters stays as it is.
    """
    # No character takes more than two columns.
    if not width or 2 * len(line) <= width or len(line) > _CHARACTERS or (len(line) <= width and line.isascii()):
        return [line]
    size, words = _measured(line)
    if size <= width:
        return [line]
    lines: list[str] = []
    current, free = "", width
    for word, size in words:
        if size > free and current.strip():
            bare = word.lstrip(" ")
            size -= len(word) - len(bare)
            word = bare
            lines.append(current)
            current, free = _INDENT, width - len(_INDENT)
        while size > free:
            fits, taken = _fitting(word, free)
            lines.append(current + word[:fits])
            word, size = word[fits:], size - taken
            current, free = _INDENT, width - len(_INDENT)
        current += word
        free -= size
    return [*lines, current]


@lru_cache(maxsize=64)
def _measured(line: str) -> tuple[int, list[tuple[str, int]]]:
    """Return the columns of ``line`` and of its words, each with the spaces before it: once for all widths."""
    return columns(line), [(word, columns(word)) for word in _WORDS.findall(line)]


def columns(text: str) -> int:
    """Return how many columns ``text`` takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    # UAX #11: wide and fullwidth characters take two columns; marks none of their own. Where terminals differ, the
    # most: a line that is too long for one goes on where a line begins, and could look like somebody else's.
    if category(character) in ("Mn", "Me") and character != _EMOJI:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _fitting(word: str, free: int) -> tuple[int, int]:
    """Return how many characters of ``word`` fit ``free`` columns, with the marks of the last, and their columns."""
    if word.isascii():
        return free, free
    taken = 0
    for position, character in enumerate(word):
        size = _columns(character)
        if taken + size > free:
            return position, taken
        taken += size
    return len(word), taken
