"""The log of a real daemon: both formats, logrotate, and places that take nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import PATIENCE_SECONDS, TWISTD, Daemon, JsonClient, SocketStream, environment, eventually

# local time with its offset, level, system, message
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (debug|info|warn|error|critical) [\w-]+: .+")


def _talk(daemon: Daemon) -> JsonClient:
    person, script = daemon.text("SECRETnina"), daemon.json("SECRETjason")
    script.request("join", room="SECRETroom")
    script.request("say", room="SECRETroom", text="SECRETtext")
    person.say("SECREThello", "/msg SECRETjason SECRETpsst", "/SECRETcommand", "/quit")
    person.rest()
    daemon.await_log("said goodbye")
    return script


def test_text_is_one_line_for_each_event(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        _talk(daemon).close()
        daemon.stop()
        lines = daemon.log.splitlines()
    assert all(_LINE.fullmatch(line) for line in lines), lines
    (ended,) = [line for line in lines if "(person)" in line]
    assert re.search(
        r" info protocol: connection from 127\.0\.0\.1 \(person\) ended after \d+\.\d s: said goodbye", ended
    )
    assert "SECRET" not in daemon.log


def test_json_is_one_object_for_each_event(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--log-format", "json") as daemon:
        _talk(daemon)
        daemon.stop()
        events: list[dict[str, Any]] = [json.loads(line) for line in daemon.log.splitlines()]
    assert all({"time", "level", "system", "message"} <= event.keys() for event in events)
    (ended,) = [event for event in events if event.get("speaker") == "person"]
    assert (ended["system"], ended["address"], ended["reason"]) == ("protocol", "127.0.0.1", "said goodbye")
    assert isinstance(ended["seconds"], float)
    (dismissed,) = [event for event in events if event.get("speaker") == "json"]
    assert dismissed["reason"] == "The server is shutting down."
    assert "SECRET" not in daemon.log


def test_a_level_of_error_leaves_nothing_to_say(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with _quiet(tmp_path, "--log-file", str(log), "--log-level", "error") as person:
        assert person.request("ping") == {}
    assert log.read_text() == ""


def test_logrotate(tmp_path: Path) -> None:
    """The daemon's file is moved away; after SIGUSR1 it writes a new one, and the old one gets nothing more."""
    path = tmp_path / "data.log"
    with Daemon(tmp_path / "data", "--log-file", str(path)) as daemon:
        path.rename(tmp_path / "data.log.1")
        daemon.send_signal(signal.SIGUSR1)
        eventually(path.exists, lambda: "there is no new file")
        before = (tmp_path / "data.log.1").read_bytes()
        daemon.text("nina").close()
        daemon.await_log("ended by the peer")
        assert (tmp_path / "data.log.1").read_bytes() == before
        assert b"listens on" in before


def test_sigusr1_without_a_file_does_no_harm(daemon: Daemon) -> None:
    daemon.send_signal(signal.SIGUSR1)
    assert daemon.json("nina").request("ping") == {}
    assert daemon.stop() == -signal.SIGTERM


def test_twistd_s_own_log_file_is_twistd_s(tmp_path: Path) -> None:
    log, place = tmp_path / "own.log", str(tmp_path / "socket")
    command = [TWISTD, "-n", "--pidfile=", f"--logfile={log}", "tcpchat", "--data", str(tmp_path / "data")]
    with _running([*command, "--endpoint", f"unix:{place}"], place) as person:
        assert person.request("ping") == {}
    assert "[tcpchat.server.service.ChatService#info] messages are kept in" in log.read_text()


@contextmanager
def _running(command: list[str], place: str, **streams: Any) -> Iterator[JsonClient]:
    """Run a daemon that listens on a unix socket, and end it by SIGTERM; yields a script that is logged in."""
    process = subprocess.Popen(command, env=environment(), **streams)
    try:
        sock = socket.socket(socket.AF_UNIX)

        def connected() -> bool:
            assert process.poll() is None
            return sock.connect_ex(place) == 0

        eventually(connected, lambda: "it does not listen")
        script = JsonClient(SocketStream(sock), "nina")
        yield script
        script.close()
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        assert process.returncode == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


@contextmanager
def _quiet(tmp_path: Path, *options: str, redirection: str = "", **streams: Any) -> Iterator[JsonClient]:
    place = str(tmp_path / "socket")
    command = [TWISTD, "-n", "--pidfile=", "tcpchat", "--endpoint", f"unix:{place}", "--data", str(tmp_path / "data")]
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh"] if redirection else []
    with _running([*shell, *command, *options], place, **streams) as script:
        yield script


def _come_and_go(tmp_path: Path, times: int) -> None:
    """Give the daemon as many lines to log."""
    for _ in range(times):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            sock.connect(str(tmp_path / "socket"))
            sock.sendall(b'{"op":"quit"}\n')
            while sock.recv(1000):
                pass


@pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&-", "2>/dev/full"])
def test_the_chat_goes_on_without_standard_error(tmp_path: Path, redirection: str) -> None:
    with _quiet(tmp_path, redirection=redirection) as script:
        _come_and_go(tmp_path, 10)
        script.request("join", room="lobby")
        assert script.request("say", room="lobby", text="hello")["seq"] == 1
    # A closed descriptor 2 may have become any other file: nothing of the log is in the database.
    assert all(b"listens on" not in path.read_bytes() for path in (tmp_path / "data").iterdir())


def test_the_chat_goes_on_on_a_full_disk(tmp_path: Path) -> None:
    with _quiet(tmp_path, "--log-file", "/dev/full") as script:
        _come_and_go(tmp_path, 10)
        script.request("join", room="lobby")
        assert script.request("say", room="lobby", text="hello")["seq"] == 1


def test_the_chat_does_not_wait_for_who_reads_the_log(tmp_path: Path) -> None:
    ours, its = os.pipe()
    try:
        with _quiet(tmp_path, stderr=its) as script:
            _come_and_go(tmp_path, 1_000)  # more than a pipe of 64 KiB holds
            began = time.monotonic()
            assert script.request("ping") == {}
            assert time.monotonic() - began < 1
            assert len(os.read(ours, 1 << 20)) > 60_000
            _come_and_go(tmp_path, 1)
            log = os.read(ours, 1 << 20).decode()
            assert re.search(r"warn logs: \d+ lines of this log were lost\n.* info protocol: connection", log)
    finally:
        os.close(ours)
        os.close(its)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--log-file", "{}/none/log"], "can't open the log file {}/none/log: No such file or directory"),
        (["--log-file", "{}"], "can't open the log file {}: Is a directory"),
        (["--log-format", "xml"], "--log-format is text or json, not 'xml'"),
    ],
)
def test_what_prevents_a_start_is_one_line(tmp_path: Path, options: list[str], complaint: str) -> None:
    options = [option.format(tmp_path) for option in options]
    ended = subprocess.run(
        [TWISTD, "-n", "--pidfile=", "tcpchat", "--port", "0", "--data", str(tmp_path / "data"), *options],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"tcpchat: {complaint.format(tmp_path)}\n")


def test_in_the_background_the_log_file_is_used(tmp_path: Path) -> None:
    log, place, pid = tmp_path / "log", str(tmp_path / "socket"), tmp_path / "pid"
    command = [TWISTD, f"--pidfile={pid}", f"--rundir={tmp_path}", "tcpchat", "--endpoint", f"unix:{place}"]
    command += ["--data", str(tmp_path / "data"), "--log-file", str(log), "--log-format", "json"]
    subprocess.run(command, env=environment(), check=True, timeout=PATIENCE_SECONDS)
    number = int(pid.read_text())
    try:
        eventually(lambda: "listens on" in log.read_text(), lambda: "it does not listen")
        log.rename(tmp_path / "log.1")
        os.kill(number, signal.SIGUSR1)
        eventually(log.exists, lambda: "there is no new file")
    finally:
        os.kill(number, signal.SIGTERM)
    eventually(lambda: "Server Shut Down" in log.read_text(), lambda: log.read_text())
    assert all(json.loads(line) for line in log.read_text().splitlines())
