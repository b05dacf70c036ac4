"""How a room is kept: its settings, and what was said in it and is to be read no more."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from tcpchat.core import acts, standing
from tcpchat.core.actors import check_reason, record
from tcpchat.core.answers import Done, RoomState
from tcpchat.core.chat import Chat
from tcpchat.core.entries import NOBODY, Entry, Kind, Seq
from tcpchat.core.events import Deed
from tcpchat.core.history import deed_of
from tcpchat.core.moderation import encode_deed, new_draft, tell_room
from tcpchat.core.permissions import check, check_rank, check_read, check_write, may, may_read
from tcpchat.core.positions import Markers
from tcpchat.core.requests import Append, Effect, Enact, Page, ReadPage, Redaction, StoredSettings, Supply
from tcpchat.core.roles import Act
from tcpchat.core.settings import RoomSettings, differences, hash_key
from tcpchat.core.state import Room, Session
from tcpchat.errors import ChatError, Code

# Texts removed of late are kept from pages that were read before; a page is read within seconds.
_REMOVED_KEPT = 1_000
_REMOVABLE = (Kind.MESSAGE, Kind.ACTION, Kind.TOPIC)


def set_room(chat: Chat, session: Session, command: acts.SetRoom, supply: Supply | None) -> RoomState | Enact:
    """Change how a room is, which is so once committed; or tell it."""
    if isinstance(supply, ChatError):
        raise supply
    room = chat.room(session, command.room)
    wanted = _wanted(room, command)
    if wanted is None and not may(chat, session, Act.SET_ROOM, room):
        check_read(chat, session, room)
    if isinstance(supply, Enact) or wanted is None:
        return RoomState(room.label, room.settings.shown)
    check(chat, session, Act.SET_ROOM, room)
    changes = differences(room.settings, wanted)
    if not changes:
        return RoomState(room.label, room.settings.shown)
    shown = {name: wanted.shown[name] for name in changes}
    tell_room(chat, session, room, Deed("set", settings=shown))
    words = ", ".join(f"{name} {str(value).lower()}" for name, value in shown.items())
    return Enact(record(chat, session, "set", words, room=room), (StoredSettings(room.id, changes),))


def remove(chat: Chat, session: Session, command: acts.Remove, supply: Supply | None) -> Done | Enact | ReadPage:
    """Remove the text of an entry: one's own, or with the right to it that of another."""
    if isinstance(supply, Enact):
        return Done()
    room = chat.room(session, command.room)
    entry = _entry(chat, session, room, Seq(command.seq), supply)
    if isinstance(entry, ReadPage):
        return entry
    _check_remove(chat, session, room, entry)
    if command.reason:
        check_write(chat, session)
    reason = check_reason(chat, command.reason)
    tell_room(chat, session, room, Deed("remove", entry.draft.name, reason or UNSET, ref=entry.seq))
    kept = record(chat, session, "remove", f"{room.label}:{entry.seq} of {entry.draft.name}", room=room, reason=reason)
    left = ""
    if entry.draft.kind is Kind.DEED:
        left = encode_deed(msgspec.structs.replace(deed_of(entry), reason=UNSET))
    elif entry.draft.kind is Kind.TOPIC and entry.draft.text == room.topic:
        chat.submit(Append(new_draft(chat, session, room, Kind.TOPIC, "")))
    return Enact(kept, (Redaction(room.id, entry.seq, left),))


def enacted(chat: Chat, effects: tuple[Effect, ...]) -> None:
    """Take what was committed into the state; all else has acted already."""
    for effect in effects:
        match effect:
            case StoredSettings(room_id, changes):
                room = chat.rooms.log(room_id)
                if isinstance(room, Room):
                    room.set(msgspec.structs.replace(room.settings, **changes))
                    if room.settings.invite_only:
                        standing.invite_present(chat, room)
            case Redaction(room_id, seq, text):
                chat.tails.redact(room_id, seq, text)
                chat.removed[room_id, seq] = text
                while len(chat.removed) > _REMOVED_KEPT:
                    del chat.removed[next(iter(chat.removed))]
            case Markers():
                chat.positions.saved(effect)


def _wanted(room: Room, command: acts.SetRoom) -> RoomSettings | None:
    """Return the settings that are asked for; None if nothing is."""
    fields = msgspec.structs.asdict(command)
    del fields["room"]
    fields = {name: value for name, value in fields.items() if value is not None}
    if not fields:
        return None
    if fields.get("key"):
        fields["key"] = hash_key(room.id, fields["key"])
    return msgspec.structs.replace(room.settings, **fields)


def _entry(chat: Chat, session: Session, room: Room, seq: Seq, supply: Supply | None) -> Entry | ReadPage:
    """Return the entry that is meant, or what reads it; raise ``no-such-entry``."""
    if isinstance(supply, ChatError):
        raise supply
    known = range(1, room.head + 1) if session.operator else may_read(chat, session, room)
    found = supply.entries if isinstance(supply, Page) else chat.tails.page(room.id, seq, seq)
    if seq in known and found is None:
        return ReadPage(room.id, seq, seq, newest=True)
    if seq not in known or not found or not _is_removable(found[0]) or (room.id, seq) in chat.removed:
        raise ChatError(Code.NO_SUCH_ENTRY, f"{room.label}:{seq} is nothing that could be removed.", ref=seq)
    return found[0]


def _is_removable(entry: Entry) -> bool:
    """Return whether there is a text that can be removed: of what was done, the reason; that it was done stays."""
    draft = entry.draft
    if draft.kind is Kind.DEED:
        return bool(deed_of(entry).reason)
    return draft.kind in _REMOVABLE and bool(draft.text)


def _check_remove(chat: Chat, session: Session, room: Room, entry: Entry) -> None:
    """Raise ``not-allowed`` unless the text of ``entry`` is one's own, or that of somebody who stands lower."""
    author = entry.draft.author
    own = session.person is not None and author == session.person.id
    if not own or entry.draft.kind is Kind.DEED:
        check(chat, session, Act.REMOVE, room)
    if author == NOBODY and not session.operator:
        raise ChatError(Code.NOT_ALLOWED, f"{entry.draft.name} stands higher than you do.", rule="rank")
    if not own and author != NOBODY:
        check_rank(chat, session, author, entry.draft.name, room)
