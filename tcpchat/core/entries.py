"""The log's own data: what is to be appended, what was appended, and the rooms that hold it."""

from __future__ import annotations

from enum import IntEnum
from typing import NewType

import msgspec

RoomId = NewType("RoomId", int)
PersonId = NewType("PersonId", int)
Seq = NewType("Seq", int)

LOBBY_ID = RoomId(1)
NOBODY = PersonId(0)
"""In the place of an author: what is from nobody is ignored by nobody."""


class Kind(IntEnum):
    """What an entry is. The numbers are in the database and never change."""

    MESSAGE = 0
    ACTION = 1
    TOPIC = 2
    # What a moderator did: the text is a `Deed` as JSON.
    DEED = 3
    # Said once, and removed: the text is empty.
    REMOVED = 4


KIND_NAMES = {kind: kind.name.lower() for kind in Kind}


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An entry before its commit: everything but its number. ``at`` is in milliseconds since 1970, UTC."""

    room: RoomId
    at: int
    author: PersonId
    name: str
    color: str | None
    kind: Kind
    text: str


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A committed entry: ``seq`` is its place in its room's log, 1, 2, 3 … without holes."""

    seq: Seq
    draft: Draft


class Sending(msgspec.Struct, frozen=True, gc=False):
    """Something that is said once, however often it is sent. ``key`` is its author's, ``digest`` tells what it was."""

    key: str
    digest: int


class Sent(msgspec.Struct, frozen=True, gc=False):
    """What was sent under the same key before: the entry that it came to, which is told to nobody again.

    ``same``: it was the same that is sent now. ``gone``: its room is deleted. ``at`` is in milliseconds since 1970,
    UTC. ``spared`` is what would have been appended now.
    """

    room: RoomId
    seq: Seq
    at: int
    same: bool
    gone: bool
    spared: Draft | None


def redacted(entry: Entry, text: str = "") -> Entry:
    """Return ``entry`` without its text, or with what is left of it."""
    kind = entry.draft.kind if text else Kind.REMOVED
    return Entry(entry.seq, msgspec.structs.replace(entry.draft, kind=kind, text=text))


class RoomRecord(msgspec.Struct, frozen=True, gc=False):
    """A room as it is stored. ``key`` is unique; a direct conversation has the ids of its two people there.

    ``epoch`` changes when a log begins anew, so that two numberings are never mistaken for each other. ``settings`` are
    the `RoomSettings` as JSON.
    """

    id: RoomId
    key: str
    name: str
    direct: bool
    head: Seq
    epoch: int
    topic: str
    creator: PersonId
    created: int
    settings: str = "{}"
