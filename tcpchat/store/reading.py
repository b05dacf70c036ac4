"""Reading what was committed: pages of entries, and the rooms at start."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from tcpchat.core.catalogue import lobby_record
from tcpchat.core.entries import LOBBY_ID, Draft, Entry, Kind, PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.names import LOBBY
from tcpchat.core.requests import Page, ReadPage
from tcpchat.store.positions import room_record
from tcpchat.store.rooms import room_row
from tcpchat.store.schema import entries, rooms


def read_page(connection: Connection, request: ReadPage, page_bytes: int) -> Page:
    """Return the entries ``first`` to ``last`` of a room, as many as fit ``page_bytes``. Raises DBAPIError."""
    numbers = entries.c.seq.desc() if request.newest else entries.c.seq
    wanted = (
        select(entries)
        .where(entries.c.room == request.room, entries.c.seq.between(request.first, request.last))
        .order_by(numbers)
    )
    found: list[Entry] = []
    size = 0
    for row in connection.execute(wanted):
        size += len(row.body.encode())
        if size > page_bytes and found:
            break
        found.append(_entry(row))
    return Page(request.room, found[::-1] if request.newest else found)


def load_rooms(engine: Engine, *, epoch: int, now: int) -> tuple[list[RoomRecord], list[RoomId]]:
    """Return the public rooms and the ids of those whose removal isn't finished; creates the lobby if absent.

    Raises DBAPIError.
    """
    with engine.begin() as connection:
        if connection.execute(select(rooms.c.id).where(rooms.c.id == LOBBY_ID)).scalar() is None:
            connection.execute(insert(rooms), room_row(lobby_record(LOBBY, epoch, now)))
        public = select(rooms).where(rooms.c.direct.is_(False), rooms.c.deleted.is_(None))
        records = [room_record(row) for row in connection.execute(public)]
        unfinished = connection.execute(select(rooms.c.id).where(rooms.c.deleted.is_not(None))).scalars().all()
    return records, [RoomId(room) for room in unfinished]


def _entry(row: Row[Any]) -> Entry:
    room, author = RoomId(row.room), PersonId(row.author)
    return Entry(Seq(row.seq), Draft(room, row.at, author, row.name, row.color, Kind(row.kind), row.body))
