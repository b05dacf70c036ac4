"""Variables out of a ``.env`` file: those whose names begin with a prefix; other programs may have theirs there.

A line is ``NAME=VALUE``, with or without ``export`` in front. A plain value ends before a ``#`` that follows white
space. Between single quotes everything means itself. Between double quotes a backslash goes before ``"``, a backslash,
and the n of a line end. Nothing is put in for a ``$``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?:export\s+)?(?P<name>\w+)\s*(?P<equals>=?)\s*(?P<rest>.*)", re.DOTALL)
_PLAIN = re.compile(r"(?P<value>(?:[^'\"#\s][^'\"]*?)?)(?:(?:^|\s+)#.*|\s*)")
_SINGLE = re.compile(r"'(?P<value>[^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"(?P<value>(?:[^"\\]|\\["\\n])*)"\s*(?:#.*)?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Line:
    """A variable and the line it is on, from 1. ``value`` None: what stands there can't be read."""

    number: int
    name: str
    value: str | None


def parse(text: str, prefix: str) -> list[Line]:
    """Return the variables whose names begin with ``prefix``, in their order."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _NAME.match(line.strip())
        if match is not None and match["name"].startswith(prefix):
            found.append(Line(number, match["name"], _value(match["rest"]) if match["equals"] else None))
    return found


def _value(rest: str) -> str | None:
    if match := _DOUBLE.fullmatch(rest):
        return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], match["value"])
    match = _SINGLE.fullmatch(rest) or _PLAIN.fullmatch(rest)
    return match["value"] if match else None
