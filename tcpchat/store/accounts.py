"""Accounts and what proves them: changed within the log writer's transactions, read on anybody's connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, func, insert, or_, select, update

from tcpchat.core.accounts import (
    Account,
    Credential,
    CredentialId,
    CredentialKind,
    State,
    is_free,
    too_many_credentials,
)
from tcpchat.core.entries import PersonId
from tcpchat.core.requests import ChangeCredentials, NoteUse, SaveAccount
from tcpchat.core.roles import ServerRole
from tcpchat.errors import ChatError, Code
from tcpchat.store.positions import forget_account
from tcpchat.store.schema import accounts, credentials


def load_accounts(engine: Engine) -> list[Account]:
    """Return the accounts that hold a name, also those whose name is only kept. Raises DBAPIError."""
    with engine.connect() as connection:
        return [_account(row) for row in connection.execute(select(accounts).where(accounts.c.key.is_not(None)))]


def read_account(connection: Connection, ident: PersonId) -> Account | None:
    """Return the account with this id; its key is empty once its name has gone to another. Raises DBAPIError."""
    row = connection.execute(select(accounts).where(accounts.c.id == ident)).one_or_none()
    return None if row is None else _account(row)


def read_credentials(
    connection: Connection, account: PersonId, kinds: Sequence[CredentialKind]
) -> tuple[Credential, ...]:
    """Return an account's credentials of these kinds, the oldest first, also those that have expired.

    Raises DBAPIError.
    """
    wanted = (
        select(credentials)
        .where(credentials.c.account == account, credentials.c.kind.in_([int(kind) for kind in kinds]))
        .order_by(credentials.c.created, credentials.c.id)
    )
    return tuple(_credential(row) for row in connection.execute(wanted))


def find_token(connection: Connection, data: str) -> Credential | None:
    """Return the token whose hash is ``data``, also when it has expired. Raises DBAPIError."""
    row = connection.execute(select(credentials).where(credentials.c.token == data)).one_or_none()
    return None if row is None else _credential(row)


def save(connection: Connection, change: SaveAccount) -> None:
    """Store a new account or a changed one, in the caller's transaction.

    Raises DBAPIError; or a `ChatError`: ``name-taken``, or ``busy`` for an account that is stored otherwise than it was
    ``before``.
    """
    account = change.account
    same = or_(accounts.c.id == account.id, accounts.c.key == account.key)
    found = [_account(row) for row in connection.execute(select(accounts).where(same))]
    if change.before is not None and change.before not in found:
        raise ChatError(Code.BUSY, "The account was changed at the same moment, so nothing was done. Please try again.")
    for other in found:
        if other.id == account.id:
            continue
        if not is_free(other, max(change.at, account.created)):
            raise ChatError(
                Code.NAME_TAKEN,
                f"The name {account.name} belongs to somebody already. Please choose another one.",
                name=account.name,
            )
        connection.execute(update(accounts).where(accounts.c.id == other.id).values(key=None))
    row = msgspec.structs.asdict(account) | {
        "key": account.key or None,
        "state": int(account.state),
        "role": int(account.role),
    }
    if any(known.id == account.id for known in found):
        connection.execute(update(accounts).where(accounts.c.id == account.id).values(row))
    else:
        connection.execute(insert(accounts), row)
    if account.state is State.DELETED:
        forget_account(connection, account.id)
    if change.credentials is not None:
        connection.execute(delete(credentials).where(credentials.c.account == account.id))
        _add(connection, change.credentials)


def change_credentials(connection: Connection, change: ChangeCredentials) -> Sequence[CredentialId]:
    """Remove and add credentials, in the caller's transaction; return those removed, the oldest first.

    Raises DBAPIError, or ``no-such-user`` for an account that is deleted.
    """
    if change.add:
        state = connection.execute(select(accounts.c.state).where(accounts.c.id == change.account)).scalar()
        if state is None or state == State.DELETED:
            raise ChatError(Code.NO_SUCH_USER, "The account was deleted.")
    of_kind = credentials.c.kind.in_([int(kind) for kind in change.kinds])
    kinds = CredentialKind if change.of is None else (change.of,)
    named = and_(credentials.c.id.in_(change.ids), credentials.c.kind.in_([int(kind) for kind in kinds]))
    wanted = (
        select(credentials.c.id)
        .where(credentials.c.account == change.account, or_(of_kind, named))
        .order_by(credentials.c.created, credentials.c.id)
    )
    removed = [CredentialId(ident) for ident in connection.execute(wanted).scalars()]
    if change.if_present and not set(change.ids) <= set(removed):
        return []
    if removed:
        connection.execute(delete(credentials).where(credentials.c.id.in_(removed)))
    _add(connection, change.add)
    if change.add and change.most is not None:
        kind = int(change.add[0].kind)
        mine = select(func.count()).where(credentials.c.account == change.account, credentials.c.kind == kind)
        if connection.execute(mine).scalar_one() > change.most:
            raise too_many_credentials(change.most)
    return removed


def note_uses(connection: Connection, changes: Sequence[NoteUse]) -> None:
    """Note when credentials were used. When everybody comes back at once there are many: they share a statement.

    Raises DBAPIError.
    """
    noted = update(credentials).where(credentials.c.id == bindparam("used_one")).values(used=bindparam("at"))
    connection.execute(noted, [{"used_one": change.credential, "at": change.at} for change in changes])


def _add(connection: Connection, added: Sequence[Credential]) -> None:
    if added:
        connection.execute(insert(credentials), [_credential_row(credential) for credential in added])


def _account(row: Row[Any]) -> Account:
    return Account(
        id=PersonId(row.id),
        key=row.key or "",
        name=row.name,
        color=row.color,
        state=State(row.state),
        reason=row.reason,
        until=row.until,
        created=row.created,
        role=ServerRole(row.role),
    )


def _credential(row: Row[Any]) -> Credential:
    return Credential(
        id=CredentialId(row.id),
        account=PersonId(row.account),
        kind=CredentialKind(row.kind),
        data=row.data if row.token is None else row.token,
        label=row.label,
        created=row.created,
        expires=row.expires,
        used=row.used,
    )


def _credential_row(credential: Credential) -> dict[str, object]:
    unique = credential.kind is CredentialKind.TOKEN
    return msgspec.structs.asdict(credential) | {
        "kind": int(credential.kind),
        "token": credential.data if unique else None,
        "data": None if unique else credential.data,
    }
