"""What the hub needs done before it can answer. The server performs it and calls the hub again with the result."""

from __future__ import annotations

import msgspec

from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind
from tcpchat.core.audit import AuditRecord
from tcpchat.core.bans import Ban, BanId
from tcpchat.core.entries import Draft, Entry, PersonId, RoomId, RoomRecord, Sending, Sent, Seq
from tcpchat.core.positions import Markers
from tcpchat.core.proofs import Proof
from tcpchat.core.roles import Membership
from tcpchat.core.stored_session import SessionId, StoredSession
from tcpchat.errors import ChatError


class Request(msgspec.Struct, frozen=True, gc=False):
    """Work that takes a disk, and so can't be done while the hub waits."""


class Append(Request, frozen=True):
    """Commit an entry; supplies its `Entry`.

    ``opens`` is the room it needs if that isn't stored yet, in which ``readers`` are accounts for whom it waits.
    With a ``sending`` nothing is appended if something was sent under its key before, which supplies a `Sent`.
    """

    draft: Draft
    opens: RoomRecord | None = None
    sending: Sending | None = None
    readers: tuple[PersonId, ...] = ()


class Recall(Request, frozen=True):
    """Find what was sent before, though it would be refused now; supplies a `Sent`, or the ``refusal``.

    It takes its turn among the changes, so that it finds whatever was submitted earlier.
    """

    sending: Sending
    refusal: ChatError


class ForgetSendings(Request, frozen=True):
    """Forget what was sent before ``before``, in ms since 1970, UTC; supplies itself, and is done bit by bit."""

    before: int


class CreateRoom(Request, frozen=True):
    """Store a room; supplies its `RoomRecord`, or ``room-exists``."""

    record: RoomRecord


class DeleteRoom(Request, frozen=True):
    """Delete a room and its log; supplies a `Deleted`."""

    room: RoomId
    label: str
    at: int


class ReadPage(Request, frozen=True):
    """Read entries ``first`` to ``last``; supplies a `Page`.

    When they don't fit ``page_bytes`` it holds the newest of them if ``newest``, else the oldest.
    """

    room: RoomId
    first: Seq
    last: Seq
    newest: bool


class ReadDirect(Request, frozen=True):
    """Read of a conversation how long it is, and how far ``account`` has read it; supplies a `StoredDirect`."""

    room: RoomId
    account: PersonId


class StoredDirect(msgspec.Struct, frozen=True, gc=False):
    """A conversation as it is stored, None if it isn't; ``seq`` None: no marker of that account is."""

    room: RoomId
    record: RoomRecord | None
    seq: Seq | None = None


class ReadDirects(Request, frozen=True):
    """Read the same of several conversations; supplies a `StoredDirects`."""

    rooms: tuple[RoomId, ...]
    account: PersonId


class StoredDirects(msgspec.Struct, frozen=True, gc=False):
    """Those of the conversations asked for that there are."""

    directs: tuple[StoredDirect, ...]


class ReadNews(Request, frozen=True):
    """Find the conversations in which something waits for ``account``, at most ``limit``; supplies a `StoredNews`."""

    account: PersonId
    limit: int


class StoredNews(msgspec.Struct, frozen=True, gc=False):
    """Conversations in which something waits, the latest first; ``more`` says that there are others."""

    directs: tuple[StoredDirect, ...]
    more: bool = False


class Prove(Request, frozen=True):
    """Check a proof of who somebody is; supplies a `Proven`, or ``bad-credentials``.

    ``account`` None: nobody is called so, which must take as long to refuse. A token tells by itself whose it is.
    """

    account: PersonId | None
    proof: Proof


class Proven(msgspec.Struct, frozen=True, gc=False):
    """Somebody has proved to be ``account``, as it was stored at that moment, by ``credential``, which is of ``kind``.

    ``expires`` is until when that is good, in ms since 1970, UTC; None for ever. ``kind`` is the credential's.
    """

    account: Account
    credential: CredentialId
    expires: int | None = None
    kind: CredentialKind = CredentialKind.PASSWORD


class Invite(Request, frozen=True):
    """An invitation code was shown; supplies `Invited` if it is ``right``, else ``not-allowed``.

    It goes the way of proofs, since it can be guessed like one.
    """

    right: bool


class Invited(msgspec.Struct, frozen=True, gc=False):
    """The code was right."""


class Unlock(Request, frozen=True):
    """A key was shown for the room ``label``; supplies `Unlocked` if it is ``right``, else ``key-needed``.

    ``account`` is whose it is who showed it, if it is one. It goes the way of proofs, right or wrong.
    """

    label: str
    right: bool
    account: PersonId | None


class Unlocked(msgspec.Struct, frozen=True, gc=False):
    """The key was right."""


class Recognise(Request, frozen=True):
    """The code of a session was shown; supplies `Recognised` if it is ``right``, else ``no-such-session``.

    It goes the way of proofs, since it can be guessed like one.
    """

    right: bool


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """The code was right."""


class Protect(Request, frozen=True):
    """Make what a password is checked against; supplies a `Protected`, or ``weak-password``, or ``bad-field``.

    ``name`` is that of the account: the password must not be it.
    """

    password: str
    name: str = ""

    def __repr__(self) -> str:
        return "Protect(…)"


class Protected(msgspec.Struct, frozen=True, gc=False):
    """What a password is checked against: its kinds, with the data of each."""

    data: tuple[tuple[CredentialKind, str], ...]

    def __repr__(self) -> str:
        return f"Protected({', '.join(kind.name for kind, _ in self.data)})"


class IssueToken(Request, frozen=True):
    """Make a new token; supplies an `IssuedToken`."""


class IssuedToken(msgspec.Struct, frozen=True, gc=False):
    """A token, which is shown once, and what it is checked against."""

    token: str
    data: str

    def __repr__(self) -> str:
        return "IssuedToken(…)"


class ReadKey(Request, frozen=True):
    """Read a public key as people paste it; supplies a `KeyRead`, or ``bad-field``."""

    text: str


class KeyRead(msgspec.Struct, frozen=True, gc=False):
    """A public key, as it is kept."""

    data: str


class ListCredentials(Request, frozen=True):
    """Read the credentials of an account; supplies a `CredentialList`."""

    account: PersonId
    kind: CredentialKind


class CredentialList(msgspec.Struct, frozen=True, gc=False):
    """Credentials of one account and kind, the oldest first, those that have expired too."""

    account: PersonId
    credentials: tuple[Credential, ...]


class SaveAccount(Request, frozen=True):
    """Store a new account with what proves it, or change one that is there; supplies the `Account`, or ``name-taken``.

    ``credentials`` None: those that there are stay; else they take the place of all. ``at`` is now, for the name of a
    deleted account that is kept no longer; an account that is new is so now. ``before`` is the account that is changed:
    if it is stored otherwise by then, nothing is done, and ``busy`` supplied, so that no change undoes another.
    """

    account: Account
    credentials: tuple[Credential, ...] | None = None
    at: int = 0
    before: Account | None = None


class ChangeCredentials(Request, frozen=True):
    """Remove credentials of an account, all of the ``kinds`` and those of ``ids``, and add others.

    One that is added under an id that is removed takes its place. With ``if_present`` nothing is done, and nothing
    removed or added, unless all of ``ids`` are still there: what is made anew of an old password must not bring it
    back. With ``of`` only ``ids`` of that kind count. ``most``: how many of the kind that is added the account may have
    then; more supply ``too-many-credentials``. Supplies `CredentialsChanged`.
    """

    account: PersonId
    add: tuple[Credential, ...] = ()
    kinds: tuple[CredentialKind, ...] = ()
    ids: tuple[CredentialId, ...] = ()
    of: CredentialKind | None = None
    if_present: bool = False
    most: int | None = None


class CredentialsChanged(msgspec.Struct, frozen=True, gc=False):
    """The credentials that were ``removed`` prove nothing any more, unless one was ``added`` under the same id."""

    account: PersonId
    removed: tuple[CredentialId, ...]
    added: tuple[Credential, ...]


class NoteUse(Request, frozen=True):
    """Note that a credential has been used at ``at``; supplies a `Noted`."""

    credential: CredentialId
    at: int


class Noted(msgspec.Struct, frozen=True, gc=False):
    """It is noted; nobody waits to hear so."""


class KeepSession(Request, frozen=True):
    """Keep a session as it is now, for the time after a restart; supplies a `Noted`."""

    session: StoredSession


class EndSession(Request, frozen=True):
    """Keep a session no longer; supplies a `Noted`."""

    id: SessionId


class NameRule(msgspec.Struct, frozen=True, gc=False):
    """What holds of a name: ``reserved`` for whom an admin gives it to, ``forbidden`` to all, or ``free`` again."""

    key: str
    name: str
    rule: str


class Lifted(msgspec.Struct, frozen=True, gc=False):
    """A ban that is no more."""

    id: BanId


class StoredState(msgspec.Struct, frozen=True, gc=False):
    """Something the whole server remembers, such as the message of the day; an empty value is forgotten."""

    name: str
    value: str


class StoredSettings(msgspec.Struct, frozen=True, gc=False):
    """Some settings of a room, from here on; the others stay as they are by then."""

    room: RoomId
    changes: dict[str, bool | int | str]


class Redaction(msgspec.Struct, frozen=True, gc=False):
    """An entry whose text is removed; its number stays, and ``text``, if that is left of it."""

    room: RoomId
    seq: Seq
    text: str = ""


Effect = Ban | Lifted | Membership | NameRule | StoredState | StoredSettings | Redaction | Markers
"""What an act changes in the database."""


class Enact(Request, frozen=True):
    """Keep an act in the audit log, with its effects, all or nothing; supplies itself once that is committed."""

    record: AuditRecord | None
    effects: tuple[Effect, ...] = ()


class ReadAudit(Request, frozen=True):
    """Read ``limit`` acts before the one with the id ``before``, of one room or of all; supplies an `AuditPage`."""

    limit: int
    before: int | None = None
    room: RoomId | None = None


class AuditPage(msgspec.Struct, frozen=True, gc=False):
    """Acts, the newest first; ``more`` says that there are older ones."""

    records: list[AuditRecord]
    more: bool


class Page(msgspec.Struct, frozen=True, gc=False):
    """Entries read from a room's log, in the order of their numbers, without holes."""

    room: RoomId
    entries: list[Entry]


class Deleted(msgspec.Struct, frozen=True, gc=False):
    """The room is gone."""

    room: RoomId
    label: str


Committed = Entry | RoomRecord | Deleted | Account | CredentialsChanged | Noted | Enact | ForgetSendings
"""What a commit can have changed."""

Result = Committed | Sent | ChatError
"""What one change of a batch came to."""

Known = Proven | Invited | Recognised | Unlocked | Protected | IssuedToken | KeyRead | CredentialList
"""What a `Secretive` request comes to."""

Supply = Committed | Sent | Page | AuditPage | StoredDirect | StoredDirects | StoredNews | Known | ChatError
"""What a performed request gives back to the hub."""

Change = (
    Append
    | Recall
    | CreateRoom
    | DeleteRoom
    | SaveAccount
    | ChangeCredentials
    | NoteUse
    | Enact
    | ForgetSendings
    | KeepSession
    | EndSession
)
"""The requests that go through the one FIFO of commits."""

Reading = ReadPage | ReadAudit | ReadDirect | ReadDirects | ReadNews
"""The requests that only read what is kept."""

Secretive = Prove | Invite | Recognise | Unlock | Protect | IssueToken | ReadKey | ListCredentials
"""The requests about what proves who somebody is."""
