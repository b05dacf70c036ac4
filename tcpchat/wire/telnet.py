"""Telnet (RFC 854) around the text of one connection: commands are taken out and answered, however they are cut.

A peer that never sends a command, such as nc, is sent none, but for the wish that a password isn't shown.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from tcpchat.wire.keys import ERASE, KILL
from tcpchat.wire.negotiation import AYT, DO, DONT, EC, ECHO, EL, EOF, IAC, SB, SE, WILL, WONT, Negotiation

# The bounds of a width that lines are wrapped at, in columns: less is unreadable, more is no terminal's.
_NARROWEST = 20
_WIDEST = 500

# The steps that one connection may cost. All negotiation takes a dozen commands, and a window that is being dragged
# about sends some hundred sizes: there are enough for some 4,000 of these, or for a million of the idle commands that
# some programs send to keep a connection alive. After these commands are taken out without a look or an answer.
_WORK = 1 << 20
_LOOK = _WORK // 4096
# Of a subnegotiation so much is kept: more than any that we read has, so that one cut off makes no sense either.
_BLOCK_BYTES = 64
# A subnegotiation that has not ended by then never will: what follows is text again.
_OPEN_BLOCK_BYTES = 1024

# Commands that nothing follows from: all of two bytes, but for AYT, EC and EL. After Ctrl-C and its like telnet shows
# nothing until its DO TIMING-MARK is answered (RFC 860), and our WONT is an answer.
_IDLE = re.compile(rb"(?:\xff[\xec-\xf5\xf9])+")
# Whole commands, for when there are too many.
_WHOLE = re.compile(rb"\xff(?:[\xfb-\xfe].|[\xec-\xf9\xff]|\xfa[^\xff]*\xff\xf0)", re.DOTALL)


class _State(Enum):
    TEXT = auto()
    COMMAND = auto()
    OPTION = auto()
    BLOCK = auto()
    BLOCK_COMMAND = auto()


class Telnet:
    """Takes telnet's commands out of the bytes of one connection, and gives the answers to them."""

    __slots__ = ("_after_cr", "_block", "_block_bytes", "_left", "_negotiation", "_state", "_word")

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._word = 0
        self._left = _WORK
        self._block = bytearray()
        self._block_bytes = 0
        # Whether the text so far ends with a CR.
        self._after_cr = False
        # Nobody who doesn't speak telnet needs one.
        self._negotiation: Negotiation | None = None

    @property
    def width(self) -> int:
        """The peer's columns, between 20 and 500; 0 while unknown."""
        width = self._negotiation.width if self._negotiation and self._left > 0 else 0
        return min(max(width, _NARROWEST), _WIDEST) if width else 0

    @property
    def height(self) -> int:
        """The peer's lines; 0 while unknown."""
        return self._negotiation.height if self._negotiation else 0

    @property
    def terminal(self) -> str:
        """The type of the peer's terminal; empty while unknown."""
        return self._negotiation.terminal if self._negotiation else ""

    @property
    def echo(self) -> bool | None:
        """Whether the peer shows what is typed; None while its answer is awaited."""
        if self._negotiation is None:
            return True
        return None if self._negotiation.ours.pending(ECHO) else not self._negotiation.ours.on(ECHO)

    def echo_off(self) -> None:
        """Ask the peer to show nothing of what is typed (RFC 857), for a password.

        Also one that has shown no telnet: the usual one begins nothing by itself. Others see three odd bytes.
        """
        if self._negotiation is None:
            self._negotiation = Negotiation()
        self._negotiation.ours.request(ECHO)

    def echo_on(self) -> None:
        """Ask the peer to show what is typed again."""
        if self._negotiation is not None:
            self._negotiation.ours.withdraw(ECHO)

    def take_replies(self) -> bytes:
        """Return what is to be sent to the peer, and forget it."""
        if self._negotiation is None or not self._negotiation.replies:
            return b""
        replies = bytes(self._negotiation.replies)
        self._negotiation.replies.clear()
        return replies

    def feed(self, data: bytes) -> bytes:
        """Return the text in ``data``. A byte 255 that begins no command stays in it, and is no UTF-8."""
        text = data if self._state is _State.TEXT and IAC not in data else self._take_out(data)
        return self._end_lines(text) if text else text

    def _take_out(self, data: bytes) -> bytes:
        if self._left <= 0:
            self._state = _State.TEXT
            return _WHOLE.sub(b"", data)
        text = bytearray()
        position = 0
        while position < len(data):
            if self._state is _State.TEXT:
                # Up to the next IAC in one step, and over what is of no interest.
                found = data.find(IAC, position)
                end = len(data) if found < 0 else found
                text += data[position:end]
                position = end
                if idle := _IDLE.match(data, position):
                    position = idle.end()
                    self._left -= 1
                    continue
            elif self._state is _State.BLOCK:
                position = self._keep(data, position)
                if self._block_bytes >= _OPEN_BLOCK_BYTES:
                    continue
            if position < len(data):
                text += self._step(data[position])
                position += 1
        return bytes(text)

    def _keep(self, data: bytes, start: int) -> int:
        """Take a subnegotiation's bytes from ``start`` up to an IAC or to its bound; return where they end."""
        found = data.find(IAC, start)
        end = min(len(data) if found < 0 else found, start + _OPEN_BLOCK_BYTES - self._block_bytes)
        self._add(data[start:end])
        return end

    def _add(self, data: bytes) -> None:
        self._block += data[: _BLOCK_BYTES - len(self._block)]
        self._block_bytes += len(data)
        self._state = _State.TEXT if self._block_bytes >= _OPEN_BLOCK_BYTES else _State.BLOCK

    def _step(self, byte: int) -> bytes:
        """Take a byte of a command, or an IAC; return what it adds to the text."""
        self._left -= 1
        match self._state:
            case _State.TEXT:
                self._state = _State.COMMAND
            case _State.BLOCK:
                self._state = _State.BLOCK_COMMAND
            case _State.COMMAND:
                return self._command(byte)
            case _State.OPTION:
                self._state = _State.TEXT
                if negotiation := self._look():
                    negotiation.receive(self._word, byte)
                    self._begin(negotiation)
            case _State.BLOCK_COMMAND if byte == SE:
                self._state = _State.TEXT
                if negotiation := self._look():
                    negotiation.receive_block(bytes(self._block))
                    self._begin(negotiation)
            case _State.BLOCK_COMMAND:
                self._add(bytes((byte,)))
        return b""

    def _command(self, byte: int) -> bytes:
        self._state = _State.TEXT
        if byte in (DO, DONT, WILL, WONT):
            self._state = _State.OPTION
            self._word = byte
        elif byte == SB:
            self._state = _State.BLOCK
            self._block.clear()
            self._block_bytes = 0
        elif byte == IAC:
            return b"\xff"
        elif byte == EC:  # for the line to be edited by, as by the same keys
            return ERASE.encode()
        elif byte == EL:
            return KILL.encode()
        elif byte < EOF:  # no command: somebody's 255, for the next to refuse
            return bytes((IAC, byte))
        elif byte == AYT and (negotiation := self._look()):
            negotiation.replies += b"[Yes]\r\n"
            self._begin(negotiation)
        return b""

    def _look(self) -> Negotiation | None:
        """Return who is to see a command, unless there have been too many."""
        if self._left <= 0:
            return None
        self._left -= _LOOK
        return self._negotiation or Negotiation()

    def _begin(self, negotiation: Negotiation) -> None:
        """The peer has shown that it speaks telnet: ask, after the answer to its first word."""
        if self._negotiation is None:
            self._negotiation = negotiation
            negotiation.begin()

    def _end_lines(self, text: bytes) -> bytes:
        """Return ``text`` with CR LF for CR NUL (RFC 854, page 11): so ends a line of those that send each key."""
        if self._after_cr and text[0] == 0:
            text = b"\n" + text[1:]
        self._after_cr = text[-1] == 0x0D
        return text.replace(b"\r\0", b"\r\n") if b"\0" in text else text
