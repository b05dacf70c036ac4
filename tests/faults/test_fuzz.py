"""Damaged sessions against the daemon: nobody else notices, nothing of them is left, and nothing is logged as a fault.

Each run prints its seed; `--fuzz-seed` sends the same again, `--fuzz-seconds` makes it longer.
"""

from __future__ import annotations

import os
import random
import re
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.daemon import Daemon, Json, JsonClient, TextClient, eventually
from tests.faults.fuzz import AT_ONCE, MEETING, STEPS, WIRES, Attempt, End, attempt

# After its last piece a connection stays for so many of its turns.
_LINGER_TURNS = 20
# What the tails of the rooms, SQLite's caches and the allocator may still take after a third of the time. Single
# objects that stay behind are seen in tests/faults/test_fuzz_memory.py.
_GROWTH_KIB = 12 * 1024
_FAULT = re.compile(r"^\S+ (?:warn|error|critical) .*|^.*(?:Traceback|Unhandled).*", re.M)
_SPOKEN = re.compile(r"(walter|wendy): (\d+)")


class Witnesses:
    """A person and a script who talk in one room: each must hear both, everything, in order."""

    def __init__(self, daemon: Daemon) -> None:
        self._walter: TextClient = daemon.text("walter")
        self.wendy: JsonClient = daemon.json("wendy")
        self._said = 0
        self.rooms = 0
        self._walter.say(f"/join {MEETING}")
        self._walter.hear(f"You are in {MEETING}")
        self._head = self.wendy.request("join", room=MEETING)["head"]

    def talk(self) -> None:
        """Say something, and hear it and all that was said before."""
        self._said += 1
        self._walter.say(str(self._said))
        self.wendy.send("say", room=MEETING, text=str(self._said))
        expected = {("walter", str(self._said)), ("wendy", str(self._said))}
        heard: list[tuple[str, str]] = []
        while len(heard) < 2:
            line = self._walter.read_line()
            assert line is not None, "walter was disconnected"
            if found := _SPOKEN.fullmatch(line):
                heard.append((found[1], found[2]))
        assert set(heard) == expected, f"walter heard {heard}, not {expected}"
        heard.clear()
        while len(heard) < 2:
            received = self.wendy.read()
            data = received.get("data", {})
            if received["op"] in ("message", "topic") and data.get("room") == MEETING and "status" not in received:
                self._head += 1
                assert data["seq"] == self._head, f"wendy has read {self._head - 1}, and then {received}"
                if data["from"] in ("walter", "wendy"):
                    heard.append((data["from"], data["text"]))
        assert set(heard) == expected, f"wendy heard {heard}, not {expected}"

    def alone(self) -> bool:
        """Whether nobody else is left, in any room."""
        asked = [self.wendy.send(op) for op in ("users", "rooms")]
        users, rooms = (self._answer(identifier) for identifier in asked)
        self.rooms = len(rooms["rooms"])
        there = sorted(user["name"] for user in users["users"])
        return there == ["walter", "wendy"] and sum(room["members"] for room in rooms["rooms"]) == 3

    def _answer(self, identifier: int) -> Json:
        while (received := self.wendy.read()).get("id") != identifier:
            if received["op"] in ("message", "topic") and received["data"].get("room") == MEETING:
                self._head += "status" not in received
        data: Json = received["data"]
        return data


class Fuzzer:
    """One attempt over a real socket. ``over`` once it has ended."""

    def __init__(self, daemon: Daemon, plan: Attempt) -> None:
        self._socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=5)
        self._socket.setblocking(False)
        self._pieces = list(plan.pieces)[::-1]
        self._plan = plan
        self._turns = 0
        self._half_closed = 0.0
        self.sent = 0
        self.over = False

    def step(self) -> None:
        """Send a piece, or as much of it as can be sent; after the last one come to the end."""
        try:
            if self._plan.reads or self._half_closed:
                self._read()
            if self._half_closed:
                assert time.monotonic() < self._half_closed + 20, "a connection that has ended its half is not closed"
            elif self._pieces:
                done = self._socket.send(self._pieces[-1])
                self.sent += done
                if rest := self._pieces.pop()[done:]:
                    self._pieces.append(rest)
            else:
                self._end()
        except BlockingIOError:
            self._turns += not self._plan.reads  # it is read no more until it reads
            if self._turns > _LINGER_TURNS:
                self.hang_up()
        except OSError:  # the daemon has closed it, as it may
            self.hang_up()

    def hang_up(self) -> None:
        """End it now."""
        self._socket.close()
        self.over = True

    def _read(self) -> None:
        try:
            if not self._socket.recv(1 << 18):
                self.hang_up()
        except BlockingIOError:
            pass

    def _end(self) -> None:
        self._turns += 1
        match self._plan.end:
            case End.RESET:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.hang_up()
            case End.HALF_CLOSE:
                self._socket.shutdown(socket.SHUT_WR)
                self._half_closed = time.monotonic()
            case End.STAY if self._turns < _LINGER_TURNS:
                pass
            case _:
                self.hang_up()


def _measure(daemon: Daemon) -> tuple[int, int]:
    """Return the daemon's resident memory in KiB, and how many files it has open."""
    assert daemon.process is not None
    place = Path(f"/proc/{daemon.process.pid}")
    resident = re.search(r"VmRSS:\s+(\d+)", (place / "status").read_text())
    assert resident is not None
    return int(resident[1]), len(os.listdir(place / "fd"))


@pytest.mark.parametrize("wire", WIRES)
def test_damaged_sessions_disturb_nobody_and_leave_nothing(
    tmp_path: Path, wire: str, seed: int, seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    cases = sent = 0
    # Nobody who is cut off stays behind to come back.
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_RESUME_GUEST_SECONDS": "0"}) as daemon:
        for number in range(12):  # each thread that hashes passwords keeps the 19 MiB of one
            newcomer = daemon.json()
            newcomer.request("register", name=f"n\u00e4na{number}", password="four words for nina")
            newcomer.request("quit")
        witnesses = Witnesses(daemon)

        def storm(duration: float) -> None:
            nonlocal cases, sent
            fuzzers: list[Fuzzer] = []
            deadline = time.monotonic() + duration
            while time.monotonic() < deadline:
                for _ in range(STEPS):
                    if len(fuzzers) < AT_ONCE:
                        fuzzers.append(Fuzzer(daemon, attempt(wire, seed, cases)))
                        cases += 1
                    fuzzer = chance.choice(fuzzers)
                    fuzzer.step()
                    if fuzzer.over:
                        fuzzers.remove(fuzzer)
                        sent += fuzzer.sent
                witnesses.talk()
                assert not _FAULT.search(daemon.log), f"seed {seed}, before case {cases}: {daemon.log[-5000:]}"
            for fuzzer in fuzzers:
                fuzzer.hang_up()
            eventually(witnesses.alone, lambda: "somebody is still there")
            witnesses.talk()

        storm(seconds / 3)
        resident, files = _measure(daemon)
        residents = [resident]
        for _ in range(2):
            storm(seconds / 3)
            eventually(
                lambda: _measure(daemon)[1] <= files, lambda: f"{_measure(daemon)[1]} files are open, not {files}"
            )
            residents.append(_measure(daemon)[0])
        assert daemon.json("late").request("ping") == {}
        daemon.stop()
        faults = _FAULT.findall(daemon.log)
    mib = ", ".join(f"{kib / 1024:.1f}" for kib in residents)
    figures = f"{cases} cases, {sent / 1e6:.1f} MB, resident after each third {mib} MiB; {files} files, "
    figures += f"{witnesses.rooms} rooms"
    with capsys.disabled():
        print(f"\n{wire}, seed {seed}: {figures}")  # noqa: T201
    assert not faults
    assert residents[-1] - residents[0] < _GROWTH_KIB
