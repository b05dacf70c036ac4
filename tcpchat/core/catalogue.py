"""What there is: the server's description of itself, the list of rooms, creating and deleting them."""

from __future__ import annotations

from operator import itemgetter

from msgspec import UNSET
from msgspec.structs import replace

from tcpchat.core.actors import record
from tcpchat.core.announcements import announce
from tcpchat.core.answers import Completions, Done, Greeting, RoomList, RoomNamed, RoomSummary
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Complete, Create, Delete, Hello, ListRooms, Ping
from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import LOBBY_ID, NOBODY, PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.events import Refocused, RoomCreated, RoomDeleted
from tcpchat.core.limits import Limits
from tcpchat.core.markers import unread
from tcpchat.core.names import check_name, fold
from tcpchat.core.permissions import check_delete, is_listed, why_closed
from tcpchat.core.requests import CreateRoom, Deleted, DeleteRoom, Enact, Supply
from tcpchat.core.settings import OPEN
from tcpchat.core.state import Person, Room, Session
from tcpchat.errors import ChatError, Code

PROTOCOL = 1
FEATURES = (
    "history",
    "direct",
    "client-id",
    "resume",
    "accounts",
    "read",
    "mentions",
    "tokens",
    "keys",
    "certificates",
    "moderation",
    "administration",
)


_LASTING_FEATURES = tuple(feature for feature in FEATURES if feature != "resume")


def hello(chat: Chat, session: Session, command: Hello, supply: Supply | None) -> Greeting:
    """Describe the server."""
    limits = chat.limits
    return Greeting(
        server=chat.identity.server,
        version=chat.identity.version,
        protocol=PROTOCOL,
        features=FEATURES if _keeps_sessions(limits) else _LASTING_FEATURES,
        limits={
            "line_bytes": limits.line_bytes,
            "text_bytes": limits.text_bytes,
            "name_characters": limits.name_characters,
            "name_bytes": limits.name_bytes,
            "page_entries": limits.page_entries,
            "rooms_per_person": limits.rooms_per_person,
            "people_per_room": limits.people_per_room,
        },
        motd=chat.motd,
        people=len(chat.users),
        guests=chat.policy.guests,
        registration=chat.policy.registration,
    )


def _keeps_sessions(limits: Limits) -> bool:
    return bool(limits.resume_guest_seconds or limits.resume_account_days)


def ping(chat: Chat, session: Session, command: Ping, supply: Supply | None) -> Done:
    """Answer."""
    return Done()


def rooms(chat: Chat, session: Session, command: ListRooms, supply: Supply | None) -> RoomList:
    """List the rooms."""
    return RoomList(summaries(chat, session, command.search))


def complete(chat: Chat, session: Session, command: Complete, supply: Supply | None) -> Completions:
    """Answer how a name may go on."""
    if command.kind == "user":
        names = chat.users.beginning(command.prefix)
    else:
        rooms = [chat.rooms.get(name) for name in chat.rooms.beginning(command.prefix)]
        names = [room.label for room in rooms if room is not None and is_listed(chat, session, room)]
    return Completions(names[: chat.limits.completions], len(names) > chat.limits.completions)


def summaries(chat: Chat, session: Session, search: str = "") -> list[RoomSummary]:
    """Return the rooms as lines of a list, the busiest first, bounded by ``rooms_listed``.

    With ``search`` only those whose name or topic contains it, in whatever case. Of a room that one may not read only
    the name is told, and why it is closed.
    """
    wanted = search.strip().casefold()
    found: list[tuple[int, str, RoomSummary]] = []
    account = session.person.id if session.person is not None else NOBODY
    followed = chat.positions.of(account)
    for room in chat.rooms:
        closed = why_closed(chat, session, room) if room.settings is not OPEN or chat.bans.count(room.id) else ""
        topic = "" if closed else room.topic
        if wanted not in room.label.casefold() and wanted not in topic.casefold():
            continue
        if is_listed(chat, session, room):
            summary = RoomSummary(room.label, "", 0, 0, closed) if closed else room.summary
            if not closed and (position := followed.get(room.id)) is not None:
                new, mentions = unread(chat, account, room, position)
                summary = replace(summary, unread=new, mentions=mentions)
            found.append((-summary.members, room.label, summary))
    found.sort(key=itemgetter(0, 1))
    return [summary for *_, summary in found[: chat.limits.rooms_listed]]


def create(chat: Chat, session: Session, command: Create, supply: Supply | None) -> RoomNamed | CreateRoom:
    """Create a room."""
    person = chat.person(session)
    if isinstance(supply, RoomRecord) and supply.creator == person.id:
        return RoomNamed(supply.name)
    check_created(chat, person, command.room, supply)
    if (room := chat.rooms.get(command.room)) is not None:
        raise ChatError(Code.ROOM_EXISTS, f"There is a room called {room.label} already.", room=room.label)
    return CreateRoom(new_record(chat, person, command.room))


def delete(chat: Chat, session: Session, command: Delete, supply: Supply | None) -> RoomNamed | DeleteRoom:
    """Delete a room of one's own, with its log."""
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Deleted):
        return RoomNamed(supply.label)
    room = chat.room(session, command.room)
    check_delete(chat, session, room)
    if session.person is None or session.person.id != room.creator:
        chat.submit(Enact(record(chat, session, "delete", room.label)))
    return DeleteRoom(room.id, room.label, chat.now())


def new_record(chat: Chat, creator: Person, name: str) -> RoomRecord:
    """Return a room to be stored, or raise ``bad-name`` or ``too-many-rooms``."""
    name = check_name(name, chat.limits, what="room name")
    if (record := chat.opening.get(fold(name))) is not None:
        return record
    _check_alike(chat, name)
    if creator.rooms_created >= chat.limits.rooms_created:
        raise ChatError(
            Code.TOO_MANY_ROOMS,
            f"You have created {creator.rooms_created} rooms, as many as one may.",
            max=chat.limits.rooms_created,
        )
    if len(chat.rooms) >= chat.limits.rooms:
        raise ChatError(Code.TOO_MANY_ROOMS, "There are as many rooms as this server allows.", max=chat.limits.rooms)
    creator.rooms_created += 1
    record = room_record(RoomId(chat.new_id()), name, creator.id, chat.new_epoch(), chat.now())
    return chat.opening.setdefault(fold(name), record)


def _check_alike(chat: Chat, name: str) -> None:
    """Raise ``room-exists`` if the eye can't tell ``name`` from the name of a room that is there or being made."""
    if chat.rooms.get(name) is not None:
        return
    room = chat.rooms.alike(name)
    look = skeleton(name)
    opening = (record.name for record in chat.opening.values() if skeleton(record.name) == look)
    label = room.label if room else next(opening, None)
    if label is not None:
        raise ChatError(Code.ROOM_EXISTS, f"The room name {name} looks like {label}, which is there.", room=label)


def check_created(chat: Chat, person: Person, name: str, supply: Supply | None) -> None:
    """Raise what prevented a creation, which doesn't count then, and let the next one begin anew."""
    if isinstance(supply, ChatError):
        record = chat.opening.pop(fold(name), None)
        if record is not None and record.creator == person.id:
            person.rooms_created -= 1
        raise supply


def lobby_record(name: str, epoch: int, now: int) -> RoomRecord:
    """Return the lobby, which belongs to nobody."""
    return room_record(LOBBY_ID, name, PersonId(0), epoch, now)


def room_record(room: RoomId, name: str, creator: PersonId, epoch: int, now: int) -> RoomRecord:
    """Return a public room with an empty log."""
    return RoomRecord(
        id=room,
        key=fold(name),
        name=name,
        direct=False,
        head=Seq(0),
        epoch=epoch,
        topic="",
        creator=creator,
        created=now,
    )


def opened(chat: Chat, record: RoomRecord) -> None:
    """Take a committed room into the registry and tell everybody."""
    if chat.rooms.log(record.id) is not None:  # several people created it at once
        return
    chat.opening.pop(fold(record.name), None)
    chat.rooms.add(Room.from_record(record))
    chat.audience.publish(EVERYBODY, [RoomCreated(record.name)], [NOBODY])
    announce(chat, "room-created", room=record.name)


def deleted(chat: Chat, room_id: RoomId) -> None:
    """Take a deleted room out of the registry, with everybody in it, and tell everybody."""
    room = chat.rooms.log(room_id)
    if not isinstance(room, Room):
        return
    chat.audience.close(room.id)
    # Nobody but those in it is told of a room that is not listed.
    if room.settings.unlisted:
        for session in room.members:
            chat.audience.send(session, RoomDeleted(room.label))
    else:
        chat.audience.publish(EVERYBODY, [RoomDeleted(room.label)], [NOBODY])
    for session in room.members:
        del session.rooms[room.id]
        if session.ticket is not None:
            session.ticket.places.pop(room.id, None)
            chat.tickets.touch(session)
            if session.detached:
                session.ticket.missed.append(RoomDeleted(room.label))
        if session.current is room:
            session.current = next(reversed(session.rooms.values()), None)
            chat.audience.refocus(session)
            chat.audience.send(session, Refocused(session.current.label if session.current else UNSET))
    room.members.clear()
    room.people.clear()
    chat.rooms.remove(room)
    chat.gone[room.id] = room.label
    chat.tails.forget(room.id)
    chat.bans.forget(room.id)
    chat.positions.forget_room(room.id)
    chat.spoken.pop(room.id, None)
    announce(chat, "room-deleted", room=room.label)
