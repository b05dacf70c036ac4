"""What waits for an account when it comes back, and where."""

from __future__ import annotations

from tcpchat.core.answers import DirectNews, Followed, News
from tcpchat.core.chat import Chat
from tcpchat.core.directs import called, other_of
from tcpchat.core.markers import unread
from tcpchat.core.permissions import admits
from tcpchat.core.requests import StoredDirect, StoredNews, Supply
from tcpchat.core.state import Direct, Person, Room, Session, direct_label


def news(chat: Chat, session: Session, person: Person, found: Supply) -> News:
    """Return what is new in the rooms that one follows and may read, and in one's conversations.

    ``found`` is what the store knows of these; after an error they are left out.
    """
    following: list[Followed] = []
    for ident, position in chat.positions.of(person.id).items():
        room = chat.rooms.log(ident)
        if isinstance(room, Room) and admits(chat, session, room):
            following.append(Followed(room.label, *unread(chat, person.id, room, position)))
    if not isinstance(found, StoredNews):
        return News(following, [])
    directs = [told for stored in found.directs if (told := _direct(chat, person, stored)) is not None]
    return News(following, directs, found.more)


def _direct(chat: Chat, person: Person, stored: StoredDirect) -> DirectNews | None:
    """Return what is new in a conversation, as far as the store and what was not stored yet tell."""
    other = other_of(stored.record, person.id) if stored.record is not None else None
    if stored.record is None or other is None:
        return None
    log = chat.rooms.log(stored.room)
    head = max(stored.record.head, log.head if isinstance(log, Direct) else 0)
    unsaved = chat.positions.unsaved(person.id, stored.room)
    seq = max(stored.seq or 0, unsaved.seq if unsaved is not None else 0)
    if head <= seq:
        return None
    return DirectNews(called(chat, other), direct_label(stored.room), head - seq)
