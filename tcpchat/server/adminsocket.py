"""The admin socket: JSON lines for who may run the server, which the kernel tells, and no password."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import stat
import struct
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.internet.tcp import Port
from twisted.internet.unix import Port as UnixPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from tcpchat.core.addresses import LOCAL, OPERATOR
from tcpchat.core.events import Notice
from tcpchat.errors import Code, StartError
from tcpchat.server.factory import ChatFactory
from tcpchat.server.protocol import ChatProtocol
from tcpchat.wire.codec import Codec
from tcpchat.wire.jsonlines import JsonCodec
from tcpchat.wire.text import TextCodec

# struct sockaddr_un has 108 bytes for it (unix(7)), and its end is a zero byte.
_MOST_PATH_BYTES = 107
# struct ucred (unix(7)): the process, the user, the group.
_CREDENTIALS = struct.Struct("=iII")
_MODE = 0o600
_BACKLOG = 64

_REFUSED = "Only the user of the daemon and root may administer it from here."
_FOR_PROGRAMS = "This socket is for programs that speak JSON lines. For people there is tcpchat-admin.\n"


class NoAdminSocket(StartError):
    """There can't be an admin socket at this place, or on this system."""


class AdminProtocol(ChatProtocol):
    """A connection of a user of this machine: the operator's, or refused."""

    _log = Logger()

    def connectionMade(self) -> None:
        """Ask the kernel who it is."""
        self._user = peer_user(self.transport)
        if self._user in (0, os.geteuid()):
            self._operator = user_name(self._user)
        else:
            self.address = LOCAL
        super().connectionMade()

    def admit(self) -> bool:
        """Let the operator in, however many there are and however fast they ask; refuse others."""
        if self._operator:
            return True
        if not self._outbox.finished:
            self._log.warn("security: the user with uid {uid} was refused on the admin socket", uid=self._user)
            self._reason = "may not administer"
            self.finish(_notice(_REFUSED, Code.NOT_ALLOWED))
        return False

    def meet(self, codec: Codec) -> None:
        """Take JSON lines; who types at once is told of the tool, and who is silent hears what is spoken here."""
        if isinstance(codec, TextCodec):
            if self._entrance.speaker is not None:
                self.finish(_FOR_PROGRAMS.encode())
                return
            self._outbox.write(_notice(_FOR_PROGRAMS.strip()))
            codec = JsonCodec()
        super().meet(codec)
        self._watch_login()  # there is none: the operator has all the time, and long lines

    def serve_http(self) -> None:
        """Serve no pages."""
        self.turn_away("HTTP is not spoken here")

    def turn_away(self, reason: str, farewell: bytes = b"") -> None:
        """Say what is spoken here, and end."""
        super().turn_away(reason, _FOR_PROGRAMS.encode())


class AdminFactory(ServerFactory):
    """Makes an `AdminProtocol` for each connection, beside those of another factory."""

    noisy = False

    def __init__(self, factory: ChatFactory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: IAddress | None) -> AdminProtocol:
        """Return the protocol of a new connection."""
        return AdminProtocol(self._factory.services, self._factory.admission, OPERATOR)


class AdminPort(UnixPort):
    """A listening socket whose file is removed at its end, if it is still its own."""

    _file: tuple[int, int] | None = None

    def startListening(self) -> None:
        """Make the file, for its owner alone from the first moment on."""
        before = os.umask(0o777 & ~_MODE)
        try:
            super().startListening()
        finally:
            os.umask(before)
        self._file = _identity(self._bindPath)

    def connectionLost(self, reason: Failure) -> None:
        """Remove the file."""
        with suppress(OSError):
            if self._file == _identity(self._bindPath):
                os.unlink(self._bindPath)
        Port.connectionLost(self, reason)


def listen_admin(reactor: Any, factory: ServerFactory, path: Path) -> AdminPort:
    """Listen on ``path``, in the place of a socket that nobody listens on any more. Raises `StartError`.

    That is a `NoAdminSocket` if the system or the length of the path (107 bytes) doesn't allow one.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        raise NoAdminSocket("this system doesn't tell who is at the other end of a unix socket")
    name = os.fsencode(path)
    if len(name) > _MOST_PATH_BYTES:
        raise NoAdminSocket(
            f"the path of the admin socket has {len(name)} bytes, and a socket's may have {_MOST_PATH_BYTES}: {path}"
        )
    try:
        _remove_stale(path)
        port = AdminPort(name, factory, _BACKLOG, _MODE, reactor)
        port.startListening()
    except (OSError, CannotListenError) as error:
        cause = error.socketError if isinstance(error, CannotListenError) else error
        raise StartError(f"can't make the admin socket {path}: {getattr(cause, 'strerror', None) or cause}") from None
    return port


def peer_user(transport: Any) -> int:
    """Return the id of the user who has made the connection to a unix socket."""
    given = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(given)[1]
    return user


@cache
def user_name(user: int) -> str:
    """Return what the system calls a user. Asked for two of them at most, and once: it may have to look far."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def _remove_stale(path: Path) -> None:
    """Remove what a daemon has left that was killed; raises `StartError` if it is anything else, and OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if path.parent.is_dir():
            return
        raise
    if not stat.S_ISSOCK(mode):
        raise StartError(f"can't make the admin socket {path}: something else is there")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(os.fspath(path))
    if answer in (0, errno.EAGAIN):  # or so many wait there that it takes no more
        raise StartError(f"can't make the admin socket {path}: another program is listening there")
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        raise OSError(answer, os.strerror(answer))
    path.unlink(missing_ok=True)


def _identity(path: bytes) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _notice(text: str, code: Code | None = None) -> bytes:
    return JsonCodec().encoder(current=True).encode([Notice(text, code.value) if code else Notice(text)])
