"""Which names may be taken: those that nobody here has, and no account."""

from __future__ import annotations

from collections.abc import Iterator

from tcpchat.core.chat import Chat
from tcpchat.core.state import Person
from tcpchat.errors import ChatError, Code, Fact

# Names that are tried before giving up to suggest one.
_SUGGESTIONS = 99


def check_free(chat: Chat, name: str, person: Person | None) -> None:
    """Raise ``name-taken`` or ``name-registered``, with a name that is free, unless ``person`` may have ``name``."""
    holder = chat.users.holder(name, person)
    owner = chat.accounts.holder(name, chat.now())
    if owner is not None and person is not None and owner.id == person.id:
        owner = None
    if holder is None and owner is None:
        return
    free = next((other for other in variants(chat, name) if is_free(chat, other)), None)
    advice = f"{free} is free." if free else "Please choose another one."
    facts: dict[str, Fact] = {"name": name}
    if free:
        facts["suggestion"] = free
    if owner is not None:
        if owner is chat.accounts.get(name):
            facts["registered"] = owner.name
            text = f"The name {name} is registered: its owner logs in with a password. {advice}"
        else:
            text = f"The name {name} looks like {owner.name}, which is registered. {advice}"
        raise ChatError(Code.NAME_REGISTERED, text, **facts)
    assert holder is not None
    taken = "is in use" if holder is chat.users.get(name) else f"looks like {holder.name}, who is here"
    raise ChatError(Code.NAME_TAKEN, f"The name {name} {taken}. {advice}", **facts)


def is_free(chat: Chat, name: str) -> bool:
    """Return whether anybody may take ``name``."""
    return chat.users.holder(name) is None and chat.accounts.holder(name, chat.now()) is None


def variants(chat: Chat, name: str) -> Iterator[str]:
    """Return names like ``name`` that are short enough."""
    for number in range(2, _SUGGESTIONS + 2):
        other = f"{name}{number}"
        if len(other) <= chat.limits.name_characters and len(other.encode()) <= chat.limits.name_bytes:
            yield other
