"""Coming and going: logging in and out, joining and leaving rooms."""

from __future__ import annotations

from itertools import islice

from msgspec import UNSET

from tcpchat.core import announcements, standing
from tcpchat.core.answers import Done, Goodbye, JoinedRoom, LeftRoom, MemberList, Switched, UserList
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.catalogue import check_created, new_record
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Join, Leave, ListMembers, ListUsers, Logout, Quit, Switch
from tcpchat.core.entries import NOBODY
from tcpchat.core.events import Crowd, Event, MemberJoined, MemberLeft, Notice, PutOut, Refocused
from tcpchat.core.health import check_write
from tcpchat.core.history import messages, read_page
from tcpchat.core.keeping import end, keep
from tcpchat.core.markers import follow, settle, settle_directs, unfollow, unread
from tcpchat.core.names import HERE
from tcpchat.core.permissions import check_enter, check_read, needs_key, readable
from tcpchat.core.requests import CreateRoom, ReadPage, Supply, Unlock
from tcpchat.core.settings import opens
from tcpchat.core.state import Room, Session
from tcpchat.errors import ChatError, Code

Arriving = JoinedRoom | CreateRoom | ReadPage | Unlock
"""What joining a room comes to, or what is needed for it."""


def sign_out(chat: Chat, session: Session) -> None:
    """Take the session out of every room and give its name back."""
    person = session.person
    if person is None:
        announcements.forget(chat, session)  # the operator may have watched
        return
    settle_directs(chat, session)
    for room in list(session.rooms.values()):
        exit_room(chat, session, room)
    chat.audience.leave(EVERYBODY, session)
    session.person = session.last_teller = session.credential = session.next_credential = None
    session.ignores = {}
    session.reads, session.news = False, None
    chat.expiring.pop(session, None)
    if (ticket := chat.tickets.remove(session)) is not None:
        end(chat, ticket)
    announcements.forget(chat, session)
    chat.audience.refilter(session)
    del person.sessions[session]
    if person.sessions:
        return
    chat.users.remove(person)
    standing.forget(person)
    announcements.announce(chat, "logout", user=person.name)
    for direct in chat.rooms.forget_directs(person, chat.users, chat.limits.ended_directs):
        chat.tails.forget(direct)
        chat.audience.close(direct)


def dismiss(chat: Chat, session: Session, text: str, code: Code) -> None:
    """End a session against its will, with its connection; from now on it can do nothing more."""
    if session.detached:
        sign_out(chat, session)
    elif session.ended is None:
        session.ended = ChatError(code, text)
        chat.audience.dismiss(session, text, code)


def enter(chat: Chat, session: Session, room: Room) -> None:
    """Put the session into the room and make it the current one; raise ``room-full`` or ``too-many-rooms``."""
    person = chat.person(session)
    if room.id in session.rooms:
        focus(chat, session, room)
        return
    _check_space(chat, session, room)
    standing.hush(chat, room, person)
    if person not in room.people:
        _told(chat, room, MemberJoined(room.label, room.user_of(person)))
    focus(chat, session, room)
    room.members[session] = person
    room.people[person] = room.people.get(person, 0) + 1
    session.rooms[room.id] = room
    if session.ticket is not None:
        session.ticket.places[room.id] = (room.head, room.epoch)
        chat.tickets.touch(session)
    chat.audience.enter(room.id, session)
    follow(chat, session, room)


def exit_room(chat: Chat, session: Session, room: Room) -> None:
    """Take the session out of the room, having read what was said so far; it goes on in the one it joined before."""
    settle(chat, session, room)
    chat.audience.leave(room.id, session)
    _remove(chat, session, room, MemberLeft(room.label, room.user_of(room.members[session])))


def put_out(chat: Chat, session: Session, room: Room, event: PutOut) -> None:
    """Take the session out of the room against its will: nothing that it hasn't got yet is for it any more."""
    settle(chat, session, room)
    chat.audience.expel(room.id, session)
    _inform(session, event)
    user = room.user_of(room.members[session])
    current, person = session.current, room.members[session]
    _remove(chat, session, room, MemberLeft(room.label, user, event.by, event.reason))
    unfollow(chat, person, room)
    chat.audience.send(session, event)
    if current is room:
        chat.audience.send(session, Refocused(session.current.label if session.current else UNSET))
    keep(chat, session)  # at once: after a crash it must not be in there again


def _inform(session: Session, event: Event) -> None:
    """Let a session without a connection hear of ``event`` when it comes back."""
    if session.detached and session.ticket is not None:
        session.ticket.missed.append(event)


def _remove(chat: Chat, session: Session, room: Room, event: MemberLeft) -> None:
    person = room.members.pop(session)
    del session.rooms[room.id]
    if session.ticket is not None:
        session.ticket.places.pop(room.id, None)
        chat.tickets.touch(session)
    if session.current is room:
        focus(chat, session, next(reversed(session.rooms.values()), None))
    room.people[person] -= 1
    if not room.people[person]:
        del room.people[person]
        if not chat.closing:
            _told(chat, room, event)


def _told(chat: Chat, room: Room, event: MemberJoined | MemberLeft) -> None:
    """Tell the room who came or went: the first of them at once, more of them together, very many as a number."""
    chat.stirred[room.id] = room
    room.moves += 1
    if len(room.people) < chat.limits.people_told:
        chat.audience.publish(room.id, [event], [NOBODY], patient=room.moves > chat.limits.moves_told)
    elif isinstance(event, MemberJoined):
        room.joined += 1
    else:
        room.left += 1


def settle_moves(chat: Chat) -> None:
    """Tell the rooms who came and went since the last time and was not told yet, the large ones how many."""
    stirred, chat.stirred = chat.stirred, {}
    for room in stirred.values():
        if room.joined or room.left:
            chat.audience.publish(room.id, [Crowd(room.label, room.joined, room.left, len(room.people))], [NOBODY])
        room.moves = room.joined = room.left = 0
    if stirred:
        chat.audience.hurry()


def focus(chat: Chat, session: Session, room: Room | None) -> None:
    """Make ``room`` the one the session is speaking in."""
    if session.current is not room:
        session.current = room
        chat.tickets.touch(session)
        chat.audience.refocus(session)


def logout(chat: Chat, session: Session, command: Logout, supply: Supply | None) -> Done:
    """Log out and stay connected."""
    sign_out(chat, session)
    return Done()


def close(chat: Chat, session: Session, command: Quit, supply: Supply | None) -> Goodbye:
    """Log out and end the connection."""
    sign_out(chat, session)
    return Goodbye()


def join(chat: Chat, session: Session, command: Join, supply: Supply | None) -> Arriving:
    """Enter a room with a part of its log, so that what is said next follows without a gap.

    A key that is needed goes the way of proofs first: it could be guessed.
    """
    person = chat.person(session)
    if command.last is not None and command.after is not None:
        raise ChatError(Code.BAD_FIELD, "Give only one of last and after.", field="after")
    room = session.current if command.room == HERE else chat.rooms.get(command.room)
    if room is None:
        if command.key:
            text = f"There is no room called {command.room[:64]}, so it has no key; and a room's name is one word."
            raise ChatError(Code.BAD_FIELD, text, field="key")
        check_created(chat, person, command.room, supply)
        check_write(chat, session, command)
        _check_rooms(chat, session)
        return CreateRoom(new_record(chat, person, command.room))
    if isinstance(supply, ChatError) and supply.code is not Code.ROOM_EXISTS:
        raise supply
    if command.key and not room.settings.key:
        text = f"{room.label} has no key, and the name of a room is one word: leave out what follows it."
        raise ChatError(Code.BAD_FIELD, text, field="key")
    if supply is None and command.key and needs_key(chat, session, room):
        account = person.id if person.registered else None
        return Unlock(room.label, opens(room.settings, room.id, command.key), account)
    _check_enter(chat, session, room, command.key)
    if room.id not in session.rooms:
        _check_space(chat, session, room)
    if isinstance(supply, ChatError) and supply.code is Code.ROOM_EXISTS:
        supply = None
    position = chat.positions.of(person.id).get(room.id)
    missed = unread(chat, person.id, room, position)[0] if session.reads and position is not None else 0
    span, newest = _join_span(chat, command, readable(room), missed)
    entries = read_page(chat, room.id, span, supply, newest=newest)
    if isinstance(entries, ReadPage):
        return entries
    read = UNSET if position is None else position.seq
    enter(chat, session, room)
    if not entries:
        more = False
    elif newest:
        more = entries[0].seq > 1
    else:
        more = entries[-1].seq < room.head
    shown = messages(chat, entries, room, session)
    members = room.first_users(chat.limits.people_told)
    return JoinedRoom(room.label, room.topic, room.head, room.epoch, members, shown, more, len(room.people), read)


def leave(chat: Chat, session: Session, command: Leave, supply: Supply | None) -> LeftRoom:
    """Leave a room; answers with those who stayed."""
    room = chat.joined_room(session, command.room)
    exit_room(chat, session, room)
    unfollow(chat, chat.person(session), room)
    members = room.first_users(chat.limits.people_told)
    return LeftRoom(room.label, members, session.current.label if session.current else UNSET)


def switch(chat: Chat, session: Session, command: Switch, supply: Supply | None) -> Switched:
    """Speak in another room from now on."""
    room = chat.joined_room(session, command.room)
    focus(chat, session, room)
    return Switched(room.label)


def members(chat: Chat, session: Session, command: ListMembers, supply: Supply | None) -> MemberList:
    """Answer who is in a room."""
    room = chat.room(session, command.room)
    if session.person is not None:
        check_read(chat, session, room)
    return MemberList(room.label, room.users)


def users(chat: Chat, session: Session, command: ListUsers, supply: Supply | None) -> UserList:
    """Answer who is logged in."""
    return UserList([person.user for person in chat.users])


def _join_span(chat: Chat, command: Join, readable: range, missed: int) -> tuple[range, bool]:
    if command.after is not None:
        first = max(readable.start, command.after + 1)
        return range(first, min(readable.stop, first + chat.limits.page_entries)), False
    last = max(missed, chat.limits.join_entries) if command.last is None else command.last
    count = min(last, chat.limits.page_entries)
    return range(max(readable.start, readable.stop - count), readable.stop), True


def _check_enter(chat: Chat, session: Session, room: Room, key: str) -> None:
    """Raise what keeps the session from entering; a room that is only full has a place if somebody has gone."""
    try:
        check_enter(chat, session, room, key)
    except ChatError as error:
        if error.code is not Code.ROOM_FULL:
            raise
        _check_rooms(chat, session)
        if not _make_place(chat, room, min(room.settings.limit, chat.limits.people_per_room)):
            raise


def _check_rooms(chat: Chat, session: Session) -> None:
    most = chat.limits.rooms_per_person
    if len(session.rooms) >= most:
        text = f"You are in {len(session.rooms)} rooms, as many as one can be in: leave one first."
        raise ChatError(Code.TOO_MANY_ROOMS, text, max=most)


def _check_space(chat: Chat, session: Session, room: Room) -> None:
    _check_rooms(chat, session)
    most = chat.limits.people_per_room
    if chat.person(session) in room.people or len(room.people) < most:
        return
    if not _make_place(chat, room, most):
        text = f"{room.label} is full: {len(room.people)} people are in it."
        raise ChatError(Code.ROOM_FULL, text, room=room.label, max=most)


def _make_place(chat: Chat, room: Room, most: int) -> bool:
    """Let guests without a connection leave a room until fewer than ``most`` people are in it, who broke off first.

    If that takes more than there are, nobody leaves, and it returns False.
    """
    needed = len(room.people) - most + 1
    ghosts = list(islice((session for session in chat.tickets.guests() if room.id in session.rooms), needed))
    if len(ghosts) < needed:
        return False
    for ghost in ghosts:
        exit_room(chat, ghost, room)
        _inform(ghost, Notice(f"{room.label} was full, so your place there has gone to somebody else."))
    return True
