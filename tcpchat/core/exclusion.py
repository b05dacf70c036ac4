"""Keeping people off the server: disconnecting, banning, suspending."""

from __future__ import annotations

import msgspec

from tcpchat.core import acts
from tcpchat.core.accounts import Account, State
from tcpchat.core.actors import Target, check_reason, find_target, record, until
from tcpchat.core.answers import Done
from tcpchat.core.bans import Subject, network_of
from tcpchat.core.chat import Chat
from tcpchat.core.membership import dismiss
from tcpchat.core.moderation import add_bans, done, is_from, lift_bans
from tcpchat.core.permissions import check, check_rank, server_ban, server_role
from tcpchat.core.requests import Enact, Lifted, SaveAccount, Supply
from tcpchat.core.roles import Act, ServerRole
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code


def disconnect(chat: Chat, session: Session, command: acts.Disconnect, supply: Supply | None) -> Done | Enact:
    """End somebody's connections; they may come back at once."""
    if supply is not None:
        return done(supply)
    target, reason = _meant(chat, session, Act.DISCONNECT, command.user, command.reason)
    if target.person is None:
        raise ChatError(Code.NO_SUCH_USER, f"{target.name} is not here.", user=target.name)
    _end(chat, target, f"You were disconnected by an admin{_because(reason)}", Code.KICKED)
    return Enact(record(chat, session, "disconnect", target.name, reason=reason))


def ban(chat: Chat, session: Session, command: acts.ServerBan, supply: Supply | None) -> Done | Enact | SaveAccount:
    """Keep an account, a guest's name or an address off the server."""
    if isinstance(supply, Account):
        chat.submit(Enact(record(chat, session, "server-ban", supply.name, reason=supply.reason, until=supply.until)))
    if supply is not None:
        return done(supply, acted=chat.accounts.get(command.user) is None)
    if command.address:
        return _ban_address(chat, session, command)
    target, reason = _meant(chat, session, Act.SERVER_BAN, command.user, command.reason)
    end = until(chat, command.seconds, forever=0)
    if target.account is not None:
        banned = msgspec.structs.replace(target.account, state=State.BANNED, reason=reason, until=end)
        return SaveAccount(banned, before=target.account)
    effects = add_bans(chat, session, None, target.subjects, target.name, reason, end)
    _end(chat, target, f"You are banned from this server{_because(reason)}", Code.BANNED)
    return Enact(record(chat, session, "server-ban", target.name, reason=reason, until=end), effects)


def unban(chat: Chat, session: Session, command: acts.ServerUnban, supply: Supply | None) -> Done | Enact | SaveAccount:
    """Let an account, a guest's name or an address in again."""
    if isinstance(supply, Account):
        chat.submit(Enact(record(chat, session, "server-unban", supply.name)))
    if supply is not None:
        return done(supply, acted=chat.accounts.get(command.user) is None)
    check(chat, session, Act.SERVER_BAN)
    account = chat.accounts.get(command.user) if command.user else None
    if account is not None and account.state is State.BANNED:
        check_rank(chat, session, account.id, account.name)
        return SaveAccount(msgspec.structs.replace(account, state=State.GOOD, reason="", until=0), before=account)
    lifted = lift_bans(chat, session, None, command.user, command.address)
    effects = tuple(Lifted(one.id) for one in lifted)
    return Enact(record(chat, session, "server-unban", lifted[0].name), effects)


def suspend(chat: Chat, session: Session, command: acts.Suspend, supply: Supply | None) -> Done | SaveAccount:
    """Let an account not be used for a time, or until that is undone."""
    if isinstance(supply, Account):
        chat.submit(Enact(record(chat, session, "suspend", supply.name, reason=supply.reason, until=supply.until)))
    if supply is not None:
        return done(supply, acted=False)
    target, reason = _meant(chat, session, Act.SUSPEND, command.user, command.reason)
    if target.account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, f"{target.name} is a guest: only accounts can be suspended.")
    if target.account.state is State.BANNED and not 0 < target.account.until <= chat.now():
        text = f"{target.name} is banned from this server, which a suspension would end: lift the ban first."
        raise ChatError(Code.NOT_ALLOWED, text, user=target.name)
    end = until(chat, command.seconds, forever=0)
    suspended = msgspec.structs.replace(target.account, state=State.SUSPENDED, reason=reason, until=end)
    return SaveAccount(suspended, before=target.account)


def unsuspend(chat: Chat, session: Session, command: acts.Unsuspend, supply: Supply | None) -> Done | SaveAccount:
    """Let an account be used again."""
    if isinstance(supply, Account):
        chat.submit(Enact(record(chat, session, "unsuspend", supply.name)))
    if supply is not None:
        return done(supply, acted=False)
    target, _ = _meant(chat, session, Act.SUSPEND, command.user)
    account = target.account
    if account is None or account.state is not State.SUSPENDED:
        raise ChatError(Code.NO_SUCH_BAN, f"{target.name} is not suspended.", user=target.name)
    return SaveAccount(msgspec.structs.replace(account, state=State.GOOD, reason="", until=0), before=account)


def expire(chat: Chat) -> None:
    """Forget the bans that are over."""
    over = [one for one in chat.bans.expire(chat.now()) if not one.kick]
    if over:
        chat.submit(Enact(None, tuple(Lifted(one.id) for one in over)))


def _ban_address(chat: Chat, session: Session, command: acts.ServerBan) -> Enact:
    check(chat, session, Act.SERVER_BAN)
    reason, network = check_reason(chat, command.reason), network_of(command.address)
    end = until(chat, command.seconds, forever=0)
    if is_from(session, network):
        raise ChatError(Code.NOT_ALLOWED, "You come from there yourself.", rule="rank")
    effects = add_bans(chat, session, None, [(Subject.ADDRESS, network)], network, reason, end)
    for person in list(chat.users):
        if server_role(chat, person.id) < ServerRole.ADMIN:
            for one in [one for one in person.sessions if is_from(one, network)]:
                refusal = server_ban(chat, None, "", one.channel.address)
                dismiss(chat, one, refusal.text if refusal else "You are banned from this server.", Code.BANNED)
    return Enact(record(chat, session, "server-ban", network, reason=reason, until=end), effects)


def _meant(chat: Chat, session: Session, act: Act, user: str, reason: str = "") -> tuple[Target, str]:
    check(chat, session, act)
    if not user:
        raise ChatError(Code.BAD_FIELD, "The field user is missing.", field="user")
    target = find_target(chat, user)
    check_rank(chat, session, target.id, target.name)
    return target, check_reason(chat, reason)


def _end(chat: Chat, target: Target, text: str, code: Code) -> None:
    for one in list(target.person.sessions) if target.person is not None else ():
        dismiss(chat, one, text, code)


def _because(reason: str) -> str:
    return f": {reason}" if reason else "."
