"""Saying something: what is to be committed, and what everybody is told once it is."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET
from msgspec.structs import replace

from tcpchat.core.answers import Accepted, TopicText
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Reply, Say, SayInLobby, Tell, Topic
from tcpchat.core.directs import converse, partner, read_on, retire
from tcpchat.core.entries import LOBBY_ID, NOBODY, Draft, Entry, Kind, PersonId, RoomId, Sending, Sent, Seq
from tcpchat.core.events import Message
from tcpchat.core.history import direct_message, event_of
from tcpchat.core.keeping import keep
from tcpchat.core.limits import Limits
from tcpchat.core.membership import enter
from tcpchat.core.mentions import names_any, note
from tcpchat.core.names import HERE, LOBBY
from tcpchat.core.permissions import check_enter, check_read, check_speak
from tcpchat.core.repeats import check_repeated, forget_repetition
from tcpchat.core.requests import Append, Supply
from tcpchat.core.sendings import accepted_before, label_of, sending
from tcpchat.core.state import Direct, Person, Room, Session, direct_id
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

# Looking a member up in its enumeration takes longer than making the draft.
_MESSAGE, _ACTION, _TOPIC, _DEED = Kind.MESSAGE, Kind.ACTION, Kind.TOPIC, Kind.DEED

# The answers to what was accepted and could not be committed.
_UNKEPT = (Code.STORE_FAILED, Code.BUSY)


def say(chat: Chat, session: Session, command: Say, supply: Supply | None) -> Accepted | Append:
    """Append to a room one has joined; accepted once committed."""
    if supply is not None:
        return _said(chat, session, command.room, supply, command.text)
    person = session.person or chat.person(session)
    once = None if command.client_id is None else sending(person.id, command)
    room = chat.joined_room(session, command.room)
    text = check_text(command.text, chat.limits)
    if room.guarded:
        check_speak(chat, session, person, room)
    draft = _draft(chat, session, room.id, person, text, _ACTION if command.action else _MESSAGE)
    if room.guarded:
        _note_spoken(chat, room, person)
    return Append(draft, None, once)


def say_in_lobby(chat: Chat, session: Session, command: SayInLobby, supply: Supply | None) -> Accepted | Append:
    """Append to the lobby, entering it first when needed."""
    if supply is not None:
        return _said(chat, session, LOBBY, supply, command.text)
    person = chat.person(session)
    once = None if command.client_id is None else sending(person.id, command)
    text = check_text(command.text, chat.limits)
    lobby = chat.rooms.log(LOBBY_ID)
    assert isinstance(lobby, Room)
    if lobby.id not in session.rooms:
        check_enter(chat, session, lobby)
        enter(chat, session, lobby)
        chat.audience.flush_soon()
    if lobby.guarded:
        check_speak(chat, session, person, lobby)
    draft = _draft(chat, session, LOBBY_ID, person, text, _MESSAGE)
    if lobby.guarded:
        _note_spoken(chat, lobby, person)
    return Append(draft, None, once)


def tell(chat: Chat, session: Session, command: Tell, supply: Supply | None) -> Accepted | Append:
    """Append to the conversation with one person; for an account that isn't here it waits."""
    if supply is not None:
        return _accepted(chat, session, supply)
    person = chat.person(session)
    once = None if command.client_id is None else sending(person.id, command)
    return _tell(chat, session, command.to, command.text, once)


def reply(chat: Chat, session: Session, command: Reply, supply: Supply | None) -> Accepted | Append:
    """Append to the conversation with the person who wrote last, whatever they are called now."""
    if supply is not None:
        return _accepted(chat, session, supply)
    once = None if command.client_id is None else sending(chat.person(session).id, command)
    teller = session.last_teller
    other = chat.users.by_id(teller) or (chat.accounts.by_id(teller) if teller is not None else None)
    if other is None:
        gone = "who wrote to you last is not here any more" if teller else "nobody has written to you yet"
        raise ChatError(Code.NO_SUCH_USER, f"There is nobody to answer: {gone}.", user="")
    return _tell(chat, session, other.name, command.text, once)


def topic(chat: Chat, session: Session, command: Topic, supply: Supply | None) -> Accepted | Append | TopicText:
    """Append what the room is for, which is so once committed; or tell it."""
    if supply is not None:
        return _said(chat, session, command.room, supply)
    if command.text is None:
        room = chat.room(session, command.room)
        check_read(chat, session, room)
        return TopicText(room.label, room.topic)
    room = chat.joined_room(session, command.room)
    if room.guarded:
        check_speak(chat, session, chat.person(session), room)
    text = clean(command.text)
    if len(text.encode()) > chat.limits.topic_bytes:
        raise ChatError(
            Code.TEXT_TOO_LONG,
            f"The topic has {len(text.encode())} bytes; at most {chat.limits.topic_bytes} are allowed.",
            max_bytes=chat.limits.topic_bytes,
        )
    person = chat.person(session)
    text = "" if text == "-" else text
    if text == room.topic:
        return TopicText(room.label, text)
    _note_spoken(chat, room, person)
    return Append(Draft(room.id, chat.now(), person.id, person.name, person.color, Kind.TOPIC, text))


def commit(chat: Chat, said: Mapping[RoomId, list[Entry]]) -> None:
    """Take what was committed in each room into the state, in log order, and tell everybody who reads it."""
    followers = chat.positions.followers
    begun: dict[Session, None] = {}
    naming = names_any(chat, [entry.draft.text for appended in said.values() for entry in appended])
    for room, appended in said.items():
        log = chat.rooms.log(room)
        if log is None:  # deleted, or both people of a conversation have gone
            continue
        log.head = appended[-1].seq
        chat.tails.extend(room, appended)
        if isinstance(log, Direct):
            for session in _deliver(chat, log, appended):
                begun[session] = None
        else:
            events = [event_of(entry, log.label) for entry in appended]
            authors = [entry.draft.author for entry in appended]
            mentioned: dict[Session, None] = {}
            chat.spoken[room] = log
            for place, entry in enumerate(appended):
                if entry.draft.author in followers:
                    chat.positions.said(entry.draft.author, room, entry.seq)
                event = events[place]
                if type(event) is Message:
                    if naming:
                        events[place] = note(chat, log, entry, event, mentioned)
                elif entry.draft.kind is _TOPIC:
                    log.topic = entry.draft.text
                elif entry.draft.kind is _DEED:
                    authors[place] = NOBODY  # moderators can't be ignored
            chat.audience.publish(room, events, authors, mentioned=mentioned)
    for session in begun:
        keep(chat, session)


def check_text(text: str, limits: Limits) -> str:
    """Return ``text`` cleaned, or raise ``text-empty`` or ``text-too-long``."""
    text = clean(text)
    if not text:
        raise ChatError(Code.TEXT_EMPTY, "There is nothing in the text to send.")
    # Four bytes at most per character: only long texts need counting.
    if len(text) * 4 > limits.text_bytes and (size := len(text.encode())) > limits.text_bytes:
        raise ChatError(
            Code.TEXT_TOO_LONG,
            f"The text has {size} bytes; at most {limits.text_bytes} are allowed. Send it in parts.",
            max_bytes=limits.text_bytes,
        )
    return text


def _draft(chat: Chat, session: Session, room: RoomId, person: Person, text: str, kind: Kind) -> Draft:
    """Return what is to be appended: ``text`` is clean. Raises ``repeated``."""
    now = chat.now()
    if not session.channel.trusted:
        check_repeated(person.repeats, room, text, now, chat.limits)
    return Draft(room, now, person.id, person.name, person.color, kind, text)


def _tell(chat: Chat, session: Session, to: str, text: str, once: Sending | None) -> Append:
    """Return what is appended to the conversation with ``to``; raises ``no-such-user`` or ``not-allowed``."""
    person = chat.person(session)
    other = partner(chat, person, to)
    text = check_text(text, chat.limits)
    draft = _draft(chat, session, direct_id(person.id, other.id), person, text, _MESSAGE)
    direct = converse(chat, person, other)
    if direct.stored:
        return Append(draft, None, once)
    _note_begun(chat, direct, other)
    return Append(draft, direct.record, once, (person.id, other.id) if direct.lasting else ())


def _note_begun(chat: Chat, direct: Direct, person: Person) -> None:
    """Store with the first word that ``person`` has a conversation: after a crash nobody else would know of it.

    One of two accounts may be an old one, whose numbers are known once the word is committed.
    """
    if direct.lasting:
        return
    for session in person.sessions:
        if session.ticket is not None and direct.id not in session.ticket.places:
            session.ticket.places[direct.id] = (Seq(0), direct.epoch)
            keep(chat, session)


def _note_spoken(chat: Chat, room: Room, person: Person) -> None:
    """Begin the pause of a slow room: what was refused before this doesn't."""
    if room.settings.slow:
        chat.last_words.note(room.id, person, chat.now(), chat.limits.last_words_remembered)


def _said(chat: Chat, session: Session, label: str, supply: Supply, text: str = "") -> Accepted:
    """Return the good end of what was said in a room; what could not be kept counts for nothing."""
    if isinstance(supply, ChatError) and supply.code in _UNKEPT:
        room = session.current if label == HERE else chat.rooms.get(label)
        if room is not None and session.person is not None:
            chat.last_words.forget(room.id, session.person)
            forget_repetition(session.person.repeats, room.id, clean(text))
    return _accepted(chat, session, supply)


def _accepted(chat: Chat, session: Session, supply: Supply) -> Accepted:
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Sent):
        return accepted_before(chat, session, supply)
    assert isinstance(supply, Entry)
    room = supply.draft.room
    log = chat.rooms.log(room)
    waits = isinstance(log, Direct) and _waits(chat, log, supply.draft.author)
    return Accepted(label_of(chat, room), supply.seq, supply.draft.at, waits or UNSET)


def _deliver(chat: Chat, direct: Direct, entries: list[Entry]) -> list[Session]:
    """Tell the two what was said; return the sessions for which that is the first word, and which were only told."""
    begun: list[Session] = []
    first, direct.stored = not direct.stored, True
    for one in direct.pair:
        # Who has logged in again meanwhile is another object, and the same person.
        person = chat.users.by_id(one.id) or one
        waits = _waits(chat, direct, person.id)
        for session in person.sessions:
            if session.ticket is not None and (first or direct.id not in session.ticket.places):
                session.ticket.places.setdefault(direct.id, (Seq(entries[0].seq - 1), direct.epoch))
                if person.id == entries[0].draft.author or not direct.lasting:
                    chat.tickets.touch(session)
                else:
                    begun.append(session)
        for entry in entries:
            author = entry.draft.author
            mine = author == person.id
            readers = [session for session in person.sessions if author not in session.ignores]
            for session in readers:
                if not mine:
                    session.last_teller = author
                event = direct_message(entry, direct, person)
                chat.audience.hand(direct.id, session, replace(event, waits=True) if mine and waits else event)
            # What is from somebody whom all of them ignore doesn't wait for them either.
            ignored = not readers and bool(person.sessions)
            reader = next((session for session in readers if _shows(chat, session, direct, entry.seq)), None)
            if mine or ignored or reader is not None:
                read_on(chat, direct, person, entry.seq, besides=None if mine else reader)
        retire(chat, direct, person)
    return begun


def _shows(chat: Chat, session: Session, direct: Direct, seq: Seq) -> bool:
    """Return whether somebody reads an entry of a conversation at this moment; of who can resume that shows later."""
    return session.reads and session.ticket is None and chat.audience.reached(session, direct.id, seq) >= seq


def _waits(chat: Chat, direct: Direct, author: PersonId) -> bool:
    """Return whether what ``author`` says to the other one will be read later."""
    first, second = direct.pair
    return direct.lasting and chat.users.by_id(second.id if author == first.id else first.id) is None
