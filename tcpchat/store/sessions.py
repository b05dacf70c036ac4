"""Sessions that can be resumed: stored within the log writer's transactions, and read at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select

from tcpchat.core.accounts import CredentialId
from tcpchat.core.entries import PersonId, RoomId, RoomRecord
from tcpchat.core.requests import EndSession, KeepSession
from tcpchat.core.stored_session import SessionId, StoredSession, decode
from tcpchat.store.positions import room_record
from tcpchat.store.schema import credentials, rooms, sessions

# Room ids in one question: SQLite takes 32,766 at the most.
_IDS = 1_000


class StoredSessions(NamedTuple):
    """What is read at start: the sessions, and the conversations that they had."""

    sessions: list[StoredSession]
    directs: dict[RoomId, RoomRecord]


def keep_sessions(connection: Connection, changes: Sequence[KeepSession | EndSession]) -> None:
    """Store each session as its last change says, in the caller's transaction. Raises DBAPIError.

    When a network comes back there are many: they share two statements.
    """
    kept: dict[SessionId, StoredSession | None] = {}
    for change in changes:
        if isinstance(change, KeepSession):
            kept[change.session.id] = change.session
        else:
            kept[change.id] = None
    connection.execute(
        delete(sessions).where(sessions.c.id == bindparam("this_one")), [{"this_one": ident} for ident in kept]
    )
    if rows := [msgspec.structs.asdict(session) for session in kept.values() if session is not None]:
        connection.execute(insert(sessions), rows)


def load_sessions(engine: Engine) -> StoredSessions:
    """Return the sessions whose proofs still hold, and their conversations. Raises DBAPIError."""
    proved = or_(sessions.c.credential == 0, sessions.c.credential.in_(select(credentials.c.id)))
    with engine.connect() as connection:
        found = [
            StoredSession(
                id=SessionId(row.id),
                code=row.code,
                next=row.next,
                person=PersonId(row.person),
                name=row.name,
                color=row.color,
                registered=row.registered,
                credential=CredentialId(row.credential),
                proof=row.proof,
                until=row.until,
                address=row.address,
                detached=row.detached,
                state=row.state,
            )
            for row in connection.execute(select(sessions).where(proved).order_by(sessions.c.id))
        ]
        return StoredSessions(found, _load_directs(connection, found))


def _load_directs(connection: Connection, found: Sequence[StoredSession]) -> dict[RoomId, RoomRecord]:
    ids = sorted({direct for session in found for direct in _directs(session)})
    records: dict[RoomId, RoomRecord] = {}
    for start in range(0, len(ids), _IDS):
        wanted = select(rooms).where(rooms.c.id.in_(ids[start : start + _IDS]), rooms.c.direct.is_(True))
        records |= {RoomId(row.id): room_record(row) for row in connection.execute(wanted)}
    return records


def _directs(session: StoredSession) -> list[RoomId]:
    try:
        return [direct.room for direct in decode(session.state).directs]
    except msgspec.MsgspecError:  # of another version
        return []
