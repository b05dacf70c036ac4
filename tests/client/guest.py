"""The line client in memory: its shell between a screen that the test reads and a house, or a test, as the server."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tcpchat.client.connection import Connection
from tcpchat.client.parts import Manner
from tcpchat.client.shell import Shell
from tests.house import House
from tests.transport import MemoryTransport

GREETING = {
    "server": "tcpchat",
    "version": "1",
    "protocol": 1,
    "features": [],
    "limits": {},
    "motd": "Be\x1b[1m kind.",
    "people": 0,
}


class Wire:
    """The client's end of a connection: keeps what was sent."""

    disconnecting = False

    def __init__(self) -> None:
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def writeSequence(self, parts: list[bytes]) -> None:
        self.sent += b"".join(parts)

    def abortConnection(self) -> None:
        self.aborted = True


class Paper:
    """A screen: what was shown, what was complained of, and whether it reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.reading = True
        self.hidden = False

    def show(self, line: str) -> None:
        self.lines.append(line)

    def complain(self, line: str) -> None:
        self.complaints.append(line)

    def hide(self) -> None:
        self.hidden = True

    def reveal(self) -> None:
        self.hidden = False

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True


class Guest:
    """A client, which calls nobody until the test says `connect`."""

    def __init__(
        self,
        clock: IReactorTime,
        name: str | None = "tina",
        *rooms: str,
        interactive: bool = True,
        verbose: bool = False,
        token: str | None = None,
        unasked: bool = False,
    ) -> None:
        self.clock = clock
        self.screen = Paper()
        self.statuses: list[int] = []
        self.calling = False
        self.shell = Shell(
            Manner(name, rooms or ("lobby",), interactive, verbose, token, unasked=unasked),
            self.screen,
            clock,
            self.statuses.append,
        )
        self.wire = Wire()
        self.connection: Connection | None = None
        self.server: MemoryTransport | None = None
        self.shell.start(self)

    # What the shell calls.

    def start(self) -> None:
        self.calling = True

    def stop(self) -> None:
        self.calling = False
        self.lose(ConnectionDone())

    def settle(self) -> None:
        pass

    # What the test does.

    def connect(self, house: House | None = None) -> None:
        """Connect to ``house``, or to the test."""
        self.server = house.connect() if house else None
        self.wire = Wire()
        self.connection = Connection(self.clock, self.shell)
        self.connection.makeConnection(self.wire)
        if house:
            self.pump(house)

    def pump(self, house: House) -> None:
        """Carry bytes until nobody has any to say."""
        house.settle()
        while self.server and self.connection:
            asked, self.wire.sent = self.wire.sent, b""
            if asked:
                self.server.receive(asked)
                house.settle()
            answered = self.server.take()
            if answered:
                self.connection.dataReceived(answered)
            if not asked and not answered:
                return

    def lose(self, reason: Exception | None = None) -> None:
        """Let the connection break."""
        connection, self.connection = self.connection, None
        if connection:
            if self.server and not self.server.closed:
                self.server.tear()
            connection.connectionLost(Failure(reason or ConnectionAborted()))

    def type(self, *lines: str) -> None:
        for line in lines:
            self.shell.typed(line.encode())

    def take(self) -> list[str]:
        """Return the lines on the screen since the last time."""
        lines, self.screen.lines = self.screen.lines, []
        return lines

    # What the test does as the server.

    def asked(self) -> list[dict[str, Any]]:
        """Return what the client asked since the last time."""
        sent, self.wire.sent = self.wire.sent, b""
        return [msgspec.json.decode(line) for line in sent.splitlines()]

    def tell(self, line: dict[str, Any] | bytes) -> None:
        """Tell the client something."""
        assert self.connection
        self.connection.dataReceived((line if isinstance(line, bytes) else msgspec.json.encode(line)) + b"\n")

    def answer(self, data: Any = None, error: str = "") -> dict[str, Any]:
        """Answer the only thing that was asked, and return it."""
        (asked,) = self.asked()
        reply = {"op": asked["op"], "id": asked["id"], "status": "ok", "data": data or {}}
        if error:
            reply |= {"status": "error", "error": {"code": error, "message": f"Refused: {error}."}}
        self.tell(reply)
        return asked


def arrive(house: House, *rooms: str, interactive: bool = True, verbose: bool = False) -> Guest:
    guest = Guest(house.clock, "tina", *rooms, interactive=interactive, verbose=verbose)
    guest.connect(house)
    guest.take()
    return guest


def joined(room: str, head: int = 0, epoch: int = 1, entries: tuple[dict[str, object], ...] = ()) -> dict[str, object]:
    return {
        "room": room, "topic": "", "head": head, "epoch": epoch, "members": [], "entries": entries, "more": False,
    }  # fmt: skip


def said(seq: int, text: str = "", room: str = "lobby") -> dict[str, object]:
    return {"room": room, "seq": seq, "at": 0, "from": "bob", "text": text or f"word {seq}", "kind": "message"}


def serve(guest: Guest, head: int = 0) -> None:
    """Let the test, as the server, welcome the guest in the lobby."""
    guest.connect()
    guest.answer(GREETING)
    guest.answer({"user": {"name": "tina"}, "rooms": []})
    guest.answer(joined("lobby", head))
    guest.take()


def event(op: str, **data: object) -> dict[str, object]:
    return {"op": op, "data": data}
