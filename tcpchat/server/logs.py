"""Where the daemon's own log goes, and what its lines look like: text for people, JSON for programs."""

from __future__ import annotations

import json
import math
import os
import re
import select
import signal
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

from tcpchat.config.configuration import Configuration, ConfigurationError
from tcpchat.errors import StartError

# What in a value could end a line, hide a part of it or steer a terminal: C0, DEL and C1 (ECMA-48), the line and
# paragraph separators, the Bidi_Control characters (UAX #9), lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# No record begins so, and no value can begin a line.
_TRACEBACK_INDENT = "    | "
# Of a program's own fields nothing may take these names, nor what Twisted's old logging system puts into an event.
_RESERVED = frozenset(("time", "level", "system", "message", "traceback", "failure", "isError", "why", "format"))

# A pipe takes this much at once without blocking, when it takes anything (POSIX, PIPE_BUF).
_PIECE_BYTES = select.PIPE_BUF
# How long the chat may wait for whoever reads the log, before lines are lost instead.
_PATIENCE_MS = 100

Format = Callable[[LogEvent], str]


def format_text(event: LogEvent) -> str:
    """Return an event as one line: local time with its offset, level, system, message.

    A traceback follows on lines of its own, which are the only ones that don't begin with a time.
    """
    when = datetime.fromtimestamp(event["log_time"]).astimezone()
    head = f"{when.isoformat(timespec='milliseconds')} {_level(event)} {_system(event)}: {_escape(_message(event))}\n"
    return head + "".join(f"{_TRACEBACK_INDENT}{_escape(line)}\n" for line in _traceback(event).split("\n") if line)


def format_json(event: LogEvent) -> str:
    """Return an event as one JSON object in ASCII: its time in UTC, level, system, message, and its plain fields."""
    when = datetime.fromtimestamp(event["log_time"], UTC)
    fields: dict[str, Any] = {
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _level(event),
        "system": _system(event),
        "message": _message(event),
    }
    for name, value in event.items():
        if name not in _RESERVED and not name.startswith("log_") and isinstance(value, str | int | float | None):
            fields[name] = _rounded(value) if isinstance(value, float) else value
    if traceback := _traceback(event):
        fields["traceback"] = traceback
    return json.dumps(fields) + "\n"


_FORMATS: dict[str, Format] = {"text": format_text, "json": format_json}


class LogFile:
    """A file, or standard error, that takes whole lines and harms nobody when it takes no more.

    ``lost`` counts the writes that failed, or that nobody took within 100 ms, since the last that didn't.
    """

    def __init__(self, path: Path | None) -> None:
        """Open ``path``, or standard error; raises OSError. A closed standard error takes everything and keeps none."""
        self._path = path
        self._torn = False
        self.lost = 0
        if path is not None:
            self._file: int | None = self._open(path)
        else:
            # A descriptor 2 that was closed when we started may be anything by now, such as the database.
            self._file = None if sys.__stderr__ is None else os.dup(2)

    def write(self, data: bytes) -> None:
        """Append ``data``, which is lines. A line of which only a part could be written is ended before the next."""
        if self._file is None:
            return
        if self._torn:
            data = b"\n" + data
        left = memoryview(data)
        try:
            while left:
                if not self._ready():
                    raise TimeoutError
                left = left[os.write(self._file, left[:_PIECE_BYTES]) :]
            self.lost = 0
            self._torn = False
        except OSError:
            self.lost += 1
            self._torn = self._torn or len(left) < len(data)

    def reopen(self) -> None:
        """Open the file anew, after it was moved away; raises OSError, and goes on with the old one then."""
        if self._path is not None:
            file = self._open(self._path)
            self._close()
            self._file = file
            self._torn = False

    def _open(self, path: Path) -> int:
        # Without O_NONBLOCK a FIFO that nobody reads would stop us here.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        return os.open(path, flags, 0o640)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def _ready(self) -> bool:
        """Return whether the next piece can be written without blocking; who was late once is not waited for again."""
        assert self._file is not None
        if stat.S_ISREG(os.fstat(self._file).st_mode):
            return True
        poll = select.poll()
        poll.register(self._file, select.POLLOUT)
        return bool(poll.poll(0 if self.lost else _PATIENCE_MS))


@implementer(ILogObserver)
class LogObserver:
    """Writes events to a `LogFile`, from any thread."""

    _log = Logger()

    def __init__(self, file: LogFile, form: Format) -> None:
        self._file = file
        self._format = form
        # Whoever writes may be interrupted by a signal or the end of an object, that is logged: the same thread comes
        # again, and its line waits for the one in hand.
        self._lock = threading.RLock()
        self._events: deque[LogEvent] = deque()
        self._writing = False

    def __call__(self, event: LogEvent) -> None:
        """Write one event; the first after a failure says how many were lost."""
        with self._lock:
            self._events.append(event)
            if self._writing:
                return
            self._writing = True
            try:
                while self._events:
                    self._write(self._events.popleft())
            finally:
                self._writing = False

    def _write(self, event: LogEvent) -> None:
        text = self._format(event)
        if lost := self._file.lost:
            words = {"log_format": "{lost} lines of this log were lost", "lost": lost, "log_level": LogLevel.warn}
            system = {"log_time": event["log_time"], "log_namespace": f"{__name__}.LogObserver"}
            text = self._format({**words, **system}) + text
        self._file.write(text.encode(errors="backslashreplace"))

    def reopen(self) -> None:
        """Open the file anew (logrotate); what prevents it is logged in the old one."""
        try:
            with self._lock:
                self._file.reopen()
        except OSError as error:
            self._log.error("the log file can't be opened anew: {reason}", reason=error.strerror or str(error))


@dataclass(frozen=True, slots=True)
class BegunLog:
    """What is to observe the log, from a level on."""

    observer: ILogObserver
    threshold: LogLevelFilterPredicate

    def set_level(self, level: str) -> None:
        """Log what is of this level and above."""
        self.threshold.setLogLevelForNamespace("", LogLevel.lookupByName(level))


def begin_log(configuration: Configuration, twistd: Mapping[str, Any] | None) -> BegunLog | None:
    """Return what is to observe the log, with SIGUSR1 opening its file anew; None when that is left to twistd.

    ``twistd`` are its own options, None when they aren't known (in a ``.tac`` file). What they say about the log is
    twistd's to do, and raises `StartError` together with ours, as does a file that can't be opened.
    """
    given = [name for name in ("log_format", "log_level", "log_file") if configuration.given(name)]
    path: Path | None = configuration["log_file"]
    if twistd is None and not given:
        return None
    theirs = [f"--{name}" for name in ("logfile", "syslog", "logger") if twistd and twistd.get(name)]
    in_background = twistd is not None and not twistd["nodaemon"]
    if theirs:
        if given:
            reason = f"can't be given together with twistd's own {theirs[0]}"
            raise ConfigurationError([configuration.mistake(given[0], reason)])
        return None
    if in_background and path is None:
        if given:
            reason = "needs --log-file or log_file, or twistd's -n: there is no standard error in the background"
            raise ConfigurationError([configuration.mistake(given[0], reason)])
        return None
    try:
        observer = LogObserver(LogFile(path), _FORMATS[configuration["log_format"]])
    except OSError as error:
        raise StartError(f"can't open the log file {path}: {error.strerror or error}") from None
    _reopen_on_signal(observer)
    threshold = LogLevelFilterPredicate()
    begun = BegunLog(FilteringLogObserver(observer, [threshold]), threshold)
    begun.set_level(configuration["log_level"])
    return begun


def _reopen_on_signal(observer: LogObserver) -> None:
    """Let SIGUSR1 open the file anew; without one it does nothing, where it would end the process."""
    from twisted.internet import reactor

    def reopen(*signal_and_frame: object) -> None:
        reactor.callFromThread(observer.reopen)  # type: ignore[attr-defined]

    signal.signal(signal.SIGUSR1, reopen)


def _message(event: LogEvent) -> str:
    return formatEvent(event).strip()


def _level(event: LogEvent) -> str:
    return event["log_level"].name if "log_level" in event else "info"


def _system(event: LogEvent) -> str:
    """Return the part of the program that speaks: a module's short name of ours, a package's of others."""
    parts = _escape(str(event.get("log_namespace", "-"))).replace(" ", "_").split(".")
    if parts[0] == "tcpchat" and len(parts) > 2:
        return parts[-2]  # the last one is the class
    return "twisted" if parts[0] == "log_legacy" else parts[0]


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return failure.getTraceback() if failure is not None else ""


def _escape(text: str) -> str:
    """Return ``text`` on one line, with what could forge another one as in a Python string."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _rounded(value: float) -> float | str:
    return round(value, 3) if math.isfinite(value) else str(value)
