"""Real database servers for one run of the tests: each in a directory of its own, ended by its own process id."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

# What a slow and busy machine may take to create, start or stop a server.
_SECONDS = 30.0
_GLANCE_SECONDS = 0.01
# The logs of MariaDB, twice over.
_ROOM_BYTES = 1 << 30


class Missing(Exception):
    """A program or driver that a server needs is not installed."""


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait until ``done``, looking often; raises TimeoutError naming ``what`` in the end."""
    deadline = time.monotonic() + _SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_SECONDS:.0f} s in vain until {what}")
        time.sleep(_GLANCE_SECONDS)


class Server(ABC):
    """One server on a socket in a private directory. It knows nothing of a server that the machine may run."""

    kind: ClassVar[str]
    driver: ClassVar[str]
    account: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    crash_signal: ClassVar[signal.Signals]

    def __init__(self) -> None:
        """Find the programs; raises `Missing`."""
        if importlib.util.find_spec(self.driver) is None:
            raise Missing(f"{self.kind}: the Python driver {self.driver} is not installed")
        self.find_programs()
        self.directory = Path(tempfile.mkdtemp(prefix="tcpchat-", dir=_place()))
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            # Neither server runs as root.
            account = pwd.getpwnam(self.account)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @abstractmethod
    def find_programs(self) -> None:
        """Find the programs; raises `Missing`."""

    @property
    @abstractmethod
    def socket(self) -> str:
        """The path on which the server answers."""

    @abstractmethod
    def initialise(self) -> None:
        """Create the data directory."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return what runs the server in the foreground."""

    @abstractmethod
    def url(self, database: str | None = None) -> URL:
        """Return the URL of a database, or of the server's own."""

    @abstractmethod
    def visitors(self, connection: Connection, database: str) -> list[int]:
        """Return the ids of the connections to a database."""

    @abstractmethod
    def expel(self, connection: Connection, visitor: int) -> None:
        """End a connection."""

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def run(self, *command: str) -> None:
        """Run a program to its end, as the server's account; raises RuntimeError with its last words."""
        with self._record() as record:
            done = subprocess.run(command, stdout=record, stderr=record, timeout=_SECONDS, **self._surroundings())
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {self._last_words()}")

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self.running:
            return
        if not (self.directory / "data").exists():
            self.initialise()
        with self._record() as record:
            self._process = subprocess.Popen(self.command(), stdout=record, stderr=record, **self._surroundings())
        wait_until(self._answers, f"{self.kind} answers")

    def stop(self) -> None:
        """End the server in good order, and remove what it left."""
        self._end(self.stop_signal)
        shutil.rmtree(self.directory, ignore_errors=True)

    def crash(self) -> None:
        """End the server at once, as a crash would: nothing is flushed, nobody is told."""
        self._end(self.crash_signal)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Let the server, with all its processes, do nothing for a while: who asks it something waits."""
        assert self._process is not None
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split()
        processes = [server, *map(int, children)]
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            # On a busy machine some thread may still have its turn.
            wait_until(lambda: all(map(_stopped, processes)), f"{self.kind} stands still")
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def create(self) -> str:
        """Create a database; return its name."""
        self.start()
        name = f"chat{next(self._numbers)}"
        with self._administer() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return name

    def drop(self, database: str) -> None:
        """Remove a database and whoever is connected to it."""
        self.start()
        self.cut(database)
        with self._administer() as connection:
            connection.execute(text(f"DROP DATABASE {database}"))

    def cut(self, database: str) -> None:
        """End every connection to ``database`` from the server's side, and wait until the server has let go of it."""
        with self._administer() as connection:
            for visitor in self.visitors(connection, database):
                self.expel(connection, visitor)
            wait_until(lambda: not self.visitors(connection, database), "the connections are gone")

    def wait_until_left(self, database: str) -> None:
        """Wait until the server has noticed that everybody closed their connections."""
        with self._administer() as connection:
            wait_until(lambda: not self.visitors(connection, database), "everybody has left")

    @contextmanager
    def _administer(self) -> Iterator[Connection]:
        engine = create_engine(self.url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.kind} ended: {self._last_words()}")
        try:
            # Not at once by the driver: PyMySQL forgets to close a socket that nobody answers.
            with socket.socket(socket.AF_UNIX) as knock:
                knock.connect(self.socket)
            with self._administer() as connection:
                connection.execute(text("SELECT 1"))
        except (OSError, DBAPIError):
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_SECONDS)
        self._process = None

    def _surroundings(self) -> dict[str, Any]:
        # Nothing of the caller's: a PGDATA or MYSQL_HOME would lead to another server.
        surroundings = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.directory), "TMPDIR": str(self.directory)}
        return {"cwd": self.directory, "env": surroundings, "stdin": subprocess.DEVNULL} | self._identity

    @contextmanager
    def _record(self) -> Iterator[Any]:
        with (self.directory / "record").open("ab") as record:
            yield record

    def _last_words(self) -> str:
        return (self.directory / "record").read_text("utf-8", errors="replace")[-2000:]


class PostgreSQL(Server):
    """A PostgreSQL server. Without fsync a commit still reaches the kernel, so that it survives a crash of ours."""

    kind = "postgresql"
    driver = "psycopg"
    account = "postgres"
    stop_signal = signal.SIGINT
    crash_signal = signal.SIGQUIT

    @property
    def socket(self) -> str:
        return str(self.directory / ".s.PGSQL.5432")

    def find_programs(self) -> None:
        # Debian keeps them out of the PATH, one directory for each version.
        places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
        self._initdb = _program("initdb", "postgresql", places)
        self._postgres = str(Path(self._initdb).resolve().with_name("postgres"))

    def initialise(self) -> None:
        self.run(
            *(self._initdb, "--pgdata=data", "--username=tcpchat", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "40",
        }
        return [self._postgres, "-D", "data", *(f"--{name}={value}" for name, value in settings.items())]

    def url(self, database: str | None = None) -> URL:
        return URL.create(
            "postgresql+psycopg",
            username="tcpchat",
            database=database or "postgres",
            query={"host": str(self.directory)},
        )

    def visitors(self, connection: Connection, database: str) -> list[int]:
        statement = text("SELECT pid FROM pg_stat_activity WHERE datname = :name AND backend_type = 'client backend'")
        return list(connection.execute(statement, {"name": database}).scalars())

    def expel(self, connection: Connection, visitor: int) -> None:
        connection.execute(text("SELECT pg_terminate_backend(:visitor)"), {"visitor": visitor})


class MariaDB(Server):
    """A MariaDB server. A commit is written to the kernel, and so survives a crash of the server."""

    kind = "mariadb"
    driver = "pymysql"
    account = "mysql"
    stop_signal = signal.SIGTERM
    crash_signal = signal.SIGKILL

    @property
    def socket(self) -> str:
        return str(self.directory / "socket")

    def find_programs(self) -> None:
        places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        self._install = _program("mariadb-install-db", "mariadb-server", places)
        self._mariadbd = _program("mariadbd", "mariadb-server", places)

    def initialise(self) -> None:
        self.run(
            *(self._install, "--no-defaults", f"--datadir={self.directory / 'data'}", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--innodb-buffer-pool-size=32M"),
        )

    def command(self) -> list[str]:
        # Its own default character set stays latin1: the schema must not depend on the server's.
        return [
            self._mariadbd,
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--socket={self.socket}",
            f"--pid-file={self.directory / 'pid'}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
            "--debug-no-sync",
            "--innodb-buffer-pool-size=32M",
        ]

    def url(self, database: str | None = None) -> URL:
        # Without TLS: the driver would read all certificates of the machine for each connection.
        query = {"unix_socket": self.socket, "charset": "utf8mb4", "ssl_disabled": "true"}
        return URL.create("mariadb+pymysql", username="root", host="localhost", database=database, query=query)

    def visitors(self, connection: Connection, database: str) -> list[int]:
        statement = text("SELECT id FROM information_schema.processlist WHERE db = :name")
        return list(connection.execute(statement, {"name": database}).scalars())

    def expel(self, connection: Connection, visitor: int) -> None:
        try:
            connection.execute(text(f"KILL CONNECTION {visitor}"))
        except DBAPIError as error:
            # 1094: it went by itself.
            if error.orig is None or error.orig.args[0] != 1094:
                raise


def _stopped(process: int) -> bool:
    """Return whether every thread of a process is stopped (proc(5): its state follows the name in brackets)."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{process}/task").glob("*/stat")]
    return set(states) <= set("TZX")


def _place() -> str:
    """Return where servers may put their data: in memory if there is plenty, because each new database is 300 files.

    Not below TMPDIR: the path of a socket is limited to about 100 bytes, and another account must get there.
    """
    memory = "/dev/shm"
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if roomy else "/tmp"


def _program(name: str, package: str, places: list[str]) -> str:
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise Missing(f"{package}: the program {name} is not installed (Debian: apt install {package})")
    return found


class Servers:
    """The servers of a run, each started when a test first asks for it."""

    _KINDS: ClassVar[dict[str, type[Server]]] = {server.kind: server for server in (PostgreSQL, MariaDB)}

    def __init__(self) -> None:
        self._started: dict[str, Server] = {}

    def get(self, kind: str) -> Server:
        """Return the running server of a kind; raises `Missing`."""
        if kind not in self._started:
            self._started[kind] = self._KINDS[kind]()
        self._started[kind].start()
        return self._started[kind]

    def stop(self) -> None:
        """End all that were started."""
        for server in self._started.values():
            server.stop()
        self._started.clear()
