"""Kinds of settings: how each is read from text and from TOML, and written as TOML.

What isn't of its kind raises ValueError with words that follow the setting's name: "is true or false, not 5".
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tcpchat.core.addresses import UNIX, Network, parse_network

_SHOWN_CHARACTERS = 60
_LARGE = 10_000
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class Kind(Protocol):
    """A kind of setting."""

    @property
    def wanted(self) -> str:
        """What it is, in a few words."""

    def from_text(self, text: str) -> object:
        """Return the value that an option or a variable means; raises ValueError."""

    def from_toml(self, value: object) -> object:
        """Return the value that TOML's means; raises ValueError."""

    def to_toml(self, value: object) -> str:
        """Return how a value is written in TOML."""


class _Worded(ABC):
    """Kinds that are text in TOML, too; empty text stands for no value where there may be none."""

    @abstractmethod
    def from_text(self, text: str) -> object: ...

    @property
    def wanted(self) -> str:
        return "text in quotes"

    def from_toml(self, value: object) -> object:
        if not isinstance(value, str):
            raise _wrong(self.wanted, value)
        return self.from_text(value)

    def to_toml(self, value: object) -> str:
        return _quoted("" if value is None else str(value))


@dataclass(frozen=True, slots=True)
class Text(_Worded):
    """Any text, None when it is empty. ``secret``: it may hold a password."""

    secret: bool = False

    def from_text(self, text: str) -> str | None:
        """Return the text."""
        return text or None


@dataclass(frozen=True, slots=True)
class FilePath(_Worded):
    """A file or directory, None when it is empty."""

    @property
    def wanted(self) -> str:
        """A path."""
        return "a path in quotes"

    def from_text(self, text: str) -> Path | None:
        """Return the path as it is given; what it is relative to is another's business."""
        if "\0" in text:
            raise _wrong("a path", text)
        return Path(text) if text else None


OFF = "off"
"""In the place of a path: there is to be none."""


@dataclass(frozen=True, slots=True)
class SocketPath(_Worded):
    """Where a unix socket is to be, None when it is empty, or `OFF`."""

    @property
    def wanted(self) -> str:
        """A path."""
        return f"a path in quotes, or {OFF}"

    def from_text(self, text: str) -> Path | str | None:
        """Return the path as it is given, or `OFF`."""
        if "\0" in text:
            raise _wrong(self.wanted, text)
        return OFF if text == OFF else Path(text) if text else None


@dataclass(frozen=True, slots=True)
class Word(_Worded):
    """One word that everybody may read."""

    most: int

    @property
    def wanted(self) -> str:
        """A word."""
        return f"one word of at most {self.most} characters"

    def from_text(self, text: str) -> str:
        """Return the word."""
        if not text.isprintable() or len(text.split()) != 1 or text != text.strip() or len(text) > self.most:
            raise _wrong(self.wanted, text)
        return text


@dataclass(frozen=True, slots=True)
class HostName(_Worded):
    """The name of a host, without a port (RFC 1123 section 2.1); compared without case."""

    @property
    def wanted(self) -> str:
        """A name."""
        return "the name of a host such as chat.example.org, without a port"

    def from_text(self, text: str) -> str:
        """Return the name in small letters."""
        if len(text) > 253 or not re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", text):
            raise _wrong(self.wanted, text)
        return text.lower()


@dataclass(frozen=True, slots=True)
class Origin(_Worded):
    """Where a page is from (RFC 6454 section 6.1)."""

    @property
    def wanted(self) -> str:
        """A scheme, a host, and perhaps a port."""
        return "where pages are from, such as https://example.org or http://localhost:8000"

    def from_text(self, text: str) -> str:
        """Return it in small letters."""
        if not re.fullmatch(r"https?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", text):
            raise _wrong(self.wanted, text)
        return text.lower()


@dataclass(frozen=True, slots=True)
class Choice(_Worded):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """The words."""
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def from_text(self, text: str) -> str:
        """Return the word."""
        if text not in self.words:
            raise _wrong(self.wanted, text)
        return text


@dataclass(frozen=True, slots=True)
class NetworkKind(_Worded):
    """An address or a network in CIDR notation."""

    @property
    def wanted(self) -> str:
        """A network."""
        return "a network such as 192.0.2.0/24 or ::1"

    def from_text(self, text: str) -> Network:
        """Return the network."""
        try:
            return parse_network(text)
        except ValueError as error:
            raise ValueError(f"is {self.wanted}: {error}") from None


@dataclass(frozen=True, slots=True)
class PlaceKind(NetworkKind):
    """An address or a network, or all unix sockets."""

    @property
    def wanted(self) -> str:
        """A network, or unix."""
        return "a network such as 192.0.2.7, or unix"

    def from_text(self, text: str) -> Network | str:  # type: ignore[override]
        """Return the network, or ``unix``."""
        return UNIX if text == UNIX else NetworkKind.from_text(self, text)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    @property
    def wanted(self) -> str:
        """Yes or no."""
        return "true or false"

    def from_text(self, text: str) -> bool:
        """Return what ``true``, ``yes``, ``on``, ``1`` and their opposites mean."""
        word = text.lower()
        if word not in (*_TRUE, *_FALSE):
            raise _wrong(self.wanted, text)
        return word in _TRUE

    def from_toml(self, value: object) -> bool:
        """Return the boolean."""
        if not isinstance(value, bool):
            raise _wrong(self.wanted, value)
        return value

    def to_toml(self, value: object) -> str:
        """Return TOML's boolean."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``least`` to ``most``; with ``none`` it may also be 0."""

    least: int
    most: int
    none: bool = False

    @property
    def wanted(self) -> str:
        """The range."""
        return f"{'0, or ' if self.none else ''}a whole number from {self.least} to {self.most}"

    def from_text(self, text: str) -> int:
        """Return the number: decimal digits, which underscores may group."""
        digits = text.removeprefix("-").replace("_", "")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
            raise _wrong(self.wanted, text)
        return self.from_toml(-int(digits) if text.startswith("-") else int(digits))

    def from_toml(self, value: object) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(self.wanted, value)
        if not (self.least <= value <= self.most or (self.none and value == 0)):
            raise _wrong(self.wanted, value)
        return value

    def to_toml(self, value: object) -> str:
        """Return the number, a large one with its thousands apart."""
        assert isinstance(value, int)
        return f"{value:_}" if value >= _LARGE else str(value)


@dataclass(frozen=True, slots=True)
class Fraction:
    """A number from ``least`` to ``most``, with or without a fraction."""

    least: float
    most: float

    @property
    def wanted(self) -> str:
        """The range."""
        return f"a number from {self.least:g} to {self.most:.15g}"

    def from_text(self, text: str) -> float:
        """Return the number."""
        try:
            return self.from_toml(float(text))
        except ValueError:
            raise _wrong(self.wanted, text) from None

    def from_toml(self, value: object) -> float:
        """Return the number; a whole one will do."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(self.wanted, value)
        if not self.least <= value <= self.most:  # nor is NaN
            raise _wrong(self.wanted, value)
        return float(value)

    def to_toml(self, value: object) -> str:
        """Return the number."""
        return str(value)


@dataclass(frozen=True, slots=True)
class ListOf:
    """Several of one kind; as text they are separated by white space."""

    kind: Kind

    @property
    def wanted(self) -> str:
        """A list."""
        return "a list in square brackets"

    def from_text(self, text: str) -> tuple[object, ...]:
        """Return the values."""
        return self.from_texts(text.split())

    def from_texts(self, texts: Sequence[str]) -> tuple[object, ...]:
        """Return the values of an option that was repeated."""
        if "" in texts:
            raise _empty(texts.index("") + 1)
        return tuple(self.kind.from_text(text) for text in texts)

    def from_toml(self, value: object) -> tuple[object, ...]:
        """Return the values."""
        if not isinstance(value, list):
            raise _wrong(self.wanted, value)
        return tuple(self._element(number, element) for number, element in enumerate(value, 1))

    def to_toml(self, value: object) -> str:
        """Return TOML's list."""
        assert isinstance(value, tuple)
        return f"[{', '.join(map(self.kind.to_toml, value))}]"

    def _element(self, number: int, element: object) -> object:
        try:
            made = self.kind.from_toml(element)
        except ValueError as error:
            raise ValueError(f"has an element, number {number}, that {_unlike(str(error))}") from None
        if made is None:
            raise _empty(number)
        return made


def _empty(number: int) -> ValueError:
    return ValueError(f"has an element, number {number}, that is empty")


def _unlike(reason: str) -> str:
    """Return what is said of a value as it is said of an element."""
    return reason.replace("is ", "should be ", 1)


def _wrong(wanted: str, value: object) -> ValueError:
    return ValueError(f"is {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…")
        case int() | float():
            return str(value) if abs(value) < 1e30 else "such a number"
        case dict():
            return "a table"
        case list():
            return "a list"
    return "a date or time"


def _quoted(text: str) -> str:
    """Return TOML's basic string, which is JSON's but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
