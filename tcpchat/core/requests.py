"""What the hub needs done before it can answer. The server performs it and calls the hub again with the result."""

from __future__ import annotations

import msgspec

from tcpchat.core.entries import Draft, Entry, RoomId, RoomRecord, Seq
from tcpchat.errors import ChatError


class Request(msgspec.Struct, frozen=True, gc=False):
    """Work that takes a disk, and so can't be done while the hub waits."""


class Append(Request, frozen=True):
    """Commit an entry; supplies its `Entry`. ``opens`` is the room it needs if that isn't stored yet."""

    draft: Draft
    opens: RoomRecord | None = None


class CreateRoom(Request, frozen=True):
    """Store a room; supplies its `RoomRecord`, or ``room-exists``."""

    record: RoomRecord


class DeleteRoom(Request, frozen=True):
    """Delete a room and its log; supplies a `Deleted`."""

    room: RoomId
    label: str
    at: int


class ReadPage(Request, frozen=True):
    """Read entries ``first`` to ``last``; supplies a `Page`.

    When they don't fit ``page_bytes`` it holds the newest of them if ``newest``, else the oldest.
    """

    room: RoomId
    first: Seq
    last: Seq
    newest: bool


class Page(msgspec.Struct, frozen=True, gc=False):
    """Entries read from a room's log, in the order of their numbers, without holes."""

    room: RoomId
    entries: list[Entry]


class Deleted(msgspec.Struct, frozen=True, gc=False):
    """The room is gone."""

    room: RoomId
    label: str


Committed = Entry | RoomRecord | Deleted
"""What a commit can have changed."""

Result = Committed | ChatError
"""What one change of a batch came to."""

Supply = Committed | Page | ChatError
"""What a performed request gives back to the hub."""

Change = Append | CreateRoom | DeleteRoom
"""The requests that go through the one FIFO of commits."""
