"""Which names may be taken: those that nobody here has, and no account."""

from __future__ import annotations

from itertools import chain, repeat

from tcpchat.core.accounts import Account, ClaimedName, State, farewell
from tcpchat.core.chat import Chat
from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import PersonId
from tcpchat.core.names import fold
from tcpchat.core.permissions import may
from tcpchat.core.roles import Act
from tcpchat.core.state import Person, Session
from tcpchat.errors import ChatError, Code

# The numbers that are tried behind a name that is taken. Somebody may hold all of these on purpose, so after them it is
# one of so many that nobody can hold them all: each look takes the reactor's time.
_NUMBERS = range(2, 6)
_RANDOM_NUMBERS = range(100_000, 1_000_000)


def check_free(chat: Chat, name: str, person: Person | None) -> None:
    """Raise ``name-taken`` or ``name-registered``, with a name that is free, unless ``person`` may have ``name``."""
    own = None if person is None else person.id
    if _is_claimed(chat, name, own):
        raise ChatError(Code.NAME_TAKEN, f"The name {name} is just being registered by somebody.", name=name)
    holder = chat.users.holder(name, person)
    owner = chat.accounts.holder(name, chat.now(), own)
    if holder is None and owner is None:
        return
    free = free_variant(chat, name)
    facts = {"name": name, "suggestion": free}
    if owner is not None:
        if owner.state is State.DELETED:
            text = f"{farewell(owner)} {free} is free."
        elif owner is chat.accounts.get(name):
            facts["registered"] = owner.name
            text = f"The name {name} is registered: its owner logs in with a password or a token. {free} is free."
        else:
            text = f"The name {name} looks like {owner.name}, which is registered. {free} is free."
        raise ChatError(Code.NAME_REGISTERED, text, **facts)
    assert holder is not None
    if all(session.detached for session in holder.sessions):
        taken = "is kept for somebody whose connection broke, and who may resume"
        raise ChatError(Code.NAME_TAKEN, f"The name {name} {taken}. {free} is free.", **facts)
    taken = "is in use" if holder is chat.users.get(name) else f"looks like {holder.name}, who is here"
    raise ChatError(Code.NAME_TAKEN, f"The name {name} {taken}. {free} is free.", **facts)


def check_allowed(chat: Chat, session: Session, name: str) -> None:
    """Raise ``forbidden-name`` if the admins keep ``name`` from people; what is reserved an admin may give."""
    rule = chat.server.rule(name)
    if rule is None or (rule.rule == "reserved" and may(chat, session, Act.SET_NAMES)):
        return
    words = {"reserved": "reserved", "forbidden": "not allowed here"}[rule.rule]
    raise ChatError(
        Code.FORBIDDEN_NAME, f"The name {name} is {words}. Please choose another one.", name=name, rule=rule.rule
    )


def free_variant(chat: Chat, name: str) -> str:
    """Return a name like ``name`` that anybody may take and that is short enough; a long one loses its last letters."""
    randoms = (_RANDOM_NUMBERS[chat.new_id() % len(_RANDOM_NUMBERS)] for _ in repeat(None))
    variants = (_numbered(chat, name, number) for number in chain(_NUMBERS, randoms))
    return next(variant for variant in variants if _is_free(chat, variant))


def _numbered(chat: Chat, name: str, number: int) -> str:
    begun = name[: chat.limits.name_characters - len(str(number))]
    while len(f"{begun}{number}".encode()) > chat.limits.name_bytes:
        begun = begun[:-1]
    return f"{begun}{number}"


def _is_free(chat: Chat, name: str) -> bool:
    now = chat.now()
    # The looks first: they take a twentieth of the time.
    if chat.users.alike(name) is not None or chat.accounts.alike(name, now) is not None:
        return False
    taken = chat.server.rule(name) or chat.users.get(name) or chat.accounts.holder(name, now)
    return taken is None and not _is_claimed(chat, name)


def claim(chat: Chat, session: Session, account: Account) -> None:
    """Keep the name of ``account`` from everybody else until it is known whether it could be stored."""
    chat.claims[session] = ClaimedName(account, skeleton(account.name))


def _is_claimed(chat: Chat, name: str, besides: PersonId | None = None) -> bool:
    """Return whether somebody but ``besides`` is just having ``name``, or one that looks like it, stored."""
    if not chat.claims:
        return False
    key, look = fold(name), skeleton(name)
    return any(
        claim.account.id != besides and (claim.account.key == key or claim.look == look)
        for claim in chat.claims.values()
    )
