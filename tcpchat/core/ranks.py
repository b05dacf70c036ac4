"""Who runs the server: claiming it, and giving roles to accounts."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

import msgspec

from tcpchat.core import acts
from tcpchat.core.accounts import Account
from tcpchat.core.actors import actor, find_target, is_own, record
from tcpchat.core.announcements import announce
from tcpchat.core.answers import Done
from tcpchat.core.chat import Chat
from tcpchat.core.permissions import check, check_rank
from tcpchat.core.requests import Enact, SaveAccount, Supply
from tcpchat.core.roles import Act, ServerRole
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code


def hash_code(code: str) -> str:
    """Return what is kept of an owner code in memory: it has 128 random bits, so one hash is enough.

    Its letters may be written large.
    """
    return sha256(code.strip().lower().encode()).hexdigest()


def claim(chat: Chat, session: Session, command: acts.Claim, supply: Supply | None) -> Done | SaveAccount:
    """Make the own account the owner of the server, with the code that is good once."""
    if isinstance(supply, ChatError):
        raise supply
    person = chat.person(session)
    if isinstance(supply, Account):
        _discard_code(chat)
        chat.submit(Enact(record(chat, session, "claim", person.name)))
        announce(chat, "role-change", user=person.name, role=supply.role.word, person=person)
        return Done()
    account = chat.accounts.by_id(person.id)
    if account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, "You are a guest: register first.")
    if not compare_digest(hash_code(command.code), chat.server.owner_code or hash_code("")) or not command.code.strip():
        text = (
            "That is not the owner code." if chat.server.owner_code else "There is an owner: the code was used already."
        )
        raise ChatError(Code.BAD_CREDENTIALS, text)
    return SaveAccount(msgspec.structs.replace(account, role=ServerRole.OWNER), before=account)


def set_role(chat: Chat, session: Session, command: acts.SetRole, supply: Supply | None) -> Done | SaveAccount:
    """Make an account an owner, an admin or a plain user of the server."""
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        if supply.role is ServerRole.OWNER and chat.server.owner_code:
            _discard_code(chat)
        word, person = supply.role.word, chat.users.by_id(supply.id)
        chat.submit(Enact(record(chat, session, f"make {word}", supply.name)))
        announce(chat, "role-change", user=supply.name, role=word, by=actor(session)[1], person=person)
        return Done()
    target = find_target(chat, command.user)
    account, role = target.account, ServerRole[command.role.upper()]
    stepping_down = is_own(session, target) and account is not None and role < account.role
    if not stepping_down:
        check(chat, session, Act.CHANGE_ROLE)
        check_rank(chat, session, target.id, target.name)
    if account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, f"{target.name} is a guest: only accounts can have a role.")
    if stepping_down:
        check_other_owner(chat, account)
    if role is account.role:
        raise ChatError(Code.BAD_FIELD, f"{target.name} is {role.words} of this server already.", field="role")
    return SaveAccount(msgspec.structs.replace(account, role=role), before=account)


def check_other_owner(chat: Chat, account: Account) -> None:
    """Raise ``not-allowed`` if ``account`` is the only owner of the server, who must not be gone."""
    if chat.accounts.is_only_owner(account):
        text = "You are the only owner of this server: make somebody else one first."
        raise ChatError(Code.NOT_ALLOWED, text)


def _discard_code(chat: Chat) -> None:
    """There is an owner: the code makes no other one."""
    chat.log("the server has an owner now, and the owner code is of no use any more")
    chat.server.owner_code = ""
    chat.owned()
