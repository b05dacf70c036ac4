"""What we are on the server, over all connections: who, in which rooms, and whether one can ask it anything now."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcpchat.client.connection import Connection
from tcpchat.client.identity import Identity
from tcpchat.client.rooms import Rooms
from tcpchat.core.answers import Answer, Away, Goodbye, Ignored, JoinedRoom, LeftRoom, Named, Switched
from tcpchat.core.commands import ChangePassword, Command, Register
from tcpchat.errors import ChatError, Code


@dataclass(slots=True)
class Presence:
    """Who we are, where, and on which ``connection``.

    ``ready``: we are logged in on it, and in our rooms; ``arrived``: we have been so, and come back when it is lost.
    ``parted``: it was ended by a goodbye or a refusal, so that its loss is no news. ``away`` and ``ignored`` are what
    the server forgets with the login: why we are away, and whom we don't read.
    """

    identity: Identity
    rooms: Rooms = field(default_factory=Rooms)
    away: str = ""
    ignored: list[str] = field(default_factory=list)
    connection: Connection | None = None
    ready: bool = False
    arrived: bool = False
    parted: bool = False

    @property
    def name(self) -> str:
        """What we are called; empty when what is typed next is a name."""
        return self.identity.name

    def reached(self) -> Connection:
        """Return the connection on which we are logged in, or raise ``not-logged-in``."""
        if self.ready and self.connection is not None:
            return self.connection
        if self.name:
            raise ChatError(Code.NOT_LOGGED_IN, "There is no connection: that was not sent.")
        raise ChatError(Code.NOT_LOGGED_IN, "You are not logged in: choose a name first.")

    def begin_anew(self) -> None:
        """Be in no rooms, and come as for the first time."""
        self.ready = self.arrived = False
        self.rooms = Rooms()
        self.away, self.ignored = "", []

    def learn(self, command: Command, answer: Answer) -> None:
        """Note what an answer changes."""
        match command:
            case Register(password) | ChangePassword(_, password):
                self.identity.password = password
                self.identity.token = None
        match answer:
            case JoinedRoom():
                self.rooms.enter(answer)
            case LeftRoom(room, _, current):
                self.rooms.leave(room)
                self.rooms.current = current or ""
            case Switched(room):
                self.rooms.current = room
            case Named(user):
                self.identity.name = user.name
            case Away(text):
                self.away = text or ""
            case Ignored(users):
                self.ignored = users
            case Goodbye():
                self.parted = True
