"""How far one has read: kept for the account, shared by its sessions, told to them, and stored now and then."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tcpchat.core.answers import ReadTo
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Read
from tcpchat.core.directs import find, is_direct, read_on
from tcpchat.core.entries import PersonId, RoomId, Seq
from tcpchat.core.events import ReadOn
from tcpchat.core.permissions import check_read
from tcpchat.core.positions import Position
from tcpchat.core.requests import Enact, ReadDirect, Supply
from tcpchat.core.state import Direct, Person, Place, Room, Session
from tcpchat.errors import ChatError, Code

# After so long what was to be stored is handed over again: it was refused, or the disk is very slow.
_AGAIN_MS = 60_000


def follow(chat: Chat, session: Session, room: Room) -> None:
    """Let an account that enters a room follow it, until it leaves; a guest follows nothing."""
    person = chat.person(session)
    if not person.registered:
        return
    chat.positions.follow(person.id, room.id, room.head, chat.limits.rooms_followed)
    if session.reads:
        _move(chat, session, person, room)


def settle(chat: Chat, session: Session, room: Room) -> None:
    """A session that shows all to somebody at once goes: its account has read so far."""
    if session.reads and session.person is not None:
        _move(chat, session, session.person, room)


def settle_directs(chat: Chat, session: Session) -> None:
    """A session goes that can resume and shows all to somebody at once: what it was told directly is read."""
    if session.reads and session.ticket is not None:
        _move_directs(chat, session, session.ticket.places)


def arrive(chat: Chat, session: Session, before: Mapping[RoomId, Place]) -> None:
    """All that a session was told since it stood at ``before`` has arrived: if it shows all at once, that is read."""
    person = session.person
    if not session.reads or person is None or not person.registered:
        return
    for room in session.rooms.values():
        _move(chat, session, person, room)
    _move_directs(chat, session, before)


def _move_directs(chat: Chat, session: Session, before: Mapping[RoomId, Place]) -> None:
    """Move the markers in conversations of which a session was told something since it stood at ``before``."""
    person = chat.person(session)
    for direct in person.directs.values():
        place = before.get(direct.id)
        if place is not None and direct.other(person).id not in session.ignores:
            reached = chat.audience.reached(session, direct.id, direct.head)
            if reached > place[0]:
                read_on(chat, direct, person, reached, besides=session)


def unfollow(chat: Chat, person: Person, room: Room) -> None:
    """Let an account follow a room no more, once none of its sessions is in it."""
    if person not in room.people:
        chat.positions.unfollow(person.id, room.id)


def is_reading(chat: Chat, account: PersonId, room: RoomId) -> bool:
    """Return whether somebody reads at this moment what is said in a room: a dead connection may not be known yet."""
    person = chat.users.by_id(account)
    return person is not None and any(
        session.reads and room in session.rooms and chat.audience.arrived(session) for session in person.sessions
    )


def unread(chat: Chat, account: PersonId, room: Room, position: Position) -> tuple[int, int]:
    """Return how many entries of a room are new to an account, and how many of them mention it."""
    if is_reading(chat, account, room.id):
        return 0, 0
    return max(0, room.head - position.seq), len(position.mentions)


def read(chat: Chat, session: Session, command: Read, supply: Supply | None) -> ReadTo | ReadDirect:
    """Move the marker of one's account forward, and tell its other sessions; one further back changes nothing."""
    person = chat.person(session)
    if not person.registered:
        raise ChatError(Code.ACCOUNT_NEEDED, "How far one has read is kept for accounts: register first.")
    log: Room | Direct
    if is_direct(command.room):
        found = find(chat, session, command.room, supply)
        if isinstance(found, ReadDirect):
            return found
        if not found.lasting:
            text = "How far one has read is kept in conversations of two accounts: this one is with a guest."
            raise ChatError(Code.ACCOUNT_NEEDED, text, room=found.label)
        _check_head(found, command.seq)
        read_on(chat, found, person, Seq(command.seq), besides=session)
        seq = found.read[person.id].seq
        return ReadTo(found.label, seq, found.head - seq, 0)
    log = chat.room(session, command.room)
    check_read(chat, session, log)
    position = chat.positions.of(person.id).get(log.id)
    if position is None:
        raise ChatError(Code.NOT_IN_ROOM, f"You don't follow {log.label}: join it first.", room=log.label)
    _check_head(log, command.seq)
    if position.move(Seq(command.seq)):
        chat.positions.note(person.id, log.id, position)
        _tell_others(chat, session, person, log, position.seq)
    return ReadTo(log.label, position.seq, *unread(chat, person.id, log, position))


def look(chat: Chat) -> None:
    """Move the markers of those who are shown at once what was said since the last time.

    Of who can resume the markers wait until that has arrived.
    """
    budget = chat.limits.positions_looked
    while chat.spoken and budget > 0:
        room = chat.spoken.pop(next(iter(chat.spoken)))
        budget -= len(room.members)
        for session, person in room.members.items():
            if session.reads and person.registered and session.ticket is None:
                _move(chat, session, person, room)


def save(chat: Chat) -> None:
    """Have the next of the positions that have changed stored, unless others are being stored."""
    markers = chat.positions.due(chat.now(), _AGAIN_MS, chat.limits.positions_saved)
    if markers is not None:
        chat.submit(Enact(None, (markers,)))


def save_all(chat: Chat) -> None:
    """Have all of them stored: it is the last time."""
    markers = chat.positions.take(sys.maxsize)
    if markers is not None:
        chat.submit(Enact(None, (markers,)))


def _move(chat: Chat, session: Session, person: Person, room: Room) -> None:
    position = chat.positions.of(person.id).get(room.id)
    if position is not None and position.move(chat.audience.reached(session, room.id, room.head)):
        chat.positions.note(person.id, room.id, position)
        _tell_others(chat, session, person, room, position.seq)


def _tell_others(chat: Chat, session: Session, person: Person, room: Room, seq: Seq) -> None:
    for other in person.sessions:
        if other is not session and not other.reads:
            chat.audience.send(other, ReadOn(room.label, seq))


def _check_head(log: Room | Direct, seq: int) -> None:
    if seq > log.head:
        text = f"The last entry of {log.label} has the number {log.head}: nobody has read further."
        raise ChatError(Code.BAD_FIELD, text, field="seq", room=log.label)
