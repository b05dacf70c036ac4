"""People whose connections break and who come back: by which codes, and where they ask to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.house import House, Script, Terminal

Cursor = int | dict[str, int]

# Codes that nobody was given, and a log that there never was.
_WRONG = "kx3m-7pqa-b2zw-ymth"
_STRANGE_EPOCH = 1
_ANSWERED = re.compile(r"Welcome back, .*|No session has this code.*|Your session is just .*")


class Codes:
    """The codes that one was told. ``good`` are those that must do, ``unsure`` those that may."""

    def __init__(self) -> None:
        self.good: set[str] = set()
        self.unsure: set[str] = set()
        self._told: list[str] = []

    def begin(self, code: str | None) -> None:
        """A new session has this code."""
        self._told = [] if code is None else [code]
        self.good, self.unsure = set(self._told), set()

    def choose(self, number: int) -> str | None:
        """Return a code to come back with: mostly the last one, else one before it or a wrong one."""
        if not self._told:
            return None
        if number % 8 == 7:
            return _WRONG
        return self._told[-1] if number % 8 < 5 else self._told[max(0, len(self._told) - number % 8 + 3)]

    def tried(self, code: str) -> None:
        """A code is used: if it is good, then from now on only that one surely is."""
        if code in self.good | self.unsure:
            self.unsure |= self.good - {code}
            self.good &= {code}

    def told(self, used: str, new: str) -> None:
        """Using a code has brought another: these two are good."""
        self._told.append(new)
        self.good, self.unsure = {used, new}, set()


class Attempt:
    """A new connection, by which a program asks to go on."""

    def __init__(self, house: House, code: str, cursors: Mapping[str, Cursor]) -> None:
        self.code = code
        self.cursors = cursors
        self.script = Script(house)
        self.transport = self.script.transport
        self.before: list[dict[str, Any]] = []
        self._number = self.script.post("resume", session=code, cursors=cursors)

    def look(self) -> dict[str, Any] | None:
        """Return the answer, once it has come; ``before`` is what came first, and what follows is still to be read."""
        lines = self.script.take()
        for place, line in enumerate(lines):
            if line.get("id") == self._number:
                self.script.lines = lines[place + 1 :]
                return line
            self.before.append(line)
        return None


class TypedAttempt:
    """A new connection, by which a person at a terminal asks to go on."""

    def __init__(self, house: House, code: str) -> None:
        self.code = code
        self.terminal = Terminal(house)
        self.transport = self.terminal.transport
        self.lines: list[str] = []
        self.transport.receive(f"/resume {code}\r\n".encode())

    def look(self) -> bool:
        """Return whether an answer has come; ``lines`` are it and what follows."""
        self.lines += self.terminal.take()
        while self.lines and not _ANSWERED.fullmatch(self.lines[0]):
            del self.lines[0]
        return bool(self.lines)


def cursors(last: Mapping[str, int], epochs: Mapping[str, int], number: int) -> dict[str, Cursor]:
    """Return where to go on in each log, of which the ``last`` entries are known: mostly after these."""
    match number % 7:
        case 0 | 1:
            return dict(last)
        case 2:
            return {}
        case 3:
            return {label: max(0, seq - 2) for label, seq in last.items()}
        case 4:
            return {label: {"seq": seq, "epoch": epochs[label]} for label, seq in last.items() if label in epochs}
        case 5:
            return {label: seq + 3 for label, seq in last.items()}
        case _:
            return {label: {"seq": seq, "epoch": _STRANGE_EPOCH} for label, seq in last.items()}


def standing(cursor: Cursor, epoch: int, head: int) -> tuple[int, tuple[int, int] | None]:
    """Return after which entry one goes on in a log, and the gap that is told first, if any."""
    seq = cursor if isinstance(cursor, int) else cursor["seq"]
    if isinstance(cursor, dict) and cursor["epoch"] != epoch:
        return 0, (1, 0)
    return (seq, None) if seq <= head else (head, (head + 1, seq))
