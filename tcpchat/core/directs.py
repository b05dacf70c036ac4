"""Conversations of two people. Those of two accounts stay: what is said to somebody who isn't here waits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tcpchat.core.accounts import Account, is_barred
from tcpchat.core.chat import Chat
from tcpchat.core.entries import PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.events import ReadOn
from tcpchat.core.names import fold
from tcpchat.core.positions import Position
from tcpchat.core.requests import ReadDirect, StoredDirect, Supply
from tcpchat.core.state import Direct, Person, Session, direct_id, direct_label
from tcpchat.errors import ChatError, Code

_LABEL = re.compile("@[0-7][0-9a-f]{15}")  # 63 bits
# What nobody can be called: who has deleted the account, and whose name has gone to another.
_GONE = "nobody"


def is_direct(name: str) -> bool:
    """Return whether a room's name means a conversation: ``@`` before its id, or before somebody's name."""
    return name.startswith("@")


def find(chat: Chat, session: Session, name: str, supply: Supply | None) -> Direct | ReadDirect:
    """Return the conversation that is meant, opened if it is only stored, or what reads it.

    Raises ``no-such-user``, or ``no-such-room`` if nothing was said yet.
    """
    person = chat.person(session)
    if isinstance(supply, ChatError):
        raise supply
    room = _meant(chat, person, name)
    log = chat.rooms.log(room)
    known = log if isinstance(log, Direct) and log.has(person.id) else None
    if known is not None and (person.id in known.read or not known.lasting):
        return known
    if not isinstance(supply, StoredDirect) or supply.room != room:
        if person.registered:
            return ReadDirect(room, person.id)
    elif (found := _restored(chat, person, supply, known)) is not None:
        return found
    if known is not None:
        known.read[person.id] = Position(known.head)
        return known
    if _LABEL.fullmatch(name):
        raise ChatError(Code.NO_SUCH_ROOM, f"There is no room called {name}.", room=name)
    raise ChatError(Code.NO_SUCH_ROOM, f"You and {name[1:64]} have said nothing to each other.")


def unopened(person: Person, labels: Iterable[str]) -> tuple[RoomId, ...]:
    """Return the conversations among ``labels`` that an account may have had, and that aren't open for it."""
    if not person.registered:
        return ()
    known = {direct.label for direct in person.directs.values()}
    return tuple(RoomId(int(label[1:], 16)) for label in labels if _LABEL.fullmatch(label) and label not in known)


def reopen(chat: Chat, person: Person, stored: StoredDirect) -> None:
    """Open a conversation as it is stored, if ``person`` is one of the two."""
    log = chat.rooms.log(stored.room)
    if isinstance(log, Direct) and log.has(person.id):
        other = log.other(person)
        converse(chat, person, chat.users.by_id(other.id) or other)
    else:
        _restored(chat, person, stored, None)


def partner(chat: Chat, person: Person, name: str) -> Person:
    """Return whom ``person`` wants to speak to: somebody who is here, or an account; raise ``no-such-user``."""
    other = chat.users.get(name)
    if other is not None:
        if other is person:
            raise ChatError(Code.NOT_ALLOWED, "You can't send a direct message to yourself.")
        return other
    account = chat.accounts.get(name)
    shown = name[:64]
    if account is None or not person.registered:
        later = "" if account is None else " With an account of your own you could leave a message."
        raise ChatError(Code.NO_SUCH_USER, f"There is nobody called {shown} here.{later}", user=shown)
    if is_barred(account, chat.now()):
        raise ChatError(Code.NO_SUCH_USER, f"{shown} is not here, and will not read what is left.", user=shown)
    return _absent(person, account)


def converse(chat: Chat, person: Person, other: Person) -> Direct:
    """Return the conversation of two people; it begins with the first word."""
    direct = person.directs.get(other.id)
    if direct is not None and direct.other(person) is other:
        return direct
    room = direct_id(person.id, other.id)
    low, high = sorted((person.id, other.id))
    record = RoomRecord(
        id=room,
        key=f"{low}+{high}",
        name=direct_label(room),
        direct=True,
        head=Seq(0),
        epoch=chat.new_epoch(),
        topic="",
        creator=PersonId(person.id),
        created=chat.now(),
    )
    direct = Direct(record, (person, other))
    # Who comes back is another object, and the same person.
    if isinstance(before := chat.rooms.log(room), Direct):
        direct.head, direct.stored, direct.read = before.head, before.stored, before.read
    chat.rooms.add_direct(direct)
    return direct


def retire(chat: Chat, direct: Direct, person: Person) -> None:
    """Keep a conversation open for ``person`` for a while only, if the other one isn't here."""
    other = direct.other(person).id
    if person.sessions and chat.users.by_id(other) is None:
        for room in chat.rooms.end(person, other, max(1, chat.limits.ended_directs)):
            chat.tails.forget(room)


def read_on(chat: Chat, direct: Direct, person: Person, seq: Seq, besides: Session | None = None) -> None:
    """Move an account's marker in a conversation, if that stays; its other sessions are told if one has moved it."""
    if not direct.lasting:
        return
    position = direct.read.setdefault(person.id, Position(Seq(0)))
    if not position.move(seq):
        return
    chat.positions.note(person.id, direct.id, position)
    for other in person.sessions if besides is not None else ():
        if other is not besides and not other.reads:
            chat.audience.send(other, ReadOn(direct.label, seq))


def called(chat: Chat, ident: PersonId) -> str:
    """Return what somebody with an account is called now."""
    someone = chat.users.by_id(ident) or chat.accounts.by_id(ident)
    return someone.name if someone is not None else _GONE


def other_of(record: RoomRecord, person: PersonId) -> PersonId | None:
    """Return the id of the other one of a stored conversation; None if ``person`` has no part in it."""
    pair = [PersonId(int(ident)) for ident in record.key.split("+")]
    return next(ident for ident in pair if ident != person) if person in pair else None


def _meant(chat: Chat, person: Person, name: str) -> RoomId:
    """Return the id of a conversation that is called by its label, or by whom it is with."""
    if _LABEL.fullmatch(name):
        return RoomId(int(name[1:], 16))
    other = chat.users.get(name[1:]) or chat.accounts.get(name[1:])
    if other is not None:
        return direct_id(person.id, other.id)
    for direct in person.directs.values():
        if fold(direct.other(person).name) == fold(name[1:]):
            return direct.id
    shown = name[1:64]
    raise ChatError(Code.NO_SUCH_USER, f"There is nobody called {shown}.", user=shown)


def _absent(person: Person, account: Account) -> Person:
    """Return somebody who isn't here, the same for the whole conversation."""
    direct = person.directs.get(account.id)
    if direct is not None and not direct.other(person).sessions:
        return direct.other(person)
    return Person(account.id, account.name, account.color, registered=True)


def _restored(chat: Chat, person: Person, stored: StoredDirect, known: Direct | None) -> Direct | None:
    """Return a conversation as it is stored, unless that was with a guest; what is open may know more."""
    record = stored.record
    ident = other_of(record, person.id) if record is not None else None
    account = chat.accounts.by_id(ident) if ident is not None else None
    if record is None or ident is None or (account is None and stored.seq is None):
        return None
    if known is None:
        other = chat.users.by_id(ident)
        if other is None:
            other = Person(ident, called(chat, ident), account.color if account else None, registered=True)
        known = Direct(record, (person, other))
        chat.rooms.add_direct(known)
    known.head, known.stored = max(known.head, record.head), True
    unsaved = chat.positions.unsaved(person.id, record.id)
    # A conversation from before there were markers has been read.
    known.read[person.id] = unsaved or Position(record.head if stored.seq is None else stored.seq)
    retire(chat, known, person)
    return known
