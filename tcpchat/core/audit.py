"""The audit log: who did what, on whom, why, when, and until when."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from tcpchat.core.bans import is_network
from tcpchat.core.entries import PersonId, RoomId


class AuditRecord(msgspec.Struct, frozen=True, gc=False):
    """One act of somebody with the right to it, as it is kept.

    ``actor`` and ``by`` are the id and the name of who did it, ``subject`` whom or what it was done to. ``room`` is 0
    for what concerns the whole server, and ``room_name`` empty. ``at`` and ``until`` in ms since 1970, UTC;
    ``until`` 0: without an end.
    """

    at: int
    actor: PersonId
    by: str
    act: str
    subject: str
    reason: str
    until: int
    room: RoomId
    room_name: str
    id: int = 0


class AuditLine(msgspec.Struct, frozen=True, gc=False):
    """One act, as those who may are told."""

    id: int
    at: int
    by: str
    act: str
    on: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    until: int | UnsetType = UNSET
    room: str | UnsetType = UNSET


# What acts on an address may be recorded with.
_OF_ADDRESSES = ("ban", "unban", "server-ban", "server-unban")


def line_of(record: AuditRecord, *, whole: bool) -> AuditLine:
    """Return ``record`` as it is told; not ``whole``: without addresses, and without the name of the system's user."""
    hidden = not whole and record.act in _OF_ADDRESSES and is_network(record.subject)
    return AuditLine(
        record.id,
        record.at,
        record.by if whole else record.by.partition(" ")[0],
        record.act,
        UNSET if hidden else record.subject or UNSET,
        record.reason or UNSET,
        record.until or UNSET,
        record.room_name or UNSET,
    )
