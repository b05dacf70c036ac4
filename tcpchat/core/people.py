"""What people are to each other: their names, colours and absences, and whom they don't want to read."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from tcpchat.core.accounts import Account
from tcpchat.core.answers import Away, Ignored, Named, Profile
from tcpchat.core.chat import Chat
from tcpchat.core.claims import check_allowed, check_free, claim
from tcpchat.core.commands import GoAway, Ignore, ListIgnored, Recolor, Rename, Unignore, WhoIs
from tcpchat.core.entries import NOBODY, PersonId
from tcpchat.core.events import AwayChanged, ColorChanged, Event, Renamed
from tcpchat.core.names import check_color, check_person_name, fold
from tcpchat.core.permissions import check_write, is_listed, server_role, why_closed
from tcpchat.core.requests import SaveAccount, Supply
from tcpchat.core.roles import ServerRole
from tcpchat.core.speech import check_text
from tcpchat.core.state import Person, Room, Session
from tcpchat.errors import ChatError, Code


def rename(chat: Chat, session: Session, command: Rename, supply: Supply | None) -> Named | SaveAccount:
    """Take another name; the person stays the same, and so does everything that belongs to it."""
    if isinstance(supply, Account | ChatError):
        chat.claims.pop(session, None)
    person = chat.person(session)
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        call(chat, person, supply.name)
        return Named(person.user, person.name)
    name = check_person_name(command.name, chat.limits, chat.policy.forbidden)
    check_allowed(chat, session, name)
    check_free(chat, name, person)
    account = chat.accounts.by_id(person.id)
    if account is not None and name != account.name:
        renamed = msgspec.structs.replace(account, name=name, key=fold(name))
        claim(chat, session, renamed)
        return SaveAccount(renamed, at=chat.now(), before=account)
    call(chat, person, name)
    return Named(person.user)


def call(chat: Chat, person: Person, name: str) -> None:
    """Give a person another name, which must be free, and tell the rooms."""
    old = person.name
    if name == old:
        return
    chat.users.remove(person)
    person.name = name
    chat.users.add(person)
    _touch(chat, person)
    for room in rooms_of(person):
        _tell(chat, room, Renamed(room.label, old, room.user_of(person)))


def rooms_of(person: Person) -> list[Room]:
    """Return the rooms in which a person is, with whichever session."""
    return list(dict.fromkeys(room for session in person.sessions for room in session.rooms.values()))


def recolor(chat: Chat, session: Session, command: Recolor, supply: Supply | None) -> Named | SaveAccount:
    """Take another colour, or none."""
    person = chat.person(session)
    if isinstance(supply, ChatError):
        raise supply
    color = check_color(command.color)
    account = chat.accounts.by_id(person.id)
    if account is not None and color != account.color:
        return SaveAccount(msgspec.structs.replace(account, color=color), before=account)
    if color != person.color:
        person.color = color
        _touch(chat, person)
        for room in rooms_of(person):
            _tell(chat, room, ColorChanged(room.label, room.user_of(person)))
    return Named(person.user)


def go_away(chat: Chat, session: Session, command: GoAway, supply: Supply | None) -> Away:
    """Be away, with a word of why, or be back."""
    person = chat.person(session)
    if command.text:
        check_write(chat, session)
    text = check_text(command.text, chat.limits) if command.text else None
    if text is not None and len(text) > chat.limits.away_characters:
        raise ChatError(
            Code.TEXT_TOO_LONG,
            f"The reason is too long: at most {chat.limits.away_characters} characters.",
            max_characters=chat.limits.away_characters,
        )
    if text != person.away:
        person.away = text
        _touch(chat, person)
        for room in rooms_of(person):
            _tell(chat, room, AwayChanged(room.label, room.user_of(person), text or UNSET))
    return Away(text or UNSET)


def who_is(chat: Chat, session: Session, command: WhoIs, supply: Supply | None) -> Profile:
    """Tell what anybody may know of a person: never an address."""
    person = _find(chat, command.user)
    rooms = [
        room.label
        for room in rooms_of(person)
        if is_listed(chat, session, room) and not why_closed(chat, session, room)
    ]
    role = server_role(chat, person.id)
    shown = role.word if role >= ServerRole.ADMIN else UNSET
    return Profile(person.user, rooms, person.since, person.away or UNSET, person.registered, shown)


def ignore(chat: Chat, session: Session, command: Ignore, supply: Supply | None) -> Ignored:
    """Read nothing of somebody any more, whatever the name will be."""
    person = _find(chat, command.user)
    if person is session.person:
        raise ChatError(Code.NOT_ALLOWED, "You can't ignore yourself.")
    if len(session.ignores) >= chat.limits.ignored and person.id not in session.ignores:
        raise ChatError(
            Code.TOO_MANY_IGNORED,
            f"You ignore {len(session.ignores)} people, as many as one can: take one off the list first.",
            max=chat.limits.ignored,
        )
    return _set_ignores(chat, session, {**session.ignores, person.id: person.name})


def unignore(chat: Chat, session: Session, command: Unignore, supply: Supply | None) -> Ignored:
    """Read somebody again, by the present name; by the one held when the ignoring began if nobody has that now."""
    key = fold(command.user)
    meant = {ident for ident, name in session.ignores.items() if fold(_name(chat, ident, name)) == key}
    if not meant and chat.users.get(command.user) is None:
        meant = {ident for ident, name in session.ignores.items() if fold(name) == key}
    kept = {ident: name for ident, name in session.ignores.items() if ident not in meant}
    if not meant:
        shown = command.user[:64]
        raise ChatError(Code.NO_SUCH_USER, f"You don't ignore anybody called {shown}.", name=shown)
    return _set_ignores(chat, session, kept)


def ignored(chat: Chat, session: Session, command: ListIgnored, supply: Supply | None) -> Ignored:
    """List those whom one doesn't read."""
    return _ignored(chat, session)


def _set_ignores(chat: Chat, session: Session, ignores: dict[PersonId, str]) -> Ignored:
    chat.audience.catch_up(session)  # what is pending was said before
    session.ignores = ignores
    chat.tickets.touch(session)
    chat.audience.refilter(session)
    return _ignored(chat, session)


def _ignored(chat: Chat, session: Session) -> Ignored:
    return Ignored([_name(chat, ident, name) for ident, name in session.ignores.items()])


def _name(chat: Chat, ident: PersonId, remembered: str) -> str:
    """Return what somebody is called now; who has gone is remembered by the old name."""
    person = chat.users.by_id(ident)
    return remembered if person is None else person.name


def _find(chat: Chat, name: str) -> Person:
    person = chat.users.get(name)
    if person is None:
        shown = name[:64]
        raise ChatError(Code.NO_SUCH_USER, f"There is nobody called {shown} here.", user=shown)
    return person


def _touch(chat: Chat, person: Person) -> None:
    for session in person.sessions:
        chat.tickets.touch(session)


def _tell(chat: Chat, room: Room, event: Event) -> None:
    chat.audience.publish(room.id, [event], [NOBODY])
