"""The orderly end: everybody is told, what was accepted is committed and answered, and it takes seconds."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

import pytest

from tests.daemon import STOP_SECONDS, Daemon, JsonClient

_FAREWELL = "The server is shutting down."
_TEXT = "x" * 15_000
# Enough to fill what the kernel holds for a connection (its largest send buffer is 4 MiB by default).
_MOST_MESSAGES = 600
# Half of what a reader may leave unread before it is closed (1 MiB).
_MARGIN = 35


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_committed_and_answered_and_everybody_is_told(
    daemon: Daemon, number: signal.Signals
) -> None:
    writer, reader, person = daemon.json("will"), daemon.json("rita"), daemon.text("pete")
    for client in (writer, reader):
        client.request("join", room="lobby")
    newcomer = daemon.connect()
    newcomer.send(b"{")  # speaks JSON, and has said nothing yet
    silent = daemon.connect()

    asked = [writer.line("say", room="lobby", text=f"word {count}") for count in range(500)]
    writer.stream.send(b"".join(line for _, line in asked))
    # The packet is one chunk for the daemon: with the first answer all of it has been accepted.
    assert writer.reply(asked[0][0])["seq"] == 1
    daemon.send_signal(number)

    replies = [writer.reply(identifier) for identifier, _ in asked[1:]]
    assert [reply["seq"] for reply in replies] == list(range(2, 501))
    for client in (writer, reader):
        assert client.event("notice")["text"] == _FAREWELL
    with pytest.raises(EOFError):
        reader.read()
    assert _FAREWELL in person.rest()
    assert _FAREWELL.encode() in newcomer.receive(STOP_SECONDS)
    assert _FAREWELL.encode() in silent.receive(STOP_SECONDS)
    assert daemon.wait() in (0, -number)  # twistd ends by the signal again
    assert "Traceback" not in daemon.log

    daemon.start()
    log = daemon.json("zoe").history("lobby")
    assert [(entry["seq"], entry["text"]) for entry in log] == [(n + 1, f"word {n}") for n in range(500)]


def _talk(talker: JsonClient, most: int, *, until_gone: str = "") -> int:
    """Speak in the lobby until somebody is gone, at most so often; return how often."""
    for said in range(1, most + 1):
        talker.request("say", room="lobby", text=_TEXT)
        gone = [event["data"]["user"]["name"] for event in talker.events if event["op"] == "left"]
        talker.events.clear()
        if until_gone in gone:
            return said
    return most


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clients_that_never_read_do_not_hold_up_the_end(daemon: Daemon, number: signal.Signals) -> None:
    talker = daemon.json("tina")
    talker.request("join", room="lobby")
    # One has been closed for not reading, and has not taken its last line; the other is about to be.
    closed = JsonClient(daemon.connect(receive_buffer=4096), "carl")
    closed.request("join", room="lobby")
    enough = _talk(talker, _MOST_MESSAGES, until_gone="carl")
    stuck = JsonClient(daemon.connect(receive_buffer=4096), "stan")
    stuck.request("join", room="lobby", last=0)
    said = enough + _talk(talker, enough - _MARGIN)

    daemon.send_signal(number)
    assert talker.event("notice")["text"] == _FAREWELL
    daemon.wait(STOP_SECONDS)

    daemon.start()
    assert len(daemon.json("zoe").history("lobby")) == said


def test_what_the_daemon_writes_is_its_owners_alone(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", umask=0) as daemon:
        person = daemon.text("nina")
        person.say("hello")
        person.hear("nina: hello")
        assert stat.S_IMODE(daemon.data.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in daemon.data.iterdir()}
        names = ("admin.sock", "owner-code", "tcpchat.db.lock", "tcpchat.db", "tcpchat.db-wal", "tcpchat.db-shm")
        assert modes == dict.fromkeys(names, 0o600)
