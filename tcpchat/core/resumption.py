"""Sessions that outlive their connections: left behind when these break, and gone on with from other ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET

from tcpchat.core.answers import Goodbye, LostRoom, Resumed, ResumedRoom
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.chat import Chat
from tcpchat.core.commands import ComeBack, Cursors, Detach, Resume, Seen
from tcpchat.core.directs import other_of, reopen, unopened
from tcpchat.core.entries import RoomId, Seq
from tcpchat.core.events import Event, Gap
from tcpchat.core.keeping import DAY_MS, heads, keep_stale, lifetime_ms, logs_of, network_of, stored
from tcpchat.core.login import check_anonymous, check_welcome
from tcpchat.core.markers import arrive
from tcpchat.core.membership import exit_room, sign_out
from tcpchat.core.permissions import check_read, may
from tcpchat.core.requests import KeepSession, Noted, ReadDirects, Recognise, Recognised, StoredDirects, Supply
from tcpchat.core.roles import Act
from tcpchat.core.state import Direct, Making, Person, Place, Room, Session, Ticket
from tcpchat.core.tickets import digest, is_code, new_code
from tcpchat.errors import ChatError, Code

# What one tick does at the most, in some ms of the reactor's time: sessions that are over, looked at, and stored.
_ENDED_AT_ONCE = 200
_PEOPLE_AT_ONCE = 1_000
_PROGRAMS_AT_ONCE = 100
_STORED_AT_ONCE = 500


Returning = Resumed | Recognise | KeepSession | ReadDirects
"""What resuming a session comes to, or what is needed for it."""


def resume(chat: Chat, session: Session, command: Resume, supply: Supply | None) -> Returning:
    """Go on with a session whose connection broke, or is about to; who is a guest here so far isn't any more.

    The new code is told once it is stored, or else a crash could leave only codes that nobody knows. Where nothing can
    be stored just now, or read, nobody is kept out for it.
    """
    if session.ended is not None:
        raise session.ended
    if isinstance(supply, ChatError) and not session.making.token:
        raise supply
    check_anonymous(session)
    if not is_code(command.session):
        text = "That is no code: one has four groups of four letters and digits, such as kx3m-7pqa-b2zw-ymth."
        raise ChatError(Code.NO_SUCH_SESSION, text)
    old = chat.tickets.find(command.session)
    if old is session:
        raise ChatError(Code.ALREADY_LOGGED_IN, "That is the session you are in.")
    if supply is None:
        session.making = Making()
        return Recognise(old is not None)
    if old is None or old.ended is not None:
        raise no_session()
    if old in chat.claims:  # it would be told of its new name where it is no more
        raise ChatError(Code.BUSY, "Your session is just taking a name: please try again in a moment.", retry_after=1)
    person, ticket = chat.person(old), old.ticket
    assert ticket is not None
    check_welcome(chat, session, person)
    if isinstance(supply, Recognised):
        session.making = Making(token=new_code(chat.new_id))
        ticket.kept = True
        # Now: the end of the old connection may store the session once more before this is told.
        chat.tickets.renew(old, command.session, digest(session.making.token))
        return KeepSession(stored(chat, old, person, ticket))
    cursors, closed = command.cursors, unopened(person, command.cursors)
    if closed and isinstance(supply, Noted):
        return ReadDirects(closed, person.id)
    if isinstance(supply, StoredDirects):
        cursors = _reopened(chat, person, cursors, supply)
    code, session.making = session.making.token, Making()
    if chat.tickets.find(code) is not old:
        text = "Your session is just going on from another connection: please try again in a moment."
        raise ChatError(Code.BUSY, text, retry_after=1)
    sign_out(chat, session)
    places = ticket.places
    ticket.screen = isinstance(command, ComeBack)
    _take_over(chat, old, session)
    _leave_closed(chat, session)
    chat.tickets.touch(session)
    return _go_on(chat, session, cursors, places, code)


def detach(chat: Chat, session: Session, command: Detach, supply: Supply | None) -> Goodbye:
    """Leave a session behind whose connection broke; others see nobody leave."""
    person, ticket = session.person, session.ticket
    if person is None or ticket is None or session.ended is not None or not lifetime_ms(chat, person):
        sign_out(chat, session)
        return Goodbye()
    for room in (EVERYBODY, *session.rooms):
        chat.audience.expel(room, session)
    ticket.reads, session.reads = session.reads, False  # nobody sees what is said from now on
    chat.tickets.detach(session, chat.now())
    chat.tickets.touch(session)
    if not chat.closing:
        _make_room(chat, session, person, ticket)
    return Goodbye()


def tick(chat: Chat) -> None:
    """A moment has passed: end what is over, note what readers surely have, and store what has changed."""
    now, limits = chat.now(), chat.limits
    guests, accounts = now - int(limits.resume_guest_seconds * 1000), now - int(limits.resume_account_days * DAY_MS)
    for session in chat.tickets.over(guests, accounts, _ENDED_AT_ONCE):
        sign_out(chat, session)
    for session in chat.tickets.next_readers(_PEOPLE_AT_ONCE, _PROGRAMS_AT_ONCE):
        _note_read(chat, session)
    keep_stale(chat, _STORED_AT_ONCE)


def no_session() -> ChatError:
    """Return the refusal of a code that is none, or not any more."""
    text = "No session has this code, or it has ended: log in instead."
    return ChatError(Code.NO_SUCH_SESSION, text)


def _make_room(chat: Chat, session: Session, person: Person, ticket: Ticket) -> None:
    """End the oldest of those without a connection, when there are too many."""
    tickets, limits = chat.tickets, chat.limits
    if not session.channel.trusted:
        while tickets.guests_of(ticket.network) > limits.detached_guests_per_address:
            sign_out(chat, tickets.first_guest(ticket.network))
        _make_room_of(chat, person)
    while len(tickets) > limits.detached_sessions:
        sign_out(chat, tickets.first())


def _make_room_of(chat: Chat, person: Person) -> None:
    """End the oldest sessions of one account without a connection, when there are too many of them."""
    if not person.registered:
        return
    left = sorted((one for one in person.sessions if one.detached), key=_detached)
    for session in left[: max(0, len(left) - chat.limits.detached_sessions_per_account)]:
        sign_out(chat, session)


def _detached(session: Session) -> int:
    return session.ticket.detached if session.ticket is not None else 0


def _take_over(chat: Chat, old: Session, session: Session) -> None:
    """Make ``session`` what ``old`` is, to everybody but the two; who still holds ``old`` is sent away."""
    person = old.person
    assert person is not None
    for room in (EVERYBODY, *old.rooms):
        chat.audience.expel(room, old)
    session.person, session.rooms, session.current = person, old.rooms, old.current
    session.ignores, session.last_teller, session.since = old.ignores, old.last_teller, old.since
    session.credential, session.proof, session.next_credential = old.credential, old.proof, old.next_credential
    session.watching, session.nonce = old.watching, None
    session.reads = old.reads or (old.ticket is not None and old.ticket.reads)
    person.sessions = {session if one is old else one: None for one in person.sessions}
    for joined in old.rooms.values():
        del joined.members[old]
        joined.members[session] = person
    if (until := chat.expiring.pop(old, None)) is not None:
        chat.expiring[session] = until
    if old in chat.watchers:
        del chat.watchers[old]
        chat.watchers[session] = None
    chat.tickets.move(old, session, network_of(session))
    old.person, old.rooms, old.current, old.ignores, old.watching = None, {}, None, {}, frozenset()
    chat.audience.refilter(old)
    text = "Your session goes on from another connection."
    old.ended = ChatError(Code.RESUMED, text)
    chat.audience.dismiss(old, text, Code.RESUMED)


def _leave_closed(chat: Chat, session: Session) -> None:
    """Take a session out of the rooms from which the address that it goes on from is banned."""
    if may(chat, session, Act.ENTER_ANY):
        return
    for room in list(session.rooms.values()):
        if chat.bans.find(room.id, None, "", session.channel.address, chat.now()) is not None:
            exit_room(chat, session, room)


def _go_on(chat: Chat, session: Session, cursors: Cursors, places: dict[RoomId, Place], code: str) -> Resumed:
    """Let a session read on from where it was, and return what it is told of that first."""
    person, ticket = chat.person(session), session.ticket
    assert ticket is not None
    asked, lost = _asked(chat, session, cursors)
    gaps: list[Gap] = []
    ticket.places = {log.id: (_standing(log, places | asked, gaps), log.epoch) for log in logs_of(session)}
    _listen(chat, session, [*ticket.missed, *gaps])
    ticket.missed = []
    current = session.current.label if session.current is not None else UNSET
    repeated = ticket.screen and any(ticket.places[log.id][0] < log.head for log in logs_of(session))
    return Resumed(person.user, code, _rooms(session, ticket), lost, current, repeated or UNSET)


def _listen(chat: Chat, session: Session, first: Iterable[Event]) -> None:
    """Let a session that goes on hear what it must hear ``first``, read what it has missed, and then take part."""
    person, ticket = chat.person(session), session.ticket
    assert ticket is not None
    for room in (EVERYBODY, *session.rooms):
        chat.audience.enter(room, session)
    chat.audience.refilter(session)
    for event in first:
        chat.audience.send(session, event)
    after = {log.id: ticket.places[log.id][0] for log in logs_of(session)}
    waiting = {one.id: after[one.id] for one in person.directs.values() if after[one.id] < one.head}
    chat.audience.read_from(session, {room: after[room] for room in session.rooms}, waiting)


def _rooms(session: Session, ticket: Ticket) -> list[ResumedRoom]:
    """Return the rooms of a session, as a program needs to know them."""
    return [
        ResumedRoom(room.label, room.topic, room.head, room.epoch, ticket.places[room.id][0], len(room.people))
        for room in session.rooms.values()
    ]


def _asked(chat: Chat, session: Session, cursors: Cursors) -> tuple[dict[RoomId, Place], list[LostRoom]]:
    """Return where a client wants to go on in each log, and the rooms of which it is told nothing more."""
    found: dict[RoomId, Place] = {}
    lost: list[LostRoom] = []
    directs = {direct.label: direct for direct in chat.person(session).directs.values()}
    for label, cursor in cursors.items():
        log = directs.get(label) or chat.rooms.get(label)
        if isinstance(log, Room) and log.id not in session.rooms:
            lost.append(_lost(chat, session, log))
        elif log is None:
            lost.append(LostRoom(label[:64], Code.NO_SUCH_ROOM.value, "There is no such room any more."))
        elif isinstance(cursor, Seen):
            found[log.id] = (Seq(cursor.seq), log.epoch if cursor.epoch is None else cursor.epoch)
        else:
            found[log.id] = (Seq(cursor), log.epoch)
    return found, lost


def _reopened(chat: Chat, person: Person, cursors: Cursors, found: StoredDirects) -> Cursors:
    """Open the conversations of which a client has not all there is; return its cursors but for those it has all of."""
    left = dict(cursors)
    for one in found.directs:
        record = one.record
        if record is None or other_of(record, person.id) is None:
            continue
        cursor = cursors[record.name]
        if (cursor.seq if isinstance(cursor, Seen) else cursor) == record.head:
            del left[record.name]
        else:
            reopen(chat, person, one)
    return left


def _lost(chat: Chat, session: Session, room: Room) -> LostRoom:
    """Return why nothing more is told of a room."""
    try:
        check_read(chat, session, room)
    except ChatError as error:
        return LostRoom(room.label, error.code.value, error.text)
    return LostRoom(room.label, Code.NOT_IN_ROOM.value, f"You are not in {room.label} any more.")


def _standing(log: Room | Direct, places: Mapping[RoomId, Place], gaps: list[Gap]) -> Seq:
    """Return the entry after which a reader goes on; what it wants and there isn't is a gap.

    A room without a place goes on from now; a conversation that nobody knew of is new. Conversations never begin
    anew: of one that is stored and was not open the epoch is only guessed.
    """
    seq, epoch = places.get(log.id) or (log.head if isinstance(log, Room) else Seq(0), log.epoch)
    if isinstance(log, Room) and epoch != log.epoch:
        gaps.append(Gap(log.label, 1, 0, log.epoch))
        return Seq(0)
    if seq > log.head:
        gaps.append(Gap(log.label, log.head + 1, seq, log.epoch))
        return log.head
    return seq


def _note_read(chat: Chat, session: Session) -> None:
    """Note what a reader surely has: all that it was told, if all of it has arrived."""
    ticket = session.ticket
    assert ticket is not None
    if not chat.audience.arrived(session):
        return
    places = heads(session)
    if places != ticket.places:
        before, ticket.places = ticket.places, places
        if ticket.screen:  # a program says by itself what it has
            chat.tickets.touch(session)
        arrive(chat, session, before)
