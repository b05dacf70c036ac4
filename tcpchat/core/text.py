"""Making what a person typed harmless for every other wire, once, before it is kept."""

from __future__ import annotations

import re

# Line breaks and tabs become one space: a message is one line everywhere.
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# C0, DEL, C1 (ECMA-48), lone surrogates, and the Bidi_Control characters of Unicode (UAX #9).
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """Return ``text`` on one line, without control characters, bidirectional controls or outer spaces."""
    if text.isprintable():  # the common case, decided in C
        return text.strip()
    return _CONTROLS.sub("", _BREAKS.sub(" ", text)).strip()


def clean_lines(text: str) -> str:
    """Clean each line of ``text`` and keep its line breaks; for texts of the operator such as the motd."""
    return "\n".join(clean(line) for line in text.splitlines()).strip("\n")
