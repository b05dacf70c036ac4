"""What a person can ask for. The JSON wire decodes ``data`` straight into these; text builds them from words."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Position = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


Secret = Annotated[str, msgspec.Meta(max_length=4096)]


class Command(msgspec.Struct, frozen=True, gc=False):
    """One request to the hub. A pipelined command doesn't wait for the earlier ones of its connection.

    ``operable``: whoever sits at the machine itself, and never has a name, may give it. ``writes``: it is refused while
    the whole server is read-only.
    """

    pipelined: ClassVar[bool] = False
    needs_login: ClassVar[bool] = True
    operable: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    def __repr__(self) -> str:
        # What is asked for may be a secret, or words for somebody's ears: no log is to show it.
        return f"{type(self).__name__}(…)"


class Hello(Command, frozen=True):
    """Ask what this server is."""

    operable: ClassVar[bool] = True
    needs_login: ClassVar[bool] = False


class Ping(Command, frozen=True):
    """Ask for an answer after everything sent before it is settled."""

    operable: ClassVar[bool] = True
    needs_login: ClassVar[bool] = False


class Login(Command, frozen=True):
    """Take a free name as a guest, or prove by one of the others to be an account. A token tells the name itself.

    ``reads``: whatever this connection is told, somebody reads at once, and no `Read` will say so.
    """

    needs_login: ClassVar[bool] = False
    name: str = ""
    color: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    signature: bytes | None = None
    certificate: bool = False
    reads: bool = False


class Visit(Login, frozen=True):
    """Log in for as long as the connection lasts: nothing is left behind that could be resumed."""


class EnterAsGuest(Command, frozen=True):
    """Take a free name for as long as the connection lasts, and enter the lobby."""

    needs_login: ClassVar[bool] = False
    name: str


class SpeakAsGuest(EnterAsGuest, frozen=True):
    """Take a free name for as long as the connection lasts, enter the lobby, and say something there."""

    writes: ClassVar[bool] = True
    text: str


class Arrive(Command, frozen=True):
    """Log in and land in the lobby, with its recent history: what a person at a terminal does."""

    needs_login: ClassVar[bool] = False
    name: str
    password: Secret | None = None


class AskChallenge(Command, frozen=True):
    """Ask for a nonce to be signed with the key of an account, and for the account's name as it is spelled."""

    needs_login: ClassVar[bool] = False
    name: str = ""


class May(Command, frozen=True):
    """Ask whether something that takes a password would be allowed, before a person is asked for one."""

    needs_login: ClassVar[bool] = False
    what: Literal["login", "register", "password", "unregister"]
    name: str = ""
    code: str = ""


class Register(Command, frozen=True):
    """Make an account of the guest that one is, or of a free name."""

    needs_login: ClassVar[bool] = False
    password: Secret
    name: str = ""
    code: str = ""
    reads: bool = False


class Enrol(Register, frozen=True):
    """Register, and land in the lobby if that makes one another person: what a person at a terminal does."""


class ChangePassword(Command, frozen=True):
    """Log in with another password from now on."""

    old: Secret
    new: Secret


class Unregister(Command, frozen=True):
    """Delete one's account."""

    password: Secret


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to be made: what it is for, and in how many days it expires (`Limits.token_days` at most)."""

    label: Annotated[str, msgspec.Meta(max_length=64)] = ""
    expires: int | None = None


class Tokens(Command, frozen=True):
    """List one's tokens, make one, or revoke one; those of ``user``, if one has the right to it."""

    operable: ClassVar[bool] = True
    create: NewToken | None = None
    revoke: str | None = None
    user: str = ""


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Ed25519 public key: 32 bytes in base64, or a line as OpenSSH writes it."""

    key: Annotated[str, msgspec.Meta(max_length=1024)]
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Keys(Command, frozen=True):
    """List the keys that prove one's account, add one, or remove one."""

    add: NewKey | None = None
    remove: str | None = None


class NewCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate by the SHA-256 of its DER in hexadecimal; without one, that which this connection has shown."""

    fingerprint: Annotated[str, msgspec.Meta(max_length=128)] = ""
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Certificates(Command, frozen=True):
    """List the client certificates that prove one's account, add one, or remove one."""

    add: NewCertificate | None = None
    remove: str | None = None


class Logout(Command, frozen=True):
    """Leave every room and give the name back; the connection stays."""


class Quit(Command, frozen=True):
    """Log out and close the connection."""

    operable: ClassVar[bool] = True
    needs_login: ClassVar[bool] = False


class Detach(Quit, frozen=True):
    """Go on without a connection: it broke."""


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last entry that a client has of a log; without the epoch it is taken for one of the log as it is."""

    seq: Position
    epoch: int | None = None


Cursors = Annotated[dict[str, Position | Seen], msgspec.Meta(max_length=1_000)]


class Resume(Command, frozen=True):
    """Go on with a session whose connection broke, by its code: with each room after the entry that one has of it."""

    needs_login: ClassVar[bool] = False
    session: Secret
    cursors: Cursors = {}


class ComeBack(Resume, frozen=True):
    """Go on where the screen stopped: what a person at a terminal does."""


class ListRooms(Command, frozen=True):
    """Ask for the rooms there are, or those whose name or topic contains ``search``."""

    operable: ClassVar[bool] = True
    search: str = ""


class ListUsers(Command, frozen=True):
    """Ask for everybody who is logged in."""

    operable: ClassVar[bool] = True


class Create(Command, frozen=True):
    """Create a room without entering it."""

    writes: ClassVar[bool] = True
    room: str


class Delete(Command, frozen=True):
    """Delete a room that one has created."""

    operable: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    room: str


class Join(Command, frozen=True):
    """Enter a room, created when absent, and read its log: the ``last`` entries, or those ``after`` a number."""

    room: str
    key: Annotated[str, msgspec.Meta(max_length=128)] = ""
    last: Count | None = None
    after: Position | None = None


class Leave(Command, frozen=True):
    """Leave a room."""

    room: str


class ListMembers(Command, frozen=True):
    """Ask who is in a room."""

    operable: ClassVar[bool] = True
    room: str


class Speech(Command, frozen=True, kw_only=True):
    """Saying something. However often it is sent with the same ``client_id``, it is said once."""

    writes: ClassVar[bool] = True
    client_id: str | None = None


class Say(Speech, frozen=True):
    """Say something in a room one has joined."""

    pipelined: ClassVar[bool] = True
    room: str
    text: str
    action: bool = False


class SayInLobby(Speech, frozen=True):
    """Say something in the lobby, entering it first when needed: the short form."""

    pipelined: ClassVar[bool] = True
    text: str


class Tell(Speech, frozen=True):
    """Say something to one person."""

    pipelined: ClassVar[bool] = True
    to: str
    text: str


class Reply(Speech, frozen=True):
    """Say something to the person who wrote directly last."""

    text: str


class Topic(Command, frozen=True):
    """Say what a room is for, or ask. An empty text, or a dash, takes the topic away."""

    writes: ClassVar[bool] = True
    room: str
    text: str | None = None


class Switch(Command, frozen=True):
    """Speak in another room that one is in."""

    room: str


class Rename(Command, frozen=True):
    """Take another name."""

    writes: ClassVar[bool] = True
    name: str


class Recolor(Command, frozen=True):
    """Take another colour, or none."""

    color: str | None = None


class GoAway(Command, frozen=True):
    """Be away, with a word of why; without one be back."""

    text: str = ""


class WhoIs(Command, frozen=True):
    """Ask who somebody is."""

    operable: ClassVar[bool] = True
    user: str


class Ignore(Command, frozen=True):
    """Read nothing of somebody any more."""

    user: str


class Unignore(Command, frozen=True):
    """Read somebody again."""

    user: str


class ListIgnored(Command, frozen=True):
    """Ask whom one doesn't read."""


class Complete(Command, frozen=True):
    """Ask which names of people or rooms begin so."""

    kind: Literal["user", "room"]
    prefix: str = ""


class Read(Command, frozen=True):
    """Say that one has read a room, or a conversation, up to an entry."""

    room: str
    seq: Position


class History(Command, frozen=True):
    """Read a page of the log of a room, or of the conversation with ``@somebody``.

    At most one of ``before``, ``after`` and ``around`` is given; without one it is the newest.
    """

    room: str
    before: Position | None = None
    after: Position | None = None
    around: Position | None = None
    limit: Count = 50
