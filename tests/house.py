"""The whole daemon but for sockets, threads and the disk: people on memory transports, a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State
from tcpchat.core.addresses import Network, Places
from tcpchat.core.audit import AuditRecord
from tcpchat.core.catalogue import lobby_record
from tcpchat.core.chat import Chat, Identity
from tcpchat.core.entries import LOBBY_ID, Entry, PersonId, RoomId, RoomRecord, Sending, Sent, Seq, redacted
from tcpchat.core.history import trim
from tcpchat.core.hub import Hub
from tcpchat.core.limits import Limits
from tcpchat.core.permissions import key_needed
from tcpchat.core.positions import Marker, Markers, Place
from tcpchat.core.proofs import CertificateProof, PasswordProof, SignatureProof, TokenProof
from tcpchat.core.requests import (
    Append,
    AuditPage,
    Change,
    ChangeCredentials,
    CreateRoom,
    CredentialList,
    CredentialsChanged,
    Deleted,
    DeleteRoom,
    Effect,
    Enact,
    EndSession,
    ForgetSendings,
    Invite,
    Invited,
    IssuedToken,
    IssueToken,
    KeepSession,
    KeyRead,
    ListCredentials,
    Noted,
    NoteUse,
    Page,
    Protect,
    Protected,
    Prove,
    Proven,
    ReadAudit,
    ReadDirect,
    ReadDirects,
    Reading,
    ReadKey,
    ReadNews,
    ReadPage,
    Recall,
    Recognise,
    Recognised,
    Redaction,
    Result,
    SaveAccount,
    Secretive,
    StoredDirect,
    StoredDirects,
    StoredNews,
    Supply,
    Unlock,
    Unlocked,
)
from tcpchat.core.stored_session import SessionId, StoredSession
from tcpchat.core.tails import Tails
from tcpchat.errors import ChatError, Code
from tcpchat.server.adminsocket import AdminFactory
from tcpchat.server.commits import Waiter, unheard
from tcpchat.server.factory import ChatFactory
from tcpchat.server.http.names import WebNames
from tcpchat.server.http.site import ChatSite
from tcpchat.server.laggards import Laggards
from tcpchat.server.publisher import Publisher
from tcpchat.server.services import Services
from tcpchat.server.tls import Security
from tests.transport import LocalTransport, MemoryTransport

# A password that is refused, though it is long enough.
COMMON = "12345678"
PAGE_BYTES = Limits().page_bytes


class MemoryStore:
    """Performs requests when it is told to: `commit` is one batch, `read` answers the pages asked for."""

    def __init__(self) -> None:
        self.logs: dict[RoomId, list[Entry]] = {}
        self.keys: dict[str, RoomId] = {"lobby": LOBBY_ID}
        self.failing = False
        self.hub: Hub
        self.now: Callable[[], int]
        self.when_delivered: Callable[[Callable[[], None]], None]
        self._gone: set[RoomId] = set()
        self._changes: list[tuple[Change, Waiter]] = []
        self.accounts: dict[PersonId, Account] = {}
        self.credentials: dict[CredentialId, Credential] = {}
        self._secretive: list[tuple[Secretive, Callable[[Supply], None]]] = []
        self._pages: list[tuple[Reading, Callable[[Supply], None]]] = []
        self.sessions: dict[SessionId, StoredSession] = {}
        self.audit: list[AuditRecord] = []
        # Where accounts were made.
        self.homes: list[tuple[PersonId, str]] = []
        self.directs: dict[RoomId, RoomRecord] = {}
        self.positions: dict[Place, Marker] = {}
        self.effects: list[Effect] = []
        self.sent: dict[str, tuple[int, Entry]] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._changes and not self._pages and not self._secretive

    def submit(self, change: Change, waiter: Waiter) -> None:
        self._changes.append((change, waiter))

    def fetch(self, request: Reading, done: Callable[[Supply], None]) -> None:
        self._pages.append((request, done))

    def perform(self, request: Secretive, address: str, done: Callable[[Supply], None]) -> None:
        self._secretive.append((request, done))

    def registered(self, account: PersonId, address: str) -> None:
        self.homes.append((account, address))

    def prove(self) -> None:
        """Check every proof, and make every secret."""
        secretive, self._secretive = self._secretive, []
        for request, done in secretive:
            done(self._proved(request))

    def _proved(self, request: Secretive) -> Supply:
        match request:
            case Recognise(right):
                return Recognised() if right else ChatError(Code.NO_SUCH_SESSION, "No session has this code.")
            case Invite(right):
                return Invited() if right else ChatError(Code.NOT_ALLOWED, "That is no invitation code.", field="code")
            case Unlock(label, right):
                return Unlocked() if right else key_needed(label, shown=True)
            case Protect(password):
                if len(password) < 8:
                    return ChatError(Code.WEAK_PASSWORD, "That password is too short.")
                if password == COMMON:
                    return ChatError(Code.WEAK_PASSWORD, "That password is one of the first that anybody tries.")
                return Protected(((CredentialKind.PASSWORD, f"hash of {password}"),))
            case IssueToken():
                return IssuedToken("tcpchat_token", "hash of tcpchat_token")
            case ReadKey(text):
                return KeyRead(text)
            case ListCredentials(account, kind):
                found = [one for one in self.credentials.values() if (one.account, one.kind) == (account, kind)]
                return CredentialList(account, tuple(found))
            case Prove(account, PasswordProof(password)):
                kind, data = CredentialKind.PASSWORD, f"hash of {password}"
            case Prove(account, TokenProof(token)):
                kind, data = CredentialKind.TOKEN, f"hash of {token}"
            case Prove(account, CertificateProof(fingerprint)):
                kind, data = CredentialKind.CERTIFICATE, fingerprint
            case Prove(account, SignatureProof(signature, message)):
                kind, data = CredentialKind.KEY, signature.decode().removesuffix(f" signs {message.hex()}")
        for one in self.credentials.values():
            whose = one.account == account or kind is CredentialKind.TOKEN
            fresh = one.expires is None or one.expires > self.now()
            if (one.kind, one.data) == (kind, data) and whose and fresh:
                return Proven(self.accounts[one.account], one.id, one.expires, one.kind)
        return ChatError(Code.BAD_CREDENTIALS, "That name and what proves it don't belong together.")

    def commit(self) -> None:
        """Commit everything that waits as one batch, tell the hub, then each author."""
        batch, self._changes = self._changes, []
        results = [self._apply(change) for change, _ in batch]
        correspondents = dict.fromkeys(waiter.connection for _, waiter in batch)
        for correspondent in correspondents:
            correspondent.hold()
        self.hub.commit(results)

        def tell() -> None:
            for (_, waiter), result in zip(batch, results, strict=True):
                waiter.done(result)
            for correspondent in correspondents:
                correspondent.release()

        self.when_delivered(tell)

    def read(self) -> None:
        """Answer every page asked for."""
        pages, self._pages = self._pages, []
        for request, done in pages:
            if self.failing:
                done(ChatError(Code.STORE_FAILED, "The history can't be read."))
                continue
            if isinstance(request, ReadAudit):
                done(self._read_audit(request))
                continue
            if isinstance(request, ReadNews):
                done(self._read_news(request))
                continue
            if isinstance(request, ReadDirects):
                known = [self._direct(room, request.account) for room in request.rooms if room in self.directs]
                done(StoredDirects(tuple(known)))
                continue
            if isinstance(request, ReadDirect):
                done(self._direct(request.room, request.account))
                continue
            log = self.logs.get(request.room, [])[request.first - 1 : request.last]
            done(Page(request.room, trim(log, PAGE_BYTES, newest=request.newest)))

    def _read_news(self, request: ReadNews) -> StoredNews:
        read = [self._direct(room, request.account) for account, room in self.positions if account == request.account]
        new = [one for one in read if one.record is not None and one.seq is not None and one.record.head > one.seq]
        new.sort(key=lambda one: -self.logs[one.room][-1].draft.at)
        return StoredNews(tuple(new[: request.limit]), len(new) > request.limit)

    def _direct(self, room: RoomId, account: PersonId) -> StoredDirect:
        record = self.directs.get(room)
        if record is None:
            return StoredDirect(room, None)
        record = msgspec.structs.replace(record, head=Seq(len(self.logs.get(room, []))))
        marker = self.positions.get((account, room))
        return StoredDirect(room, record, None if marker is None else marker.seq)

    def _read_audit(self, request: ReadAudit) -> AuditPage:
        numbered = [msgspec.structs.replace(one, id=number) for number, one in enumerate(self.audit, 1)]
        meant = [
            one
            for one in reversed(numbered)
            if request.room in (None, one.room) and (request.before is None or one.id < request.before)
        ]
        return AuditPage(meant[: request.limit], len(meant) > request.limit)

    def asked(self) -> list[tuple[Reading, Callable[[Supply], None]]]:
        """Return the pages asked for, to be answered by the test."""
        pages, self._pages = self._pages, []
        return pages

    def take_pages(self) -> Callable[[], None]:
        """Read the pages asked for now, and return what answers them later."""
        pages, self._pages = self._pages, []
        read = [
            (Page(ask.room, self.logs[ask.room][ask.first - 1 : ask.last]), done)
            for ask, done in pages
            if isinstance(ask, ReadPage)
        ]

        def answer() -> None:
            for page, done in read:
                done(page)

        return answer

    def _sent_before(self, sending: Sending, change: Append | Recall) -> Sent:
        digest, entry = self.sent[sending.key]
        spared = change.draft if isinstance(change, Append) else None
        room = entry.draft.room
        return Sent(room, entry.seq, entry.draft.at, digest == sending.digest, room in self._gone, spared)

    def _apply(self, change: Change) -> Result:
        if self.failing:
            return ChatError(Code.STORE_FAILED, "The server could not keep this.")
        match change:
            case Append(sending=Sending() as sending) | Recall(sending) if sending.key in self.sent:
                return self._sent_before(sending, change)
            case Recall(_, refusal):
                return refusal
            case ForgetSendings(before):
                self.sent = {key: kept for key, kept in self.sent.items() if kept[1].draft.at >= before}
                return change
            case Append(draft) if draft.room in self._gone:
                return ChatError(Code.NO_SUCH_ROOM, "The room was deleted.")
            case Append(draft, opens, readers=readers):
                if opens is not None and opens.direct:
                    self.directs.setdefault(draft.room, opens)
                for reader in readers:
                    self.positions.setdefault((reader, draft.room), Marker(reader, draft.room, Seq(0)))
                log = self.logs.setdefault(draft.room, [])
                entry = Entry(Seq(len(log) + 1), draft)
                log.append(entry)
                if change.sending is not None:
                    self.sent[change.sending.key] = (change.sending.digest, entry)
                return entry
            case SaveAccount(account, _, _, before) if before is not None and before != self.accounts.get(account.id):
                return ChatError(Code.BUSY, "It was changed at the same moment.")
            case SaveAccount(account, credentials):
                if any(one.key == account.key and one.id != account.id for one in self.accounts.values()):
                    return ChatError(Code.NAME_TAKEN, "The name is registered.")
                self.accounts[account.id] = account
                if account.state is State.DELETED:
                    self.positions = {place: one for place, one in self.positions.items() if place[0] != account.id}
                if credentials is not None:
                    self.credentials = {i: one for i, one in self.credentials.items() if one.account != account.id}
                    self.credentials |= {one.id: one for one in credentials}
                return account
            case ChangeCredentials(account_id, _, _, ids, _, True) if not set(ids) <= self.credentials.keys():
                return CredentialsChanged(account_id, (), ())
            case ChangeCredentials(account_id, (one,), most=most) if most is not None and most <= sum(
                (kept.account, kept.kind) == (account_id, one.kind) for kept in self.credentials.values()
            ):
                return ChatError(Code.TOO_MANY_CREDENTIALS, "That is one too many.")
            case ChangeCredentials(account_id, add, kinds, ids, of):
                gone = [
                    one.id
                    for one in self.credentials.values()
                    if one.account == account_id and (one.kind in kinds or (one.id in ids and of in (None, one.kind)))
                ]
                for ident in gone:
                    del self.credentials[ident]
                self.credentials |= {one.id: one for one in add}
                return CredentialsChanged(account_id, tuple(gone), add)
            case NoteUse():
                return Noted()
            case KeepSession(session):
                self.sessions[session.id] = session
                return Noted()
            case EndSession(ident):
                self.sessions.pop(ident, None)
                return Noted()
            case Enact(record, effects):
                if record is not None:
                    self.audit.append(record)
                for effect in effects:
                    if isinstance(effect, Redaction):
                        log = self.logs[effect.room]
                        log[effect.seq - 1] = redacted(log[effect.seq - 1], effect.text)
                    if isinstance(effect, Markers):
                        self.positions |= {(one.account, one.room): one for one in effect.kept}
                        for place in effect.gone:
                            self.positions.pop(place, None)
                self.effects += effects
                return change
            case CreateRoom(record):
                if self.keys.setdefault(record.key, record.id) != record.id:
                    return ChatError(Code.ROOM_EXISTS, "It exists.")
                return record
            case DeleteRoom(room, label):
                self._gone.add(room)
                self.keys = {key: kept for key, kept in self.keys.items() if kept != room}
                return Deleted(room, label)


class House:
    """A running daemon in memory. With ``turn_writes`` a fan-out to more readers takes several turns.

    A ``publisher_type`` of its own may have faults that a test is to find.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        trusted: tuple[Network, ...] = (),
        rooms: tuple[RoomRecord, ...] = (),
        turn_writes: int = 1_000,
        security: Security = Security(),
        capacity: int | None = None,
        proxies: Places = Places(),
        publisher_type: type[Publisher] = Publisher,
        names: WebNames = WebNames(),
    ) -> None:
        # What the meter of work shows.
        self.work = 0.0
        self.clock = Clock()
        self.store = MemoryStore()
        limits = limits or Limits()
        publisher = publisher_type(self.clock, turn_writes=turn_writes)
        ids = itertools.count(1 << 40, 1 << 20)
        chat = Chat(
            Identity("tcpchat", "0.0.1", "Be kind."),
            limits,
            publisher,
            self._now,
            partial(next, ids),
            Tails(limits),
            submit=lambda change, refused=None: self.store.submit(change, unheard(refused)),
            stop=lambda: self.calls.append("stop"),
            owned=lambda: self.calls.append("owned"),
        )
        # What the chat has asked of the process around it.
        self.calls: list[str] = []
        self.hub = Hub(chat, [lobby_record("lobby", 7, 0), *rooms])
        self.chat = chat
        self.store.hub = self.hub
        self.store.now = self._now
        self.store.when_delivered = publisher.when_flushed
        store = self.store
        self.laggards = Laggards(publisher, self.hub, store, self.clock, limits)
        site = ChatSite(self.hub, limits, self.clock, names)
        services = Services(self.hub, store, store, store, publisher, self.laggards, self.clock, limits, site)
        self.factory = ChatFactory(services, trusted, capacity, security, proxies, lambda: self.work)

    def _now(self) -> int:
        return 1_700_000_000_000 + int(self.clock.seconds() * 1000)

    @property
    def present(self) -> list[str]:
        """Who has a connection."""
        return [person.name for person in self.hub.users if not all(one.detached for one in person.sessions)]

    def connect(self, host: str = "192.0.2.1", *, user: int | None = None) -> MemoryTransport:
        """Return a new connection to the daemon; to its admin socket, if one of the system's users makes it."""
        if user is not None:
            visitor = AdminFactory(self.factory).buildProtocol(None)
            local = LocalTransport(visitor, user)
            visitor.makeConnection(local)
            return local
        address = IPv4Address("TCP", host, 40000)
        protocol = self.factory.build(address, self.factory.security)
        transport = MemoryTransport(protocol, host)
        protocol.makeConnection(transport)
        return transport

    def settle(self) -> None:
        """Commit and read until nothing waits."""
        for _ in range(100):
            self.clock.advance(0)
            if self.store.idle:
                return
            self.store.read()
            self.store.prove()
            self.store.commit()
        raise AssertionError("it never settles")


class Script:
    """A program that speaks JSON lines."""

    wire = "json"

    def __init__(
        self, house: House, name: str | None = None, host: str = "192.0.2.1", *, operator: bool = False
    ) -> None:
        self.house = house
        self.transport = house.connect(host, user=0 if operator else None)
        self.meet()
        self.lines: list[dict[str, Any]] = []
        self.name = name
        self._ids = itertools.count(1)
        if name is not None:
            self.ask("login", name=name)

    def meet(self) -> None:
        """Do what comes before the first object: nothing."""

    def write(self, message: bytes) -> None:
        """Send one object."""
        self.transport.receive(message + b"\n")

    def received(self) -> list[bytes]:
        """Return the objects that have come."""
        return self.transport.take().splitlines()

    def hang_up(self) -> None:
        """Say goodbye by ending the connection."""
        self.transport.end()

    def send(self, op: str, /, **data: Any) -> None:
        """Send an operation without an id."""
        self.write(msgspec.json.encode({"op": op, "data": data}))

    def post(self, op: str, /, **data: Any) -> int:
        """Send an operation with an id, which is returned, and wait for nothing."""
        number = next(self._ids)
        self.write(msgspec.json.encode({"op": op, "id": number, "data": data}))
        return number

    def ask(self, op: str, /, **data: Any) -> Any:
        """Send an operation and return the data of its reply; a refusal raises `ChatError`."""
        number = self.post(op, **data)
        self.house.settle()
        reply = next(line for line in self.read() if line.get("id") == number)
        self.lines.remove(reply)
        if reply["status"] == "error":
            error = reply["error"]
            raise ChatError(Code(error["code"]), error["message"])
        return reply["data"]

    def read(self) -> list[dict[str, Any]]:
        """Return everything received and not taken yet."""
        self.lines += [msgspec.json.decode(line) for line in self.received()]
        return self.lines

    def take(self) -> list[dict[str, Any]]:
        """Return everything received, and forget it."""
        lines, self.lines = self.read(), []
        return lines

    # The same words as a Terminal's.

    def enter(self, room: str) -> None:
        self.ask("join", room=room)

    def say(self, room: str, text: str) -> None:
        self.send("say", room=room, text=text)

    def act(self, room: str, text: str) -> None:
        self.send("say", room=room, text=text, action=True)

    def tell(self, name: str, text: str) -> None:
        self.send("tell", to=name, text=text)

    def leave(self, room: str) -> None:
        self.send("leave", room=room)

    def heard(self) -> list[str]:
        """Return what was said, as ``nina in lobby: hello``; a direct message as ``nina to bob: hello``."""
        return [self._spoken(line["data"]) for line in self.take() if line["op"] == "message"]

    def _spoken(self, message: dict[str, Any]) -> str:
        name, text, room = message["from"], message["text"], message["room"]
        if "with" in message:
            return f"{name} to {message['with'] if message.get('mine') else self.name}: {text}"
        return f"* {name} {text} in {room}" if message["kind"] == "action" else f"{name} in {room}: {text}"

    def saw(self) -> list[str]:
        """Return who came and went, as ``bob joined lobby``."""
        return [
            f"{line['data']['user']['name']} {line['op']} {line['data']['room']}"
            for line in self.take()
            if line["op"] in ("joined", "left")
        ]

    def refused(self) -> list[str]:
        """Return what was refused, as sentences."""
        return [line["error"]["message"] for line in self.take() if line.get("status") == "error"]


class Terminal:
    """A person in telnet or nc."""

    wire = "text"

    def __init__(self, house: House, name: str | None = None, host: str = "192.0.2.1") -> None:
        self.house = house
        self.transport = house.connect(host)
        self.room = "lobby"
        self.name = name
        if name is not None:
            self.type(name)
            self.take()

    def hang_up(self) -> None:
        """Say goodbye by ending the connection."""
        self.transport.end()

    def type(self, line: str) -> None:
        """Type a line."""
        self.transport.receive(line.encode() + b"\r\n")
        self.house.settle()

    def take(self) -> list[str]:
        """Return the lines on the screen since the last time."""
        return self.transport.take().decode().splitlines()

    def enter(self, room: str) -> None:
        self.type(f"/join {room}")
        self.room = room
        self.take()

    def say(self, room: str, text: str) -> None:
        self._send(f"/say {room} {text}" if room != self.room else text)

    def act(self, room: str, text: str) -> None:
        assert room == self.room
        self._send(f"/me {text}")

    def tell(self, name: str, text: str) -> None:
        self._send(f"/msg {name} {text}")

    def leave(self, room: str) -> None:
        self._send(f"/leave {room}")

    def heard(self) -> list[str]:
        """Return what was said, in the words of `Script.heard`."""
        return [speech for line in self.take() if (speech := self._spoken(line))]

    def _spoken(self, line: str) -> str | None:
        speaker, colon, text = line.partition(": ")
        words = [str(self.name) if word == "you" else word for word in speaker.split()]
        if line.startswith("* "):
            return f"{line} in {self.room}"
        if colon and len(words) == 1:
            return f"{speaker} in {self.room}: {text}"
        if colon and len(words) == 3 and words[1] in ("in", "to"):
            return f"{' '.join(words)}: {text}"
        return None

    def saw(self) -> list[str]:
        """Return who came and went."""
        return [line.rstrip(".") for line in self.take() if line.split()[1:2] in (["joined"], ["left"])]

    def refused(self) -> list[str]:
        """Return the sentences that aren't speech."""
        return [line for line in self.take() if not self._spoken(line)]

    def _send(self, line: str) -> None:
        self.transport.receive(line.encode() + b"\n")
