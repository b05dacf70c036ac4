"""The text wire: a person at a terminal, with nothing but lines (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from tcpchat.core.answers import Answer, Arrived, Greeting, Named
from tcpchat.core.commands import Arrive, Command, Say
from tcpchat.core.events import Event
from tcpchat.core.names import HERE
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Outlet, Request
from tcpchat.wire.phrases import NAME_QUESTION, Words, greeting_lines, help_lines, phrase_answer, phrase_event
from tcpchat.wire.table import WORDS, Row, nearest
from tcpchat.wire.telnet import Telnet
from tcpchat.wire.wrap import wrap


class TextEncoder:
    """Events as lines of at most ``width`` columns; ``current``: the room is the one the reader is speaking in."""

    def __init__(self, *, current: bool, width: int) -> None:
        self._current = current
        self._width = width

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return each event as a line, or more; nothing for what only programs want to know."""
        lines = [line for event in events if (line := phrase_event(event, current=self._current))]
        return _lines(lines, self._width)


@cache
def _encoder(*, current: bool, width: int) -> TextEncoder:
    """Return the encoder that all readers of this kind share: there are some hundred widths."""
    return TextEncoder(current=current, width=width)


class TextCodec:
    """One person. Until there is a name, every line that isn't a command is taken for one."""

    __slots__ = ("_name", "_telnet", "_width")

    def __init__(self) -> None:
        self._name = ""
        self._telnet = Telnet()
        # Columns; 0 while unknown.
        self._width = 0

    def greet(self, greeting: Greeting) -> bytes:
        """Return the welcome, which ends by asking for a name."""
        return _lines(greeting_lines(greeting), self._width)

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data`` without telnet's commands, which are answered; lines are as wide as the peer's terminal."""
        telnet = self._telnet
        text = telnet.feed(data)
        if replies := telnet.take_replies():
            outlet.answer(replies)
        if telnet.width != self._width:
            self._width = telnet.width
            outlet.reformat()
        return text

    def feed(self, line: bytes) -> Request | None:
        """Understand one line: a command, a name, or speech for the current room."""
        try:
            words = line.decode()
            if "\x7f" in words or "\b" in words:
                words = _erased(words)
            # A stray control character, as Ctrl-D leaves in telnet, must not make speech of a command.
            words = clean(words)
        except UnicodeDecodeError:
            text = "That line was not UTF-8, so it was not read. Set your terminal to UTF-8 and type it again."
            return Request(ChatError(Code.BAD_UTF8, text))
        if not words:
            return None if self._name else Request(Words((NAME_QUESTION,)))
        try:
            return Request(understand(words, named=bool(self._name)))
        except ChatError as error:
            # Without its traceback: the frames in it hold this request, and the collector can't see through a struct.
            return Request(error.with_traceback(None))

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the answer as lines; what was said needs none, since its author sees it like everybody."""
        if isinstance(answer, ChatError):
            lines = (answer.text,) if self._name else (answer.text, NAME_QUESTION)
            return _lines(lines, self._width)
        if isinstance(answer, Arrived | Named):
            self._name = answer.user.name
        return _lines(phrase_answer(request.asks, answer, self._name), self._width)

    def encoder(self, *, current: bool) -> TextEncoder:
        """Return the encoder that names the room unless it is the current one."""
        return _encoder(current=current, width=self._width)


def understand(line: str, *, named: bool) -> Command | Answer:
    """Return what a line without outer spaces asks for: a command, help, or speech for the current room.

    Without a name what isn't a command is one. Raises `ChatError`, which shows the right form.
    """
    word, _, rest = line.partition(" ")
    word = word.lower()
    if word == "/help":
        return Words(tuple(help_lines(rest.strip())))
    if word in WORDS:
        return _build(WORDS[word], word, rest.strip())
    if line.startswith("//"):
        line = line[1:]
    elif line.startswith("/"):
        shown = word[:32]
        meant = nearest(word)
        advice = f"Did you mean {meant}?" if meant else "Type /help to see those there are."
        facts = {"word": shown} | ({"suggestion": meant} if meant else {})
        raise ChatError(Code.UNKNOWN_COMMAND, f"There is no command {shown}. {advice}", **facts)
    return Say(HERE, line) if named else Arrive(line)


def _build(row: Row, word: str, rest: str) -> Command:
    """Return the command of ``row`` with the words of ``rest``, or raise ``bad-field`` showing the right form."""
    usage = row.usage_of(word)
    fields: dict[str, Any] = dict(row.fixed)
    for parameter in row.parameters:
        if parameter.rest:
            value, rest = rest, ""
        else:
            value, _, rest = rest.partition(" ")
            rest = rest.strip()
        if not value:
            if parameter.optional:
                continue
            if parameter.default is None:
                raise ChatError(Code.BAD_FIELD, f"{parameter.name} is missing: type {usage}", field=parameter.field)
            value = parameter.default
        fields[parameter.field] = _number(value, parameter.name, usage) if parameter.number else value
    if rest:
        raise ChatError(Code.BAD_FIELD, f"That is too much: type {usage}", field="")
    return msgspec.convert(fields, row.command)


def _number(value: str, name: str, usage: str) -> int:
    if value.isascii() and value.isdigit() and len(value) <= 6 and int(value):
        return int(value)
    raise ChatError(Code.BAD_FIELD, f"{name} is a number from 1 to 999999: type {usage}", field=name.lower())


def _erased(typed: str) -> str:
    """Return ``typed`` as a terminal would that edits lines itself: some telnets send each key, Backspace too."""
    left: list[str] = []
    for character in typed:
        if character not in "\x7f\b":
            left.append(character)
        elif left:
            left.pop()
    return "".join(left)


def _lines(lines: tuple[str, ...] | list[str], width: int) -> bytes:
    if width:
        lines = [part for line in lines for part in wrap(line, width)]
    return "".join(f"{line}\r\n" for line in lines).encode()
