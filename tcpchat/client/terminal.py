"""The standard streams: lines in, lines out, and nothing that moves a cursor."""

from __future__ import annotations

import os
import sys
import termios
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from tcpchat.core.limits import KIB


class Typed(Protocol):
    """Who is told what is typed."""

    def typed(self, line: bytes) -> None:
        """Take one line, without its end."""

    def too_long(self, size: int) -> None:
        """A line of more than ``size`` bytes was skipped."""

    def end(self) -> None:
        """There is nothing more to come."""


@implementer(IHalfCloseableProtocol)
class Terminal(LineReceiver):
    """Reads standard input, writes standard output; what went wrong goes to standard error unless ``interactive``."""

    delimiter = b"\n"
    # As much as a message may have; written as JSON it is still a line that the server reads.
    MAX_LENGTH = 16 * KIB

    listener: Typed
    transport: StandardIO

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive
        self.closing = False
        self._skipped = False
        self._unread = False
        self._closed: Deferred[None] = Deferred()

    def open(self, reactor: Any) -> None:
        """Begin to read."""
        StandardIO(self, reactor=reactor)

    def close(self) -> Deferred[None]:
        """Write what is left, and fire once that is done."""
        self.closing = True
        if self._unread:
            return succeed(None)
        self.transport.loseConnection()
        return self._closed

    # What the shell calls.

    def show(self, line: str) -> None:
        """Write a line to standard output."""
        self.transport.write(f"{line}\n".encode(errors="replace"))

    def complain(self, line: str) -> None:
        """Write what went wrong."""
        if self._interactive:
            self.show(line)
        else:
            sys.stderr.write(f"tcpchat: {line}\n")

    def hide(self) -> None:
        """Let the terminal show nothing of what is typed."""
        self._set_echo(on=False)

    def reveal(self) -> None:
        """Let the terminal show what is typed; the end of the hidden line was not shown either."""
        if self._set_echo(on=True):
            self.show("")

    def _set_echo(self, *, on: bool) -> bool:
        if not self._interactive:
            return False
        return set_echo(on=on)

    def pause(self) -> None:
        """Read no more lines until `resume`."""
        self.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self.resumeProducing()

    # What Twisted calls.

    def dataReceived(self, data: bytes) -> None:
        """Take a chunk; what follows a line that was too long is split anew."""
        super().dataReceived(data)
        while self._skipped:
            self._skipped = False
            super().dataReceived(b"")

    def lineReceived(self, line: bytes) -> None:
        """Hand one line over."""
        self.listener.typed(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Skip the line, and say so."""
        self.listener.too_long(self.MAX_LENGTH)
        self.setRawMode()
        self.rawDataReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """Skip to the end of a line that is too long."""
        _, newline, rest = data.partition(b"\n")
        if newline:
            self.setLineMode()
            self._buffer = rest
            self._skipped = True

    def readConnectionLost(self) -> None:
        """The end of the input; what came after the last line end is a line, too."""
        rest = self.clearLineBuffer()
        if rest and self.line_mode:
            self.listener.typed(rest)
        self.listener.end()

    def writeConnectionLost(self) -> None:
        """Nobody reads our output: a person has gone, while a pipe may still have something to say."""
        self._unread = True
        if self._interactive:
            self.listener.end()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:
        """All is written."""
        self._closed.callback(None)


def set_echo(*, on: bool) -> bool:
    """Let the terminal on standard input show what is typed, or not; return whether that was a change."""
    try:
        attributes = termios.tcgetattr(0)
    except termios.error:  # it is none
        return False
    if bool(attributes[3] & termios.ECHO) is on:
        return False
    attributes[3] ^= termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    return True


def restore() -> None:
    """Undo what was done to the standard streams: other programs use the same terminal."""
    set_echo(on=True)
    for descriptor in range(3):
        try:
            os.set_blocking(descriptor, True)
        except OSError:  # closed
            continue
