"""What a batch changes besides the log: accounts, what proves them, and what moderators and admins did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from tcpchat.core.accounts import Account, CredentialId
from tcpchat.core.requests import (
    ChangeCredentials,
    CredentialsChanged,
    Enact,
    EndSession,
    KeepSession,
    Noted,
    NoteUse,
    SaveAccount,
)
from tcpchat.errors import ChatError, Code
from tcpchat.store.accounts import change_credentials, note_uses, save
from tcpchat.store.order import enact
from tcpchat.store.sessions import keep_sessions

RowChange = SaveAccount | ChangeCredentials | NoteUse | Enact | KeepSession | EndSession

Removed = Sequence[CredentialId]
"""What one `ChangeCredentials` removed, the oldest first."""


class Unfit(Exception):
    """The database refused the data of a change. Its own words are left out: they may quote what was to be kept."""


def apply(connection: Connection, changes: Sequence[RowChange]) -> list[Removed]:
    """Make ``changes``, in order, in the caller's transaction; return what each `ChangeCredentials` removed.

    Raises DBAPIError, or a `ChatError` for what the rules of accounts refuse. After either the transaction is to be
    rolled back.
    """
    removed: list[Removed] = []
    for change in changes:
        match change:
            case SaveAccount():
                save(connection, change)
            case ChangeCredentials():
                removed.append(change_credentials(connection, change))
            case Enact():
                enact(connection, change)
    if uses := [change for change in changes if isinstance(change, NoteUse)]:  # nothing before depends on them
        note_uses(connection, uses)
    if sessions := [change for change in changes if isinstance(change, KeepSession | EndSession)]:
        keep_sessions(connection, sessions)
    return removed


def result(change: RowChange, removed: Iterator[Removed]) -> Account | CredentialsChanged | Noted | Enact:
    """Return what a committed ``change`` gave; ``removed`` is what `apply` returned, from the change's place on."""
    match change:
        case SaveAccount(account):
            return account
        case ChangeCredentials(account, add):
            gone = tuple(next(removed))
            return CredentialsChanged(account, gone, add if gone or not change.if_present else ())
        case NoteUse() | KeepSession() | EndSession():
            return Noted()
        case Enact():
            return change


def refused(error: Exception) -> ChatError:
    """Return what the author of a change is told that the database, or `apply`, refused for its data."""
    if isinstance(error, ChatError):
        return error.detached()
    refusal = ChatError(Code.STORE_FAILED, "The server could not keep this, so nothing has changed.")
    refusal.__cause__ = Unfit(f"the data were refused ({type(getattr(error, 'orig', error)).__name__})")
    return refusal
