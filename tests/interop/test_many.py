"""Very many connections at once, and what is said when there are too many."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.daemon import Daemon, eventually, lacking

_CONNECTIONS = 10_000
_PER_ROOM = 100
# What one idle person may cost the daemon.
_CONNECTION_KIB = 8


def _within(soft: int, hard: int) -> tuple[str, ...]:
    """Return a command that bounds the open files of the one that it becomes."""
    return ("sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" "$@"')


def test_the_limit_of_open_files_is_raised_and_said_when_it_is_too_low(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", within=_within(64, 400)) as daemon:
        assert daemon.log.count("this process may have 400 files open, so that only 272 connections fit: ") == 1
        people = [daemon.json(f"p{number}") for number in range(272)]
        late = daemon.text()
        assert late.rest() == ["The server is full. Please try again later."]
        late.close()
        people[0].close()
        eventually(lambda: daemon.log.count(" ended after ") == 2, lambda: daemon.log)
        assert daemon.json("late").request("ping") == {}
        assert people[1].request("ping") == {}


def test_ten_thousand_people(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _CONNECTIONS + 200:
        lacking(f"only {hard} files may be open here (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (_CONNECTIONS + 200, hard))
    with Daemon(tmp_path / "data") as daemon:
        assert "connections fit" not in daemon.log
        owners = [daemon.json("nina"), daemon.json("bob")]
        for number in range(_CONNECTIONS // _PER_ROOM):
            owners[number % 2].request("create", room=f"room{number}")
        before = _resident_kib(daemon)
        people = []
        for number in range(_CONNECTIONS):
            people.append(person := daemon.json())
            room = number // _PER_ROOM
            lines = [person.line("login", name=f"p{number}"), person.line("join", room=f"room{room}")]
            person.stream.send(b"".join(line for _, line in lines))
        for person in people:
            person.reply(1)
            person.reply(2)
        assert (_resident_kib(daemon) - before) / _CONNECTIONS < _CONNECTION_KIB
        for number in (0, _CONNECTIONS // 2, _CONNECTIONS - 1):
            room = number // _PER_ROOM
            people[number].request("say", room=f"room{room}", text="is anybody here?")
            for listener in people[room * _PER_ROOM : (room + 1) * _PER_ROOM]:
                assert listener.event("message", text="is anybody here?")["from"] == f"p{number}"
        assert len(owners[0].request("users")["users"]) == _CONNECTIONS + len(owners)


def _resident_kib(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
