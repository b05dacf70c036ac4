"""What the tool makes of a daemon that is not there, not itself, or not well."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tcpchat.admin.dialogue import Dialogue, Failed
from tests.daemon import PATIENCE_SECONDS

Reply = Callable[[socket.socket], None]


class Listener:
    """Something that listens on a unix socket, and treats one connection as a test wants it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._threads: list[threading.Thread] = []

    def serve(self, reply: Reply) -> None:
        def run() -> None:
            peer, _ = self._socket.accept()
            with peer:
                peer.settimeout(PATIENCE_SECONDS)
                reply(peer)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def close(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with closing(Listener(tmp_path / "admin.sock")) as made:
        yield made


def says(text: str) -> Reply:
    """Return who reads a line, says ``text``, and hangs up."""

    def reply(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(text.encode())

    return reply


def failure(path: Path, seconds: float = PATIENCE_SECONDS) -> str:
    with pytest.raises(Failed) as failed, Dialogue(path, seconds) as dialogue:
        dialogue.ask("rooms", {})
    text = str(failed.value)
    assert text.isprintable()
    return text


def test_an_answer_between_events(listener: Listener) -> None:
    event = json.dumps({"op": "event", "data": {}})
    answer = json.dumps({"op": "rooms", "id": 1, "status": "ok", "data": {"rooms": []}})
    listener.serve(says(f"{event}\n{answer}\n"))
    with Dialogue(listener.path, PATIENCE_SECONDS) as dialogue:
        assert dialogue.ask("rooms", {}) == {"rooms": []}


def test_no_daemon(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    assert failure(path).startswith(f"no daemon listens on {path}: start it, or name its socket")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert failure(path).startswith(f"no daemon listens on {path}")
    assert failure(path / "x").startswith("no daemon listens on")
    assert "too long" in failure(tmp_path / ("x" * 108))


def test_a_refusal_in_the_daemon_s_words(listener: Listener) -> None:
    answer = {"op": "rooms", "id": 1, "status": "error", "error": {"code": "x", "message": "No\x1b[2J\nway."}}
    listener.serve(says(json.dumps(answer) + "\n"))
    assert failure(listener.path) == "No[2J way."


def test_a_daemon_that_says_why_it_hangs_up(listener: Listener) -> None:
    notice = {"op": "notice", "data": {"text": "The server is shutting down.", "code": "shutting-down"}}
    listener.serve(says(json.dumps(notice) + "\n"))
    assert failure(listener.path) == "The server is shutting down."


@pytest.mark.parametrize("torn", ["", '{"op":"rooms","id":1,"sta'])
def test_a_daemon_that_dies_in_the_middle(listener: Listener, torn: str) -> None:
    listener.serve(says(torn))
    assert failure(listener.path) == f"the daemon at {listener.path} has hung up without an answer"


@pytest.mark.parametrize("words", ["220 mail ESMTP\x1b[2J\n", "[1]\n", "5\n"])
def test_something_that_is_no_daemon(listener: Listener, words: str) -> None:
    listener.serve(says(words))
    assert failure(listener.path).startswith(f"what listens on {listener.path} is not tcpchat: it said ")


def test_a_daemon_that_does_not_answer(listener: Listener) -> None:
    answered = threading.Event()

    def wait(peer: socket.socket) -> None:
        answered.wait(PATIENCE_SECONDS)

    listener.serve(wait)
    try:
        assert failure(listener.path, 0.05) == f"the daemon at {listener.path} has not answered within 0.05 seconds"
    finally:
        answered.set()


def test_a_daemon_that_says_other_things_without_end(listener: Listener) -> None:
    gone = threading.Event()

    def chatter(peer: socket.socket) -> None:
        while not gone.wait(0.001):
            try:
                peer.sendall(b'{"op":"event","data":{}}\n')
            except OSError:
                return

    listener.serve(chatter)
    try:
        assert "has not answered within 0.1 seconds" in failure(listener.path, 0.1)
    finally:
        gone.set()
