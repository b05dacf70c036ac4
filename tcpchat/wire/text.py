"""The text wire: a person at a terminal, with nothing but lines (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tcpchat.core.answers import Answer, Arrived, Greeting, Named
from tcpchat.core.commands import Arrive, Command, Say
from tcpchat.core.events import Event
from tcpchat.core.names import HERE
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Request
from tcpchat.wire.phrases import NAME_QUESTION, Words, greeting_lines, help_lines, phrase_answer, phrase_event
from tcpchat.wire.table import WORDS, Row, nearest
from tcpchat.wire.telnet import TelnetFilter


class TextEncoder:
    """Events as lines; ``current`` is whether the room is the one the reader is speaking in."""

    def __init__(self, *, current: bool) -> None:
        self._current = current

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return one line for each event; nothing for what only programs want to know."""
        return _lines([line for event in events if (line := phrase_event(event, current=self._current))])


_HERE = TextEncoder(current=True)
_ELSEWHERE = TextEncoder(current=False)


class TextCodec:
    """One person. Until there is a name, every line that isn't a command is taken for one."""

    __slots__ = ("_name", "_telnet")

    def __init__(self) -> None:
        self._name = ""
        self._telnet = TelnetFilter()

    def greet(self, greeting: Greeting) -> bytes:
        """Return the welcome, which ends by asking for a name."""
        return _lines(greeting_lines(greeting))

    def strip(self, data: bytes) -> bytes:
        """Return ``data`` without telnet's commands."""
        return self._telnet.feed(data)

    def feed(self, line: bytes) -> Request | None:
        """Understand one line: a command, a name, or speech for the current room."""
        try:
            # A stray control character, as Ctrl-D leaves in telnet, must not make speech of a command.
            words = clean(line.decode())
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
            return _lines(lines)
        if isinstance(answer, Arrived | Named):
            self._name = answer.user.name
        return _lines(phrase_answer(request.asks, answer, self._name))

    def encoder(self, *, current: bool) -> TextEncoder:
        """Return the encoder that names the room unless it is the current one."""
        return _HERE if current else _ELSEWHERE


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


def _lines(lines: tuple[str, ...] | list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()
