"""Who is where, in memory: people, their sessions, and the rooms and conversations they are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

from msgspec import UNSET

from tcpchat.core.accounts import Credential, CredentialId, CredentialKind
from tcpchat.core.answers import RoomSummary
from tcpchat.core.channel import PLAIN, Channel
from tcpchat.core.entries import PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.events import Event, User
from tcpchat.core.positions import Position
from tcpchat.core.repeats import Repeats
from tcpchat.core.requests import StoredNews
from tcpchat.core.roles import Membership, RoomRole
from tcpchat.core.settings import OPEN, RoomSettings, decode
from tcpchat.core.stored_session import SessionId
from tcpchat.errors import ChatError

Place = tuple[Seq, int]
"""How far a log was read: the number of an entry, and the log's epoch."""

_EMPTY = Seq(0)


@dataclass(slots=True, eq=False)
class Person:
    """Somebody logged in, once or several times. A guest has a random id that lives as long as its one session.

    ``registered``: the id is that of an account. ``repeats`` is what it has said lately, for `check_repeated`.
    """

    id: PersonId
    name: str
    color: str | None = None
    registered: bool = False
    sessions: dict[Session, None] = field(default_factory=dict)
    directs: dict[PersonId, Direct] = field(default_factory=dict)
    # Whose conversations of these have ended with their going, in that order.
    ended: list[PersonId] = field(default_factory=list)
    rooms_created: int = 0
    since: int = 0
    away: str | None = None
    # The rooms that know something of a guest, for as long as it is here.
    known_in: dict[Room, None] = field(default_factory=dict)
    repeats: Repeats = field(default_factory=dict)

    @property
    def user(self) -> User:
        """This person as others see one."""
        return User(self.name, self.color if self.color else UNSET, True if self.away else UNSET)

    def forget_place(self, room: RoomId) -> None:
        """Let none of the sessions go on in a conversation that is closed."""
        for session in self.sessions:
            if session.ticket is not None:
                session.ticket.places.pop(room, None)


@dataclass(slots=True)
class Making:
    """What is known so far of a change of one's tokens, keys or certificates: the new one, and those there were."""

    token: str = field(default="", repr=False)
    data: str = field(default="", repr=False)
    listed: tuple[Credential, ...] = ()


@dataclass(slots=True, eq=False)
class Ticket:
    """What a session can be resumed by.

    ``code`` is the hash of the code that was used last, ``next`` that of the one given since, if any: with the first
    use of that the other is good no longer. ``detached`` is since when there is no connection, in ms since 1970, UTC;
    0 while there is one. ``network`` is where it was last. ``screen``: a person reads, and not a program,
    which knows what it has. ``places`` say of each room and conversation what has surely arrived there.
    ``reads``: it showed all to somebody at once, as `Session.reads`. ``missed`` is what it must hear first.
    ``kept``: it was handed over to be stored.
    """

    id: SessionId
    code: str = field(repr=False)
    network: str
    screen: bool
    next: str = field(default="", repr=False)
    reads: bool = False
    detached: int = 0
    places: dict[RoomId, Place] = field(default_factory=dict)
    missed: list[Event] = field(default_factory=list)
    kept: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """One login (or none yet) of one connection: the rooms it follows and the one it is speaking in.

    ``operator`` is who sits at the machine itself, by the name of the system's user, and needs no login.
    ``ignores`` are the people whom it doesn't want to read, by their ids, with the names they had when that began.
    ``last_teller`` is who wrote directly last. ``credential`` is what the login was proved with, of the kind ``proof``;
    ``next_credential`` will take its place once it is committed. ``proven`` is the password that was right, to be
    changed. ``deleting``: its account is being deleted, by itself. ``nonce`` is to be signed, until the time beside
    it. ``channel`` is how its bytes come and go.
    """

    person: Person | None = None
    rooms: dict[RoomId, Room] = field(default_factory=dict)
    current: Room | None = None
    ignores: dict[PersonId, str] = field(default_factory=dict)
    last_teller: PersonId | None = None
    channel: Channel = PLAIN
    credential: CredentialId | None = None
    proof: CredentialKind = CredentialKind.PASSWORD
    next_credential: CredentialId | None = None
    proven: CredentialId | None = None
    nonce: tuple[bytes, int] | None = None
    deleting: bool = False
    making: Making = field(default_factory=Making)
    operator: str = ""
    # Whether somebody reads at once whatever this session is told; and what waits for who is just logging in.
    reads: bool = False
    news: StoredNews | None = None
    # What was refused last by a rule that somebody made, and what this session is told of the server.
    refusal: ChatError | None = None
    watching: frozenset[str] = frozenset()
    # Why this session is being ended: it may do nothing more.
    ended: ChatError | None = None
    since: int = 0
    # What brings it back after its connection broke; None: nothing does.
    ticket: Ticket | None = None

    @property
    def detached(self) -> bool:
        """Whether it has no connection just now."""
        return self.ticket is not None and self.ticket.detached > 0


@dataclass(slots=True, eq=False)
class Room:
    """A room and the sessions in it. ``label`` is what wires call it; ``head`` is its last committed number."""

    id: RoomId
    label: str
    head: Seq
    epoch: int
    topic: str
    creator: PersonId
    members: dict[Session, Person] = field(default_factory=dict)
    # How many sessions of each person are in it, in the order in which the people came.
    people: dict[Person, int] = field(default_factory=dict)
    # How many came or went since the last tick; who of them was only counted, since the room is large.
    moves: int = 0
    joined: int = 0
    left: int = 0
    settings: RoomSettings = OPEN
    memberships: dict[PersonId, Membership] = field(default_factory=dict)
    # How many of these are muted.
    mutes: int = 0
    # Whether there is anything to be looked up before somebody speaks.
    guarded: bool = False

    @classmethod
    def from_record(cls, record: RoomRecord) -> Room:
        """Return the room as it is stored, with nobody in it. Raises msgspec.ValidationError."""
        room = cls(record.id, record.name, record.head, record.epoch, record.topic, record.creator)
        room.set(decode(record.settings))
        return room

    @property
    def summary(self) -> RoomSummary:
        """This room as a line of a list."""
        return RoomSummary(self.label, self.topic, len(self.people), self.head)

    @property
    def users(self) -> list[User]:
        """The people in it, in the order in which they came."""
        return self.first_users(len(self.people))

    def first_users(self, count: int) -> list[User]:
        """The first ``count`` of them."""
        return [self.user_of(person) for person in islice(self.people, count)]

    def user_of(self, person: Person) -> User:
        """Return a person as others in the room see one."""
        role = self.role_of(person.id)
        user = person.user
        return User(user.name, user.color, user.away, role.word) if role else user

    def membership(self, person: PersonId) -> Membership:
        """Return what is known of a person here."""
        known = self.memberships.get(person)
        if known is not None:
            return known
        return Membership(self.id, person, RoomRole.OWNER if person == self.creator else RoomRole.MEMBER)

    def role_of(self, person: PersonId) -> RoomRole:
        """Return the role of a person here; who created the room owns it."""
        return self.membership(person).role

    def know(self, membership: Membership) -> None:
        """Remember something of a person."""
        self.forget(membership.person)
        if membership.is_plain and membership.person != self.creator:
            return
        self.memberships[membership.person] = membership
        self.mutes += bool(membership.muted)
        self._review()

    def forget(self, person: PersonId) -> None:
        """Know nothing of a person any more."""
        known = self.memberships.pop(person, None)
        if known is not None:
            self.mutes -= bool(known.muted)
            self._review()

    def set(self, settings: RoomSettings) -> None:
        """Be otherwise from here on."""
        self.settings = settings
        self._review()

    def _review(self) -> None:
        settings = self.settings
        self.guarded = self.mutes > 0 or settings.moderated or settings.read_only or bool(settings.slow)


@dataclass(slots=True, eq=False)
class Direct:
    """A conversation of two people: a log like any other, read by these two only.

    ``record`` is what creates it, sent along with what is said until a commit has been seen (``stored``). ``read`` is
    how far they have read, as far as that is known.
    """

    record: RoomRecord
    pair: tuple[Person, Person]
    head: Seq = _EMPTY
    stored: bool = False
    read: dict[PersonId, Position] = field(default_factory=dict)

    @property
    def lasting(self) -> bool:
        """Whether it stays when one of them goes: it is one of two accounts."""
        return self.pair[0].registered and self.pair[1].registered

    def has(self, person: PersonId) -> bool:
        """Return whether it is a conversation of ``person``."""
        return person in (self.pair[0].id, self.pair[1].id)

    @property
    def epoch(self) -> int:
        """The epoch of its log."""
        return self.record.epoch

    @property
    def id(self) -> RoomId:
        """Its stable id, the same for both sides."""
        return self.record.id

    @property
    def label(self) -> str:
        """What wires call it; can't be the name of a room."""
        return self.record.name

    def other(self, person: Person) -> Person:
        """Return the one of the two who isn't ``person``."""
        first, second = self.pair
        return second if person.id == first.id else first


def direct_id(one: PersonId, other: PersonId) -> RoomId:
    """Return the id of the conversation of two people, the same whenever they meet again: 63 bits of a hash."""
    pair = b"%d+%d" % (min(one, other), max(one, other))
    return RoomId(int.from_bytes(blake2b(pair, digest_size=8).digest(), "big") >> 1)


def direct_label(room: RoomId) -> str:
    """Return the public name of a direct conversation: ``@`` and its id in hexadecimal."""
    return f"@{room:016x}"
