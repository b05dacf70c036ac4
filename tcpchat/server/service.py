"""The composition root: puts the parts together, for the plugin, the ``.tac`` file and the tests alike."""

from __future__ import annotations

import gc
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError
from twisted.application.service import IServiceCollection, Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

import tcpchat
from tcpchat.core.accounts import State
from tcpchat.core.chat import Chat, Identity
from tcpchat.core.entries import RoomId
from tcpchat.core.hub import Hub
from tcpchat.core.ranks import hash_code
from tcpchat.core.requests import Change, CredentialsChanged, Result
from tcpchat.core.roles import ServerRole
from tcpchat.core.tails import Tails
from tcpchat.errors import Code, StartError
from tcpchat.server import descriptors
from tcpchat.server.adminsocket import AdminFactory, AdminPort, NoAdminSocket, listen_admin
from tcpchat.server.certificates import BadCertificate, Source
from tcpchat.server.commits import GroupCommit, unheard
from tcpchat.server.datadir import DATABASE, FileLock, open_directory
from tcpchat.server.endpoints import listen, place
from tcpchat.server.factory import ChatFactory, SecureFactory
from tcpchat.server.http.site import ChatSite
from tcpchat.server.laggards import Laggards
from tcpchat.server.live import Live, certificate_source
from tcpchat.server.logs import begin_log
from tcpchat.server.options import Options
from tcpchat.server.ownercode import OwnerCode
from tcpchat.server.pages import PageReaders
from tcpchat.server.prover import Prover
from tcpchat.server.publisher import Publisher
from tcpchat.server.reader import StoredAccounts
from tcpchat.server.reload import Reloader, reload_on_signal
from tcpchat.server.services import Services
from tcpchat.server.settings import Settings, read_settings
from tcpchat.server.space import DiskSpace
from tcpchat.server.ticker import Ticker
from tcpchat.server.tls import Security, TlsContext
from tcpchat.server.watch import CertificateWatch
from tcpchat.server.writer import Log
from tcpchat.store.accounts import load_accounts
from tcpchat.store.database import create_sqlite_file, open_engine, parse_url, prepare, reason, sqlite_url
from tcpchat.store.log import LogWriter
from tcpchat.store.order import load_order
from tcpchat.store.positions import load_positions
from tcpchat.store.reading import load_rooms
from tcpchat.store.sessions import load_sessions

__all__ = ["ChatService", "Options", "makeService", "make_service"]

# Objects made and not gone, after which Python looks for cycles among them: a few MiB.
_COLLECTOR_OBJECTS = 20_000
# What stopping may take; systemd and people wait a little longer.
_STOP_SECONDS = 4.5
# Of these the last are for the writer to let go of the database.
_COMMIT_SECONDS = 0.7


class ChatService(Service):
    """The running daemon: its ports, its threads, and its orderly end."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        factory: ChatFactory,
        ports: Sequence[IListeningPort],
        commits: GroupCommit,
        pages: PageReaders,
        proofs: Prover,
        lock: FileLock | None,
        database: str,
        unfinished: Sequence[RoomId],
        capacity: int,
        live: Live,
        unowned: Path | None,
        space: DiskSpace | None,
        warnings: Sequence[str] = (),
        admin: AdminPort | None = None,
    ) -> None:
        self.factory = factory
        self.ports = ports
        self.admin = admin
        self.live = live
        self._reactor = reactor
        self._commits = commits
        self._pages = pages
        self._proofs = proofs
        self._lock = lock
        self._database = database
        self._unfinished = unfinished
        self._capacity = capacity
        # Where the owner code is; None: there is an owner.
        self._unowned = unowned
        # None: the database is not on a disk of ours.
        self._space = space
        self._ticker = Ticker(factory.services.hub.tick, factory.services.limits, reactor)
        self._warnings = warnings
        # What twistd is to log with; None: as it likes.
        self.log_observer: ILogObserver | None = None

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Join the application, which is where twistd looks for an observer of its log."""
        super().setServiceParent(parent)
        if self.log_observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.log_observer)

    def startService(self) -> None:
        """Start the threads: only now, because a daemon has forked by now."""
        super().startService()
        if self._lock is not None:
            self._lock.sign()
        self._commits.start(self._unfinished)
        self._pages.start()
        self._proofs.start()
        self._ticker.start()
        if self._space is not None:
            self._space.start()
        if few := descriptors.warning(self._capacity):
            self._log.warn("{few}", few=few)
        for warning in self._warnings:
            self._log.warn("{warning}", warning=warning)
        self._log.info("messages are kept in {database}", database=self._database)
        self.live.watch.start()
        if self._unowned is not None:
            self._log.info("this server has no owner: /claim with the code in {path} makes one", path=self._unowned)
        if self.admin is not None:
            self._log.info("tcpchat-admin reaches this server by {path}", path=place(self.admin))
        for port in self.ports:
            self._log.info("tcpchat {version} listens on {port}", version=tcpchat.__version__, port=place(port))

    async def _stop(self) -> None:
        """Tell everybody, answer everything that was accepted, and let go of the data; within 5 seconds."""
        deadline = self._reactor.seconds() + _STOP_SECONDS
        self._ticker.stop()
        if self._space is not None:
            self._space.stop()
        self.live.watch.stop()
        self.factory.services.hub.close()
        await DeferredList([port.stopListening() or _fired() for port in self._listening])
        for connection in self.factory.connections:
            connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
        await self._until_empty(deadline - _COMMIT_SECONDS)
        for connection in self.factory.connections:
            connection.abort()
        self.factory.services.hub.save()
        self._pages.stop()
        self._proofs.stop()
        # A store that hangs must not keep the process: what it has in hand is committed whole or not at all.
        stopped = self._commits.stop().addTimeout(max(0.1, deadline - self._reactor.seconds()), self._reactor)
        await stopped.addErrback(lambda failure: failure.trap(TimedOut))
        if self._lock is not None:
            self._lock.release()

    def stopService(self) -> Deferred[None]:
        """Stop; the deferred fires when everything is on disk and everybody has gone."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    @property
    def _listening(self) -> list[IListeningPort]:
        return [*self.ports, *([self.admin] if self.admin is not None else ())]

    async def _until_empty(self, deadline: float) -> None:
        while len(self.factory.connections) and self._reactor.seconds() < deadline:
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(0.02, pause.callback, None)
            await pause


def make_service(settings: Settings, reactor: Any, *, log: Log | None = None) -> ChatService:
    """Return the daemon, listening and with its database ready; raises `StartError`.

    Nothing runs before ``startService``. ``log`` takes the place of the real log's writer, for tests.
    What was stored is taken back in one go, and before any port listens: the reactor doesn't run yet, so nobody waits
    for it, and a signal ends the process at once, as it would any program.
    """
    limits = replace(settings.limits)  # of its own, since it may become another
    capacity = descriptors.connection_capacity()
    lock: FileLock | None = None
    if settings.database is None:
        open_directory(settings.data)
        url = sqlite_url(settings.data / DATABASE)
    else:
        url = parse_url(settings.database)
    try:
        if url.get_backend_name() == "sqlite":
            lock = FileLock(Path(str(url.database)))
            create_sqlite_file(Path(str(url.database)))
        engine = open_engine(url)
        prepare(engine)
        accounts = load_accounts(engine)
        order = load_order(engine)
        positions = load_positions(engine)
        stored = load_sessions(engine)
        records, unfinished = load_rooms(engine, epoch=_new_id() >> 10, now=_now())
    except OSError as error:
        raise StartError(f"can't open the database {url.database}: {error.strerror or error}") from None
    except DBAPIError as error:
        raise StartError(f"can't read the database {url.render_as_string()}: {reason(error)}") from None

    def submit(change: Change, refused: Callable[[], None] | None = None) -> None:
        commits.submit(change, unheard(refused))

    publisher = Publisher(reactor)
    owner_code = OwnerCode(settings.data)
    identity = Identity(settings.server_name, tcpchat.__version__, settings.motd)
    chat = Chat(
        identity,
        limits,
        publisher,
        _now,
        _new_id,
        Tails(limits),
        settings.policy,
        submit=submit,
        stop=partial(_stop_daemon, reactor),
        owned=partial(_discard, reactor, owner_code),
        log=lambda what: Logger().info("{what}", what=what),
    )
    if not any(account.role is ServerRole.OWNER and account.state is not State.DELETED for account in accounts):
        try:
            open_directory(settings.data)  # another database doesn't need it
            chat.server.owner_code = hash_code(owner_code.read())
        except StartError as error:
            if settings.database is None:
                raise
            Logger().warn("nobody can become the owner of this server: {why}", why=error)
    for account in accounts:
        chat.accounts.put(account)
    hub = Hub(chat, records)
    hub.restore(order.memberships, order.bans, order.rules, order.state, positions)
    writer = log or LogWriter(open_engine(url, writer=True))

    def commit(results: Sequence[Result]) -> None:
        if CredentialsChanged in set(map(type, results)):
            for result in results:
                if isinstance(result, CredentialsChanged):
                    proofs.changed(result)
        hub.commit(results)

    commits = GroupCommit(writer, reactor, limits, commit, publisher.when_flushed, hub.store_changed)
    space = DiskSpace(Path(str(url.database)).parent, reactor, hub.space_known) if lock is not None else None
    pages = PageReaders(engine, reactor, limits)
    iterations = settings.scram_iterations
    proofs = Prover(StoredAccounts(engine), reactor, limits, submit, _now, scram_iterations=iterations)
    laggards = Laggards(publisher, hub, pages, reactor, limits)
    site = ChatSite(hub, limits, reactor, settings.web_names)
    services = Services(hub, commits, pages, proofs, publisher, laggards, reactor, limits, site)
    contexts: list[TlsContext] = []

    def add_context(source: Source) -> TlsContext:
        contexts.append(TlsContext(source))
        return contexts[-1]

    if settings.self_signed:
        open_directory(settings.data)  # another database doesn't need it
    certificate = certificate_source(settings, settings.data)
    try:
        security = Security(add_context(certificate) if certificate else None, required=settings.tls_required)
    except BadCertificate as error:
        raise StartError(f"TLS can't be spoken: {error}") from None
    hub.restore_sessions(stored.sessions, stored.directs)
    factory = ChatFactory(services, settings.trusted, capacity, security, settings.trusted_proxies)
    ports = listen(
        reactor, factory, settings.port, settings.endpoints, lambda source: SecureFactory(factory, add_context(source))
    )
    admin = _listen_admin(reactor, factory, settings)
    live = Live(chat, factory, CertificateWatch(contexts, reactor), settings.data, certificate)
    where = url.render_as_string()
    warnings = settings.policy.warnings(chat.accounts)
    unowned = owner_code.path if chat.server.owner_code else None
    return ChatService(
        reactor,
        factory,
        ports,
        commits,
        pages,
        proofs,
        lock,
        where,
        unfinished,
        capacity,
        live,
        unowned,
        space,
        warnings,
        admin,
    )


def _listen_admin(reactor: Any, factory: ChatFactory, settings: Settings) -> AdminPort | None:
    """Return the admin socket, if there is to be one; raises `StartError`.

    Where there can't be one, and nobody has asked for it, people can talk all the same.
    """
    path = settings.admin_socket
    if path is None:
        return None
    try:
        if path.parent == settings.data:
            _open_other(settings)
        return listen_admin(reactor, AdminFactory(factory), path)
    except NoAdminSocket as error:
        if settings.configuration.given("admin_socket"):
            raise
        Logger().warn("tcpchat-admin can't reach this server: {why}", why=error)
        return None


def _open_other(settings: Settings) -> None:
    """Open the data directory for the admin socket, where the database doesn't need it."""
    try:
        open_directory(settings.data)
    except StartError as error:
        raise (error if settings.database is None else NoAdminSocket(str(error))) from None


def makeService(options: Options) -> ChatService:
    """Return the daemon for twistd; what prevents it from starting is a line for each mistake and exit status 1."""
    from twisted.internet import reactor

    # Once and for all: in the background the directory and the environment may be others.
    read = partial(read_settings, dict(options), dict(os.environ), Path.cwd())
    try:
        settings = read()
        log = begin_log(settings.configuration, options.parent)
        service = make_service(settings, reactor)
    except StartError as error:
        raise SystemExit("\n".join(f"tcpchat: {line}" for line in str(error).splitlines())) from None
    if log is not None:
        service.log_observer = log.observer
        service.live.set_level = log.set_level
    reload_on_signal(Reloader(read, settings, service.live, reactor), reactor)
    # What is loaded by now stays, and nearly everything of a message goes by its reference count: looking for cycles
    # after every 700 objects cost a tenth of the time of a busy room.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTOR_OBJECTS)
    return service


def _stop_daemon(reactor: Any) -> None:
    """End the daemon as SIGTERM does."""
    reactor.callLater(0, reactor.stop)


def _discard(reactor: Any, owner_code: OwnerCode) -> None:
    """Remove the file with a code that was used."""
    removing = deferToThreadPool(reactor, reactor.getThreadPool(), owner_code.discard)
    removing.addErrback(lambda failure: Logger().failure("the file with the owner code could not be removed", failure))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> int:
    return secrets.randbits(63)


def _fired() -> Deferred[None]:
    done: Deferred[None] = Deferred()
    done.callback(None)
    return done
