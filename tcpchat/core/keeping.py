"""Sessions are kept, for the time after their connections break: the code of each, and what is stored of it."""

from __future__ import annotations

from functools import partial

from tcpchat.core.addresses import neighbourhood
from tcpchat.core.chat import Chat
from tcpchat.core.entries import RoomId
from tcpchat.core.requests import EndSession, KeepSession
from tcpchat.core.state import Direct, Person, Place, Room, Session, Ticket
from tcpchat.core.stored_session import Belongings, DirectPlace, RoomPlace, SessionId, StoredSession, encode
from tcpchat.core.tickets import digest, new_code

DAY_MS = 86_400_000


def issue(chat: Chat, session: Session, *, screen: bool = False) -> str:
    """Return the code that will resume a session that has just begun; empty if none is kept here."""
    if not lifetime_ms(chat, chat.person(session)):
        return ""
    code = new_code(chat.new_id)
    ticket = session.ticket
    if ticket is None:
        ticket = Ticket(SessionId(chat.new_id()), digest(code), network_of(session), screen)
        ticket.places = heads(session)
        chat.tickets.add(session, ticket)
    else:
        chat.tickets.replace(session, digest(code))
    chat.tickets.touch(session)
    return code


def keep(chat: Chat, session: Session) -> None:
    """Store a session as it is now; nobody waits for that. While nothing can be stored, it is done later."""
    person, ticket = session.person, session.ticket
    if person is None or ticket is None:
        return
    if chat.server.store.failing:
        chat.tickets.touch(session)
        return
    ticket.kept = True
    chat.submit(KeepSession(stored(chat, session, person, ticket)), partial(chat.tickets.touch, session))


def end(chat: Chat, ticket: Ticket) -> None:
    """Store a session no longer, whose ``ticket`` is good no more."""
    if ticket.kept:  # or else it was never handed over to be
        forget(chat, ticket.id)


def forget(chat: Chat, ident: SessionId) -> None:
    """Store a session no longer; what is refused is asked for again."""
    chat.submit(EndSession(ident), partial(chat.tickets.linger, ident))


def keep_stale(chat: Chat, most: int) -> None:
    """Store up to ``most`` sessions that have changed, and no longer up to as many that have ended."""
    if chat.server.store.failing:
        return
    for session in chat.tickets.take_stale(most):
        keep(chat, session)
    for ident in chat.tickets.take_lingering(most):
        forget(chat, ident)


def lifetime_ms(chat: Chat, person: Person) -> float:
    """Return for how long a session without a connection is kept, in ms."""
    limits = chat.limits
    return limits.resume_account_days * DAY_MS if person.registered else limits.resume_guest_seconds * 1000


def logs_of(session: Session) -> list[Room | Direct]:
    """Return the logs that a session reads: of its rooms, and of the conversations of its person."""
    directs = session.person.directs.values() if session.person is not None else ()
    return [*session.rooms.values(), *directs]


def heads(session: Session) -> dict[RoomId, Place]:
    """Return the ends of all the logs that a session reads."""
    return {log.id: (log.head, log.epoch) for log in logs_of(session)}


def network_of(session: Session) -> str:
    """Return the network that a session comes from, as far as that is known."""
    return neighbourhood(session.channel.address) if session.channel.address else ""


def stored(chat: Chat, session: Session, person: Person, ticket: Ticket) -> StoredSession:
    """Return a session as it is kept."""
    places = ticket.places
    belongings = Belongings(
        tuple(RoomPlace(room.id, *places.get(room.id, (room.head, room.epoch))) for room in session.rooms.values()),
        tuple(
            DirectPlace(
                direct.id,
                direct.other(person).id,
                direct.other(person).name,
                *places.get(direct.id, (direct.head, direct.epoch)),
            )
            for direct in person.directs.values()
            if direct.stored or not direct.lasting
        ),
        session.current.id if session.current is not None else None,
        session.ignores,
        person.away,
        session.last_teller,
        ticket.screen,
        session.reads or ticket.reads,
        person.since,
        session.since,
    )
    return StoredSession(
        id=ticket.id,
        code=ticket.code,
        next=ticket.next,
        person=person.id,
        name=person.name,
        color=person.color,
        registered=person.registered,
        credential=session.credential or 0,  # type: ignore[arg-type]  # 0 is no credential's id
        proof=int(session.proof),
        until=chat.expiring.get(session, 0),
        address=session.channel.address,
        detached=ticket.detached,
        state=encode(belongings),
    )
