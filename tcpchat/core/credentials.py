"""What proves an account: passwords, tokens, keys and certificates, and what becomes of those who used them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import UNSET
from msgspec.structs import replace

from tcpchat.core import announcements
from tcpchat.core.accounts import (
    Account,
    Credential,
    CredentialId,
    CredentialKind,
    State,
    is_barred,
    too_many_credentials,
)
from tcpchat.core.actors import find_target, record
from tcpchat.core.answers import CredentialSummaries, CredentialSummary, Done
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Certificates, ChangePassword, Keys, NewKey, NewToken, Tokens
from tcpchat.core.entries import PersonId
from tcpchat.core.login import barred
from tcpchat.core.membership import dismiss
from tcpchat.core.permissions import check, check_rank
from tcpchat.core.proofs import PasswordProof, parse_fingerprint
from tcpchat.core.requests import (
    ChangeCredentials,
    CredentialList,
    CredentialsChanged,
    Enact,
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
    Supply,
)
from tcpchat.core.roles import Act
from tcpchat.core.state import Making, Session
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

DAY_MS = 86_400_000
# An id as it is listed: 63 bits, which is what a database can compare it with.
_ID = re.compile(r"0*[0-7]?[0-9a-f]{1,15}")
_ID_CHARACTERS = 16
_LABEL_CHARACTERS = 64
OF_PASSWORD = (CredentialKind.PASSWORD, CredentialKind.SCRAM)
"""The kinds of what is kept of a password."""
_REVOKED = {
    CredentialKind.PASSWORD: "Your password was changed elsewhere: log in again with the new one.",
    CredentialKind.SCRAM: "Your password was changed elsewhere: log in again with the new one.",
    CredentialKind.TOKEN: "The token you logged in with was revoked: log in again with another one.",
    CredentialKind.KEY: "The key you logged in with was removed from your account: log in again in another way.",
    CredentialKind.CERTIFICATE: "The certificate you logged in with was removed from your account: "
    "log in again in another way.",
}


def change_password(chat: Chat, session: Session, command: ChangePassword, supply: Supply | None) -> Done | Request:
    """Check the old password and store another; who is logged in with the old one elsewhere is logged out."""
    if isinstance(supply, ChatError):
        raise own_password(supply)
    account = own_account(chat, session)
    if isinstance(supply, Proven):
        session.proven = supply.credential
        return Protect(command.new, account.name)
    if isinstance(supply, Protected):
        assert session.proven is not None
        add = protected(chat, session, account.id, supply)
        return ChangeCredentials(account.id, add, OF_PASSWORD, (session.proven,), if_present=True)
    if isinstance(supply, CredentialsChanged):
        if not supply.added:
            raise ChatError(Code.BAD_CREDENTIALS, "The password has just been changed by somebody else.")
        return Done()
    return Prove(account.id, PasswordProof(command.old))


def tokens(chat: Chat, session: Session, command: Tokens, supply: Supply | None) -> CredentialSummaries | Request:
    """List tokens, make one, or revoke one: one's own, or the operator those of somebody."""
    if session.operator and not command.user:
        raise ChatError(Code.BAD_FIELD, "The field user is missing.", field="user")
    answer = _change(chat, session, CredentialKind.TOKEN, command.create, command.revoke, supply, command.user)
    if isinstance(supply, CredentialsChanged) and command.user:
        act = "token-create" if command.create is not None else "token-revoke"
        label = clean(command.create.label) if command.create is not None else ""
        chat.submit(Enact(record(chat, session, act, _name(chat, supply.account), reason=label)))
    return answer


def keys(chat: Chat, session: Session, command: Keys, supply: Supply | None) -> CredentialSummaries | Request:
    """List keys, add one, or remove one; what stands behind a key in a line of OpenSSH's is its label."""
    add = command.add
    if add is not None and not add.label:
        add = replace(add, label=" ".join(add.key.split()[2:])[:_LABEL_CHARACTERS])
    return _change(chat, session, CredentialKind.KEY, add, command.remove, supply)


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
                chat.tickets.touch(session)
            else:
                dismiss(chat, session, _REVOKED[session.proof], Code.REVOKED)


def expire(chat: Chat) -> None:
    """End the sessions that were proved by what has expired since."""
    now = chat.now()
    for session in [session for session, until in chat.expiring.items() if until <= now]:
        del chat.expiring[session]
        text = "The token you logged in with has expired: log in again, and make a new one."
        dismiss(chat, session, text, Code.REVOKED)


def changed(chat: Chat, account: Account) -> None:
    """Take an account as it is stored now, and end its sessions if it may not be used any more."""
    chat.accounts.put(account)
    if account.state is State.DELETED:
        chat.positions.forget_account(account.id)
    person = chat.users.by_id(account.id)
    if person is not None:
        announcements.review(chat, person)
    if person is None or not is_barred(account, chat.now()):
        return
    deleted = account.state is State.DELETED  # the session that asked for it stays, and logs out
    refusal = barred(account, chat.now())
    text, code = (f"The account {account.name} is deleted.", Code.REVOKED) if deleted else (refusal.text, refusal.code)
    for session in [session for session in person.sessions if not (deleted and session.deleting)]:
        dismiss(chat, session, text, code)


def _change(
    chat: Chat,
    session: Session,
    kind: CredentialKind,
    add: NewToken | NewKey | None,
    remove: str | None,
    supply: Supply | None,
    user: str = "",
) -> CredentialSummaries | Request:
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, CredentialsChanged):
        return _changed(session, supply, remove)
    account = _somebody(chat, session, user) if user else own_account(chat, session)
    making = session.making
    match supply:
        case CredentialList(_, listed):
            making.listed = listed
        case IssuedToken(token, data):
            making.token, making.data = token, data
            return ListCredentials(account.id, kind)
        case KeyRead(data):
            making.data = data
            return ListCredentials(account.id, kind)
        case _:
            session.making = Making()
            return _begin(chat, account, kind, add, remove)
    if remove is not None:
        return ChangeCredentials(account.id, ids=(_meant(making.listed, remove),), of=kind)
    if add is None:
        return _summaries(making.listed)
    _check_addition(chat, making, kind, add)
    days = add.expires if isinstance(add, NewToken) else None
    expires = None if days is None else chat.now() + days * DAY_MS
    data = making.data or (add.key if isinstance(add, NewKey) else "")
    credential = Credential(CredentialId(chat.new_id()), account.id, kind, data, clean(add.label), chat.now(), expires)
    return ChangeCredentials(account.id, (credential,), most=chat.limits.credentials)


def _begin(
    chat: Chat, account: Account, kind: CredentialKind, add: NewToken | NewKey | None, remove: str | None
) -> Request:
    """Check what is asked for, and return the first that is needed."""
    if add is not None and remove is not None:
        field = "revoke" if kind is CredentialKind.TOKEN else "remove"
        text = f"Do one thing at a time: leave out {field}, or what is to be made."
        raise ChatError(Code.BAD_FIELD, text, field=field)
    if remove is not None:
        _check_id(remove)
    if isinstance(add, NewToken):
        _check_days(chat, add.expires)
        return IssueToken()
    if add is not None and kind is CredentialKind.KEY:
        return ReadKey(add.key)
    return ListCredentials(account.id, kind)


def _check_days(chat: Chat, days: int | None) -> None:
    most = chat.limits.token_days
    if days is not None and not 1 <= days <= most:
        text = f"A token may expire in 1 to {most} days, or never: leave the days out."
        raise ChatError(Code.BAD_FIELD, text, field="expires")


def _check_addition(chat: Chat, making: Making, kind: CredentialKind, add: NewToken | NewKey) -> None:
    """Raise what keeps one more from being added: one that is there twice could not be taken back at one go."""
    data = making.data or (add.key if isinstance(add, NewKey) else "")
    if any(credential.data == data for credential in making.listed):
        raise ChatError(Code.CREDENTIAL_EXISTS, f"You have added this {kind.name.lower()} already.")
    if len(making.listed) >= chat.limits.credentials:
        raise too_many_credentials(chat.limits.credentials)


def _changed(session: Session, change: CredentialsChanged, remove: str | None) -> CredentialSummaries:
    """Return what there is now, with the token that is shown this once."""
    if remove is not None and not change.removed:
        raise ChatError(Code.NO_SUCH_CREDENTIAL, "There is none with this id.")
    making, session.making = session.making, Making()
    kept = [credential for credential in making.listed if credential.id not in change.removed]
    return _summaries((*kept, *change.added), making.token)


def _summaries(credentials: Iterable[Credential], token: str = "") -> CredentialSummaries:
    return CredentialSummaries([_summary(credential) for credential in credentials], token or UNSET)


def own_password(error: ChatError) -> ChatError:
    """Return a refusal in the words for somebody who is logged in: the name is right."""
    if error.code is Code.BAD_CREDENTIALS:
        return ChatError(Code.BAD_CREDENTIALS, "That is not your password.")
    return error


def new_password(chat: Chat, account: PersonId, supply: Protected) -> tuple[Credential, ...]:
    """Return the credentials of a new password."""
    return tuple(
        Credential(CredentialId(chat.new_id()), account, kind, data, "", chat.now()) for kind, data in supply.data
    )


def protected(chat: Chat, session: Session, account: PersonId, supply: Protected) -> tuple[Credential, ...]:
    """Return the credentials of a new password; the session will have been proved by it."""
    made = new_password(chat, account, supply)
    session.next_credential = next(one.id for one in made if one.kind is CredentialKind.PASSWORD)
    return made


def own_account(chat: Chat, session: Session) -> Account:
    """Return the account of who is speaking; raises ``account-needed``."""
    person = chat.person(session)
    account = chat.accounts.by_id(person.id)
    if account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, "You are a guest: register first.")
    return account


def _somebody(chat: Chat, session: Session, user: str) -> Account:
    """Return the account of somebody else, whose tokens are to be seen or changed."""
    check(chat, session, Act.GIVE_ACCESS)
    target = find_target(chat, user)
    check_rank(chat, session, target.id, target.name)
    if target.account is None:
        raise ChatError(Code.ACCOUNT_NEEDED, f"{target.name} is a guest: only accounts have tokens.")
    return target.account


def _name(chat: Chat, account: PersonId) -> str:
    known = chat.accounts.by_id(account)
    return known.name if known is not None else ""


def _summary(credential: Credential) -> CredentialSummary:
    return CredentialSummary(
        _written(credential.id),
        credential.label,
        credential.created,
        credential.expires or UNSET,
        credential.used or UNSET,
    )


def _check_id(text: str) -> None:
    if len(text) > _ID_CHARACTERS or not _ID.fullmatch(text.lower()):
        raise ChatError(Code.NO_SUCH_CREDENTIAL, "There is none with this id.")


def _meant(listed: Iterable[Credential], text: str) -> CredentialId:
    """Return the one id that begins with ``text``."""
    found = [credential.id for credential in listed if _written(credential.id).startswith(text.lower())]
    if not found:
        raise ChatError(Code.NO_SUCH_CREDENTIAL, "There is none with this id.")
    if len(found) > 1:
        raise ChatError(Code.BAD_FIELD, f"{len(found)} ids begin with {text}: give more of it.", field="id")
    return found[0]


def _written(ident: CredentialId) -> str:
    return f"{ident:016x}"
