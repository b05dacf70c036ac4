"""What a command is answered with. Each is the ``data`` object of a reply in docs/protocol.md."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from tcpchat.core.audit import AuditLine
from tcpchat.core.events import Message, Moment, User
from tcpchat.errors import ChatError


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The good end of a command."""


class Done(Answer, frozen=True):
    """It is done, and there is nothing to tell."""


class Goodbye(Answer, frozen=True):
    """The connection ends after this answer."""


class Greeting(Answer, frozen=True):
    """What this server is: ``people`` are logged in, ``limits`` are those a client must know.

    ``guests``: they are let in. ``registration``: ``open``, by ``invitation`` with a code, or ``closed``.
    """

    server: str
    version: str
    protocol: int
    features: tuple[str, ...]
    limits: dict[str, int]
    motd: str
    people: int
    guests: bool = True
    registration: str = "open"


class RoomSummary(msgspec.Struct, frozen=True, gc=False):
    """One room in a list: how many people are in it and the number of its last entry.

    ``closed`` says why one may not read it: ``invite-only``, ``key``, ``banned``; then all else is empty. ``unread``
    and ``mentions`` are of a room that one follows.
    """

    room: str
    topic: str
    members: int
    head: int
    closed: str | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    mentions: int | UnsetType = UNSET


class RoomList(Answer, frozen=True):
    """The rooms, the busiest first."""

    rooms: list[RoomSummary]


class Followed(msgspec.Struct, frozen=True, gc=False):
    """A room that an account follows: how many entries are new to it, and how many of them mention it."""

    room: str
    unread: int
    mentions: int


class DirectNews(msgspec.Struct, frozen=True, gc=False):
    """A conversation in which there is something new."""

    with_: str = msgspec.field(name="with")
    room: str
    unread: int


class News(msgspec.Struct, frozen=True, gc=False):
    """What waits for an account: in the rooms it follows, and from whom; ``more``: from others besides."""

    following: list[Followed]
    directs: list[DirectNews]
    more: bool = False


class _Coded(Answer, frozen=True):
    """Holds a code that is nobody else's business, not even a log's."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class LoggedIn(_Coded, frozen=True):
    """Who one has become, the rooms there are, what waits for an account, and the code that resumes the session."""

    user: User
    rooms: list[RoomSummary]
    following: list[Followed] | UnsetType = UNSET
    directs: list[DirectNews] | UnsetType = UNSET
    more_directs: bool | UnsetType = UNSET
    session: str | UnsetType = UNSET


class ResumedRoom(msgspec.Struct, frozen=True, gc=False):
    """A room in which one still is: what follows the entry ``after`` is told next, up to ``head`` and on.

    ``people`` are in it.
    """

    room: str
    topic: str
    head: int
    epoch: int
    after: int
    people: int


class LostRoom(msgspec.Struct, frozen=True, gc=False):
    """A room of which nothing more is told, with the code and the text of the refusal."""

    room: str
    code: str
    message: str


class Resumed(_Coded, frozen=True):
    """The session goes on. ``rooms`` are those one is in; ``lost`` others that were asked for.

    ``session`` is the code for the next time. ``repeated``: a screen may have shown a part of what follows.
    """

    user: User
    session: str
    rooms: list[ResumedRoom]
    lost: list[LostRoom]
    current: str | UnsetType = UNSET
    repeated: bool | UnsetType = UNSET


class Challenge(Answer, frozen=True):
    """What is to be signed with a key: see docs/protocol.md for how they are joined.

    ``bound``: with the exporter of the connection's TLS, which the client must take from its own end of it. It is not
    sent: a server in the middle could pass on that of its own connection to this one.
    """

    nonce: str
    server: str
    bound: bool
    name: str = ""


class Allowed(Answer, frozen=True):
    """Nothing stands against it so far; ``name`` is that of the account, as the server spells it."""

    name: str


class CredentialSummary(msgspec.Struct, frozen=True, gc=False):
    """A token, key or certificate of one's own: never what it is checked against. Times in ms since 1970, UTC."""

    id: str
    label: str
    created: int
    expires: int | UnsetType = UNSET
    used: int | UnsetType = UNSET


class CredentialSummaries(Answer, frozen=True):
    """All one's own tokens, keys or certificates; ``token`` is one just made, which is never shown again."""

    credentials: list[CredentialSummary]
    token: str | UnsetType = UNSET


class UserList(Answer, frozen=True):
    """Everybody who is logged in."""

    users: list[User]


class RoomNamed(Answer, frozen=True):
    """The room that was created or deleted."""

    room: str


class MemberList(Answer, frozen=True):
    """Who is in the room."""

    room: str
    members: list[User]


class LeftRoom(Answer, frozen=True):
    """Who stayed in the room one has left (the first of them), and the room one is speaking in now, if any."""

    room: str
    members: list[User]
    current: str | UnsetType = UNSET


class JoinedRoom(Answer, frozen=True):
    """The room one is in now, with ``people`` in it, of whom ``members`` are the first.

    ``more`` says that entries between the last one here and ``head`` remain to be read (after ``after``), or that
    older ones exist (after ``last``). ``read`` is how far one's account had read so far.
    """

    room: str
    topic: str
    head: int
    epoch: int
    members: list[User]
    entries: list[Message]
    more: bool
    people: int = 0
    read: int | UnsetType = UNSET


class Arrived(_Coded, frozen=True):
    """Logged in, and in the lobby unless it refused, with what waits for an account, and the code that resumes."""

    user: User
    lobby: JoinedRoom | ChatError
    news: News | None = None
    session: str | UnsetType = UNSET


class Accepted(Answer, frozen=True):
    """What was said is committed under this number; ``at`` is in milliseconds since 1970, UTC.

    ``waits``: it is for somebody who isn't here, and will read it later.
    """

    room: str
    seq: int
    at: int
    waits: bool | UnsetType = UNSET


class ReadTo(Answer, frozen=True):
    """How far one has read a room, and what is new after that; mentions only count in rooms."""

    room: str
    seq: int
    unread: int
    mentions: int


class TopicText(Answer, frozen=True):
    """What a room is for; empty if nobody has said it."""

    room: str
    text: str


class Switched(Answer, frozen=True):
    """The room one is speaking in now."""

    room: str


class Named(_Coded, frozen=True):
    """What one is called now, and in which colour; ``login`` is the new name by which one logs in to the account.

    ``session`` is the code that resumes the session, if that has begun with it.
    """

    user: User
    login: str | UnsetType = UNSET
    session: str | UnsetType = UNSET


class Away(Answer, frozen=True):
    """Why one is away, as others are told; nothing when one is here."""

    text: str | UnsetType = UNSET


class Profile(Answer, frozen=True):
    """What anybody may know of a person: never an address. ``since`` is when they came, in ms since 1970, UTC."""

    user: User
    rooms: list[str]
    since: Moment
    away: str | UnsetType = UNSET
    registered: bool = False
    role: str | UnsetType = UNSET


class RoomState(Answer, frozen=True):
    """How a room is; of a key only whether there is one."""

    room: str
    settings: dict[str, bool | int]


class BanSummary(msgspec.Struct, frozen=True, gc=False):
    """One ban; times in ms since 1970, UTC, without ``until`` it has no end."""

    name: str
    by: str
    at: Moment
    until: Moment | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class BanList(Answer, frozen=True):
    """Who is banned from a room; without one, from the server."""

    bans: list[BanSummary]
    room: str | UnsetType = UNSET


class Refusal(Answer, frozen=True):
    """Which rule refused one last, and what can be done; nothing if none did."""

    rule: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    advice: str | UnsetType = UNSET


class Acts(Answer, frozen=True):
    """What moderators and admins did, the latest first; ``more`` says that there are older acts."""

    acts: list[AuditLine]
    more: bool


class SessionSummary(msgspec.Struct, frozen=True, gc=False):
    """One connection of somebody, as admins may know it; ``since`` in ms since 1970, UTC.

    ``detached``: the connection broke then, and may be made again.
    """

    name: str
    address: str
    secure: bool
    registered: bool
    since: Moment
    rooms: list[str]
    detached: Moment | UnsetType = UNSET


class SessionList(Answer, frozen=True):
    """Who is connected from where."""

    sessions: list[SessionSummary]


class NameRules(Answer, frozen=True):
    """Names that are kept from people, by the admins."""

    reserved: list[str]
    forbidden: list[str]


class Motd(Answer, frozen=True):
    """The message of the day."""

    text: str


class EmergencyLevel(Answer, frozen=True):
    """What the whole server refuses just now: nothing (``off``), or one of the levels."""

    level: str


class AccountSummary(msgspec.Struct, frozen=True, gc=False):
    """One account: ``state`` is good, suspended or banned, without ``until`` for good; times in ms since 1970, UTC."""

    name: str
    role: str
    state: str
    created: int
    here: bool
    until: Moment | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class AccountList(Answer, frozen=True):
    """The accounts, by their names; ``more`` says that there are others."""

    accounts: list[AccountSummary]
    more: bool


class Bound(msgspec.Struct, frozen=True, gc=False):
    """One limit that is in force; ``unit`` is what ``value`` counts."""

    name: str
    value: int | float
    unit: str


class Bounds(Answer, frozen=True):
    """The limits that are in force."""

    limits: list[Bound]


class Health(Answer, frozen=True):
    """How the server is. Times are in ms since 1970, UTC; ``uptime`` is in seconds.

    ``store`` is ``ok``, ``low-space`` or ``failing``, since ``since``; ``error`` is what the database last failed with,
    at ``failed``, also if it works again. ``free_bytes`` are left where the database is, if that is this machine;
    below ``free_bytes_least`` nothing can be written. ``detached`` sessions have no connection just now; those who have
    none but these are among the ``people``.
    """

    store: str
    since: Moment
    uptime: int
    people: int
    rooms: int
    error: str | UnsetType = UNSET
    failed: Moment | UnsetType = UNSET
    free_bytes: int | UnsetType = UNSET
    free_bytes_least: int | UnsetType = UNSET
    detached: int = 0


class StopPlanned(Answer, frozen=True):
    """When the server will shut down, in ms since 1970, UTC; without ``at`` it will not."""

    at: Moment | UnsetType = UNSET


class Watched(Answer, frozen=True):
    """What one is told of the server."""

    events: list[str]


class Completions(Answer, frozen=True):
    """The first of the names, by the alphabet, that begin as asked; ``more`` says that there are others."""

    names: list[str]
    more: bool


class Ignored(Answer, frozen=True):
    """Whom one doesn't read, by their present names; those who have gone, by the names they had."""

    users: list[str]


class HistoryPage(Answer, frozen=True):
    """Entries in the order of their numbers; ``more`` says that the asked direction goes on."""

    room: str
    entries: list[Message]
    more: bool
