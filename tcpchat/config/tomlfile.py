"""A TOML file of one level of tables, with the line that each key is on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A configuration has some 10 KiB; a file that is larger is something else.
FILE_BYTES = 1024 * 1024

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
# What may end a value that goes over several lines.
_ENDS = re.compile(r"\]|\}|\"\"\"|'''")


class BadFile(Exception):
    """A file can't be read; ``line`` says where, if that is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def read_text(path: Path) -> str:
    """Return a file's text; raises `BadFile`."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BadFile(f"can't be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > FILE_BYTES:
        raise BadFile("is too large for a configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile("is not UTF-8", content.count(b"\n", 0, error.start) + 1) from None


class TomlFile:
    """The keys of a file: ``values`` by their names, those in a table with its name and a dot in front."""

    def __init__(self, text: str) -> None:
        """Take the file's text; raises `BadFile` with the line of what isn't TOML."""
        try:
            self.values = dict(_flat(tomllib.loads(text)))
        except (ValueError, RecursionError) as error:  # the latter for what is nested too deeply
            raise _complaint(str(error), text) from None
        self._lines: dict[str, int] | None = None
        self._text = text.replace("\r\n", "\n")

    def line(self, name: str) -> int | None:
        """Return the line of a key, from 1."""
        if self._lines is None:
            self._lines = _lines(self._text)
        return self._lines.get(name)


def _complaint(reason: str, text: str) -> BadFile:
    """Return what tomllib says, with its line by itself."""
    place = _PLACE.search(reason)
    last = text.rstrip().count("\n") + 1
    line = int(place[1] or last) if place else None
    reason = _PLACE.sub("", reason)
    return BadFile(f"is not TOML: {reason[:1].lower()}{reason[1:]}", line)


def _flat(table: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from ((f"{key}.{name}", within) for name, within in _flat(value))
        else:
            yield key, value


def _lines(text: str) -> dict[str, int]:
    """Return the line of each key.

    tomllib tells none. But a statement is what it accepts alone: lines are joined until it does.
    """
    found: dict[str, int] = {}
    table = ""
    begun, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if begun and not _ENDS.search(line):
            begun += f"\n{line}"
            continue
        start = start if begun else number
        begun = f"{begun}\n{line}" if begun else line
        try:
            names = [name for name, _ in _flat(tomllib.loads(begun))]
        except ValueError:
            continue
        if begun.lstrip().startswith("["):
            table = f"{names[0]}."
            found.setdefault(names[0], start)
        else:
            for name in names:
                found.setdefault(table + name, start)
        begun = ""
    return found
