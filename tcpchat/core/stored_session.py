"""A session as it is kept for the time after a restart."""

from __future__ import annotations

from typing import NamedTuple, NewType

import msgspec

from tcpchat.core.accounts import CredentialId
from tcpchat.core.entries import PersonId, RoomId, Seq

SessionId = NewType("SessionId", int)


class RoomPlace(NamedTuple):
    """A room that it is in, and how far it had read."""

    room: RoomId
    seq: Seq
    epoch: int


class DirectPlace(NamedTuple):
    """A conversation that it had, with whom, and how far it had read."""

    room: RoomId
    other: PersonId
    name: str
    seq: Seq
    epoch: int


class Belongings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a session has: rooms in the order of joining, conversations, whom it doesn't read, and more."""

    rooms: tuple[RoomPlace, ...] = ()
    directs: tuple[DirectPlace, ...] = ()
    current: RoomId | None = None
    ignores: dict[PersonId, str] = {}
    away: str | None = None
    teller: PersonId | None = None
    screen: bool = False
    reads: bool = False
    # What its person and it have since when, in ms since 1970, UTC.
    person_since: int = 0
    since: int = 0


class StoredSession(msgspec.Struct, frozen=True, gc=False):
    """One session. ``code`` and ``next`` are hashes, the second empty if there is none.

    ``credential`` is 0 without one, and then ``proof`` means nothing; ``until`` is when that expires, 0 for never.
    ``address`` is where it was last. ``detached`` is since when it has no connection, 0 while it had one. ``state`` are
    `Belongings` as JSON. Times in ms since 1970, UTC.
    """

    id: SessionId
    code: str
    next: str
    person: PersonId
    name: str
    color: str | None
    registered: bool
    credential: CredentialId
    proof: int
    until: int
    address: str
    detached: int
    state: str

    def __repr__(self) -> str:
        return f"StoredSession({self.id!r})"


def encode(belongings: Belongings) -> str:
    """Return belongings as they are stored."""
    return msgspec.json.encode(belongings).decode()


def decode(text: str) -> Belongings:
    """Return stored belongings. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Belongings)
