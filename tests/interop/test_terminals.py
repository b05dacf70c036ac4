"""The programs that people have already, and a script, in the same rooms."""

from __future__ import annotations

import re

import pytest

from tests.daemon import Daemon, JsonClient, Program

_ARRIVED = "You are in lobby"


def _telnet(daemon: Daemon) -> Program:
    return daemon.run_in_terminal("telnet", "127.0.0.1", str(daemon.port))


def _negotiating_telnet(daemon: Daemon, columns: int) -> Program:
    """Return a telnet that opens the negotiation itself, as it does on port 23: so asks the minus before the port."""
    return daemon.run_in_terminal("telnet", "--", "127.0.0.1", f"-{daemon.port}", columns=columns)


def _nc(daemon: Daemon, *options: str) -> Program:
    return daemon.run("nc", *options, "127.0.0.1", str(daemon.port))


def test_telnet_nc_and_a_script_talk_in_two_rooms_and_a_fourth_reads_the_same_numbers(daemon: Daemon) -> None:
    telnet, nc, script = _telnet(daemon), _nc(daemon), daemon.json("jason")
    telnet.hear("What is your name?")
    telnet.say("tina")
    telnet.hear(_ARRIVED)
    nc.hear("What is your name?")
    nc.say("nick")
    nc.hear(_ARRIVED)
    script.request("join", room="lobby")

    telnet.say("from telnet")
    nc.hear("tina: from telnet")
    nc.say("from nc, käse ☕")
    telnet.hear("nick: from nc, käse ☕")
    assert script.request("say", room="lobby", text="from a script")["seq"] == 3
    telnet.hear("jason: from a script")
    nc.hear("jason: from a script")
    in_lobby = [script.event("message") for _ in range(3)]

    telnet.say("/join tea")
    telnet.hear("You are in tea")
    nc.say(":jr tea")
    nc.hear("You are in tea")
    script.request("join", room="tea")
    nc.say("tea from nc")
    telnet.hear("nick: tea from nc")
    assert script.request("say", room="tea", text="tea from a script")["seq"] == 2
    telnet.hear("jason: tea from a script")
    telnet.say("tea from telnet", ":rm lobby back in the lobby")
    nc.hear("tina in lobby: back in the lobby")
    in_tea = [script.event("message", room="tea") for _ in range(3)]
    in_lobby.append(script.event("message", room="lobby"))

    said = [(entry["seq"], entry["from"], entry["text"]) for entry in in_lobby]
    assert said == [
        (1, "tina", "from telnet"),
        (2, "nick", "from nc, käse ☕"),
        (3, "jason", "from a script"),
        (4, "tina", "back in the lobby"),
    ]
    late_script = daemon.json("josephine")
    assert late_script.request("join", room="lobby")["entries"] == in_lobby
    assert late_script.request("join", room="tea")["entries"] == in_tea
    late_person = _nc(daemon)
    late_person.say("nora", "/join tea", "/quit")
    shown = re.findall(r"^(\w+): (.*) \(\d\d:\d\d, (\w+):(\d+)\)$", "\n".join(late_person.rest()), re.M)
    assert shown == [(entry["from"], entry["text"], entry["room"], str(entry["seq"])) for entry in (*in_lobby, *in_tea)]


def test_a_telnet_session_ends_with_quit(daemon: Daemon) -> None:
    telnet = _telnet(daemon)
    telnet.hear("What is your name?")
    telnet.say("tina", "/quit")
    telnet.hear("Goodbye.")
    assert telnet.rest()[-1] == "Connection closed by foreign host."


@pytest.mark.parametrize("typed", [b"nina\nhello\n", b"nina\r\nhello\r\n"])
def test_two_lines_through_nc_are_heard_and_answered(daemon: Daemon, typed: bytes) -> None:
    listener = daemon.json("lena")
    listener.request("join", room="lobby")

    nc = _nc(daemon)
    nc.stream.send(typed)
    nc.stream.end()

    assert nc.hear("nina: hello")[0].startswith("This is tcpchat")
    assert listener.event("message", text="hello")["from"] == "nina"


@pytest.mark.parametrize("typed", [b"nina\nhello\n", b"nina\r\nhello\r\n", b"nina\nhello", b"nina\r\nhello"])
def test_nc_that_half_closes_reads_every_answer_and_ends_by_itself(daemon: Daemon, typed: bytes) -> None:
    listener = daemon.json("lena")
    listener.request("join", room="lobby")

    nc = _nc(daemon, "-N")
    nc.stream.send(typed)
    nc.stream.end()

    lines = nc.rest()
    assert any(line.startswith("Hello, nina.") for line in lines)
    assert "nina: hello" in lines
    assert nc.process.wait(5) == 0
    assert listener.event("message", text="hello")["from"] == "nina"
    assert listener.event("left", room="lobby")["user"]["name"] == "nina"


def test_a_script_through_nc_that_half_closes_reads_every_answer(daemon: Daemon) -> None:
    nc = _nc(daemon, "-N")
    lines = [b'{"op":"login","id":1,"data":{"name":"nina"}}', b'{"op":"join","id":2,"data":{"room":"tea"}}']
    lines += [b'{"op":"say","id":%d,"data":{"room":"tea","text":"hello"}}' % number for number in range(3, 100)]
    nc.stream.send(b"\n".join(lines))
    nc.stream.end()

    answers = nc.rest()

    replies = [line for line in answers if '"status":"ok"' in line]
    assert len(replies) == len(lines)
    assert '"id":99' in replies[-1]
    assert nc.process.wait(5) == 0


LONG = "one two three four five six seven eight nine ten"


def test_a_telnet_that_negotiates_reads_lines_as_wide_as_its_window(daemon: Daemon) -> None:
    script = daemon.json("jason")
    script.request("join", room="lobby")
    telnet = _negotiating_telnet(daemon, 30)
    telnet.hear("What is your name?")
    telnet.say("tina")
    script.event("joined", room="lobby")
    telnet.hear("What is said here is logged")
    script.request("say", room="lobby", text=LONG)
    assert telnet.hear("ten")[-2:] == ["jason: one two three four five", "  six seven eight nine ten"]

    telnet.resize(40)
    telnet.say("hi")  # sent after the new size
    assert script.event("message", **{"from": "tina"})["text"] == "hi"
    script.request("say", room="lobby", text=LONG)
    assert telnet.hear("ten")[-2:] == ["jason: one two three four five six seven", "  eight nine ten"]

    _send_commands(telnet)
    telnet.say("/quit")
    assert telnet.rest()[-1] == "Connection closed by foreign host."


_WAYS = pytest.mark.parametrize("negotiating", [False, True], ids=["silent", "negotiating"])


def _arrived(daemon: Daemon, *, negotiating: bool) -> tuple[Program, JsonClient]:
    """Return a telnet in the lobby, and a script that hears it."""
    script = daemon.json("jason")
    script.request("join", room="lobby")
    telnet = _negotiating_telnet(daemon, 80) if negotiating else _telnet(daemon)
    telnet.hear("What is your name?")
    telnet.say("tina")
    telnet.hear(_ARRIVED)
    return telnet, script


def _tell_telnet(telnet: Program, command: str) -> None:
    """Give telnet itself a command, at its prompt."""
    telnet.stream.send(b"\x1d")
    prompt = b""
    while not prompt.endswith(b"telnet> "):
        prompt += telnet.stream.receive(20)
    telnet.say(command)


def _send_commands(telnet: Program, *commands: str) -> None:
    """Let telnet send commands of the protocol, and return when it takes what is typed again: keys mean less before."""
    _tell_telnet(telnet, f"send {' '.join(commands)} ayt")
    telnet.hear("[Yes]")


@_WAYS
def test_telnet_lets_a_person_see_and_edit_the_line(daemon: Daemon, negotiating: bool) -> None:
    telnet, script = _arrived(daemon, negotiating=negotiating)
    _tell_telnet(telnet, "status")
    status = telnet.hear("Escape character")
    assert "Local character echo" in status
    assert not any("single character" in line for line in status)
    telnet.stream.send(b"never mind\x15helo\x7flo  wor\x17there\x1b[D\n")
    assert script.event("message", **{"from": "tina"})["text"] == "hello  there"


@_WAYS
@pytest.mark.parametrize("key", [b"\x03", b"\x1a", b"\x1c"], ids=["Ctrl-C", "Ctrl-Z", "Ctrl-backslash"])
def test_a_key_that_interrupts_costs_the_line_and_nothing_else(daemon: Daemon, negotiating: bool, key: bytes) -> None:
    """Telnet shows nothing until it has the answer to a timing mark."""
    telnet, script = _arrived(daemon, negotiating=negotiating)
    telnet.stream.send(b"never mind" + key)
    telnet.say("hello")
    assert script.event("message", **{"from": "tina"})["text"] == "hello"
    script.request("say", room="lobby", text="still there?")
    telnet.hear("jason: still there?")


def test_an_interruption_sent_as_urgent_data_breaks_no_line(daemon: Daemon) -> None:
    telnet, script = _arrived(daemon, negotiating=False)
    _tell_telnet(telnet, "toggle autosynch")
    telnet.hear("Will send interrupt characters in urgent mode.")
    telnet.stream.send(b"never mind\x03")
    telnet.say("hello")
    assert script.event("message", **{"from": "tina"})["text"] == "hello"
    _send_commands(telnet, "synch")
    telnet.say("again")
    assert script.event("message", **{"from": "tina"})["text"] == "again"


def test_telnet_may_erase_what_it_has_sent_already(daemon: Daemon) -> None:
    telnet, script = _arrived(daemon, negotiating=False)
    telnet.stream.send(b"never mind\x04")  # Ctrl-D sends what there is of the line
    _send_commands(telnet, "el")
    telnet.stream.send(b"helo\x04")
    _send_commands(telnet, "ec")
    telnet.say("lo")
    assert script.event("message", **{"from": "tina"})["text"] == "hello"


@_WAYS
def test_control_d_at_the_beginning_of_a_line_is_no_word(daemon: Daemon, negotiating: bool) -> None:
    telnet, script = _arrived(daemon, negotiating=negotiating)
    telnet.stream.send(b"\x04")
    telnet.say("/ping", "hello")
    telnet.hear("pong")
    assert script.event("message", **{"from": "tina"})["text"] == "hello"


def test_a_line_longer_than_the_terminal_takes_is_cut_by_the_terminal(daemon: Daemon) -> None:
    telnet, script = _arrived(daemon, negotiating=False)
    telnet.say("x" * 6000, "hello")
    # N_TTY of Linux keeps 4,095 characters of a line and lets go of the others.
    assert script.event("message", **{"from": "tina"})["text"] == "x" * 4095
    assert script.event("message", **{"from": "tina"})["text"] == "hello"


def test_a_telnet_that_waits_to_be_asked_is_not_asked(daemon: Daemon) -> None:
    """Away from port 23 it begins nothing, and looks like nc: its lines are wrapped by its terminal."""
    telnet = daemon.run_in_terminal("telnet", "127.0.0.1", str(daemon.port), columns=30)
    telnet.hear("What is your name?")
    telnet.say("tina")
    telnet.hear(_ARRIVED)
    telnet.say(f"/me {LONG}")
    telnet.hear(f"* tina {LONG}")


def test_nc_sees_no_byte_of_negotiation(daemon: Daemon) -> None:
    nc = _nc(daemon, "-N")
    nc.stream.send("nina\nhello ÿ\n".encode())
    nc.stream.end()
    said = b""
    while chunk := nc.stream.receive(20):
        said += chunk
    assert b"\xff" not in said
    assert "nina: hello ÿ\r\n".encode() in said
