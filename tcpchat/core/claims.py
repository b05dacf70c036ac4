"""Which names may be taken: those that nobody here has, and no account."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from tcpchat.core.accounts import Account
from tcpchat.core.chat import Chat
from tcpchat.core.confusables import skeleton
from tcpchat.core.names import fold
from tcpchat.core.permissions import may
from tcpchat.core.roles import Act
from tcpchat.core.state import Person, Session
from tcpchat.errors import ChatError, Code, Fact

# Names that are tried before giving up to suggest one.
_SUGGESTIONS = 99


def check_free(chat: Chat, name: str, person: Person | None) -> None:
    """Raise ``name-taken`` or ``name-registered``, with a name that is free, unless ``person`` may have ``name``."""
    claimant = _claimant(chat, name)
    if claimant is not None and (person is None or claimant.id != person.id):
        raise ChatError(Code.NAME_TAKEN, f"The name {name} is just being registered by somebody.", name=name)
    holder = chat.users.holder(name, person)
    owner = chat.accounts.holder(name, chat.now())
    if owner is not None and person is not None and owner.id == person.id:
        owner = None
    if holder is None and owner is None:
        return
    free = next((other for other in islice(variants(chat, name), _SUGGESTIONS) if is_free(chat, other)), None)
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


def check_allowed(chat: Chat, session: Session, name: str) -> None:
    """Raise ``forbidden-name`` if the admins keep ``name`` from people; what is reserved an admin may give."""
    rule = chat.server.rule(name)
    if rule is None or (rule.rule == "reserved" and may(chat, session, Act.SET_NAMES)):
        return
    words = {"reserved": "reserved", "forbidden": "not allowed here"}[rule.rule]
    raise ChatError(
        Code.FORBIDDEN_NAME, f"The name {name} is {words}. Please choose another one.", name=name, rule=rule.rule
    )


def is_free(chat: Chat, name: str) -> bool:
    """Return whether anybody may take ``name``."""
    taken = (
        chat.server.rule(name)
        or chat.users.holder(name)
        or chat.accounts.holder(name, chat.now())
        or _claimant(chat, name)
    )
    return taken is None


def variants(chat: Chat, name: str) -> Iterator[str]:
    """Return names like ``name`` that are short enough, without end; a long one loses its last letters."""
    for number in count(2):
        begun = name[: chat.limits.name_characters - len(str(number))]
        while len(f"{begun}{number}".encode()) > chat.limits.name_bytes:
            begun = begun[:-1]
        yield f"{begun}{number}"


def claim(chat: Chat, session: Session, account: Account) -> None:
    """Keep the name of ``account`` from everybody else until it is known whether it could be stored."""
    chat.claims[session] = account


def _claimant(chat: Chat, name: str) -> Account | None:
    """Return the account that is being stored under ``name``, or under one that looks like it."""
    if not chat.claims:
        return None
    key, look = fold(name), skeleton(name)
    claims = chat.claims.values()
    return next((account for account in claims if account.key == key or skeleton(account.name) == look), None)
