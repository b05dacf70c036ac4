"""Bans, memberships, names and the audit log: stored within the log writer's transactions, and read at start."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update

from tcpchat.core.audit import AuditRecord
from tcpchat.core.bans import Ban, BanId, Subject
from tcpchat.core.entries import Kind, PersonId, RoomId
from tcpchat.core.positions import Markers
from tcpchat.core.requests import (
    AuditPage,
    Effect,
    Enact,
    Lifted,
    NameRule,
    ReadAudit,
    Redaction,
    StoredSettings,
    StoredState,
)
from tcpchat.core.roles import Membership, RoomRole
from tcpchat.core.settings import decode, encode
from tcpchat.store.positions import keep
from tcpchat.store.schema import audit, bans, entries, memberships, name_rules, positions, rooms, server_state


class Order(NamedTuple):
    """What is read at start."""

    memberships: list[Membership]
    bans: list[Ban]
    rules: list[NameRule]
    state: dict[str, str]


def enact(connection: Connection, change: Enact) -> None:
    """Keep an act with its effects, in the caller's transaction. Raises DBAPIError."""
    for effect in change.effects:
        _effect(connection, effect)
    if change.record is not None:
        row = msgspec.structs.asdict(change.record)
        del row["id"]
        connection.execute(insert(audit), row)


def load_order(engine: Engine) -> Order:
    """Return everything but the audit log. Raises DBAPIError."""
    with engine.connect() as connection:
        members = [
            Membership(RoomId(row.room), PersonId(row.person), RoomRole(row.role), row.muted, bool(row.invited))
            for row in connection.execute(select(memberships))
        ]
        banned = [
            Ban(
                BanId(row.id),
                RoomId(row.room),
                Subject(row.subject),
                row.data,
                row.name,
                row.reason,
                row.by,
                row.at,
                row.until,
            )
            for row in connection.execute(select(bans).order_by(bans.c.at, bans.c.id))
        ]
        rules = [NameRule(row.key, row.name, row.rule) for row in connection.execute(select(name_rules))]
        state = {row.name: row.value for row in connection.execute(select(server_state))}
    return Order(members, banned, rules, state)


def read_audit(connection: Connection, request: ReadAudit) -> AuditPage:
    """Return a page of the audit log, the latest act first. Raises DBAPIError."""
    wanted = select(audit).order_by(audit.c.id.desc()).limit(request.limit + 1)
    if request.room is not None:
        wanted = wanted.where(audit.c.room == request.room)
    if request.before is not None:
        wanted = wanted.where(audit.c.id < request.before)
    found = [
        AuditRecord(
            row.at,
            PersonId(row.actor),
            row.by,
            row.act,
            row.subject,
            row.reason,
            row.until,
            RoomId(row.room),
            row.room_name,
            row.id,
        )
        for row in connection.execute(wanted)
    ]
    return AuditPage(found[: request.limit], len(found) > request.limit)


def forget_room(connection: Connection, room: RoomId) -> None:
    """Remove what belongs to a room that is deleted; what moderators did stays on record. Raises DBAPIError."""
    connection.execute(delete(memberships).where(memberships.c.room == room))
    connection.execute(delete(bans).where(bans.c.room == room))
    connection.execute(delete(positions).where(positions.c.room == room))


def _effect(connection: Connection, effect: Effect) -> None:
    match effect:
        case Ban():
            row = msgspec.structs.asdict(effect) | {"subject": int(effect.subject)}
            del row["kick"]
            connection.execute(insert(bans), row)
        case Lifted(ident):
            connection.execute(delete(bans).where(bans.c.id == ident))
        case Membership(room, person):
            known = (memberships.c.room == room) & (memberships.c.person == person)
            connection.execute(delete(memberships).where(known))
            if effect.is_plain and not _has_created(connection, person, room):
                return
            connection.execute(insert(memberships), msgspec.structs.asdict(effect) | {"role": int(effect.role)})
        case NameRule(key, _, rule):
            connection.execute(delete(name_rules).where(name_rules.c.key == key))
            if rule != "free":
                connection.execute(insert(name_rules), msgspec.structs.asdict(effect))
        case StoredState(name, value):
            connection.execute(delete(server_state).where(server_state.c.name == name))
            if value:
                connection.execute(insert(server_state), {"name": name, "value": value})
        case StoredSettings(room, changes):
            # What was asked for at the same time may have been committed since: only this is changed.
            before = connection.execute(select(rooms.c.settings).where(rooms.c.id == room)).scalar()
            if before is not None:
                settings = encode(msgspec.structs.replace(decode(before), **changes))
                connection.execute(update(rooms).where(rooms.c.id == room).values(settings=settings))
        case Redaction(room, seq, text):
            gone = (entries.c.room == room) & (entries.c.seq == seq)
            left = {"body": text} if text else {"body": "", "kind": int(Kind.REMOVED)}
            connection.execute(update(entries).where(gone).values(left))
        case Markers():
            keep(connection, effect)


def _has_created(connection: Connection, person: PersonId, room: RoomId) -> bool:
    """Return whether somebody has created a room, and so owns it unless it is told otherwise."""
    return connection.execute(select(rooms.c.creator).where(rooms.c.id == room)).scalar() == person
