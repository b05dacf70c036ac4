"""What a person types, understood by the command table."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tcpchat.core.answers import Answer, Completions
from tcpchat.core.commands import Arrive, Command, Complete, Recolor, Say
from tcpchat.core.names import HERE
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.completion import complete, is_begun
from tcpchat.wire.local import Color, Help, Timezone
from tcpchat.wire.phrases import NAME_QUESTION, Words, help_lines, no_command
from tcpchat.wire.table import WORDS, Row, nearest
from tcpchat.wire.view import Adjust, parse_offset

_NUMBER = re.compile(r"[1-9][0-9]{0,14}")


def understand(line: str, *, named: bool) -> Command | Answer | Adjust | None:
    """Return what a line asks for: a command, help, or speech for the current room; None if it is empty.

    Without a name what isn't a command is one. Raises `ChatError`, which shows the right form.
    """
    if is_begun(line):
        found = complete(line)
        return found if isinstance(found, Complete) else Completions(found, False)
    # A stray control character, as Ctrl-D leaves in telnet, must not make speech of a command.
    line = clean(line)
    if not line:
        return None if named else Words((NAME_QUESTION,))
    word, _, rest = line.partition(" ")
    word = word.lower()
    if word in WORDS:
        return _keep_local(_build(WORDS[word], word, rest.strip()))
    if line.startswith("//"):
        line = line[1:]
    elif line.startswith("/"):
        shown = word[:32]
        meant = nearest(word)
        facts = {"word": shown} | ({"suggestion": meant} if meant else {})
        raise ChatError(Code.UNKNOWN_COMMAND, no_command(shown, meant), **facts)
    return Say(HERE, line) if named else Arrive(line)


def _keep_local(command: Command) -> Command | Answer | Adjust:
    """Return what is to be done about ``command``: what only concerns the person's own screen isn't one any more."""
    match command:
        case Help(topic):
            return Words(tuple(help_lines(topic)))
        case Timezone(offset):
            return Adjust(offset=parse_offset(offset)) if offset else Adjust()
        case Color("on" | "off" as word):
            return Adjust(colors=word == "on")
        case Color(word):
            return Recolor(None if word.lower() == "none" else word.lower())
    return command


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
                raise _misused(row, f"{parameter.name} is missing", usage, parameter.field)
            value = parameter.default
        if parameter.name == "USER":  # as one calls somebody in speech; no name ends so
            value = value.rstrip(",:")
        if parameter.number and not _NUMBER.fullmatch(value):
            raise _misused(row, f"{parameter.name} is a number, 1 or more", usage, parameter.field)
        fields[parameter.field] = int(value) if parameter.number else value
    if rest:
        raise _misused(row, f"There is too much after {word}", usage, "")
    try:
        return msgspec.convert(fields, row.command)
    except msgspec.ValidationError:
        raise _misused(row, "That number is too large", usage, "") from None


def _misused(row: Row, complaint: str, usage: str, field: str) -> ChatError:
    example = f", for example {row.example}" if row.parameters and usage.startswith(row.words[0]) else ""
    return ChatError(Code.BAD_FIELD, f"{complaint}: type {usage}{example}", field=field)
