"""One row of the table of subcommands: what it is called, what it takes, what it asks, how the answer is shown."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tcpchat.admin.dialogue import Json
from tcpchat.admin.display import sentence

Show = Callable[[Json, Json], Iterable[str]]
"""Makes lines of an answer and of what was asked."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PERIOD = re.compile(r"([0-9]{1,6})([smhdw])")


@dataclass(frozen=True, slots=True)
class Argument:
    """A word (``USER``) or an option (``--reason``), and the field of the operation's data it becomes.

    A dot in ``field`` stands for a field in a field; no field at all: it only chooses the operation. ``rest``: all
    words that are left, as one text. ``flag``: an option without a value.
    """

    name: str
    field: str
    about: str
    kind: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    optional: bool = False
    rest: bool = False
    flag: bool = False

    @property
    def key(self) -> str:
        """What it is called among the parsed arguments."""
        return f"given_{self.name.strip('-').replace('-', '_').lower()}"

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Let a parser take it."""
        options: dict[str, Any] = {"help": self.about, "dest": self.key}
        if self.flag:
            parser.add_argument(self.name, action="store_true", default=None, **options)
            return
        options["type"] = self.kind
        options["metavar"] = "|".join(self.choices) or self.name.strip("-").upper()
        if self.choices:
            options["choices"] = self.choices
        if self.rest:
            options["nargs"] = "*" if self.optional else "+"
        elif self.optional and not self.name.startswith("-"):
            options["nargs"] = "?"
        if self.name.startswith("-"):
            parser.add_argument(self.name, **options)
        else:
            parser.add_argument(options.pop("dest"), **options)

    def value(self, arguments: argparse.Namespace) -> Any:
        """Return what was given; None if nothing was."""
        found = getattr(arguments, self.key)
        return (" ".join(found) or None) if self.rest and found is not None else found


@dataclass(frozen=True, slots=True)
class Ask:
    """An operation, asked if the field ``when`` was given (else, if that is empty), and how its answer is shown."""

    op: str
    show: Show
    when: str = ""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command of one or two words. ``asks`` are tried from the first on; ``fixed`` is always sent along.

    ``one_of``: exactly one of these fields must be given. ``password``: a new one is sent along, from a terminal, a
    pipe, or made here.
    """

    words: tuple[str, ...]
    summary: str
    asks: tuple[Ask, ...]
    arguments: tuple[Argument, ...] = ()
    fixed: Json = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    password: bool = False

    def data(self, arguments: argparse.Namespace) -> Json:
        """Return the data of the operation."""
        data: Json = {name: dict(value) if isinstance(value, dict) else value for name, value in self.fixed.items()}
        for argument in self.arguments:
            value = argument.value(arguments)
            if value is not None:
                *path, name = argument.field.split(".")
                place = data
                for part in path:
                    place = place.setdefault(part, {})
                place[name] = value
        return data

    def ask(self, data: Json) -> Ask:
        """Return what is to be asked."""
        return next(ask for ask in self.asks if not ask.when or ask.when in data)


def said(words: str) -> Show:
    """Return what shows one sentence, with the fields of what was asked put in; ``{who}`` is a user or an address."""

    def show(answer: Json, data: Json) -> list[str]:
        return [sentence(words.format(**data, who=data.get("user") or data.get("address", "")))]

    return show


def period(text: str) -> int:
    """Return the seconds of a time such as 30m; raises argparse.ArgumentTypeError."""
    found = _PERIOD.fullmatch(text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"a time is a number and s, m, h, d or w, such as 30m, not {text!r}")
    return int(found[1]) * _UNITS[found[2]]
