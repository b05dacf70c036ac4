"""Resuming with real sockets and processes: after a reset connection, a stop, and kill -9."""

from __future__ import annotations

import re
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, JsonClient, SocketStream, TextClient, eventually

_CODE = re.compile(r"/resume ([a-z2-7-]{19})$")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "data") as running:
        yield running


def reset(client: JsonClient | TextClient) -> None:
    """Break the connection as a network does: by RST."""
    assert isinstance(client.stream, SocketStream)
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def arrive(daemon: Daemon, name: str) -> tuple[TextClient, str]:
    person = daemon.text()
    person.say(name)
    code = _CODE.search(person.hear("/resume ")[-1])
    assert code is not None
    person.hear("You are in lobby")
    return person, code[1]


def program(daemon: Daemon, name: str) -> tuple[JsonClient, str]:
    client = daemon.json()
    code = client.request("login", name=name)["session"]
    client.request("join", room="lobby")
    return client, code


def came_back(daemon: Daemon, code: str, after: int) -> tuple[JsonClient, dict[str, Any]]:
    client = daemon.json()
    return client, client.request("resume", session=code, cursors={"lobby": after})


def numbers(client: JsonClient, count: int) -> list[int]:
    return [client.event("message")["seq"] for _ in range(count)]


def test_a_reset_connection_is_resumed_on_both_wires(daemon: Daemon) -> None:
    bob, _ = program(daemon, "bob")
    nina, code = program(daemon, "nina")
    tom, theirs = arrive(daemon, "tom")
    bob.request("say", room="lobby", text="one")
    nina.event("message", seq=1)
    tom.hear("bob: one")
    reset(nina)
    reset(tom)
    eventually(lambda: daemon.log.count(": the connection broke") == 2, lambda: daemon.log)
    for text in ("two", "three"):
        bob.request("say", room="lobby", text=text)
    again, answer = came_back(daemon, code, 1)
    assert answer["user"]["name"] == "nina"
    assert numbers(again, 2) == [2, 3]
    person = daemon.text()
    person.say(f"/resume {theirs}")
    assert person.hear("bob: three")[-2:] == ["bob: two", "bob: three"]
    person.say("here I am")
    assert again.event("message", text="here I am")["from"] == "tom"
    assert [event["data"]["user"]["name"] for event in bob.events if event["op"] in ("joined", "left")] == [
        "nina",
        "tom",
    ]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_sessions_live_through_a_restart(daemon: Daemon, end: signal.Signals) -> None:
    bob, theirs = program(daemon, "bob")
    nina, code = program(daemon, "nina")
    _, shown = arrive(daemon, "tom")
    for text in ("one", "two"):
        bob.request("say", room="lobby", text=text)
    nina.event("message", seq=1)
    daemon.stop(end)
    daemon.start()
    examiner = daemon.json("examiner")
    assert sorted(user["name"] for user in examiner.request("users")["users"]) == ["bob", "examiner", "nina", "tom"]
    again, answer = came_back(daemon, code, 1)
    assert answer["rooms"][0]["people"] == 3
    assert numbers(again, 1) == [2]
    writer, _ = came_back(daemon, theirs, 2)
    writer.request("say", room="lobby", text="three")
    assert numbers(again, 1) == [3]
    person = daemon.text()
    person.say(f"/resume {shown}")
    assert person.hear("bob: three")[-1] == "bob: three"


def test_what_is_told_for_the_first_time_to_who_is_away_lives_through_a_kill(daemon: Daemon) -> None:
    nina, code = program(daemon, "nina")
    reset(nina)
    eventually(lambda: ": the connection broke" in daemon.log, lambda: daemon.log)
    bob = daemon.json("bob")
    told = bob.request("tell", to="nina", text="one")
    bob.request("ping")
    daemon.stop(signal.SIGKILL)
    daemon.start()
    again = daemon.json()
    assert again.request("resume", session=code, cursors={})["lost"] == []
    assert again.event("message", room=told["room"])["text"] == "one"


def test_an_old_conversation_is_found_by_its_cursor(daemon: Daemon) -> None:
    people = {}
    for name in ("nina", "bob"):
        people[name] = daemon.json(name)
        people[name].request("register", password="correct PLANTED horse")
    for text in ("one", "two"):
        room = people["bob"].request("tell", to="nina", text=text)["room"]
    for person in people.values():
        person.request("quit")
    daemon.restart()
    nina = daemon.json()
    code = nina.request("login", name="nina", password="correct PLANTED horse")["session"]
    reset(nina)
    again = daemon.json()
    assert again.request("resume", session=code, cursors={room: 1, "@ffffffffffffffff": 1})["lost"] == [
        {"room": "@ffffffffffffffff", "code": "no-such-room", "message": "There is no such room any more."}
    ]
    assert again.event("message", room=room)["text"] == "two"


def test_no_code_is_in_the_log_or_the_data_directory(daemon: Daemon) -> None:
    nina, code = program(daemon, "nina")
    _, shown = arrive(daemon, "tom")
    reset(nina)
    eventually(lambda: ": the connection broke" in daemon.log, lambda: daemon.log)
    came_back(daemon, code, 0)
    daemon.stop()
    kept = b"".join(path.read_bytes() for path in daemon.data.iterdir() if path.is_file())
    for secret in (code, shown):
        assert secret not in daemon.log
        assert secret.encode() not in kept
        assert secret.replace("-", "").encode() not in kept
