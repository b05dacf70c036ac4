"""What a reader that fell behind is told of a log: the same events as the others, from where its cursor stands."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tcpchat.core.chat import Chat
from tcpchat.core.entries import Entry, RoomId
from tcpchat.core.events import Event, Gap, Members, Message, Moderated
from tcpchat.core.history import direct_message, event_of, read_page, shown
from tcpchat.core.mentions import marked
from tcpchat.core.permissions import may_read
from tcpchat.core.requests import ReadPage, Supply
from tcpchat.core.state import Direct, Room, Session


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Some events of a log, up to the entry with the number ``last``."""

    events: list[Event]
    last: int


def read_on(chat: Chat, session: Session, room: RoomId, after: int, supply: Supply | None) -> Chunk | ReadPage | None:
    """Return what follows the entry ``after`` as far as a page holds it, or what reads it; None when nothing does.

    What may not be read is left out in silence; what should be there and is not is told as a gap.
    """
    log = chat.rooms.log(room)
    if log is None or after >= log.head:
        return None
    readable = may_read(chat, session, log)
    first = max(after + 1, readable.start)
    span = range(first, min(readable.stop, first + chat.limits.page_entries))
    if not span:
        return Chunk([], log.head)
    entries = read_page(chat, room, span, supply, newest=False)
    if isinstance(entries, ReadPage):
        return entries
    if not entries or entries[0].seq > first:
        last = entries[0].seq - 1 if entries else span[-1]
        return Chunk([Gap(log.label, first, last, log.epoch)], last)
    return Chunk(_events(chat, entries, log, session), entries[-1].seq)


def members(chat: Chat, session: Session, room: RoomId) -> Members | None:
    """Return who is in a room by now; None if ``session`` isn't."""
    known = session.rooms.get(room)
    if known is None:
        return None
    return Members(known.label, known.first_users(chat.limits.people_told), len(known.people), known.head)


def _events(chat: Chat, entries: list[Entry], log: Room | Direct, session: Session) -> list[Event]:
    """Return entries as ``session`` would have been told of them."""
    wanted = shown(chat, entries, log, session)
    if isinstance(log, Room):
        return [_event(chat, entry, log, session) for entry in wanted]
    return [direct_message(entry, log, chat.person(session)) for entry in wanted]


def _event(chat: Chat, entry: Entry, room: Room, session: Session) -> Event:
    event = event_of(entry, room.label)
    if isinstance(event, Message):
        return marked(chat, room, entry, event, session)
    return replace(event, late=True) if isinstance(event, Moderated) else event
