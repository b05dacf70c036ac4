"""Sending at once what Twisted would leave to the reactor's next turn."""

from __future__ import annotations

import struct
import termios
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from typing import Any

from twisted.internet import main, tcp, unix
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure

from tcpchat.server.departures import Departing, Departures


class _DirectWrites:
    """Sends what is written at once, when nothing is buffered; Twisted keeps the rest.

    Twisted's ``write`` only buffers, and asks to be called when the socket can be written to: two ``epoll_ctl`` and
    a turn of the reactor for every chunk and reader, where nearly every socket would have taken it at once. When
    closing, while anything is buffered, and under Twisted's own TLS, its way is the only one that keeps the order of
    bytes. Our TLS (`tcpchat.server.tlslayer`) is above: what comes from there is one piece, and secret already.
    """

    socket: Any
    # A write has failed: the kernel tells of an error once, and of an end after it that is none.
    _broken = False

    def write(self: Any, data: bytes) -> None:
        """Send ``data``, or as much of it as the kernel takes; what is left, and any error, is Twisted's."""
        if (
            self.TLS
            or self.dataBuffer
            or self._tempDataBuffer
            or self.disconnecting
            or self._writeDisconnecting
            or not self.connected
        ):
            super().write(data)  # type: ignore[misc]
            return
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, BrokenPipeError):  # full; or the peer has closed, as it will be read
            sent = 0
        except OSError:  # Twisted will try again and see
            sent = 0
            self._broken = True
        if sent < len(data):
            super().write(data[sent:] if sent else data)  # type: ignore[misc]

    def readConnectionLost(self: Any, reason: Failure) -> None:
        """The peer has ended its half, unless the connection is broken: nobody has said goodbye then."""
        if self._broken:
            self.connectionLost(Failure(main.CONNECTION_LOST))
        else:
            super().readConnectionLost(reason)  # type: ignore[misc]

    def unsent(self: Any) -> int:
        """Return how many bytes the peer has yet to take: those kept here, and those that the kernel keeps."""
        kept = 0
        with suppress(OSError):  # it is closed, or this kernel doesn't tell
            (kept,) = struct.unpack("i", ioctl(self.socket.fileno(), termios.TIOCOUTQ, bytes(4)))
        return int(len(self.dataBuffer) - self.offset + self._tempDataLen + kept)


class DirectServer(_DirectWrites, Departing, tcp.Server):
    """A TCP connection that sends at once, and whose end waits for its turn."""

    def __init__(self, departures: Departures, *accepted: Any) -> None:
        super().__init__(*accepted)
        self._departures = departures


class DirectUNIXServer(_DirectWrites, Departing, unix.Server):
    """A unix socket connection that sends at once, and whose end waits for its turn."""

    def __init__(self, departures: Departures, *accepted: Any) -> None:
        super().__init__(*accepted)
        self._departures = departures


def write_directly(port: IListeningPort, departures: Departures) -> None:
    """Let the connections of ``port`` send at once, and end in turns, if it is one of TCP or of a unix socket."""
    if not isinstance(port, tcp.Port):
        return
    kind = DirectUNIXServer if isinstance(port, unix.Port) else DirectServer
    port.transport = partial(kind, departures)  # type: ignore[assignment]  # it is only called
