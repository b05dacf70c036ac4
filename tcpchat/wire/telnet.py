"""Telnet's commands (RFC 854), taken out of the stream: none is needed to chat, and none is text."""

from __future__ import annotations

import re
from enum import Enum, auto

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240


_SUBNEGOTIATION = bytes((IAC, SB))
# Whole commands of two and three bytes, which are nearly all.
_SIMPLE = re.compile(rb"\xff(?:[\xfb-\xfe].|[\xf0-\xf9\xff])", re.DOTALL)


class _State(Enum):
    TEXT = auto()
    COMMAND = auto()
    OPTION = auto()
    SUBNEGOTIATION = auto()
    SUBNEGOTIATION_COMMAND = auto()


class TelnetFilter:
    """Removes telnet commands from the bytes of one connection, however they are cut into chunks."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = _State.TEXT

    def feed(self, data: bytes) -> bytes:
        """Return the text in ``data``. A doubled IAC is dropped as well: 255 is no byte of UTF-8."""
        if self._state is _State.TEXT and IAC not in data:
            return data
        if self._state is _State.TEXT and _SUBNEGOTIATION not in data:
            data = _SIMPLE.sub(b"", data)
            if IAC not in data:
                return data
        text = bytearray()
        position = 0
        while position < len(data):
            if self._state in (_State.TEXT, _State.SUBNEGOTIATION):
                # Up to the next IAC in one step.
                found = data.find(IAC, position)
                end = len(data) if found < 0 else found
                if self._state is _State.TEXT:
                    text += data[position:end]
                position = end
                if end == len(data):
                    break
            byte = data[position]
            position += 1
            if self._state is _State.COMMAND and byte < SE:  # no command: somebody's 255, for the next to refuse
                text += bytes((IAC, byte))
                self._state = _State.TEXT
            else:
                self._state = _following(self._state, byte)
        return bytes(text)


def _following(state: _State, byte: int) -> _State:
    match state:
        case _State.TEXT:
            return _State.COMMAND
        case _State.COMMAND if byte in (DO, DONT, WILL, WONT):
            return _State.OPTION
        case _State.COMMAND if byte == SB:
            return _State.SUBNEGOTIATION
        case _State.SUBNEGOTIATION:
            return _State.SUBNEGOTIATION_COMMAND if byte == IAC else state
        case _State.SUBNEGOTIATION_COMMAND if byte != SE:
            return _State.SUBNEGOTIATION
        case _:
            return _State.TEXT
