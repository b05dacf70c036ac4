"""What stays with an account in the real daemon: over two connections, through a restart and through a kill."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.daemon import Daemon, Json, JsonClient

PASSWORD = "correct PLANTED horse"


def enrol(daemon: Daemon, name: str) -> JsonClient:
    """Return somebody who has just registered."""
    person = daemon.json(name)
    person.request("register", password=PASSWORD)
    return person


def logged_in(daemon: Daemon, name: str) -> tuple[JsonClient, Json]:
    """Return another connection of somebody, and what the login told it."""
    person = daemon.json()
    return person, person.request("login", name=name, password=PASSWORD)


def test_markers_mentions_and_messages_wait_through_a_restart(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        nina, bob = enrol(daemon, "nina"), enrol(daemon, "bob")
        phone, _ = logged_in(daemon, "nina")
        for person in (nina, bob):
            person.request("join", room="tea")
        for text in ("one", "nina: two", "three", "Nina, four"):
            bob.request("say", room="tea", text=text)
        assert nina.event("message", seq=2)["mentions"] == ["nina"]
        assert nina.request("read", room="tea", seq=2)["unread"] == 2
        assert phone.event("read") == {"room": "tea", "seq": 2}
        for person in (nina, phone):
            person.request("quit")
        assert bob.request("tell", to="nina", text="psst")["waits"] is True
        daemon.restart()
        nina, answer = logged_in(daemon, "nina")
        assert answer["following"] == [{"room": "tea", "unread": 2, "mentions": 1}]
        (direct,) = answer["directs"]
        assert (direct["with"], direct["unread"]) == ("bob", 1)
        assert [entry["text"] for entry in nina.request("history", room="@bob")["entries"]] == ["psst"]
        nina.request("read", room=direct["room"], seq=1)
        nina.request("quit")
        terminal = daemon.text()
        terminal.say(f"/login nina {PASSWORD}")
        terminal.hear("2 new (1 mentions you) in tea: type /join tea")
        terminal.say("/join tea")
        terminal.hear("What follows is new to you:")
        terminal.say("/quit")
        terminal.rest()
        daemon.restart()
        following = logged_in(daemon, "nina")[1]["following"]
        assert {told["room"]: told["unread"] for told in following} == {"tea": 0, "lobby": 0}


def test_what_was_told_waits_through_a_kill(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        nina, bob = enrol(daemon, "nina"), enrol(daemon, "bob")
        bob.request("quit")
        for text in ("one", "two"):
            nina.request("tell", to="bob", text=text)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    with Daemon(tmp_path / "data") as daemon:
        bob, answer = logged_in(daemon, "bob")
        assert [(direct["with"], direct["unread"]) for direct in answer["directs"]] == [("nina", 2)]
        entries = bob.request("history", room="@nina")["entries"]
        assert [(entry["seq"], entry["text"]) for entry in entries] == [(1, "one"), (2, "two")]
        nina, answer = logged_in(daemon, "nina")
        assert nina.request("tell", to="bob", text="three")["seq"] == 3
        assert bob.event("message", seq=3)["with"] == "nina"
