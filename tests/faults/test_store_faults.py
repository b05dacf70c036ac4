"""A database that can't commit: nothing is acknowledged or shown without a row, memory is read, it recovers by itself.

Each fault is a real one of a real daemon: a disk that fails on demand, another process that locks the file, a database
server that stands still or has gone.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from tcpchat.store.database import open_engine, parse_url, sqlite_url
from tests.daemon import Daemon, JsonClient, Refused, eventually, lacking
from tests.faults.faultydisk import DATABASE, FaultyDisk
from tests.faults.health import watch
from tests.store.servers import Missing, Server, Servers

# How long each fault lasts, at the least: the daemon tries the database at once, and then every second.
_SECONDS = float(os.environ.get("TCPCHAT_FAULT_SECONDS", "1.5"))
_PASSWORD = "correct horse"
_NO_SPACE_WATCH = {"TCPCHAT_LIMITS_FREE_BYTES_LEAST": "0"}
# A database that doesn't answer is one that fails, after so long.
_IMPATIENT = {"TCPCHAT_LIMITS_COMMIT_SECONDS": "1", "TCPCHAT_LIMITS_PAGE_SECONDS": "1"}
_WORKS = "the database works again"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


class Scene:
    """An author, readers and an admin of one daemon, and what each of them was told."""

    def __init__(self, daemon: Daemon, url: URL) -> None:
        self.daemon = daemon
        self._url = url
        self._numbers = iter(range(1_000_000))
        self.acknowledged: dict[int, str] = {}
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.codes: set[str] = set()
        self.admin = daemon.json()
        self.admin.request("register", name="ada", password=_PASSWORD)
        self.admin.request("claim", code=(daemon.data / "owner-code").read_text())
        self.admin.request("subscribe", event="store")
        self.readers = [self._enter("rita"), self._enter("ron")]
        self.author = self._enter("ann")
        self.say()

    def _enter(self, name: str) -> JsonClient:
        client = self.daemon.json(name)
        client.request("join", room="lobby")
        return client

    def say(self, author: JsonClient | None = None) -> None:
        """Say something, and note what the answer is; raises `Refused`."""
        author = author or self.author
        words = f"number {next(self._numbers)}"
        try:
            self.acknowledged[author.request("say", room="lobby", text=words)["seq"]] = words
        except Refused as refusal:
            # Of what nobody knows the end, everybody is told should it be a good one.
            (self.unknown if "can't say" in str(refusal) else self.refused).add(words)
            self.codes.add(refusal.code)
            raise

    def is_refused(self) -> bool:
        """Say something, and return whether that was refused."""
        try:
            self.say()
        except Refused:
            return True
        return False

    def suffer(self) -> None:
        """Be refused for a while, again and again, at once; and read what is in memory."""
        deadline = time.monotonic() + _SECONDS
        assert self.is_refused(), "the fault makes no difference"
        while time.monotonic() < deadline:
            assert self.is_refused(), "it was over before its time"
        reader = self.readers[0]
        page = reader.request("history", room="lobby")
        assert self.acknowledged.items() <= {entry["seq"]: entry["text"] for entry in page["entries"]}.items()
        assert reader.request("members", room="lobby")["members"]
        health = self.admin.request("health")
        assert health["store"] == "failing"
        assert health["error"]
        assert self.admin.event("event", event="store")["state"] == "failing"

    def cannot_read(self) -> None:
        """Be told, again and again, that what isn't in memory can't be read; nothing else waits for that."""
        for _ in range(4):
            with pytest.raises(Refused) as refused:
                self.admin.request("audit")
            assert refused.value.code == "store-failed"
        assert self.admin.request("ping") is not None

    def can_read(self) -> bool:
        """Return whether what isn't in memory can be read again."""
        try:
            self.admin.request("audit")
        except Refused:
            return False
        return True

    def recover(self) -> float:
        """Say something until it is taken, and return for how many seconds it was not."""
        began = time.monotonic()
        eventually(lambda: not self.is_refused(), lambda: f"it never recovers:\n{self.daemon.log}")
        elapsed = time.monotonic() - began
        assert self.admin.event("event", event="store", state="ok")
        assert self.admin.request("health")["store"] == "ok"
        return elapsed

    def check(self) -> dict[int, str]:
        """Hold what everybody was told against the rows, and return these."""
        for client in (*self.readers, self.author):
            client.request("ping")
        for client in (*self.readers, self.author, self.admin):
            client.close()
        self.daemon.stop()
        rows = self._rows()
        assert sorted(rows) == list(range(1, len(rows) + 1))
        assert len(set(rows.values())) == len(rows)
        assert self.acknowledged.items() <= rows.items()
        assert set(rows.values()) <= {*self.acknowledged.values(), *self.unknown}
        for client in (*self.readers, self.author):
            shown = [event["data"] for event in client.events if event["op"] == "message"]
            assert {entry["seq"]: entry["text"] for entry in shown} == rows
            assert [entry["seq"] for entry in shown] == sorted(rows)  # each once, and in order
        assert self.codes <= {"store-failed"}
        # As our own log has them; what SQLAlchemy says at the end of lost connections is not one.
        assert "| Traceback" not in self.daemon.log
        return rows

    def _rows(self) -> dict[int, str]:
        engine = open_engine(self._url)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT seq, body FROM entries ORDER BY seq")).all()
        engine.dispose()
        return dict(map(tuple, found))

    def tell(self, capsys: pytest.CaptureFixture[str], what: str, seconds: float) -> None:
        """Check everything, and print a line."""
        rows = self.check()
        kept = len(self.unknown & set(rows.values()))
        known = f"{len(self.acknowledged)} acknowledged, {len(self.refused)} refused"
        known += f", {len(self.unknown)} told that nobody knows, of which {kept} were kept and shown"
        with capsys.disabled():
            print(f"\n{what}: {len(rows)} rows; {known}; recovered in {seconds:.1f} s")  # noqa: T201


@dataclass
class Faulty:
    """A daemon on a disk that fails on demand."""

    scene: Scene
    disk: FaultyDisk


@contextmanager
def _on_faulty_disk(place: Path, **settings: str) -> Iterator[Faulty]:
    data = place / "data"
    disk = FaultyDisk(data)
    with Daemon(data, settings={**disk.settings, **_NO_SPACE_WATCH, **settings}) as daemon:
        yield Faulty(Scene(daemon, sqlite_url(data / DATABASE)), disk)


@pytest.mark.parametrize(
    ("what", "field", "number"),
    [
        ("disk full", "write_errno", errno.ENOSPC),
        ("I/O error of a write", "write_errno", errno.EIO),
        ("I/O error of a sync", "sync_errno", errno.EIO),
    ],
)
def test_a_disk_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, field: str, number: int
) -> None:
    with _on_faulty_disk(tmp_path) as faulty:
        for _ in range(2):
            faulty.disk.fault(field, number)  # type: ignore[arg-type]
            faulty.scene.suffer()
            faulty.disk.fault(field, 0)  # type: ignore[arg-type]
            seconds = faulty.scene.recover()
        log = faulty.scene.daemon.log
        # Not a line for each of the hundreds that were refused.
        assert log.count("changes were not committed") == log.count(_WORKS) == 2
        assert faulty.disk.failures
        faulty.scene.tell(capsys, what, seconds)


def test_who_watches_by_http_is_told_whether_it_can_be_kept(tmp_path: Path) -> None:
    with _on_faulty_disk(tmp_path) as faulty:
        daemon = faulty.scene.daemon
        assert [watch(daemon, path) for path in ("/healthz", "/readyz")] == [(200, "alive\n"), (200, "ready\n")]
        faulty.disk.fault("write_errno", errno.EIO)
        faulty.scene.suffer()
        assert [watch(daemon, path) for path in ("/healthz", "/readyz")] == [
            (200, "alive\n"),
            (503, "not ready: failing\n"),
        ]
        faulty.disk.fault("write_errno", 0)
        faulty.scene.recover()
        assert watch(daemon, "/readyz") == (200, "ready\n")


def test_a_slow_disk_is_waited_for_and_nothing_is_shown_before_it_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _on_faulty_disk(tmp_path) as faulty:
        scene, reader = faulty.scene, faulty.scene.readers[0]
        shown = len(scene.acknowledged)
        faulty.disk.fault("sync_delay_ms", 2_000)
        began = time.monotonic()
        asked = scene.author.send("say", room="lobby", text="slow")
        reader.request("ping")
        assert len(reader.request("history", room="lobby")["entries"]) == shown
        scene.acknowledged[scene.author.reply(asked)["seq"]] = "slow"
        seconds = time.monotonic() - began
        assert seconds >= 2
        faulty.disk.fault("sync_delay_ms", 0)
        scene.say()
        assert scene.admin.request("health")["store"] == "ok"
        scene.tell(capsys, "slow commit", seconds)
        assert not scene.refused | scene.unknown


def test_a_disk_that_hangs_counts_as_failing_and_what_it_keeps_after_all_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _on_faulty_disk(tmp_path, **_IMPATIENT) as faulty:
        faulty.disk.fault("sync_delay_ms", 4_000)
        faulty.scene.suffer()
        faulty.disk.fault("sync_delay_ms", 0)
        seconds = faulty.scene.recover()
        assert len(faulty.scene.unknown) == 1
        faulty.scene.tell(capsys, "a commit of 4 s, where 1 s is allowed", seconds)


def test_a_database_that_another_process_locks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    with Daemon(data, settings={**_NO_SPACE_WATCH, **_IMPATIENT}) as daemon:
        scene = Scene(daemon, sqlite_url(data / DATABASE))
        with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            scene.suffer()
            other.execute("ROLLBACK")
        seconds = scene.recover()
        scene.tell(capsys, "database locked", seconds)


@contextmanager
def _on_server(place: Path, servers: Servers, kind: str) -> Iterator[tuple[Scene, Server]]:
    try:
        server = servers.get(kind)
    except Missing as missing:
        lacking(str(missing))
    with ExitStack() as stack:
        name = server.create()
        stack.callback(server.drop, name)
        url = server.url(name)
        written = url.render_as_string(hide_password=False)
        daemon = stack.enter_context(Daemon(place / "data", "--database", written, settings=_IMPATIENT))
        yield Scene(daemon, parse_url(written)), server


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_stands_still_and_one_that_has_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], servers: Servers, kind: str
) -> None:
    with _on_server(tmp_path, servers, kind) as (scene, server):
        with server.stalled():
            scene.suffer()
            scene.cannot_read()
        still = scene.recover()
        eventually(scene.can_read, lambda: f"nothing can be read any more:\n{scene.daemon.log}")
        server.crash()
        scene.suffer()
        server.start()
        gone = scene.recover()
        scene.tell(capsys, f"{kind}, standing still and then gone", max(still, gone))
        assert scene.daemon.log.count(_WORKS) == 2
