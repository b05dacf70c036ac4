"""Who acts, and on whom: the two sides of everything that moderators and admins do."""

from __future__ import annotations

from dataclasses import dataclass

from tcpchat.core.accounts import Account, State
from tcpchat.core.audit import AuditRecord
from tcpchat.core.bans import SERVER, Subject
from tcpchat.core.chat import Chat
from tcpchat.core.entries import NOBODY, PersonId
from tcpchat.core.names import fold
from tcpchat.core.roles import FOREVER
from tcpchat.core.state import Person, Room, Session
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

OPERATOR_NAME = "operator"
"""What whoever sits at the machine is called, without an account."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is here, or has an account, or both."""

    id: PersonId
    name: str
    person: Person | None
    account: Account | None

    @property
    def subjects(self) -> list[tuple[Subject, str]]:
        """What a ban of them goes by: a guest comes back as another person, under the same name."""
        by_id = (Subject.PERSON, str(self.id))
        return [by_id] if self.account is not None else [by_id, (Subject.NAME, fold(self.name))]


def find_target(chat: Chat, name: str) -> Target:
    """Return who is called ``name``, or raise ``no-such-user``."""
    person = chat.users.get(name)
    account = chat.accounts.by_id(person.id) if person is not None else chat.accounts.get(name)
    if account is not None and account.state is State.DELETED:
        account = None
    if person is not None:
        return Target(person.id, person.name, person, account)
    if account is not None:
        return Target(account.id, account.name, chat.users.by_id(account.id), account)
    shown = name[:64]
    raise ChatError(Code.NO_SUCH_USER, f"Nobody here, and no account, is called {shown}.", user=shown)


def is_own(session: Session, target: Target) -> bool:
    """Return whether ``target`` is who acts."""
    return session.person is not None and session.person.id == target.id


def actor(session: Session) -> tuple[PersonId, str]:
    """Return the id and the name of who acts."""
    if session.person is not None:
        return session.person.id, session.person.name
    return NOBODY, OPERATOR_NAME


def record(
    chat: Chat,
    session: Session,
    act: str,
    subject: str,
    *,
    room: Room | None = None,
    reason: str = "",
    until: int = 0,
) -> AuditRecord:
    """Return what the audit log keeps of an act."""
    ident, name = actor(session)
    if session.operator:
        name = f"{name} ({session.operator})"
    where = (room.id, room.label) if room is not None else (SERVER, "")
    return AuditRecord(chat.now(), ident, name, act, subject, reason, max(until, 0), *where)


def check_reason(chat: Chat, reason: str) -> str:
    """Return a reason as it is kept, or raise ``text-too-long``."""
    reason = clean(reason)
    most = chat.limits.reason_characters
    if len(reason) > most:
        raise ChatError(Code.TEXT_TOO_LONG, f"The reason is too long: at most {most} characters.", max_characters=most)
    return reason


def until(chat: Chat, seconds: int | None, *, forever: int = FOREVER) -> int:
    """Return the moment in so many seconds, in ms since 1970, UTC; None is ``forever``."""
    return forever if seconds is None else chat.now() + seconds * 1000
