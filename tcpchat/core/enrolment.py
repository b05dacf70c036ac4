"""Accounts of others: listed, made, given another password, and deleted by those who run the server."""

from __future__ import annotations

from operator import attrgetter

from msgspec import UNSET

from tcpchat.core import acts
from tcpchat.core.accounts import Account, CredentialKind, State, is_barred
from tcpchat.core.actors import find_target, record
from tcpchat.core.announcements import announce
from tcpchat.core.answers import AccountList, AccountSummary, Done
from tcpchat.core.chat import Chat
from tcpchat.core.claims import check_allowed, check_free, claim
from tcpchat.core.credentials import OF_PASSWORD, new_password
from tcpchat.core.entries import PersonId
from tcpchat.core.membership import dismiss
from tcpchat.core.names import check_person_name
from tcpchat.core.permissions import check, check_rank
from tcpchat.core.registration import deletion, new_account
from tcpchat.core.requests import ChangeCredentials, CredentialsChanged, Enact, Protect, Protected, SaveAccount, Supply
from tcpchat.core.roles import Act
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code

_ACCOUNTS_LISTED = 1_000


def accounts(chat: Chat, session: Session, command: acts.ListAccounts, supply: Supply | None) -> AccountList:
    """List the accounts by their names, or those whose name contains a word or whose state is it; the first of many."""
    check(chat, session, Act.SEE_ACCOUNTS)
    wanted = command.search.strip().casefold()
    found = [
        one
        for one in chat.accounts
        if one.state is not State.DELETED and (wanted in one.name.casefold() or wanted == _state(chat, one))
    ]
    found.sort(key=attrgetter("key"))
    return AccountList([_summary(chat, one) for one in found[:_ACCOUNTS_LISTED]], len(found) > _ACCOUNTS_LISTED)


def create(
    chat: Chat, session: Session, command: acts.CreateAccount, supply: Supply | None
) -> Done | Protect | SaveAccount:
    """Make an account under a free name, whatever the policy for those who register themselves."""
    if isinstance(supply, Account | ChatError):
        chat.claims.pop(session, None)
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        announce(chat, "registration", user=supply.name)
        chat.submit(Enact(record(chat, session, "account-create", supply.name)))
        return Done()
    check(chat, session, Act.MANAGE_ACCOUNTS)
    name = check_person_name(command.name, chat.limits, chat.policy.forbidden)
    check_allowed(chat, session, name)
    check_free(chat, name, None)
    if not isinstance(supply, Protected):
        return Protect(command.password, name)
    account = new_account(chat, PersonId(chat.new_id()), name)
    claim(chat, session, account)
    return SaveAccount(account, new_password(chat, account.id, supply))


def reset_password(
    chat: Chat, session: Session, command: acts.ResetPassword, supply: Supply | None
) -> Done | Protect | ChangeCredentials:
    """Give an account another password and end all its sessions; without ``alone`` its tokens and keys stay."""
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, CredentialsChanged):
        _end_sessions(chat, supply.account)
        known = chat.accounts.by_id(supply.account)
        chat.submit(Enact(record(chat, session, "account-password", known.name if known is not None else "")))
        return Done()
    account = _meant(chat, session, Act.GIVE_ACCESS, command.user)
    if not isinstance(supply, Protected):
        return Protect(command.password, account.name)
    kinds = tuple(CredentialKind) if command.alone else OF_PASSWORD
    return ChangeCredentials(account.id, new_password(chat, account.id, supply), kinds)


def delete(chat: Chat, session: Session, command: acts.DeleteAccount, supply: Supply | None) -> Done | SaveAccount:
    """Delete an account with all that proves it; its name is kept from others for a while."""
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        chat.submit(Enact(record(chat, session, "account-delete", supply.name)))
        return Done()
    return deletion(chat, _meant(chat, session, Act.MANAGE_ACCOUNTS, command.user))


def _meant(chat: Chat, session: Session, act: Act, user: str) -> Account:
    check(chat, session, act)
    target = find_target(chat, user)
    check_rank(chat, session, target.id, target.name)
    if target.account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, f"{target.name} is a guest, and has no account.")
    return target.account


def _end_sessions(chat: Chat, account: PersonId) -> None:
    person = chat.users.by_id(account)
    for one in list(person.sessions) if person is not None else ():
        dismiss(chat, one, "Your account was given another password by an admin.", Code.REVOKED)


def _state(chat: Chat, account: Account) -> str:
    """Return ``good``, ``suspended`` or ``banned``; what is over is good."""
    return (account.state if is_barred(account, chat.now()) else State.GOOD).name.lower()


def _summary(chat: Chat, account: Account) -> AccountSummary:
    barred = is_barred(account, chat.now())
    return AccountSummary(
        account.name,
        account.role.word,
        _state(chat, account),
        account.created,
        chat.users.by_id(account.id) is not None,
        account.until if barred and account.until else UNSET,
        account.reason if barred and account.reason else UNSET,
    )
