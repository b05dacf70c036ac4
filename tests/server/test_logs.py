"""The daemon's own log: one line for an event, whatever is in it, and no harm when it can't be written."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from tcpchat.config.configuration import Configuration, read_configuration
from tcpchat.errors import StartError
from tcpchat.server.logs import LogFile, LogObserver, begin_log, format_json, format_text
from tcpchat.store.database import open_engine, sqlite_url
from tests.house import House, Script, Terminal

NOON = 1_700_000_000.1239
FOREGROUND = {"nodaemon": True, "logfile": None, "syslog": False, "logger": None}
# Line breaks, an escape sequence, a right-to-left override, a lone surrogate.
EVIL = "x\n2026-01-01T00:00:00.000+00:00 info service: forged\r\x1b[2J\x85\u2028\u202e\ud800"


def configured(**options: str | None) -> Configuration:
    return read_configuration(options, {}, Path("/"))


def event(form: str = "hello {who}", **fields: Any) -> LogEvent:
    return {
        "log_time": NOON,
        "log_level": LogLevel.warn,
        "log_namespace": "tcpchat.server.service.ChatService",
        "log_format": form,
        **fields,
    }


@implementer(ILogObserver)
class Seen:
    """The events logged within its context."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)

    def __enter__(self) -> list[LogEvent]:
        globalLogPublisher.addObserver(self)
        return self.events

    def __exit__(self, *exception: object) -> None:
        globalLogPublisher.removeObserver(self)


def failure(text: str) -> Failure:
    try:
        raise ValueError(text)
    except ValueError:
        return Failure()


def test_a_line_of_text() -> None:
    line = format_text(event(who="nina"))
    assert re.fullmatch(r"2023-11-1\dT\d\d:\d\d:20\.123[+-]\d\d:\d\d warn service: hello nina\n", line)


def test_a_line_of_json() -> None:
    shown = event(who="nina", seconds=1.23456, count=3, nothing=None, peer=object(), time=5.0, isError=0)
    assert json.loads(format_json(shown)) == {
        "time": "2023-11-14T22:13:20.123Z",
        "level": "warn",
        "system": "service",
        "message": "hello nina",
        "who": "nina",
        "seconds": 1.235,
        "count": 3,
        "nothing": None,
    }


def test_what_twisted_itself_logs() -> None:
    old = {"log_time": NOON, "log_namespace": "log_legacy", "log_text": "starting", "log_format": "{log_text}"}
    assert format_text(old).endswith(" info twisted: starting\n")
    assert format_text(event("x", log_namespace="twisted.internet.base")).endswith(" warn twisted: x\n")
    assert json.loads(format_json(event("x {n}", n=float("nan"))))["n"] == "nan"


def test_no_value_can_forge_a_line() -> None:
    line = format_text(event(who=EVIL, log_namespace=EVIL))
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert r"x\n2026" in line
    line = format_json(event(who=EVIL))
    assert line.isascii()
    assert line[:-1].isprintable()
    assert json.loads(line)["who"] == EVIL


def test_a_traceback_is_indented_and_its_message_can_not_leave_it() -> None:
    shown = event(who="x", log_failure=failure(EVIL))
    first, *others, last = format_text(shown).split("\n")
    assert first.endswith("warn service: hello x")
    assert others[0] == "    | Traceback (most recent call last):"
    assert all(line.startswith("    | ") and line.isprintable() for line in others)
    assert any("forged" in line for line in others)
    assert last == ""
    line = format_json(shown)
    assert line.count("\n") == 1
    assert "forged" in json.loads(line)["traceback"]


@pytest.fixture
def full() -> Path:
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("there is no /dev/full here")
    return path


def test_a_full_disk_is_counted(full: Path) -> None:
    file = LogFile(full)
    for _ in range(3):
        file.write(b"x\n")
    assert file.lost == 3


def test_a_reader_that_stands_still_loses_lines_and_is_told_how_many(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(path)
    observer = LogObserver(file, format_text)
    for number in range(3_000):
        observer(event("{number:0100}", number=number))
    assert file.lost > 1_000
    assert len(os.read(reader, 1 << 20)) >= 60_000
    observer(event("again"))
    lines = os.read(reader, 4096).decode().splitlines()
    assert re.fullmatch(r".* warn logs: \d\d\d\d lines of this log were lost", lines[-2])
    assert lines[-1].endswith("again")
    assert file.lost == 0
    os.close(reader)
    observer(event("nobody reads"))  # EPIPE
    assert file.lost == 1


def test_a_signal_that_is_logged_while_a_line_is_written_waits_for_its_end(tmp_path: Path) -> None:
    class Interrupted(LogFile):
        def write(self, data: bytes) -> None:
            if data.endswith(b"first\n"):
                observer(event("second"))
            super().write(data)

    observer = LogObserver(Interrupted(tmp_path / "log"), format_text)
    observer(event("first"))
    assert [line.rpartition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()] == ["first", "second"]


def test_a_descriptor_2_that_is_another_file_is_not_written_to(tmp_path: Path) -> None:
    program = (
        "import os, sys; from tcpchat.server.logs import LogFile;"
        "found = [os.open(sys.argv[1], os.O_RDWR | os.O_CREAT) for _ in range(3)];"
        "LogFile(None).write(b'a line'); sys.exit(0 if 2 in found else 3)"
    )
    path = tmp_path / "database"
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", program, str(path)]
    assert subprocess.run(command, timeout=20).returncode == 0
    assert path.read_bytes() == b""


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    real, sizes = os.write, iter([4])

    def write(descriptor: int, data: memoryview) -> int:
        size = next(sizes, None)
        if size is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:size])

    monkeypatch.setattr(os, "write", write)
    file.write(b"first line\n")
    monkeypatch.undo()
    file.write(b"second line\n")
    assert path.read_bytes() == b"firs\nsecond line\n"


def test_a_fifo_without_a_reader_and_a_directory_can_not_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(StartError, match=f"can't open the log file {path}: "):
            begin_log(configured(**{"log-file": str(path)}), FOREGROUND)


@pytest.mark.parametrize(
    ("given", "twistd", "words"),
    [
        ({"log-format": "xml"}, FOREGROUND, "--log-format is text or json, not 'xml'"),
        ({"log-level": "loud"}, FOREGROUND, "--log-level is debug, info, warn or error, not 'loud'"),
        ({"log-file": "x"}, {**FOREGROUND, "syslog": True}, "--log-file can't be given together with twistd's own"),
        ({"log-format": "json"}, {**FOREGROUND, "logfile": "x"}, "together with twistd's own --logfile"),
        (
            {"log-level": "warn"},
            {**FOREGROUND, "nodaemon": False},
            "--log-level needs --log-file or log_file, or twistd's -n",
        ),
    ],
)
def test_what_can_not_be(given: dict[str, str], twistd: dict[str, Any], words: str) -> None:
    with pytest.raises(StartError, match=re.escape(words)):
        begin_log(configured(**given), twistd)


def test_without_a_word_twistd_logs_to_its_own_places() -> None:
    assert begin_log(configured(), {**FOREGROUND, "logfile": "x"}) is None
    assert begin_log(configured(), {**FOREGROUND, "nodaemon": False}) is None
    assert begin_log(configured(), None) is None


@pytest.fixture
def signal_kept() -> Iterator[None]:
    import signal

    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("signal_kept")
@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), (None, 3), ("warn", 2), ("error", 1)])
def test_the_level(tmp_path: Path, level: str | None, count: int) -> None:
    path = tmp_path / "log"
    log = begin_log(configured(**{"log-file": str(path), "log-level": level}), None)
    assert log is not None

    def lines() -> int:
        before = path.read_text().count("\n")
        for name in ("debug", "info", "warn", "error"):
            log.observer(event("x", log_level=LogLevel.lookupByName(name)))
        return path.read_text().count("\n") - before

    assert lines() == count
    log.set_level("warn")
    assert lines() == 2
    log.set_level("debug")
    assert lines() == 4


def test_a_file_that_can_not_be_opened_anew_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log"
    path.parent.mkdir()
    observer = LogObserver(LogFile(path), format_text)
    with Seen() as seen:
        path.parent.rename(tmp_path / "moved")
        observer.reopen()
    observer(event("still here"))
    assert "still here" in (tmp_path / "moved" / "log").read_text()
    assert [shown["reason"] for shown in seen] == ["No such file or directory"]


@pytest.mark.parametrize("form", [format_text, format_json])
def test_names_and_texts_are_never_logged(form: Any) -> None:
    """All that is logged while people and strangers come, talk, are refused, and go."""
    with Seen() as seen:
        house = House()
        nina, script = Terminal(house, "SECRETnina"), Script(house, "SECRETjason")
        nina.type("SECRETtext")
        nina.type("/msg SECRETjason SECRETpsst")
        nina.type("/join SECRETroom")
        nina.type("/SECRETcommand")
        nina.transport.receive(b"SECRET\xff\n")
        script.transport.receive(b'{"op":"SECRETop","data":"SECRET"}\n{"SECRET\n')
        house.store.failing = True
        nina.type("SECRETfailing")
        house.store.failing = False
        nina.type("/quit")
        script.transport.tear()
        http = house.connect()
        http.receive(b"GET /SECRET HTTP/1.1\r\nCookie: SECRET\r\n\r\n")
        for transport in (nina.transport, http):
            transport.loseConnection()
    lines = [form(event) for event in seen]
    log = "".join(lines)
    assert "SECRET" not in log
    assert len(lines) == log.count("\n") == 3
    assert all("connection from 192.0.2.1 (" in line for line in lines)


def test_an_error_of_the_database_does_not_carry_what_was_said(tmp_path: Path) -> None:
    said = "SECRET".lower()  # a traceback shows the lines of this file
    engine = open_engine(sqlite_url(tmp_path / "x.db"))
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": said})
    assert said not in format_json(event(log_failure=Failure(raised.value)))


def test_a_connection_s_end_in_json_has_its_facts() -> None:
    with Seen() as seen:
        house = House()
        transport = house.connect()
        house.clock.advance(120)
        transport.loseConnection()
    (line,) = [json.loads(format_json(event)) for event in seen]
    assert line["system"] == "protocol"
    assert (line["address"], line["speaker"], line["seconds"]) == ("192.0.2.1", "silent", 120.0)
    assert line["reason"] == "It took too long to log in. Please connect again."
