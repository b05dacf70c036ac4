"""The keys that edit a line, for those whose terminal sends them on in place of editing itself."""

from __future__ import annotations

import re

ERASE = "\x7f"
"""Takes the last character back: Backspace, and telnet's EC (RFC 854)."""
KILL = "\x15"
"""Takes the whole line back: Ctrl-U, and telnet's EL."""

# Backspace is either; Ctrl-C gives a line up, as Ctrl-U does; Ctrl-W takes the last word back.
_ERASE = frozenset((ERASE, "\b"))
_KILL = frozenset((KILL, "\x03"))
_WORD = "\x17"
_KEYS = re.compile(r"[\x03\b\x15\x17\x1b\x7f]")
# What arrows, Home, Delete, F5 and their like send: CSI and SS3 sequences (xterm's control sequences). Others are no
# keys, but pasted: `clean` makes them harmless as on every wire.
_SEQUENCES = re.compile(r"\x1b(?:\[[0-9;]*[A-HP-SZ~]|O[A-Z])")


def edited(typed: str) -> str:
    """Return ``typed`` as a terminal would that edits lines; the keys that move about do nothing."""
    if typed.isprintable() or not _KEYS.search(typed):  # nearly always the first, decided in C
        return typed
    left: list[str] = []
    for character in _SEQUENCES.sub("", typed):
        if character in _ERASE:
            del left[-1:]
        elif character in _KILL:
            left.clear()
        elif character == _WORD:
            kept = "".join(left).rstrip().rpartition(" ")
            left = list(kept[0] + kept[1])
        else:
            left.append(character)
    return "".join(left)
