"""What is known of people in rooms: kept through a restart for accounts, and forgotten with guests."""

from __future__ import annotations

import msgspec

from tcpchat.core.actors import Target
from tcpchat.core.chat import Chat
from tcpchat.core.entries import PersonId
from tcpchat.core.requests import Enact
from tcpchat.core.roles import FOREVER, Membership
from tcpchat.core.state import Person, Room
from tcpchat.errors import ChatError, Code


def change(chat: Chat, room: Room, target: Target, **fields: object) -> tuple[Membership, ...]:
    """Know something else of somebody from now on; return what is to be stored, or raise ``too-many-members``."""
    check_place(chat, room, target.id)
    changed: Membership = msgspec.structs.replace(room.membership(target.id), **fields)
    return _know(room, changed, target.person if target.account is None else None)


def check_place(chat: Chat, room: Room, person: PersonId) -> None:
    """Raise ``too-many-members`` if a room can't know anything of one more."""
    if not _has_place(chat, room, person):
        most = chat.limits.memberships_per_room
        text = f"{room.label} has roles, invitations and mutes of {most} people, as many as there can be."
        raise ChatError(Code.TOO_MANY_MEMBERS, text, room=room.label, max=most)


def invite_present(chat: Chat, room: Room) -> None:
    """Whoever is in a room when it becomes one for the invited is one of them; guests, while they are here."""
    invited: list[Membership] = []
    for person in room.people:
        membership = msgspec.structs.replace(room.membership(person.id), invited=True)
        if _has_place(chat, room, person.id):
            invited += _know(room, membership, None if person.registered else person)
    if invited:
        chat.submit(Enact(None, tuple(invited)))


def hush(chat: Chat, room: Room, person: Person) -> None:
    """A guest who was muted and comes back under the same name is muted still."""
    silence = None if person.registered else chat.bans.silence(room.id, person.name, chat.now())
    membership = room.membership(person.id)
    if silence is not None and not membership.muted:
        _know(room, msgspec.structs.replace(membership, muted=silence.until or FOREVER), person)


def keep(chat: Chat, person: Person) -> None:
    """A guest has an account now: what is known of it is kept."""
    known = tuple(room.memberships[person.id] for room in person.known_in if person.id in room.memberships)
    person.known_in.clear()
    if known:
        chat.submit(Enact(None, known))


def forget(person: Person) -> None:
    """A guest has gone, and nobody will be the same again."""
    for room in person.known_in:
        room.forget(person.id)
    person.known_in.clear()


def _has_place(chat: Chat, room: Room, person: PersonId) -> bool:
    return person in room.memberships or len(room.memberships) < chat.limits.memberships_per_room


def _know(room: Room, membership: Membership, guest: Person | None) -> tuple[Membership, ...]:
    """Remember what is known; return what is to be stored: nothing of a guest."""
    room.know(membership)
    if guest is None:
        return (membership,)
    guest.known_in[room] = None
    return ()
