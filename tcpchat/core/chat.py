"""Everything the hub knows and may use: the registries, the bounds, and what came in as an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

from tcpchat.core.accounts import Accounts, ClaimedName
from tcpchat.core.audience import Audience
from tcpchat.core.bans import Bans
from tcpchat.core.entries import RoomId, RoomRecord, Seq
from tcpchat.core.lastwords import LastWords
from tcpchat.core.limits import Limits
from tcpchat.core.names import HERE, Key
from tcpchat.core.positions import Positions
from tcpchat.core.requests import Change
from tcpchat.core.rooms import Rooms
from tcpchat.core.server_state import ServerState
from tcpchat.core.state import Person, Room, Session
from tcpchat.core.tails import Tails
from tcpchat.core.tickets import Tickets
from tcpchat.core.users import Users
from tcpchat.errors import ChatError, Code


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server says of itself."""

    server: str
    version: str
    motd: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom the operator lets in: guests or not; registration ``open``, by ``invitation`` with a code, or ``closed``.

    ``forbidden`` are the looks (`tcpchat.core.confusables.skeleton`) of names that nobody may take.
    """

    guests: bool = True
    registration: str = "open"
    invitations: frozenset[str] = field(default=frozenset(), repr=False)
    forbidden: frozenset[str] = frozenset()

    def invites(self, code: str) -> bool:
        """Return whether ``code`` is one of the invitations; the time this takes doesn't tell."""
        return sum(compare_digest(code.encode(), known.encode()) for known in self.invitations) > 0

    def warnings(self, accounts: Accounts) -> list[str]:
        """Return what the operator may not have meant, one sentence each."""
        said: list[str] = []
        if not self.guests and self.registration == "closed" and not accounts.usable:
            said.append(
                "nobody can get in: there is no account yet, and neither guests nor registration are let in; "
                "start with --registration open, register, and close it then"
            )
        if self.invitations and self.registration != "invitation":
            said.append(f"the invitations are not used: --registration is {self.registration}, not invitation")
        return said


class Submit(Protocol):
    """Hands over a change whose result nobody waits for; ``refused`` is called if it was not kept, or nobody knows."""

    def __call__(self, change: Change, refused: Callable[[], None] | None = None) -> None:
        """Hand it over."""


@dataclass(slots=True)
class Chat:
    """The state of the chat. ``now`` gives milliseconds since 1970 (UTC), ``new_id`` 63 random bits."""

    identity: Identity
    limits: Limits
    audience: Audience
    now: Callable[[], int]
    new_id: Callable[[], int]
    tails: Tails
    policy: Policy = Policy()
    users: Users = field(default_factory=Users)
    accounts: Accounts = field(default_factory=Accounts)
    rooms: Rooms = field(default_factory=Rooms)
    positions: Positions = field(default_factory=Positions)
    # Rooms whose creation is under way: all who want one of them ask for the same record.
    opening: dict[Key, RoomRecord] = field(default_factory=dict)
    # What each session is having stored under another name: nobody else may take that meanwhile.
    claims: dict[Session, ClaimedName] = field(default_factory=dict)
    # The labels of rooms that the last batch has deleted: what it took before that is answered after it.
    gone: dict[RoomId, str] = field(default_factory=dict)
    submit: Submit = field(kw_only=True)
    # Asks for the end of the daemon.
    stop: Callable[[], None] = field(kw_only=True)
    # Says in the daemon's log what was ordered, without names.
    log: Callable[[str], None] = field(default=lambda text: None, kw_only=True)
    # Hears that the server has an owner now.
    owned: Callable[[], None] = field(kw_only=True)
    last_words: LastWords = field(default_factory=LastWords)
    bans: Bans = field(default_factory=Bans)
    server: ServerState = field(default_factory=ServerState)
    # Entries removed of late, with what is left of them: a page that was read before still has their texts.
    removed: dict[tuple[RoomId, Seq], str] = field(default_factory=dict)
    # Who is told what happens on the server.
    watchers: dict[Session, None] = field(default_factory=dict)
    closing: bool = False
    # Until when what these sessions were proved with is good, in ms since 1970, UTC.
    expiring: dict[Session, int] = field(default_factory=dict)
    # When what was sent long ago is forgotten next, in ms since 1970, UTC.
    forgetting: int = 0
    # The sessions that can be resumed.
    tickets: Tickets = field(default_factory=Tickets)
    # Rooms in which somebody has come or gone since the last tick.
    stirred: dict[RoomId, Room] = field(default_factory=dict)
    # Rooms in which something has been said since their readers' positions were looked at.
    spoken: dict[RoomId, Room] = field(default_factory=dict)

    # In ms since 1970, UTC.
    started: int = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.now()

    @property
    def motd(self) -> str:
        """The message of the day: what an admin has set, else the operator's."""
        return self.identity.motd if self.server.motd is None else self.server.motd

    def new_epoch(self) -> int:
        """Return the epoch of a new log: 53 random bits, which every JSON parser keeps exact."""
        return self.new_id() >> 10

    def person(self, session: Session) -> Person:
        """Return who is speaking, or raise ``not-logged-in``."""
        if session.person is None:
            raise not_logged_in()
        return session.person

    def room(self, session: Session, name: str) -> Room:
        """Return the room called ``name`` (``.``: the current one), or raise ``no-such-room``."""
        room = session.current if name == HERE else self.rooms.get(name)
        if room is None:
            raise _no_room(name)
        return room

    def joined_room(self, session: Session, name: str) -> Room:
        """Return the room called ``name`` if the session is in it, or raise ``not-in-room``."""
        room = (self.rooms.get(name) if name != HERE else session.current) or self.room(session, name)
        if room.id not in session.rooms:
            raise ChatError(Code.NOT_IN_ROOM, f"You are not in {room.label}.", room=room.label)
        return room


def not_logged_in() -> ChatError:
    """Return the refusal of who has no name yet."""
    return ChatError(Code.NOT_LOGGED_IN, "You are not logged in: choose a name first.")


def _no_room(name: str) -> ChatError:
    if name == HERE:
        return ChatError(Code.NOT_IN_ROOM, "You are in no room.")
    shown = name[:64]
    return ChatError(Code.NO_SUCH_ROOM, f"There is no room called {shown}.", room=shown)
