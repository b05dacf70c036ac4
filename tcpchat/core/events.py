"""What happens in the chat, as its readers are told. These are the ``data`` objects of docs/protocol.md."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

QUARTER_MS = 15 * 60 * 1000

Moment = Annotated[int, msgspec.Meta(ge=0, le=2**47)]
"""Milliseconds since 1970, UTC. Every calendar can show it: the last one is in the year 6429."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that readers are told; without an ``op`` it is nothing that programs want to know."""

    op: ClassVar[str] = ""


class User(msgspec.Struct, frozen=True, gc=False):
    """A person as others see one: never an address."""

    name: str
    color: str | UnsetType = UNSET
    away: bool | UnsetType = UNSET
    role: str | UnsetType = UNSET


class Deed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a moderator did in a room: to ``user``, to the entry number ``ref``, or to the ``settings``.

    ``until`` is in ms since 1970, UTC; without it there is no end.
    """

    act: str
    user: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    role: str | UnsetType = UNSET
    ref: int | UnsetType = UNSET
    settings: dict[str, bool | int] | UnsetType = UNSET


class Message(Event, frozen=True):
    """An entry of a log. In a direct conversation ``with`` is the other person, seen from the reader.

    ``mine``: it is the reader's own, who may have another name by now. ``mentions``: the names in it of people in the
    room. ``waits``: the other person isn't here, and will read it later.
    """

    op: ClassVar[str] = "message"
    room: str
    seq: int
    at: Moment
    from_: str = msgspec.field(name="from")
    text: str
    kind: str
    color: str | UnsetType = UNSET
    with_: str | UnsetType = msgspec.field(name="with", default=UNSET)
    deed: Deed | UnsetType = UNSET
    mentions: list[str] | UnsetType = UNSET
    waits: bool | UnsetType = UNSET
    mine: bool | UnsetType = UNSET


class ReadOn(Event, frozen=True):
    """One has read a room up to ``seq``, on another connection."""

    op: ClassVar[str] = "read"
    room: str
    seq: int


class MemberJoined(Event, frozen=True):
    """Somebody entered the room."""

    op: ClassVar[str] = "joined"
    room: str
    user: User


class MemberLeft(Event, frozen=True):
    """Somebody left the room, or was put out ``by`` somebody, with a word of why."""

    op: ClassVar[str] = "left"
    room: str
    user: User
    by: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class PutOut(Event, frozen=True):
    """One isn't in the room any more, because of what ``by`` did: ``kick``, ``ban``, or a change of settings."""

    op: ClassVar[str] = "put-out"
    room: str
    act: str
    by: str
    reason: str | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


class Invited(Event, frozen=True):
    """One may enter a room that not everybody may."""

    op: ClassVar[str] = "invited"
    room: str
    by: str


class Moderated(Event, frozen=True):
    """An entry of a room's log that says what a moderator did.

    ``late``: the reader was not told meanwhile who came and went, and so not of who was kicked.
    """

    op: ClassVar[str] = "moderated"
    room: str
    seq: int
    at: Moment
    from_: str = msgspec.field(name="from")
    deed: Deed
    late: bool | UnsetType = UNSET


class ServerEvent(Event, frozen=True):
    """Something happened on the server, as those who subscribed are told, and whom it concerns."""

    op: ClassVar[str] = "event"
    event: str
    at: Moment
    user: str | UnsetType = UNSET
    room: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class Crowd(Event, frozen=True):
    """How many came to a large room and left it since the last count, and how many are there."""

    op: ClassVar[str] = "crowd"
    room: str
    joined: int
    left: int
    people: int


class Members(Event, frozen=True):
    """Who is in the room by now, for who has read too slowly to be told who came and went: the first of ``people``.

    That is so after the entry with the number ``head``.
    """

    op: ClassVar[str] = "members"
    room: str
    members: list[User]
    people: int
    head: int


class Gap(Event, frozen=True):
    """The entries ``first`` to ``last`` of the log with this ``epoch`` can't be read, or not any more.

    A log that was begun anew has another epoch than a client knows: then ``last`` is 0, and the whole of the new
    log follows.
    """

    op: ClassVar[str] = "gap"
    room: str
    first: int
    last: int
    epoch: int


class RoomsChanged(Event, frozen=True):
    """Rooms were created or deleted while one read too slowly to be told which."""

    op: ClassVar[str] = "rooms-changed"


class Renamed(Event, frozen=True):
    """Somebody in the room, called ``name`` so far, has another name: the same person all the same."""

    op: ClassVar[str] = "renamed"
    room: str
    name: str
    user: User


class ColorChanged(Event, frozen=True):
    """Somebody in the room has another colour, or none."""

    op: ClassVar[str] = "color"
    room: str
    user: User


class AwayChanged(Event, frozen=True):
    """Somebody in the room is away, with a word of why; or back, without one."""

    op: ClassVar[str] = "away"
    room: str
    user: User
    text: str | UnsetType = UNSET


class TopicChanged(Event, frozen=True):
    """An entry of a room's log that says what the room is for; an empty text says nothing any more."""

    op: ClassVar[str] = "topic"
    room: str
    seq: int
    at: Moment
    from_: str = msgspec.field(name="from")
    text: str


class RoomCreated(Event, frozen=True):
    """There is a new room; everybody logged in is told."""

    op: ClassVar[str] = "room-created"
    room: str


class RoomDeleted(Event, frozen=True):
    """A room is gone; everybody logged in is told."""

    op: ClassVar[str] = "room-deleted"
    room: str


class Refocused(Event, frozen=True):
    """What one says without naming a room goes to another room now, or to none; for wires on which that happens."""

    room: str | UnsetType = UNSET


class QuarterBegun(Event, frozen=True):
    """A quarter of an hour has begun at ``at``, in ms since 1970, UTC; with one of them everybody's day begins."""

    at: int


class Notice(Event, frozen=True):
    """A word from the server itself. ``code`` is that of an error when the connection ends with it.

    ``about`` tells programs what it is about: a ``broadcast`` (``by`` whom, and what was ``said``), an ``emergency``
    (its ``level``), or a ``shutdown`` (``at`` what time, and its ``reason``; without a time there is none any more).
    """

    op: ClassVar[str] = "notice"
    text: str
    code: str | UnsetType = UNSET
    about: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    said: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    at: Moment | UnsetType = UNSET
    reason: str | UnsetType = UNSET
