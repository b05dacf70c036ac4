"""The line client as people start it: in a terminal and in a pipe, against the real daemon."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.daemon import PATIENCE_SECONDS, Daemon, Program, in_terminal

_CLIENT = (sys.executable, "-m", "tcpchat")
_READY = "What is said here is logged"

Start = Callable[..., Program]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the client in a terminal of its own, which outlives the daemon."""
    with ExitStack() as programs:
        yield lambda *arguments: programs.enter_context(closing(in_terminal(*_CLIENT, *arguments)))


@pytest.fixture
def fixed(tmp_path: Path) -> Iterator[tuple[Daemon, str]]:
    """A daemon, and the address that it also has after a restart."""
    address = f"unix:{tmp_path}/chat.sock"
    with Daemon(tmp_path / "data", "--endpoint", address) as running:
        yield running, address


def pipe(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_CLIENT, *arguments], input=text, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def texts(daemon: Daemon, room: str) -> list[str]:
    script = daemon.json("reader")
    found = [entry["text"] for entry in script.history(room)]
    script.close()
    return found


def test_a_pipe_that_begins_with_a_login_needs_no_guest_s_name(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--no-guests") as daemon:
        nina = daemon.json()
        nina.request("register", name="nina", password="planted horse battery")
        nina.request("join", room="lobby")
        ended = pipe("/login nina planted horse battery\nthe build is green\n", f"127.0.0.1:{daemon.port}")
        assert (ended.returncode, ended.stderr) == (0, "")
        said = nina.event("message")
        assert (said["from"], said["text"]) == ("nina", "the build is green")


def test_a_person_is_asked_for_a_name_and_talks_with_a_script(daemon: Daemon, start: Start) -> None:
    script = daemon.json("jason")
    script.request("join", room="lobby")
    person = start(f"127.0.0.1:{daemon.port}")
    person.hear("What is your name?")
    person.say("jason")
    person.hear("The name jason is in use.")
    person.hear("What is your name?")
    person.say("tina", "hello, käse", "/me waves")
    assert script.event("message")["text"] == "hello, käse"
    assert script.event("message")["kind"] == "action"

    script.request("say", room="lobby", text="hello back")
    heard = person.hear("jason: hello back")
    assert "You are in lobby, with jason." in heard
    assert "tina: hello, käse" in heard

    person.say("/join tea", "in tea", ":rm lobby in the lobby", "/zzzzzz", "/leave", "/who", "/quit")
    rest = person.rest()
    for line in (
        "tina: in tea",
        "tina in lobby: in the lobby",
        "There is no command /zzzzzz. Type /help to see those there are.",
        "You left tea. You are speaking in lobby now.",
        "2 people are in lobby: jason and tina.",
        "Goodbye.",
    ):
        assert line in rest
    assert person.process.wait(PATIENCE_SECONDS) == 0
    assert script.event("left", room="lobby")["user"]["name"] == "tina"


@pytest.mark.parametrize(("key", "status"), [(b"\x04", 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_politely(daemon: Daemon, start: Start, key: bytes | signal.Signals, status: int) -> None:
    person = start(f"localhost:{daemon.port}", "--name", "tina")
    person.hear(_READY)
    if isinstance(key, bytes):
        person.stream.send(key)
    else:
        person.process.send_signal(key)
    assert person.process.wait(PATIENCE_SECONDS) == status


def test_a_closed_terminal_ends_it(daemon: Daemon) -> None:
    script = daemon.json("jason")
    script.request("join", room="lobby")
    ours, its = os.openpty()
    command = [*_CLIENT, f"127.0.0.1:{daemon.port}", "--name", "tina"]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        try:
            script.event("joined")
            os.close(ours)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
    script.event("left")


def test_nothing_is_missed_and_nothing_repeated_through_a_restart(fixed: tuple[Daemon, str], start: Start) -> None:
    daemon, address = fixed
    person = start(address, "--name", "tina", "--room", "tea", "--room", "cake")
    person.hear("You are in cake")
    script = daemon.json("jason")
    for room in ("tea", "cake"):
        script.request("join", room=room)
    script.request("say", room="tea", text="tea 0")
    script.request("say", room="cake", text="cake 0")
    heard = person.hear("jason: cake 0")

    daemon.stop()
    heard += person.hear("Trying again in")
    assert heard[-1].startswith("The connection is lost: ")
    person.say("too early")
    heard += person.hear("There is no connection: that was not sent.")
    # While the client waits its second, or comes back, the rooms go on, by more than two pages of the log.
    daemon.start()
    script = daemon.json("jason2")
    for room, count in (("tea", 3), ("cake", 450)):
        script.request("join", room=room)
        asked = [script.line("say", room=room, text=f"{room} {number}") for number in range(1, count)]
        script.stream.send(b"".join(line for _, line in asked))
        for identifier, _ in asked:
            script.reply(identifier)
    heard += person.hear("You are speaking in cake now.")
    for _ in range(2):  # once all is read, who is in each of the two rooms
        heard += person.hear("Now in ")
    person.say("now")
    script.event("message", room="cake", text="now")
    script.request("say", room="tea", text="tea 3")
    script.request("say", room="cake", text="cake 450")
    heard += person.hear("jason2: cake 450")

    assert "You are connected again." in heard
    said = [found[1] for line in heard if (found := re.match(r"jason2?(?: in \w+)?: (\w+ \d+)", line))]
    assert [text for text in said if text.startswith("tea")] == [f"tea {number}" for number in range(4)]
    assert [text for text in said if text.startswith("cake")] == [f"cake {number}" for number in range(451)]
    assert heard.count("tina: now") == 1


def test_a_first_connection_that_fails_is_tried_again_in_a_terminal(tmp_path: Path, start: Start) -> None:
    address = f"unix:{tmp_path}/chat.sock"
    person = start(address, "--name", "tina")
    assert person.hear("Trying again in")[-1].startswith("There is no connection: ")
    with Daemon(tmp_path / "data", "--endpoint", address):
        person.hear(_READY)
        person.say("/quit")
        assert person.process.wait(PATIENCE_SECONDS) == 0


def test_a_pipe_says_every_line_and_is_quiet(fixed: tuple[Daemon, str], tmp_path: Path) -> None:
    daemon, address = fixed
    lines = [f"line {number}" for number in range(1000)]
    there = f"[::1]:{daemon.port}"
    shown = pipe("\n".join(["/ping", "//slash", "", *lines]), there, "--name", "pia", "--room", "tea")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "pong\n", "")
    assert texts(daemon, "tea") == ["/slash", *lines]

    file = tmp_path / "lines"
    file.write_text("from a file\n/users\n")
    with file.open() as source:
        shown = subprocess.run(
            [*_CLIENT, address, "--name", "pia", "--room", "tea", "--verbose"],
            stdin=source,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[-3:] == ["pia: from a file", "One person is here: pia.", "Goodbye."]


def test_a_pipe_ends_with_1_when_a_line_is_refused(daemon: Daemon) -> None:
    address = f"localhost:{daemon.port}"
    shown = pipe(f"one\n/say cake two\n/huh\n{'x' * 20000}\nfive\nsix\n", address, "--name", "pia", "--room", "tea")
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert sorted(shown.stderr.splitlines()) == [
        "tcpchat: Line 2: There is no room called cake. "
        "Type /rooms to see those there are, or /join cake to create it.",
        "tcpchat: Line 3: There is no command /huh. Type /help to see those there are.",
        "tcpchat: Line 4: That line is longer than 16384 bytes: it was not sent.",
    ]
    assert texts(daemon, "tea") == ["one", "five", "six"]


def test_a_pipe_ends_with_1_when_it_may_not_enter(daemon: Daemon) -> None:
    shown = pipe("one\n", f"localhost:{daemon.port}", "--name", "a b")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == "tcpchat: The name can't contain a space: it is one word.\n"


def test_a_pipe_ends_with_1_when_no_server_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shown = pipe("one\n", f"127.0.0.1:{port}", "--name", "pia")
    assert shown.returncode == 1
    assert shown.stderr.startswith("tcpchat: There is no connection: ")
    assert shown.stderr.count("\n") == 1


def test_a_pipe_whose_connection_breaks_says_from_where_on(daemon: Daemon) -> None:
    process = subprocess.Popen(
        [*_CLIENT, f"127.0.0.1:{daemon.port}", "--name", "pia", "--room", "tea"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    script = daemon.json("jason")
    script.request("join", room="tea", last=0)
    if not script.request("history", room="tea")["entries"]:
        script.event("message", text="one")
    daemon.send_signal(signal.SIGKILL)
    _, errors = process.communicate(b"two\n", PATIENCE_SECONDS)
    assert process.returncode == 1
    assert errors.startswith(b"tcpchat: The connection is lost: ")


def test_what_is_no_chat_server_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        person = start(f"127.0.0.1:{other.getsockname()[1]}", "--name", "tina")
        taken, _ = other.accept()
        with taken:
            taken.sendall(b"SSH-2.0-\x1b[31mred\r\n")
            line = person.hear("Trying again in")[-1]
    assert line.startswith("The connection is lost: The server says: SSH-2.0-[31mred Trying again in ")


@pytest.mark.parametrize("words", [[], ["--port"], ["host:0"], ["smoke:signal"], ["host", "--name", ""]])
def test_a_usage_error_is_one_line_and_status_2(words: list[str]) -> None:
    shown = pipe("", *words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("tcpchat: ")
    assert shown.stderr.count("\n") == 1


def test_a_password_is_hidden_and_brings_one_back_through_a_restart(fixed: tuple[Daemon, str], start: Start) -> None:
    daemon, address = fixed
    person = start(address, "--name", "tina")
    seen: list[str] = []
    seen += person.hear("You are in lobby")
    person.say("/register")
    seen += person.hear("A new password:")
    person.say("correct PLANTED horse")
    seen += person.hear("The same once more:")
    person.say("correct PLANTED horse")
    seen += person.hear("The name tina is yours now.")
    daemon.stop()
    seen += person.hear("Trying again")
    daemon.start()
    seen += person.hear("You are speaking in lobby now.")
    person.say("/whois tina")
    seen += person.hear("tina is registered, here since")
    person.say("/quit")
    assert "PLANTED" not in "\n".join([*seen, *person.rest()])
