"""Reading a log: pages by number, from memory where the recent tail reaches, else from the store."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tcpchat.core import mentions
from tcpchat.core.answers import HistoryPage
from tcpchat.core.chat import Chat
from tcpchat.core.commands import History
from tcpchat.core.directs import find, is_direct, read_on
from tcpchat.core.entries import KIND_NAMES, Entry, Kind, RoomId, Seq, redacted
from tcpchat.core.events import Deed, Message, Moderated, TopicChanged
from tcpchat.core.permissions import check_read, may_read
from tcpchat.core.requests import Page, ReadDirect, ReadPage, Supply
from tcpchat.core.state import Direct, Person, Room, Session
from tcpchat.errors import ChatError, Code

# Looking a member up in its enumeration is a good part of what an event takes.
_TOPIC, _DEED = Kind.TOPIC, Kind.DEED


def message(entry: Entry, label: str) -> Message:
    """Return an entry of a room as its readers see it."""
    draft = entry.draft
    return Message(label, entry.seq, draft.at, draft.name, draft.text, KIND_NAMES[draft.kind], draft.color or UNSET)


def direct_message(entry: Entry, direct: Direct, reader: Person) -> Message:
    """Return an entry of a conversation as one of the two sees it."""
    mine = entry.draft.author == reader.id or UNSET
    return replace(message(entry, direct.label), with_=direct.other(reader).name, mine=mine)


def event_of(entry: Entry, label: str) -> Message | TopicChanged | Moderated:
    """Return what the readers of a room are told of a new entry."""
    draft = entry.draft
    kind = draft.kind
    if kind is _TOPIC:
        return TopicChanged(label, entry.seq, draft.at, draft.name, draft.text)
    if kind is _DEED:
        return Moderated(label, entry.seq, draft.at, draft.name, deed_of(entry))
    return message(entry, label)


def messages(chat: Chat, entries: Iterable[Entry], log: Room | Direct, reader: Session) -> list[Message]:
    """Return entries of ``log`` as ``reader`` sees them, without those of people whom it doesn't want to read."""
    wanted = shown(chat, entries, log, reader)
    if isinstance(log, Direct):
        return [direct_message(entry, log, chat.person(reader)) for entry in wanted]
    return [mentions.marked(chat, log, entry, _kept(entry, log.label), reader) for entry in wanted]


def shown(chat: Chat, entries: Iterable[Entry], log: Room | Direct, reader: Session) -> list[Entry]:
    """Return those of ``entries`` that ``reader`` wants to read, without what was removed since they were read."""
    if chat.removed:
        left = chat.removed
        entries = [redacted(one, left[log.id, one.seq]) if (log.id, one.seq) in left else one for one in entries]
    return [entry for entry in entries if entry.draft.author not in reader.ignores or entry.draft.kind is Kind.DEED]


def _kept(entry: Entry, label: str) -> Message:
    """Return ``entry`` as it stands in a page."""
    kept = message(entry, label)
    if entry.draft.kind is not Kind.DEED:
        return kept
    return replace(kept, text="", deed=deed_of(entry))


def deed_of(entry: Entry) -> Deed:
    """Return what was done, by an entry that says so."""
    return msgspec.json.decode(entry.draft.text, type=Deed)


def trim(entries: list[Entry], size: int, *, newest: bool) -> list[Entry]:
    """Return the newest or oldest of ``entries`` whose texts fit ``size`` bytes of UTF-8, at least one."""
    total = 0
    for count, entry in enumerate(reversed(entries) if newest else entries):
        total += len(entry.draft.text.encode())
        if total > size and count:
            return entries[-count:] if newest else entries[:count]
    return entries


def read_page(chat: Chat, room: RoomId, span: range, supply: Supply | None, *, newest: bool) -> list[Entry] | ReadPage:
    """Return the entries of ``span`` (or as many of them as a page holds), or the request that will bring them.

    With ``newest`` the result ends at the end of ``span``: what was committed while the page was read
    comes from the tail in memory.
    """
    if isinstance(supply, ChatError):
        raise supply
    if not span:
        return []
    first, last = Seq(span[0]), Seq(span[-1])
    cached = chat.tails.page(room, first, last)
    # A page that was asked for may be another room's: the name can have changed its meaning meanwhile.
    if cached is None and isinstance(supply, Page) and supply.room == room:
        cached = _extend(chat, room, supply.entries, last) if newest else supply.entries
    if cached is None:
        return ReadPage(room, first, last, newest)
    return trim(cached, chat.limits.page_bytes, newest=newest)


def history(
    chat: Chat, session: Session, command: History, supply: Supply | None
) -> HistoryPage | ReadPage | ReadDirect:
    """Answer with one page of a log."""
    person = chat.person(session)
    log = _log(chat, session, command.room, supply)
    if isinstance(log, ReadDirect):
        return log
    if isinstance(log, Room):
        check_read(chat, session, log)
    readable = may_read(chat, session, log)
    limit = command.limit
    if isinstance(log, Direct) and session.reads and person.id in log.read:
        limit = max(limit, log.head - log.read[person.id].seq)
    span, newest = _span(command, readable, min(limit, chat.limits.page_entries))
    # A page that was asked for is good as it came; only a join needs to reach the head.
    if isinstance(supply, Page) and supply.room == log.id:
        entries = [entry for entry in supply.entries if entry.seq in readable]
    else:
        found = read_page(chat, log.id, span, supply, newest=newest)
        if isinstance(found, ReadPage):
            return found
        entries = found
    more = False
    if entries and command.around is not None:
        more = entries[0].seq > readable.start or entries[-1].seq + 1 < readable.stop
    elif entries:
        more = entries[0].seq > readable.start if newest else entries[-1].seq + 1 < readable.stop
    if entries and isinstance(log, Direct) and session.reads:
        read_on(chat, log, person, entries[-1].seq, besides=session)
        session.last_teller = log.other(person).id
    return HistoryPage(log.label, messages(chat, entries, log, session), more)


def _log(chat: Chat, session: Session, name: str, supply: Supply | None) -> Room | Direct | ReadDirect:
    return find(chat, session, name, supply) if is_direct(name) else chat.room(session, name)


def _span(command: History, readable: range, limit: int) -> tuple[range, bool]:
    """Return which numbers are meant, and whether the newest of them count when not all fit a page."""
    given = [name for name in ("before", "after", "around") if getattr(command, name) is not None]
    if len(given) > 1:
        raise ChatError(
            Code.BAD_FIELD, f"Give only one of before, after and around, not {' and '.join(given)}.", field=given[1]
        )
    if command.after is not None:
        first = max(readable.start, command.after + 1)
        return range(first, min(readable.stop, first + limit)), False
    if command.around is not None:
        first = max(readable.start, command.around - limit // 2)
        return range(first, min(readable.stop, first + limit)), False
    stop = readable.stop if command.before is None else min(readable.stop, max(command.before, readable.start))
    return range(max(readable.start, stop - limit), stop), True


def _extend(chat: Chat, room: RoomId, entries: list[Entry], last: int) -> list[Entry] | None:
    if not entries or entries[-1].seq >= last:
        return entries
    rest = chat.tails.page(room, entries[-1].seq + 1, last)
    return None if rest is None else entries + rest
