"""What happens on the server, told to those who watch it, and to those whom it concerns."""

from __future__ import annotations

from msgspec import UNSET

from tcpchat.core import acts
from tcpchat.core.answers import Watched
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.chat import Chat
from tcpchat.core.entries import NOBODY
from tcpchat.core.events import Notice, ServerEvent
from tcpchat.core.permissions import check, may
from tcpchat.core.requests import Supply
from tcpchat.core.roles import Act
from tcpchat.core.state import Person, Session

EVENTS = (
    "duplicate-session", "login", "logout", "registration", "role-change", "room-created", "room-deleted", "store",
)  # fmt: skip


def subscribe(chat: Chat, session: Session, command: acts.Subscribe, supply: Supply | None) -> Watched:
    """Be told of what happens on the server, until one logs out."""
    check(chat, session, Act.SUBSCRIBE)
    session.watching |= set(EVENTS) if command.event == "all" else {command.event}
    chat.watchers[session] = None
    return Watched(sorted(session.watching))


def unsubscribe(chat: Chat, session: Session, command: acts.Unsubscribe, supply: Supply | None) -> Watched:
    """Be told of it no more."""
    session.watching -= set(EVENTS) if command.event == "all" else {command.event}
    if not session.watching:
        chat.watchers.pop(session, None)
    return Watched(sorted(session.watching))


def announce(
    chat: Chat,
    event: str,
    *,
    user: str = "",
    room: str = "",
    role: str = "",
    by: str = "",
    state: str = "",
    error: str = "",
    person: Person | None = None,
    besides: Session | None = None,
) -> None:
    """Tell those who watch ``event``, and every session of ``person``, but not ``besides``."""
    if chat.closing or not (chat.watchers or person):
        return
    told = dict.fromkeys([one for one in chat.watchers if event in one.watching])
    if person is not None:
        told |= person.sessions
    told.pop(besides, None)  # type: ignore[arg-type]  # None is nobody's session
    facts = (user, room, role, by, state, error)
    happened = ServerEvent(event, chat.now(), *(fact or UNSET for fact in facts))
    for session in told:
        chat.audience.send(session, happened)


def tell_all(chat: Chat, notice: Notice) -> None:
    """Tell everybody who is logged in a word from the server."""
    chat.audience.publish(EVERYBODY, [notice], [NOBODY])
    chat.audience.flush_soon()


def review(chat: Chat, person: Person) -> None:
    """Tell those sessions of ``person`` no more that may not watch any longer."""
    for session in person.sessions:
        if session.watching and not may(chat, session, Act.SUBSCRIBE):
            forget(chat, session)


def forget(chat: Chat, session: Session) -> None:
    """Tell a session no more."""
    session.watching = frozenset()
    chat.watchers.pop(session, None)
