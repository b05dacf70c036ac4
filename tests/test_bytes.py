"""Whatever one peer sends reaches the others harmless: one message or none, on one line, without control characters.

So it is for what is said and for names, rooms, topics and words of absence, and for the daemon's own log.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from unittest.mock import patch

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from tcpchat.core.commands import Ping, Say
from tcpchat.core.hub import HANDLERS
from tcpchat.core.limits import Limits
from tcpchat.server.logs import format_json, format_text
from tests.house import House, Script, Terminal
from tests.server.test_logs import Seen

# Line breaks of all kinds, escape sequences, C1, bidirectional controls, invisible characters, words of the program.
_NASTY = st.sampled_from(
    [
        *("\r", "\n", "\r\n", "\0", "\x1b[2J", "\x1b]0;x\x07", "\x7f", "\b", "\t", "\v", "\f", "\x1c"),
        *("\x85", "\x9b31m", "\u2028", "\u2029", "\u202e", "\u2066", "\u061c", "\u200b", "\ufeff", "\u00ad", "\u3164"),
        *(
            "<b>",
            "&amp;",
            "{who}",
            "%s",
            "\\",
            '"',
            "/",
            ":",
            "*",
            "bob: ",
            "* bob",
            "é",
            "e\u0301",
            "🐟",
            "\U000e0041",
        ),
    ]
)
_CHARACTERS = st.text(st.characters(codec="utf-8"), max_size=8)
_TEXTS = st.lists(st.one_of(_NASTY, _CHARACTERS, st.just("x" * 6_000)), max_size=8).map("".join)
# As JSON may spell them: a half of a pair alone is no character.
_SPELLED = st.lists(st.one_of(_NASTY, _CHARACTERS, st.characters(categories=["Cs"])), max_size=8).map("".join)
# Half of them begin as a name does.
_NAMES = st.one_of(_SPELLED, _SPELLED.map("x".__add__))
_BYTES = st.lists(
    st.one_of(
        _TEXTS.map(str.encode),
        st.binary(max_size=6),
        st.sampled_from(
            [b"\xff\xff", b"\xff\xf1", b"\xff\xfb\x01", b"\xff\xfa\x18\0x\xff\xf0", b"\xed\xa0\x80", b"\xc2"]
        ),
    ),
    max_size=8,
).map(b"".join)

_LIMIT = Limits().text_bytes
# What is one of these is harmless: it moves no cursor, ends no line, and turns no text around.
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def _harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in _BIDI for one in text)


def _lines(data: bytes) -> list[str]:
    """Return the lines on a terminal, each of which must be harmless."""
    *lines, rest = data.decode().split("\r\n")
    assert rest == ""
    assert all(map(_harmless, lines)), lines
    return lines


def _events(data: bytes) -> list[Any]:
    """Return JSON lines, in which every string must be harmless."""
    *lines, rest = data.split(b"\n")
    assert rest == b""
    found = [json.loads(line) for line in lines]
    assert all(_harmless(text) for text in _strings(found)), found
    return found


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for text in _strings(list(item))]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


class _Lobby:
    """Somebody in the lobby on each wire, who only reads."""

    def __init__(self) -> None:
        self.house = House()
        self.script, self.terminal = Script(self.house, "script"), Terminal(self.house, "terminal")
        self.script.enter("lobby")
        self.program, self.human = Script(self.house, "program"), Terminal(self.house, "human")
        self.program.enter("lobby")
        self.forget()

    def forget(self) -> None:
        for person in (self.script, self.terminal, self.program, self.human):
            person.transport.take()

    def type(self, line: bytes) -> list[str]:
        """Let the terminal's person type something; return what comes back."""
        self.terminal.transport.receive(line + b"\r\n")
        self.house.settle()
        return self.terminal.transport.take().decode(errors="replace").split("\r\n")[:-1]

    def send(self, line: bytes) -> list[Any]:
        """Let the program send something; return what comes back."""
        self.script.transport.receive(line + b"\n")
        self.house.settle()
        return [json.loads(answer) for answer in self.script.transport.take().splitlines()]

    def read(self) -> tuple[list[str], list[Any]]:
        """Return what the human and the program have read."""
        return _lines(self.human.transport.take()), _events(self.program.transport.take())


def _one_line(payload: bytes) -> bytes:
    """Return ``payload`` as what is one line of text for telnet: no line end in it, no command."""
    return re.sub(rb"\r*\n|\r+\0", b" ", payload.replace(b"\xff", b"\xff\xff"))


@given(_BYTES)
@example("z\u202e\x9b31m\u2028y\r\x1b[1m".encode())
@example(b"x" * 16_382)
@example(b"x" * 16_383)
@example(b"\xc2")
def test_a_line_of_text_is_one_message_for_all_or_a_refusal_for_one(payload: bytes) -> None:
    lobby = _Lobby()
    line = b"z" + _one_line(payload) + b"z"
    back = lobby.type(line)
    human, program = lobby.read()
    assert len(back) == 1
    if not program:
        assert human == []
        assert not back[0].startswith("terminal: ")
        return
    (event,) = program
    text = event["data"]["text"]
    assert event["op"] == "message"
    assert text.endswith("z")
    assert len(text.encode()) <= _LIMIT
    assert b"\xff" not in line
    assert line.decode()
    assert human == back == [f"terminal: {text}"]


@given(_BYTES)
def test_any_bytes_of_a_terminal_harm_nobody(payload: bytes) -> None:
    lobby = _Lobby()
    lobby.type(payload)
    human, program = lobby.read()
    said = [event for event in program if event["op"] == "message"]
    assert len(said) <= payload.count(b"\n") + payload.count(b"\r\0") + 1
    assert len(human) == len(program)


@given(_SPELLED, st.booleans())
@example("\ud800", True)
@example("\ud83d\udc1f\udc1f", True)
@example("<script>\u2028\n\x1b", False)
@example("é" * 8_193, False)
def test_a_json_message_is_one_line_of_text_or_a_refusal(text: str, escaped: bool) -> None:
    lobby = _Lobby()
    line = json.dumps({"op": "say", "data": {"room": "lobby", "text": text}}, ensure_ascii=escaped)
    back = lobby.send(line.encode(errors="surrogatepass"))
    human, program = lobby.read()
    assert len(back) == 1
    if back[0].get("status") == "error":
        assert human == program == []
        return
    (event,) = program
    assert event == back[0]
    assert human == [f"script: {event['data']['text']}"]
    assert len(event["data"]["text"].encode()) <= _LIMIT


@given(_BYTES)
def test_any_bytes_in_a_json_string_harm_nobody(payload: bytes) -> None:
    lobby = _Lobby()
    line = b'{"op":"say","data":{"room":"lobby","text":"%b"}}' % payload.replace(b"\n", b"")
    back = lobby.send(line)
    human, program = lobby.read()
    assert [answer for answer in back if answer["op"] == "message"] == program
    assert len(back) == 1
    assert len(human) == len(program)


# The keys that edit a line where a terminal sends them on would rub out the command; a Tab at its end asks a question.
_EDITING = re.compile(r"[\x03\b\x15\x17\x1b\x7f]|\t$")


def _given(lobby: _Lobby, op: str, field: str, value: str, word: str, *, typed: bool) -> None:
    """Let somebody give something a name or a text, on one of the wires."""
    if typed:
        lobby.type(_one_line(f"{word} {value}".encode(errors="surrogatepass")))
    else:
        data = {"room": "lobby", field: value} if op == "topic" else {field: value}
        lobby.send(json.dumps({"op": op, "id": 1, "data": data}).encode())


@given(_NAMES, st.booleans())
@example("e\u0301va", False)
@example("bob:", False)
@example("x\u200by", False)
@example("bob\u202e", True)
def test_a_name_is_one_word_or_none(name: str, typed: bool) -> None:
    assume(not _EDITING.search(name))
    lobby = _Lobby()
    _given(lobby, "nick", "name", name, "/nick", typed=typed)
    human, program = lobby.read()
    assert len(human) == len(program) <= 1
    for event in program:
        new = event["data"]["user"]["name"]
        assert not re.search(r"[\s:*]", new)
        assert human == [f"{event['data']['name']} is called {new} now."]
        assert program[0]["data"]["user"] in lobby.program.ask("users")["users"]


@given(_NAMES, st.booleans())
@example("x*", True)
def test_the_name_of_a_room_is_one_word_or_none(name: str, typed: bool) -> None:
    assume(not _EDITING.search(name))
    lobby = _Lobby()
    _given(lobby, "create", "room", name, "/create", typed=typed)
    human, program = lobby.read()
    assert human == []
    assert [event["op"] for event in program] in ([], ["room-created"])
    for event in program:
        room = event["data"]["room"]
        assert not re.search(r"[\s:*]", room)
        lobby.human.enter(room)
        lobby.human.type("/rooms")
        assert any(line.startswith(f"Room {room}: 1 person,") for line in _lines(lobby.human.transport.take()))


@given(_SPELLED, st.booleans())
def test_a_topic_is_one_line_or_none(topic: str, typed: bool) -> None:
    assume(not _EDITING.search(topic))
    lobby = _Lobby()
    _given(lobby, "topic", "text", topic, "/topic", typed=typed)
    human, program = lobby.read()
    assert len(human) == len(program) <= 1
    for event in program:
        assert human[0].endswith(event["data"]["text"] or "took the topic of lobby away.")
        lobby.human.type("/rooms")
        assert len(_lines(lobby.human.transport.take())) == 2


@given(_SPELLED, st.booleans())
def test_why_somebody_is_away_is_one_line_or_none(why: str, typed: bool) -> None:
    assume(not _EDITING.search(why))
    lobby = _Lobby()
    _given(lobby, "away", "text", why, "/away", typed=typed)
    human, program = lobby.read()
    assert len(human) == len(program) <= 1
    for event in program:
        text = event["data"]["text"]
        assert human == [f"{event['data']['user']['name']} is away: {text}"]
        assert lobby.program.ask("whois", user=event["data"]["user"]["name"])["away"] == text


_ORDERS: dict[str, dict[str, Any]] = {
    "kick": {"room": "lobby", "user": "victim", "reason": ""},
    "ban": {"room": "lobby", "user": "victim", "reason": "", "seconds": 60},
    "mute": {"room": "lobby", "user": "victim", "reason": ""},
    "disconnect": {"user": "victim", "reason": ""},
    "server-ban": {"user": "victim", "reason": ""},
    "shutdown": {"seconds": 60, "reason": ""},
    "broadcast": {"text": ""},
    "motd": {"text": ""},
    "room-set": {"room": "lobby", "key": ""},
    "name-rule": {"name": "", "rule": "reserved"},
}


@given(st.sampled_from(sorted(_ORDERS)), _SPELLED)
@example("motd", "a\x1b[2J\n\u202eb")
@example("broadcast", "a\r\nbob: b")
@example("kick", "\x9b31m\xff")
def test_the_words_of_those_who_keep_order_harm_nobody(op: str, text: str) -> None:
    lobby = _Lobby()
    victim, admin = Terminal(lobby.house, "victim"), Script(lobby.house, operator=True)
    lobby.forget()
    data = {name: text if value == "" else value for name, value in _ORDERS[op].items()}
    admin.transport.receive(json.dumps({"op": op, "id": 1, "data": data}).encode(errors="surrogatepass") + b"\n")
    lobby.house.settle()
    answer = json.loads(admin.transport.take().splitlines()[-1])
    assert all(_harmless(words.replace("\n", "")) for words in _strings(answer))  # only a message of the day has lines
    human, _ = lobby.read()
    told = _lines(victim.transport.take())
    assert len(human) <= 2
    assert len(told) <= 3
    assert not any(line.startswith("bob: ") for line in human + told)
    admin.ask("audit")
    if answer["status"] == "ok" and op == "motd":
        newcomer = lobby.house.connect()
        lobby.house.clock.advance(1)
        greeting = _lines(newcomer.take())
        assert greeting[1:-1] == answer["data"]["text"].splitlines()


def _log_lines(events: list[Any]) -> list[str]:
    """Return the log in both its formats, without the lines of tracebacks, which can't be taken for others."""
    text = "".join(map(format_text, events))
    assert all(map(_harmless, text.split("\n"))), text
    program = "".join(map(format_json, events))
    assert program.isascii()
    assert [json.loads(line)["message"] for line in program.splitlines()] == [_said(event) for event in events]
    assert program.count("\n") == len(events)
    return [line for line in text.split("\n")[:-1] if not line.startswith("    | ")]


def _said(event: Any) -> str:
    message: str = json.loads(format_json(event))["message"]
    return message


def _break(chat: Any, session: Any, command: Any, supply: Any) -> Any:
    raise ValueError(getattr(command, "text", "x"))


_RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (?:info|warn|error|critical) \w+: .*")


@given(_BYTES, _SPELLED)
def test_what_peers_send_is_never_a_line_of_the_log(payload: bytes, text: str) -> None:
    """Neither when they only come and go, nor when a fault of ours says what they sent."""
    with Seen() as seen:
        lobby = _Lobby()
        lobby.terminal.transport.receive(payload + b"\r\n")
        lobby.house.connect().receive(payload)
        quiet = list(seen)
        with patch.dict(HANDLERS, {Say: _break, Ping: _break}):
            lobby.send(json.dumps({"op": "say", "data": {"room": "lobby", "text": text}}).encode())
            lobby.human.transport.receive(b"z" + _one_line(payload) + b"\r\n")
            lobby.human.transport.receive(b"/ping\r\n")
        lobby.house.settle()
        for person in (lobby.script, lobby.terminal, lobby.human):
            person.transport.loseConnection()
    assert not quiet
    lines = _log_lines(seen)
    assert len(lines) == len(seen)
    assert all(map(_RECORD.fullmatch, lines))
    assert any("a command failed: Ping" in line for line in lines)


@given(_SPELLED, _SPELLED, _SPELLED)
def test_no_value_makes_a_line_of_the_log(value: str, system: str, fault: str) -> None:
    try:
        raise ValueError(fault)
    except ValueError:
        failure = Failure()
    event = {"log_time": 1.7e9, "log_level": LogLevel.warn, "log_format": "it was {value}", "value": value}
    (line,) = _log_lines([{**event, "log_namespace": f"tcpchat.{system}.x", "log_failure": failure}])
    assert re.match(r"\S+ warn [^ ]*: it was", line)
    assert json.loads(format_json(event))["value"] == json.loads(json.dumps(value))  # two halves of a pair are one
