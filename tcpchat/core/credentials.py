"""Accounts and what proves them: registering, passwords, tokens, keys and certificates."""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET

from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State, too_many_credentials
from tcpchat.core.announcements import announce
from tcpchat.core.answers import CredentialSummaries, CredentialSummary, Done, Named
from tcpchat.core.chat import Chat, not_logged_in
from tcpchat.core.claims import check_allowed, check_free, claim
from tcpchat.core.commands import Certificates, ChangePassword, Keys, NewKey, NewToken, Register, Tokens, Unregister
from tcpchat.core.entries import PersonId
from tcpchat.core.events import User
from tcpchat.core.login import admit, is_barred
from tcpchat.core.membership import dismiss
from tcpchat.core.names import check_person_name, fold
from tcpchat.core.people import call
from tcpchat.core.proofs import PasswordProof, parse_fingerprint
from tcpchat.core.requests import (
    ChangeCredentials,
    CredentialList,
    CredentialsChanged,
    IssuedToken,
    IssueToken,
    KeyRead,
    ListCredentials,
    Protect,
    Protected,
    Prove,
    Proven,
    ReadKey,
    Request,
    SaveAccount,
    Supply,
)
from tcpchat.core.server_state import Emergency
from tcpchat.core.state import Session
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

_DAY_MS = 86_400_000
# An id as it is listed: 63 bits, which is what a database can compare it with.
_ID = re.compile(r"0*[0-7]?[0-9a-f]{1,15}")
_ID_CHARACTERS = 16


def register(chat: Chat, session: Session, command: Register, supply: Supply | None) -> Named | Request:
    """Make an account of a guest, who stays the same person, or of a free name, and log in to it."""
    if isinstance(supply, Account | ChatError):
        chat.claims.pop(session, None)
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        return Named(_become(chat, session, supply))
    person = session.person
    if person is not None and person.registered:
        raise ChatError(Code.ALREADY_LOGGED_IN, f"You have an account already: it is called {person.name}.")
    if person is None and not command.name:
        raise not_logged_in()
    _check_policy(chat, command.code)
    if chat.server.emergency in (Emergency.ACCOUNTS_ONLY, Emergency.READ_ONLY):
        raise ChatError(Code.EMERGENCY, "Nobody can register for now: please try again later.", rule="emergency")
    name = check_person_name(command.name or (person.name if person else ""), chat.limits, chat.policy.forbidden)
    check_allowed(chat, session, name)
    check_free(chat, name, person)
    if not isinstance(supply, Protected):
        return Protect(command.password, name)
    ident = person.id if person is not None and fold(name) == fold(person.name) else PersonId(chat.new_id())
    account = Account(ident, fold(name), name, person.color if person else None, State.GOOD, "", 0, chat.now())
    claim(chat, session, account)
    return SaveAccount(account, _protected(chat, session, ident, supply))


def change_password(chat: Chat, session: Session, command: ChangePassword, supply: Supply | None) -> Done | Request:
    """Check the old password and store another; who is logged in with the old one elsewhere is logged out."""
    if isinstance(supply, ChatError):
        raise supply
    account = _account(chat, session)
    if isinstance(supply, Proven):
        session.proven = supply.credential
        return Protect(command.new, account.name)
    if isinstance(supply, Protected):
        assert session.proven is not None
        add = _protected(chat, session, account.id, supply)
        kinds = (CredentialKind.PASSWORD, CredentialKind.SCRAM)
        return ChangeCredentials(account.id, add, kinds, (session.proven,), if_present=True)
    if isinstance(supply, CredentialsChanged):
        if not supply.added:
            raise ChatError(Code.BAD_CREDENTIALS, "The password has just been changed by somebody else.")
        return Done()
    return Prove(account.id, PasswordProof(command.old))


def unregister(chat: Chat, session: Session, command: Unregister, supply: Supply | None) -> Done | Request:
    """Delete the account with all that proves it; its name is kept from others for a while."""
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        return Done()
    account = _account(chat, session)
    if isinstance(supply, Proven):
        until = chat.now() + chat.limits.held_days * _DAY_MS
        return SaveAccount(msgspec.structs.replace(account, state=State.DELETED, until=until), (), before=account)
    return Prove(account.id, PasswordProof(command.password))


def tokens(chat: Chat, session: Session, command: Tokens, supply: Supply | None) -> CredentialSummaries | Request:
    """List tokens, make one, or revoke one."""
    return _change(chat, session, CredentialKind.TOKEN, command.create, command.revoke, supply)


def keys(chat: Chat, session: Session, command: Keys, supply: Supply | None) -> CredentialSummaries | Request:
    """List keys, add one, or remove one."""
    return _change(chat, session, CredentialKind.KEY, command.add, command.remove, supply)


def certificates(
    chat: Chat, session: Session, command: Certificates, supply: Supply | None
) -> CredentialSummaries | Request:
    """List certificates, add one, or remove one."""
    add: NewKey | None = None
    if command.add is not None:
        given = command.add.fingerprint or session.channel.fingerprint
        if given is None:
            text = "This connection has shown no certificate: give the fingerprint of one."
            raise ChatError(Code.BAD_FIELD, text, field="fingerprint")
        add = NewKey(parse_fingerprint(given), command.add.label)
    return _change(chat, session, CredentialKind.CERTIFICATE, add, command.remove, supply)


def revoked(chat: Chat, change: CredentialsChanged) -> None:
    """End the sessions that were proved by what proves nothing any more, but for the one that put it right."""
    person = chat.users.by_id(change.account)
    added = {credential.id for credential in change.added}
    removed = set(change.removed) - added
    for session in list(person.sessions) if person is not None else ():
        if session.credential in removed:
            if session.next_credential in added:
                session.credential = session.next_credential
            else:
                dismiss(chat, session, "What you logged in with is good no longer.", Code.REVOKED)


def expire(chat: Chat) -> None:
    """End the sessions that were proved by what has expired since."""
    now = chat.now()
    for session in [session for session, until in chat.expiring.items() if until <= now]:
        del chat.expiring[session]
        dismiss(chat, session, "What you logged in with has expired.", Code.REVOKED)


def changed(chat: Chat, account: Account) -> None:
    """Take an account as it is stored now, and end its sessions if it may not be used any more."""
    chat.accounts.put(account)
    person = chat.users.by_id(account.id)
    if person is None or not is_barred(account, chat.now()):
        return
    words = {State.SUSPENDED: "is suspended", State.BANNED: "is banned", State.DELETED: "is deleted"}
    reason = f": {clean(account.reason)}" if account.reason else "."
    codes = {State.SUSPENDED: Code.SUSPENDED, State.BANNED: Code.BANNED, State.DELETED: Code.REVOKED}
    for session in list(person.sessions):
        text = f"The account {account.name} {words[account.state]}{reason}"
        dismiss(chat, session, text, codes[account.state])


def _change(
    chat: Chat,
    session: Session,
    kind: CredentialKind,
    add: NewToken | NewKey | None,
    remove: str | None,
    supply: Supply | None,
) -> CredentialSummaries | Request:
    if isinstance(supply, ChatError):
        session.token = ""
        raise supply
    account = _account(chat, session)
    if add is not None and remove is not None:
        field = "revoke" if kind is CredentialKind.TOKEN else "remove"
        text = f"Do one thing at a time: leave out {field}, or what is to be made."
        raise ChatError(Code.BAD_FIELD, text, field=field)
    if isinstance(supply, IssuedToken):
        session.token = supply.token
    if isinstance(supply, IssuedToken | KeyRead):
        return _add(chat, account, kind, supply.data, add)
    if isinstance(supply, CredentialsChanged):
        return _made(session, supply, remove)
    if remove is not None:
        return ChangeCredentials(account.id, ids=(_credential_id(remove),), of=kind)
    if not isinstance(supply, CredentialList):
        return ListCredentials(account.id, kind)
    if add is None:
        return CredentialSummaries([_summary(credential) for credential in supply.credentials])
    if len(supply.credentials) >= chat.limits.credentials:
        raise too_many_credentials(chat.limits.credentials)
    if isinstance(add, NewToken):
        return IssueToken()
    if kind is CredentialKind.KEY:
        return ReadKey(add.key)
    return _add(chat, account, kind, add.key, add)


def _add(
    chat: Chat, account: Account, kind: CredentialKind, data: str, add: NewToken | NewKey | None
) -> ChangeCredentials:
    label = clean(add.label) if add is not None else ""
    days = add.expires if isinstance(add, NewToken) else None
    expires = None if days is None else chat.now() + days * _DAY_MS
    credential = Credential(CredentialId(chat.new_id()), account.id, kind, data, label, chat.now(), expires)
    return ChangeCredentials(account.id, (credential,), most=chat.limits.credentials)


def _made(session: Session, change: CredentialsChanged, remove: str | None) -> CredentialSummaries:
    """Return what was added, with the token that is shown this once."""
    if remove is not None and not change.removed:
        raise ChatError(Code.NO_SUCH_CREDENTIAL, "You have none with this id.")
    token, session.token = session.token, ""
    return CredentialSummaries([_summary(credential) for credential in change.added], token or UNSET)


def _protected(chat: Chat, session: Session, account: PersonId, supply: Protected) -> tuple[Credential, ...]:
    """Return the credentials of a new password; the session will have been proved by it."""
    made = tuple(
        Credential(CredentialId(chat.new_id()), account, kind, data, "", chat.now()) for kind, data in supply.data
    )
    session.next_credential = next(one.id for one in made if one.kind is CredentialKind.PASSWORD)
    return made


def _become(chat: Chat, session: Session, account: Account) -> User:
    person = session.person
    credential = session.next_credential
    assert credential is not None
    announce(chat, "registration", user=account.name)
    if person is not None and person.id == account.id:
        person.registered = True
        session.credential = credential
        session.by_password = True
        call(chat, person, account.name)  # it may be spelled another way
        return person.user
    return admit(chat, session, Proven(account, credential)).user


def _account(chat: Chat, session: Session) -> Account:
    person = chat.person(session)
    account = chat.accounts.by_id(person.id)
    if account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, "You are a guest: register first.")
    return account


def _check_policy(chat: Chat, code: str) -> None:
    policy = chat.policy
    if policy.registration == "closed":
        raise ChatError(Code.NOT_ALLOWED, "Nobody can register here: ask who runs this server for an account.")
    if policy.registration == "invitation" and not policy.invites(code):
        raise ChatError(Code.NOT_ALLOWED, "To register here one needs an invitation code: this is not one.")


def _summary(credential: Credential) -> CredentialSummary:
    return CredentialSummary(
        f"{credential.id:016x}",
        credential.label,
        credential.created,
        credential.expires or UNSET,
        credential.used or UNSET,
    )


def _credential_id(text: str) -> CredentialId:
    text = text.lower()
    if len(text) > _ID_CHARACTERS or not _ID.fullmatch(text):
        raise ChatError(Code.NO_SUCH_CREDENTIAL, "You have none with this id.")
    return CredentialId(int(text, 16))
