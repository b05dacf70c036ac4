"""Whom a text mentions: the people whose names are words of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from msgspec.structs import replace

from tcpchat.core.chat import Chat
from tcpchat.core.entries import Entry, Kind
from tcpchat.core.events import Message
from tcpchat.core.state import Room, Session

# Fewer people are mentioned at once by anybody who means them; for each, some readers' lines are made anew.
_MOST = 20

# Small letters, and a space for what can't be in a name: the way of nearly all texts, a microsecond for a line.
_KEPT = b"-._0123456789abcdefghijklmnopqrstuvwxyz"
_PLAIN = bytes(byte if byte in _KEPT else ord(" ") for byte in bytes(range(256)).lower())
# The same for texts that aren't ASCII: also the punctuation of other scripts.
_SEPARATORS = re.compile(
    "[\\s!-,/:-@\\[-^`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u060c\u061b\u061f\u0964"
    "\u2000-\u206f\u3000-\u3003\u3008-\u301f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+"
)


def words(text: str) -> list[str]:
    """Return the words of ``text`` as names are compared: without case, and without marks around them.

    Forms of letters that PRECIS would take for others, such as those of full width, are not.
    """
    if text.isascii():
        spaced = text.encode().translate(_PLAIN).decode()
    else:
        spaced = _SEPARATORS.sub(" ", unicodedata.normalize("NFC", text.lower()))
    if "." in spaced:  # a stop can be in a name, and more often ends a sentence
        spaced = spaced.replace(". ", " ").rstrip(".- ")
    return spaced.split()


def names_any(chat: Chat, texts: Sequence[str]) -> bool:
    """Return whether any of ``texts`` has the name of anybody: asked of all at once, which is nearly always no."""
    odd = [text for text in texts if not text.isascii()]
    found = words(" ".join([text for text in texts if text.isascii()] if odd else texts))
    if odd:
        found += words(" ".join(odd))
    return not (chat.users.keys.isdisjoint(found) and chat.accounts.keys.isdisjoint(found))


def note(chat: Chat, room: Room, entry: Entry, event: Message, mentioned: dict[Session, None]) -> Message:
    """Count the mentions in a new entry, for all who follow the room; return its event with the names of those there.

    Their sessions are added to ``mentioned``.
    """
    found = words(event.text)
    author = entry.draft.author
    names: list[str] = []
    for person in chat.users.among(found):
        if person in room.people and person.id != author and len(names) < _MOST:
            names.append(person.name)
            mentioned |= dict.fromkeys(session for session in person.sessions if room.id in session.rooms)
    for account in chat.accounts.among(found):
        if account.id != author:
            chat.positions.mention(account.id, room.id, entry.seq)
    return replace(event, mentions=names) if names else event


def marked(chat: Chat, room: Room, entry: Entry, event: Message, reader: Session) -> Message:
    """Return an older entry with the names of those whom it mentions: the reader, and those in the room."""
    if entry.draft.kind > Kind.ACTION:
        return event
    names = [
        person.name
        for person in chat.users.among(words(entry.draft.text))
        if (person in room.people or person is reader.person) and person.id != entry.draft.author
    ]
    return replace(event, mentions=names[:_MOST]) if names else event
