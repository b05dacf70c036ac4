"""How far accounts have read: stored within the log writer's transactions, read at start and at each login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, insert, select

from tcpchat.core.entries import PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.positions import Marker, Markers
from tcpchat.core.requests import ReadDirect, ReadDirects, ReadNews, StoredDirect, StoredDirects, StoredNews
from tcpchat.store.schema import entries, positions, rooms


def keep(connection: Connection, markers: Markers) -> None:
    """Store markers, and remove those of places that nobody reads at, in the caller's transaction.

    Raises DBAPIError.
    """
    places = [(marker.account, marker.room) for marker in markers.kept] + list(markers.gone)
    here = (positions.c.account == bindparam("whose")) & (positions.c.room == bindparam("where"))
    connection.execute(delete(positions).where(here), [{"whose": whose, "where": where} for whose, where in places])
    if markers.kept:
        connection.execute(insert(positions), [_row(marker) for marker in markers.kept])


def begin(connection: Connection, room: RoomId, readers: Iterable[PersonId]) -> None:
    """Let a conversation wait for ``readers``, unless it does so already. Raises DBAPIError."""
    known = connection.execute(select(positions.c.account).where(positions.c.room == room)).scalars().all()
    fresh = [Marker(reader, room, Seq(0)) for reader in readers if reader not in known]
    if fresh:
        connection.execute(insert(positions), [_row(marker) for marker in fresh])


def forget_account(connection: Connection, account: PersonId) -> None:
    """Remove the markers of an account that is deleted. Raises DBAPIError."""
    connection.execute(delete(positions).where(positions.c.account == account))


def load_positions(engine: Engine) -> list[Marker]:
    """Return all markers in public rooms. Raises DBAPIError."""
    wanted = (
        select(positions)
        .join(rooms, rooms.c.id == positions.c.room)
        .where(rooms.c.direct.is_(False), rooms.c.deleted.is_(None))
    )
    with engine.connect() as connection:
        return [
            Marker(
                PersonId(row.account),
                RoomId(row.room),
                Seq(row.seq),
                msgspec.json.decode(row.mentions, type=tuple[Seq, ...]),
            )
            for row in connection.execute(wanted)
        ]


def read_direct(connection: Connection, request: ReadDirect) -> StoredDirect:
    """Return a conversation with the marker of one of its two. Raises DBAPIError."""
    found = read_directs(connection, ReadDirects((request.room,), request.account)).directs
    return found[0] if found else StoredDirect(request.room, None)


def read_directs(connection: Connection, request: ReadDirects) -> StoredDirects:
    """Return conversations, those that there are, with the markers of one account in them. Raises DBAPIError."""
    mine = and_(positions.c.room == rooms.c.id, positions.c.account == request.account)
    wanted = (
        select(rooms, positions.c.seq)
        .outerjoin(positions, mine)
        .where(rooms.c.id.in_(request.rooms), rooms.c.direct.is_(True), rooms.c.deleted.is_(None))
    )
    return StoredDirects(tuple(_direct(row) for row in connection.execute(wanted)))


def read_news(connection: Connection, request: ReadNews) -> StoredNews:
    """Return the conversations that are longer than an account has read them. Raises DBAPIError."""
    last = and_(entries.c.room == rooms.c.id, entries.c.seq == rooms.c.head)
    wanted = (
        select(rooms, positions.c.seq)
        .join(positions, positions.c.room == rooms.c.id)
        .join(entries, last)
        .where(positions.c.account == request.account, rooms.c.direct.is_(True), rooms.c.head > positions.c.seq)
        .order_by(entries.c.at.desc(), rooms.c.id)
        .limit(request.limit + 1)
    )
    found = [_direct(row) for row in connection.execute(wanted)]
    return StoredNews(tuple(found[: request.limit]), len(found) > request.limit)


def room_record(row: Row[Any]) -> RoomRecord:
    """Return a room as it is stored."""
    return RoomRecord(
        id=RoomId(row.id),
        key=row.key,
        name=row.name,
        direct=row.direct,
        head=Seq(row.head),
        epoch=row.epoch,
        topic=row.topic,
        creator=PersonId(row.creator),
        created=row.created,
        settings=row.settings,
    )


def _direct(row: Row[Any]) -> StoredDirect:
    return StoredDirect(RoomId(row.id), room_record(row), None if row.seq is None else Seq(row.seq))


def _row(marker: Marker) -> dict[str, object]:
    return msgspec.structs.asdict(marker) | {"mentions": msgspec.json.encode(marker.mentions).decode()}
