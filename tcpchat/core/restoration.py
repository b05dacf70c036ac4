"""The sessions that were kept through a restart: without connections, and in their rooms as before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tcpchat.core.accounts import CredentialKind, is_barred
from tcpchat.core.addresses import neighbourhood
from tcpchat.core.channel import Channel
from tcpchat.core.chat import Chat
from tcpchat.core.entries import PersonId, RoomId, RoomRecord
from tcpchat.core.keeping import forget
from tcpchat.core.permissions import why_closed
from tcpchat.core.server_state import Emergency
from tcpchat.core.standing import hush
from tcpchat.core.state import Direct, Person, Room, Session, Ticket
from tcpchat.core.stored_session import Belongings, StoredSession, decode

_BARRING = (Emergency.ACCOUNTS_ONLY, Emergency.READ_ONLY)


def restore(chat: Chat, stored: Iterable[StoredSession], directs: Mapping[RoomId, RoomRecord]) -> None:
    """Let everybody who was here before a restart be here without a connection; who may not be any more is forgotten.

    Who had a connection when the daemon ended has lost it now. Who is banned from a room, or not invited any more, is
    not in it. ``directs`` are the conversations they had.
    """
    for one in sorted(stored, key=lambda one: one.detached or chat.now()):
        person = _person(chat, one)
        if person is None:
            forget(chat, one.id)
        else:
            _restore(chat, one, person, _belongings(one), directs)


def _belongings(one: StoredSession) -> Belongings:
    try:
        return decode(one.state)
    except msgspec.MsgspecError:  # of another version: who comes back is in no room
        return Belongings()


def _person(chat: Chat, one: StoredSession) -> Person | None:
    """Return whose session it was, if they may come back; who isn't here yet is so from now on."""
    person = chat.users.by_id(one.person)
    if person is not None:
        return person
    if one.registered:
        account = chat.accounts.by_id(one.person)
        if account is None or is_barred(account, chat.now()):
            return None
        person = Person(account.id, account.name, account.color, registered=True)
    else:
        if chat.server.emergency in _BARRING or not chat.policy.guests:
            return None
        if chat.users.holder(one.name) is not None or chat.accounts.holder(one.name, chat.now()) is not None:
            return None
        person = Person(one.person, one.name, one.color)
    chat.users.add(person)
    return person


def _restore(
    chat: Chat, one: StoredSession, person: Person, has: Belongings, directs: Mapping[RoomId, RoomRecord]
) -> None:
    session = Session(person, channel=Channel(address=one.address), since=has.since)
    person.sessions[session] = None
    person.since, person.away = has.person_since, has.away
    network = neighbourhood(one.address) if one.address else ""
    ticket = Ticket(one.id, one.code, network, has.screen, one.next, has.reads, kept=True)
    for place in has.rooms:
        room = chat.rooms.log(place.room)
        if isinstance(room, Room) and why_closed(chat, session, room) in ("", "key"):
            room.members[session] = person
            room.people[person] = room.people.get(person, 0) + 1
            session.rooms[room.id] = room
            hush(chat, room, person)
            ticket.places[room.id] = (place.seq, place.epoch)
    for known in has.directs:
        record = directs.get(known.room)
        if record is not None:
            _restore_direct(chat, person, record, known.other, known.name)
            ticket.places[known.room] = (known.seq, known.epoch)
    session.current = session.rooms.get(has.current) if has.current is not None else None
    session.ignores, session.last_teller = has.ignores, has.teller
    if one.credential:
        session.credential, session.proof = one.credential, CredentialKind(one.proof)
    if one.until:
        chat.expiring[session] = one.until
    chat.tickets.add(session, ticket)
    chat.tickets.detach(session, one.detached or chat.now())
    if not one.detached:  # its time has begun, and goes on through the next start
        chat.tickets.touch(session)


def _restore_direct(chat: Chat, person: Person, record: RoomRecord, other: PersonId, name: str) -> None:
    """Let a person have a conversation again; who isn't here may be another who is restored later."""
    known = chat.rooms.log(record.id)
    if isinstance(known, Direct):
        if person not in known.pair:
            direct = Direct(record, (person, _partner(chat, other, name)), record.head, stored=True)
            chat.rooms.add_direct(direct)
        return
    direct = Direct(record, (person, _partner(chat, other, name)), record.head, stored=True)
    chat.rooms.add_direct(direct)


def _partner(chat: Chat, ident: PersonId, name: str) -> Person:
    """Return somebody by id; who isn't here is only known by the name."""
    return chat.users.by_id(ident) or Person(ident, name, registered=chat.accounts.by_id(ident) is not None)
