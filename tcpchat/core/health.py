"""How the server is: whether what is said can be kept, what that refuses, and who is told of it."""

from __future__ import annotations

from msgspec import UNSET

from tcpchat.core import acts, permissions
from tcpchat.core.announcements import announce, tell_all
from tcpchat.core.answers import Health
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Command, Delete
from tcpchat.core.events import Notice
from tcpchat.core.permissions import check
from tcpchat.core.requests import Supply
from tcpchat.core.roles import Act
from tcpchat.core.server_state import StoreState
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code

# Space is there again when there is a quarter more than the least: at the edge nobody is told again and again.
_AGAIN = 1.25
# When a database that fails is worth another try: it is looked at every second or so.
_RETRY_SECONDS = 2


def ask(chat: Chat, session: Session, command: acts.AskHealth, supply: Supply | None) -> Health:
    """Tell how the server is."""
    check(chat, session, Act.SEE_HEALTH)
    store = chat.server.store
    known = store.free_bytes is not None
    return Health(
        store.state.value,
        store.since or chat.started,
        (chat.now() - chat.started) // 1000,
        len(chat.users),
        len(chat.rooms),
        store.error or UNSET,
        store.failed or UNSET,
        store.free_bytes if store.free_bytes is not None else UNSET,
        chat.limits.free_bytes_least if known else UNSET,
        len(chat.tickets),
    )


def store_changed(chat: Chat, error: str) -> None:
    """The database fails with ``error``, words for admins; empty: it works again."""
    store = chat.server.store
    if error:
        store.error, store.failed = error, chat.now()
    if store.failing == bool(error):
        return
    before = store.state
    store.failing = bool(error)
    _settle(chat, before, error)


def space_known(chat: Chat, free_bytes: int | None) -> None:
    """So many bytes are left for the database, if that is known: too few, and nothing can be said."""
    store, least = chat.server.store, chat.limits.free_bytes_least
    store.free_bytes = free_bytes
    enough = least * _AGAIN if store.low_space else least
    low = free_bytes is not None and free_bytes < enough
    if low == store.low_space:
        return
    before = store.state
    store.low_space = low
    _settle(chat, before)
    if low:
        tell_all(chat, Notice("The disk of the server is nearly full: nothing can be said for now.", about="store"))
    else:
        tell_all(chat, Notice("The disk of the server has room again: go on.", about="store"))


def unready(chat: Chat) -> str:
    """Return why nothing can be said just now, in a word or two; empty when it can."""
    if chat.closing:
        return "shutting down"
    state = chat.server.store.state
    return "" if state is StoreState.OK else state.value


def check_write(chat: Chat, session: Session, command: Command) -> None:
    """Raise what keeps the session from writing: ``store-failed``, ``low-space``, or ``emergency``."""
    if not (isinstance(command, Delete) and chat.server.store.state is StoreState.LOW_SPACE):
        check_keeping(chat)  # what is deleted makes room
    permissions.check_write(chat, session)


def check_keeping(chat: Chat) -> None:
    """Raise ``store-failed`` or ``low-space`` while nothing more can be kept."""
    match chat.server.store.state:
        case StoreState.FAILING:
            raise not_kept()
        case StoreState.LOW_SPACE:
            text = "The disk of the server is nearly full: nothing can be said for now."
            raise ChatError(Code.LOW_SPACE, text, rule="low-space")


def not_kept() -> ChatError:
    """Return the refusal of what isn't even tried, since the database fails."""
    text = "The server can't keep anything just now, and has not tried to keep this. Please try again in a moment."
    return ChatError(Code.STORE_FAILED, text, rule="store", retry_after=_RETRY_SECONDS)


def _settle(chat: Chat, before: StoreState, error: str = "") -> None:
    store = chat.server.store
    if store.state is before:
        return
    store.since = chat.now()
    chat.server.settle()
    announce(chat, "store", state=store.state.value, error=error)
