"""The real daemon as a process, and small blocking clients that speak to it over real sockets.

Every wait is bounded by `PATIENCE_SECONDS`, and says what was seen instead when it fails.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self, TypeVar

import pytest

# A machine under load needs a part of this; a daemon that hangs needs all of it.
PATIENCE_SECONDS = 20.0
# What the daemon promises to need for its end.
STOP_SECONDS = 5.0
# How often a condition is looked at that nothing tells us about.
_POLL_SECONDS = 0.01
_CHUNK_BYTES = 256 * 1024
_PAGE_ENTRIES = 200

TWISTD = str(Path(sys.executable).with_name("twistd"))
_LISTENS = re.compile(r"listens on ([^\"\n]+)")
_ECHO = re.compile(rb"\xff[\xfb\xfc]\x01")
_PORT = re.compile(r":(\d+)$")

Json = dict[str, Any]
T = TypeVar("T")


def tool(name: str) -> str:
    """Return the path of a program that a test needs."""
    path = shutil.which(name) or lacking(f"{name} is not installed")
    if name == "nc" and "OpenBSD" not in _help_of(path):  # the other one knows no -N and no -U
        lacking("nc is not OpenBSD's (Debian: apt install netcat-openbsd)")
    return path


@functools.cache
def _help_of(program: str) -> str:
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    return shown.stdout + shown.stderr


def lacking(reason: str) -> NoReturn:
    """Skip the test for something that the machine lacks; where CI is set it fails, since a CI must have it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and a CI must have it")
    pytest.skip(reason)


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with ``settings``, and without anything else that the daemon reads."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PORT", "STATE_DIRECTORY") and not name.startswith("TCPCHAT_")
    }
    return own | settings


def eventually(condition: Callable[[], T], failure: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> T:
    """Return what ``condition`` gives as soon as it is true; fail with the words of ``failure`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            pytest.fail(failure())
        time.sleep(_POLL_SECONDS)
    return result


class Stream(Protocol):
    """Bytes to and from the daemon."""

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""

    def end(self) -> None:
        """Send nothing more, and go on receiving."""

    def receive(self, seconds: float) -> bytes:
        """Return what comes next, nothing at the end; raises TimeoutError after ``seconds``."""

    def close(self) -> None:
        """Let go of it."""


class SocketStream:
    """A connection of our own, plain or under TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def send(self, data: bytes) -> None:
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.sendall(data)

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self, seconds: float) -> bytes:
        self.socket.settimeout(max(seconds, 0.001))
        return self.socket.recv(_CHUNK_BYTES)

    def close(self) -> None:
        self.socket.close()


class ProcessStream:
    """A client program, such as nc, by what it reads and writes."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, out: int) -> None:
        """``to`` and ``out`` are descriptors that become ours; they may be one, a terminal's."""
        self._process = process
        self._to: int | None = to
        self._out = out

    def send(self, data: bytes) -> None:
        assert self._to is not None
        os.write(self._to, data)

    def end(self) -> None:
        if self._to is not None and self._to != self._out:
            os.close(self._to)
        self._to = None

    def receive(self, seconds: float) -> bytes:
        if not select.select([self._out], [], [], max(seconds, 0))[0]:
            raise TimeoutError
        try:
            return os.read(self._out, _CHUNK_BYTES)
        except OSError:  # so ends a terminal
            return b""

    def close(self) -> None:
        self.end()
        self._process.kill()
        self._process.wait()
        os.close(self._out)


class TextClient:
    """A person at a terminal: writes lines and reads lines. ``torn``: the last line came without its end."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.torn = False
        self._buffer = b""
        self._lines: list[str] = []

    def say(self, *lines: str) -> None:
        """Type ``lines``, in one packet."""
        self.stream.send("".join(f"{line}\n" for line in lines).encode())

    def read_line(self, seconds: float = PATIENCE_SECONDS) -> str | None:
        """Return the next line without its end, or None at the end; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self._lines:
            chunk = self.stream.receive(deadline - time.monotonic())
            if not chunk:
                rest, self._buffer = self._buffer, b""
                self.torn = bool(rest)
                return rest.decode(errors="replace") or None
            *lines, self._buffer = (self._buffer + chunk).split(b"\n")
            # Whoever is asked for a password is sent a telnet command before the question.
            self._lines = [_ECHO.sub(b"", line).decode().rstrip("\r") for line in lines][::-1]
        return self._lines.pop()

    def hear(self, wanted: str) -> list[str]:
        """Return the lines up to the one that contains ``wanted``."""
        heard: list[str] = []
        while not heard or wanted not in heard[-1]:
            try:
                line = self.read_line()
            except TimeoutError:
                line = None
            if line is None:
                pytest.fail(f"{wanted!r} was not heard, only {heard}")
            heard.append(line)
        return heard

    def rest(self, seconds: float = PATIENCE_SECONDS) -> list[str]:
        """Return all lines up to the end of the connection."""
        return list(iter(lambda: self.read_line(seconds), None))

    def close(self) -> None:
        """Hang up."""
        self.stream.close()


class Program(TextClient):
    """A client program that is run for a person. ``to`` and ``out`` are descriptors, as of `ProcessStream`."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, out: int) -> None:
        super().__init__(ProcessStream(process, to, out))
        self.process = process
        self._terminal = out

    def resize(self, columns: int) -> None:
        """Give its terminal another width, of which the kernel tells it by SIGWINCH."""
        _set_columns(self._terminal, columns)


def _set_columns(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))


def in_terminal(*command: str, columns: int = 0) -> Program:
    """Return a client program with a terminal of its own, which echoes what is typed; 0 columns: of no known size.

    It controls the program: Ctrl-C interrupts it.
    """
    ours, its = os.openpty()
    _set_columns(its, columns)
    try:
        process = subprocess.Popen([tool("setsid"), "--ctty", *command], stdin=its, stdout=its, stderr=its)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(its)
    return Program(process, ours, ours)


class Refused(Exception):
    """A reply with ``"status": "error"``."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["code"], error["message"])
        self.code: str = error["code"]


class JsonClient:
    """A script that speaks JSON lines. ``events`` holds those that came while something else was awaited."""

    def __init__(self, stream: Stream, name: str | None = None) -> None:
        self.stream = stream
        self.events: list[Json] = []
        self._text = TextClient(stream)
        self._last_id = 0
        if name is not None:
            self.request("login", name=name)

    def send(self, op: str, **data: Any) -> int:
        """Send an operation and return its id."""
        identifier, line = self.line(op, **data)
        self.stream.send(line)
        return identifier

    def line(self, op: str, **data: Any) -> tuple[int, bytes]:
        """Return an operation's id and its line, for those who send several at once."""
        self._last_id += 1
        return self._last_id, json.dumps({"op": op, "id": self._last_id, "data": data}).encode() + b"\n"

    def read(self, seconds: float = PATIENCE_SECONDS) -> Json:
        """Return the next event or reply; raises EOFError at the end, also at a line that was cut off, TimeoutError."""
        line = self._text.read_line(seconds)
        if line is None or self._text.torn:
            raise EOFError
        received: Json = json.loads(line)
        return received

    def reply(self, identifier: int) -> Json:
        """Return the data of a reply, the next one to come; raises `Refused`."""
        while "status" not in (received := self.read()):
            self.events.append(received)
        assert received.get("id") == identifier, received
        if received["status"] == "error":
            raise Refused(received["error"])
        data: Json = received["data"]
        return data

    def request(self, op: str, **data: Any) -> Json:
        """Send an operation and return its reply's data; raises `Refused`."""
        return self.reply(self.send(op, **data))

    def event(self, op: str, **fields: Any) -> Json:
        """Return the data of the first event of this kind with these fields, passing over those before it."""
        while True:
            event = self.events.pop(0) if self.events else self.read()
            data: Json = event["data"]
            if event["op"] == op and fields.items() <= data.items():
                return data

    def history(self, room: str) -> list[Json]:
        """Return a room's whole log, page by page."""
        entries: list[Json] = []
        more = True
        while more:
            page = self.request("history", room=room, after=len(entries), limit=_PAGE_ENTRIES)
            entries += page["entries"]
            more = page["more"]
        return entries

    def close(self) -> None:
        """Hang up."""
        self.stream.close()


class Daemon:
    """The daemon over one data directory, with the clients made here. Ends with its context, and they with it."""

    def __init__(
        self,
        data: Path,
        *options: str,
        port: bool = True,
        command: Sequence[str] = (),
        within: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        umask: int = -1,
    ) -> None:
        """``command`` are twistd's own arguments in place of the usual ones; then the settings must say all.

        ``within`` is a command that runs the daemon in a place of its own, without a fork.
        """
        usual = ["-n", "--pidfile=", "tcpchat", *(["--port", "0"] if port else []), "--data", str(data)]
        usual += ["--trust", "127.0.0.0/8", "--trust", "::1/128", *options]
        self._command = [*within, TWISTD, *(command or usual)]
        # Without an endpoint there is always a port.
        self._expected = (port or not options) + options.count("--endpoint")
        self._settings = settings or {}
        self._umask = umask
        self._log_path = data.with_name(f"{data.name}.log")
        self._log_start = 0
        self._clients = ExitStack()
        self.data = data
        self.ports: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._clients.close()
        self._end()

    @property
    def log(self) -> str:
        """What the daemon has logged since its last start."""
        return self._log_path.read_bytes()[self._log_start :].decode()

    @property
    def port(self) -> int:
        """The first of its TCP ports."""
        return self.ports[0]

    def start(self) -> None:
        """Start the process, and return when it listens. The clients of an earlier one hang up."""
        self._clients.close()
        with self._log_path.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log_path.parent,
                env=environment(**self._settings),
                umask=self._umask,
            )
        try:
            eventually(self._listens, lambda: f"the daemon does not listen; it says:\n{self.log}")
        except BaseException:
            self._end()
            raise
        self.ports = [int(port) for place in _LISTENS.findall(self.log) for port in _PORT.findall(place)]

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Return the exit status (minus the signal's number after one); fails after ``seconds``."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the daemon still runs after {seconds} s; it says:\n{self.log}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process by a signal, and return its exit status."""
        self.send_signal(number)
        return self.wait()

    def restart(self) -> None:
        """Stop it, and start it again on the same data."""
        self.stop()
        self.start()

    def await_log(self, words: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once the log holds ``words``."""
        eventually(lambda: words in self.log, lambda: f"{words!r} is not in the log:\n{self.log}", seconds)

    def connect(self, *, receive_buffer: int | None = None) -> SocketStream:
        """Return a new connection; ``receive_buffer`` bounds what the kernel takes for us, in bytes."""
        sock = socket.socket(socket.AF_INET)
        stream = self._clients.enter_context(closing(SocketStream(sock)))
        if receive_buffer is not None:  # counts only before the connection is made
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(("127.0.0.1", self.port))
        return stream

    def json(self, name: str | None = None) -> JsonClient:
        """Return a script, logged in if it has a name."""
        return JsonClient(self.connect(), name)

    def text(self, name: str | None = None) -> TextClient:
        """Return a person, in the lobby if it has a name."""
        person = TextClient(self.connect())
        if name is not None:
            person.say(name)
            person.hear("What is said here is logged")
        return person

    def run(self, program: str, *arguments: str) -> Program:
        """Return a client program with pipes."""
        process = subprocess.Popen([tool(program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            to, out = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
        return self._clients.enter_context(closing(Program(process, to, out)))

    def run_in_terminal(self, program: str, *arguments: str, columns: int = 0) -> Program:
        """Return a client program with a terminal of its own, as of `in_terminal`."""
        return self._clients.enter_context(closing(in_terminal(tool(program), *arguments, columns=columns)))

    def _listens(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the daemon has ended at its start with {self.process.returncode}; it says:\n{self.log}")
        return len(_LISTENS.findall(self.log)) >= self._expected

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
