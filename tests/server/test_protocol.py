"""Connections: who speaks, in which order answers come, what is bounded, and how it ends."""

from __future__ import annotations

import gc
import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.entries import LOBBY_ID
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal
from tests.transport import BUFFER_BYTES

TRUSTED = (ip_network("192.0.2.0/24"),)


@pytest.fixture
def house() -> House:
    return House()


def ops(script: Script) -> list[str]:
    return [line["op"] for line in script.take()]


# Who speaks.


def test_a_silent_connection_is_greeted_after_a_moment(house: House) -> None:
    terminal = Terminal(house)
    house.clock.advance(0.9)
    assert terminal.take() == []
    house.clock.advance(0.2)
    assert terminal.take() == ["This is tcpchat 0.0.1. Nobody else is here.", "Be kind.", "What is your name?"]
    terminal.type("nina")
    assert terminal.take()[0] == "Hello, nina. Type /help to see what you can do."


def test_a_person_who_types_at_once_is_greeted_first(house: House) -> None:
    terminal = Terminal(house)
    terminal.type("nina")
    assert [line.split()[0] for line in terminal.take()][:4] == ["This", "Be", "What", "Hello,"]


def test_a_program_that_was_greeted_for_its_silence_can_still_speak_json(house: House) -> None:
    transport = house.connect()
    house.clock.advance(2)
    transport.take()
    transport.receive(b'{"op":"ping","id":1}\n')
    assert json.loads(transport.take())["status"] == "ok"


@pytest.mark.parametrize("silence", [0, 2])
@pytest.mark.parametrize(
    "hello", [b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/1.1\r\n\r\nnina\r\n/join tea\r\nhi\r\n"]
)
def test_tls_and_http_are_closed_and_never_reach_the_chat(house: House, silence: int, hello: bytes) -> None:
    transport = house.connect()
    house.clock.advance(silence)
    transport.receive(hello)
    transport.receive(b"\r\nnina\r\nhello\r\n")
    house.settle()
    assert transport.write_closed
    assert len(house.hub.users) == 0
    assert (b"405 Method Not Allowed" in transport.take()) is (hello[:1] == b"P" and not silence)


@given(st.integers(1, 60))
def test_the_first_bytes_may_come_one_by_one(cut: int) -> None:
    for stream, reply in ((b'{"op":"login","id":1,"data":{"name":"nina"}}\n', b'"ok"'), (b"post\r\n", b"Hello, post")):
        house = House()
        transport = house.connect()
        transport.receive(stream[:cut])
        for byte in stream[cut:]:
            transport.receive(bytes([byte]))
        house.settle()
        assert reply in transport.take()


# The order of answers.


def test_everything_in_one_packet_is_answered_in_its_order(house: House) -> None:
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    packet = [
        {"op": "say", "id": "s", "data": {"room": "lobby", "text": "last words"}},
        {"op": "leave", "id": "l", "data": {"room": "lobby"}},
        {"op": "history", "id": "h", "data": {"room": "lobby"}},
        {"op": "zork", "id": "z"},
        {"op": "say", "id": "n", "data": {"room": "lobby", "text": "too late"}},
        {"op": "ping", "id": "p"},
    ]
    nina.transport.receive(b"".join(json.dumps(line).encode() + b"\n" for line in packet))
    assert nina.take() == []
    house.settle()
    lines = nina.take()
    assert [line.get("id", line["op"]) for line in lines] == ["message", "s", "l", "h", "z", "n", "p"]
    replies = {line["id"]: line for line in lines if "id" in line}
    assert replies["s"]["data"]["seq"] == 1
    assert [entry["text"] for entry in replies["h"]["data"]["entries"]] == ["last words"]
    assert replies["n"]["error"]["code"] == "not-in-room"


def test_a_refusal_waits_for_the_answers_before_it(house: House) -> None:
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    nina.say("lobby", "one")
    nina.send("say", room="nowhere", text="two")
    nina.transport.receive(b"nonsense\n" + b"x" * 70_000 + b"\n")
    assert nina.take() == []
    house.settle()
    lines = nina.take()
    assert [line.get("error", {}).get("code") for line in lines] == [None, "no-such-room", "bad-json", "line-too-long"]


def test_what_is_said_does_not_wait_for_its_commit(house: House) -> None:
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    for text in ("one", "two", "three"):
        nina.say("lobby", text)
    house.store.commit()
    assert nina.heard() == [f"nina in lobby: {text}" for text in ("one", "two", "three")]


@given(st.lists(st.sampled_from(["say", "ping", "history", "leave", "join", "rooms", "tell", "zork"]), max_size=30))
def test_answers_come_in_the_order_of_the_commands(asked: list[str]) -> None:
    house = House(trusted=TRUSTED)
    nina = Script(house, "nina")
    Script(house, "bob")
    nina.take()
    data = {"room": "tea", "text": "x", "to": "bob"}
    for number, op in enumerate(asked, 100):
        nina.transport.receive(json.dumps({"op": op, "id": number, "data": data}).encode() + b"\n")
    house.settle()
    assert [line["id"] for line in nina.take() if "id" in line] == list(range(100, 100 + len(asked)))


# Bounds.


def test_a_line_too_long_is_told_so_and_skipped(house: House) -> None:
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    for _ in range(5):
        nina.transport.receive(b"x" * 20_000)
    nina.transport.receive(b'\n{"op":"ping","id":"p"}\n')
    lines = nina.take()
    assert [line.get("error", {}).get("code", line["op"]) for line in lines] == ["line-too-long", "ping"]


def test_a_json_line_of_65536_bytes_is_read(house: House) -> None:
    nina = Script(house, "nina")
    line = b'{"op":"ping","id":"p","data":{"x":"'
    line += b"x" * (65_536 - len(line) - 3) + b'"}}'
    assert len(line) == 65_536
    nina.transport.receive(line + b"\r\n")
    assert ops(nina) == ["ping"]


def test_a_line_that_does_not_end_closes_the_connection(house: House) -> None:
    nina = Script(house, "nina")
    for _ in range(20):
        nina.transport.receive(b"x" * 65_536)
    assert [line["op"] for line in nina.take()][-1] == "notice"
    assert nina.transport.write_closed
    assert len(house.hub.users) == 0


def test_there_is_a_time_to_log_in(house: House) -> None:
    terminal = Terminal(house)
    house.clock.advance(119)
    terminal.take()
    house.clock.advance(2)
    assert terminal.take() == ["It took too long to log in. Please connect again."]
    assert terminal.transport.write_closed
    logged_in = Terminal(house, "nina")
    house.clock.advance(10_000)
    assert not logged_in.transport.write_closed
    out = Script(house, "bob")
    out.ask("logout")
    house.clock.advance(121)
    assert out.take()[-1] == {
        "op": "notice",
        "data": {"text": "It took too long to log in. Please connect again.", "code": "login-timeout"},
    }


def test_little_can_be_sent_before_logging_in(house: House) -> None:
    house = House(trusted=TRUSTED)
    transport = house.connect()
    for _ in range(2):
        transport.receive(b'{"op":"ping"}\n' * 4_500)
    assert not transport.write_closed
    transport.receive(b'{"op":"ping"}\n' * 4_500)
    assert transport.write_closed
    early = house.connect()
    early.receive(b"x" * 70_000 + b"\n")
    assert b"longer than 65536 bytes" in early.take()


def test_too_many_connections_from_one_address_are_told_so() -> None:
    house = House(Limits(connections_per_address=2), trusted=(ip_network("198.51.100.0/24"),))
    kept = [house.connect(), house.connect("::ffff:192.0.2.1")]
    refused = house.connect()
    assert b"2 connections from your address" in refused.take()
    assert refused.write_closed
    assert not house.connect("192.0.2.2").write_closed
    assert not any(house.connect("198.51.100.9").write_closed for _ in range(5))
    refused.end()
    kept[0].tear()
    assert not house.connect().write_closed


def test_a_fast_peer_is_slowed_and_nothing_is_refused() -> None:
    house = House(Limits(command_burst=14, commands_per_second=10))
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    nina.transport.receive(b"".join(b'{"op":"ping","id":%d}\n' % number for number in range(1000, 1030)))
    assert len(nina.take()) == 8
    assert nina.transport.reading is False
    answered: list[int] = []
    for step in range(1, 24):
        house.clock.advance(0.1)
        answered += [line["id"] for line in nina.take()]
        assert step - 1 <= len(answered) <= step  # ten a second, and not more
    assert answered == list(range(1008, 1030))
    assert nina.transport.reading is True


def test_a_trusted_peer_is_not_slowed() -> None:
    house = House(Limits(command_burst=10), trusted=TRUSTED)
    nina = Script(house, "nina")
    for _ in range(50):
        nina.ask("ping")


def test_too_much_uncommitted_text_stops_the_reading(house: House) -> None:
    house = House(Limits(uncommitted_connection_bytes=1000), trusted=TRUSTED)
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    for _ in range(5):
        nina.say("lobby", "x" * 400)
    assert nina.transport.reading is False
    house.settle()
    assert len(nina.heard()) == 5
    assert nina.transport.reading is True


# The end.


def test_a_half_closed_connection_gets_every_answer() -> None:
    house = House()
    transport = house.connect()
    transport.receive(b"nina\nhello\nlast")
    transport.end()
    assert not transport.closed
    house.settle()
    assert transport.closed
    lines = transport.take().decode().splitlines()
    assert lines[-3:] == ["nina: hello", "nina: last", "Goodbye."]
    assert [entry.draft.text for entry in house.store.logs[house.hub.rooms.get("lobby").id]] == ["hello", "last"]
    assert len(house.hub.users) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_single_line_without_more_is_a_name(end: str) -> None:
    house = House()
    transport = house.connect()
    transport.receive(b"P" + end.encode())
    transport.end()
    house.settle()
    assert b"Hello, P." in transport.take()
    assert transport.closed


def test_a_torn_connection_loses_no_whole_line_and_says_no_half_one() -> None:
    house = House()
    listener = Terminal(house, "bob")
    transport = house.connect()
    transport.receive(b"nina\nhello\nhal")
    transport.tear()
    house.settle()
    assert listener.take() == ["nina joined lobby.", "nina: hello"]
    assert house.present == ["bob"]


def test_quit_says_goodbye_and_closes() -> None:
    house = House()
    nina = Terminal(house, "nina")
    nina.type("/quit")
    assert nina.take() == ["Goodbye."]
    assert nina.transport.write_closed
    assert not nina.transport.closed
    nina.transport.receive(b"ignored\n")
    nina.transport.end()
    assert nina.transport.closed


def test_a_peer_that_does_not_close_is_cut_off() -> None:
    house = House()
    nina = Terminal(house, "nina")
    nina.type("/quit")
    house.clock.advance(1.9)
    assert not nina.transport.closed
    house.clock.advance(0.2)
    assert nina.transport.closed


def test_a_dismissed_connection_is_told_and_its_words_are_kept() -> None:
    house = House()
    nina, silent = Script(house, "nina"), house.connect()
    nina.enter("lobby")
    nina.take()
    nina.say("lobby", "last words")
    for connection in house.factory.connections:
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    house.settle()
    lines = nina.take()
    assert [line["op"] for line in lines] == ["notice", "message"]
    assert nina.transport.write_closed
    assert silent.write_closed


def test_logging_out_and_in_again_on_the_same_connection() -> None:
    house = House()
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.ask("logout")
    with pytest.raises(Exception, match="not logged in"):
        nina.ask("rooms")
    assert nina.ask("login", name="anna", color="teal")["user"] == {"name": "anna", "color": "teal"}
    with pytest.raises(Exception, match="logged in as anna already"):
        nina.ask("login", name="other")


def test_the_short_form_logs_in_joins_the_lobby_and_speaks() -> None:
    house = House()
    bob = Terminal(house, "bob")
    transport = house.connect()
    transport.receive(b'{"op":"LOGIN","data":{"name":"nina","color":"#ff8800"}}\n{"op":"MSG","data":"hi"}\n')
    house.settle()
    assert bob.take() == ["nina joined lobby.", "nina: hi"]
    event = json.loads(transport.take().splitlines()[-1])
    assert event["data"]["color"] == "#ff8800"


def test_a_peer_that_breaks_off_in_a_flood_leaves_no_ghost() -> None:
    house = House(Limits(command_burst=10, commands_per_second=1))
    watch, flood = Script(house, "watch"), Script(house, "flood")
    for person in (watch, flood):
        person.enter("lobby")
    watch.take()
    flood.transport.receive(b"".join(b'{"op":"say","data":{"room":"lobby","text":"%d"}}\n' % n for n in range(500)))
    flood.transport.tear()
    house.settle()
    assert house.present == ["watch"]
    assert len(house.store.logs[LOBBY_ID]) <= 20


@pytest.mark.parametrize("flood", [b"\n", b"/who\n", b"\xff\xf1\n"])
def test_a_flood_before_login_is_closed_in_time(flood: bytes) -> None:
    house = House(Limits(early_bytes=1_000_000))
    transport = house.connect()
    transport.receive(flood * 20_000)
    house.clock.advance(120)
    assert transport.write_closed
    transport.end()
    assert transport.closed
    assert len(house.factory.connections) == 0


def test_a_refused_connection_is_not_greeted_later() -> None:
    house = House(Limits(connections_per_address=0))
    transport = house.connect()
    transport.take()
    house.clock.advance(2)
    assert transport.take() == b""
    assert house.clock.getDelayedCalls() == []  # nor is anything left of it, but for the peer that never closes


def test_a_peer_that_does_not_read_its_answers_gets_no_more_of_them() -> None:
    house = House(trusted=TRUSTED)
    nina = Script(house, "nina")
    nina.enter("lobby")
    for _ in range(16):
        nina.say("lobby", "🐟" * 4_000)
    house.settle()
    nina.take()
    nina.transport.stop_reading()
    for number in range(100):
        nina.transport.receive(b'{"op":"history","id":%d,"data":{"room":"lobby","limit":200}}\n' % number)
    house.settle()
    assert nina.transport.waiting < 300_000
    assert nina.transport.reading is False
    for _ in range(100):
        nina.transport.start_reading()
        house.settle()
    assert [line["id"] for line in nina.take()] == list(range(100))


def clogged(house: House, script: Script) -> None:
    """Let somebody ask and not read until more is not answered, and end its half then, in the middle of a line."""
    script.transport.stop_reading()
    while script.transport.waiting <= BUFFER_BYTES:
        house.clock.advance(0.02)
        script.transport.receive(b'{"op":"hello","id":"%b"}\n' % (b"x" * 64))
    script.transport.receive(b'{"op":"ping","id":1}')
    script.transport.end()


def test_who_has_ended_its_half_before_logging_in_and_reads_nothing_is_closed_in_time(house: House) -> None:
    script = Script(house)
    clogged(house, script)
    house.clock.advance(Limits().login_seconds)
    house.clock.advance(Limits().drain_seconds)
    assert script.transport.closed


def test_who_has_ended_its_half_and_reads_slowly_gets_every_answer(house: House) -> None:
    script = Script(house, "nina")
    script.transport.stop_reading()
    script.transport.receive(b'{"op":"hello","id":"%b"}\n' % (b"x" * 64) * 600)
    script.transport.end()
    for _ in range(2):
        for _ in range(300):
            house.clock.advance(0.02)
        assert script.transport.waiting > BUFFER_BYTES
        house.clock.advance(Limits().login_seconds - 10)
        script.transport.start_reading()
        script.transport.stop_reading()
    script.transport.start_reading()
    for _ in range(600):
        house.clock.advance(0.02)
    assert [line["op"] for line in script.take()] == ["hello"] * 600
    assert script.transport.closed


def test_who_has_ended_its_half_waits_for_a_slow_commit_as_long_as_it_takes(house: House) -> None:
    script = Script(house, "nina")
    script.enter("lobby")
    number = script.post("say", room="lobby", text="hello")
    script.transport.end()
    for _ in range(3):
        house.clock.advance(Limits().login_seconds)
    house.settle()
    assert script.take()[-1]["id"] == number
    assert script.transport.closed


def test_who_has_ended_its_half_and_reads_nothing_is_not_there_for_ever(house: House) -> None:
    script = Script(house, "nina")
    clogged(house, script)
    house.clock.advance(Limits().login_seconds - 1)
    script.transport.start_reading()
    house.clock.advance(0)
    assert script.take()[-1]["op"] == "ping"
    assert script.transport.closed
    script = Script(house, "otto")
    clogged(house, script)
    house.clock.advance(Limits().login_seconds)
    house.clock.advance(Limits().drain_seconds)
    assert script.transport.closed
    assert house.present == []


def test_a_page_of_history_is_bounded_in_bytes() -> None:
    house = House(trusted=TRUSTED)
    nina = Script(house, "nina")
    nina.enter("lobby")
    for _ in range(16):
        nina.say("lobby", "🐟" * 4_000)
    house.settle()
    assert len(nina.ask("history", room="lobby")["entries"]) == 4


def test_requests_that_wait_are_bounded(house: House) -> None:
    house = House(Limits(pipelined_requests=10), trusted=TRUSTED)
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    nina.say("lobby", "slow")
    nina.transport.receive(b"nonsense\n" * 100)
    assert nina.transport.reading is False
    house.settle()
    assert len(nina.take()) == 101
    assert nina.transport.reading is True


def test_a_refused_line_is_not_kept() -> None:
    gc.collect()
    before = sum(isinstance(thing, ChatError) for thing in gc.get_objects())
    nina = Terminal(House(trusted=TRUSTED), "nina")
    for _ in range(50):
        nina.type("/nonsense " + "x" * 1000)
        nina.type("/join - -")
        nina.type("/who nowhere")
        nina.type("/nick 𝔘")  # the library that refuses this one raises an error of its own
        nina.type("/join 𝔘")
    nina.take()
    gc.collect()
    assert sum(isinstance(thing, ChatError) for thing in gc.get_objects()) <= before + 1


def test_the_events_of_a_batch_and_its_answers_are_one_write() -> None:
    house = House()
    nina = Script(house, "nina")
    nina.enter("lobby")
    nina.take()
    for number in range(5):
        nina.transport.receive(b'{"op":"say","id":%d,"data":{"room":"lobby","text":"x"}}\n' % number)
    writes = nina.transport.writes
    house.store.commit()
    assert nina.transport.writes == writes + 1
    assert [line["op"] for line in nina.take()] == ["message"] * 5 + ["say"] * 5


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_peer_that_breaks_off_while_its_answers_wait_leaves_no_ghost(half_closed: bool) -> None:
    house = House(trusted=TRUSTED)
    nina = Script(house, "nina")
    nina.enter("lobby")
    for _ in range(16):
        nina.say("lobby", "x" * 16_000)
    house.settle()
    nina.take()
    nina.transport.stop_reading()
    for _ in range(20):
        nina.transport.receive(b'{"op":"history","id":1,"data":{"room":"lobby","limit":200}}\n')
    house.settle()
    if half_closed:
        nina.transport.end()
    assert house.hub.users.get("nina") is not None
    nina.transport.tear()
    house.settle()
    assert house.present == []
    assert (house.hub.users.get("nina") is None) is half_closed
    assert len(house.factory.connections) == 0


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\xff\xf1\n"])
def test_many_empty_lines_keep_nobody(blank: bytes) -> None:
    house = House(Limits(command_burst=5, commands_per_second=1))
    nina = Terminal(house, "nina")
    nina.transport.receive(blank * 20_000)
    nina.transport.end()
    house.clock.advance(5)
    assert house.hub.users.get("nina") is None
    assert nina.transport.closed


def test_what_came_while_waiting_counts_no_more_than_a_burst_after_a_break() -> None:
    house = House(Limits(command_burst=5, commands_per_second=1))
    nina = Script(house, "nina")
    nina.ask("msg", text="I come in by speaking")
    for _ in range(10):
        nina.say("lobby", "one by one")
    nina.transport.receive(b'{"op":"say","data":{"room":"lobby","text":"x"}}\n' * 1_000)
    nina.transport.end()
    nina.transport.tear()
    house.settle()
    assert len(house.store.logs[LOBBY_ID]) <= 10
    assert house.hub.users.get("nina") is None


def test_a_refusal_comes_after_what_explains_it() -> None:
    house = House(trusted=TRUSTED)
    ann, bob = Script(house, "ann"), Script(house, "bob")
    for person in (ann, bob):
        person.enter("lobby")
    ann.take()
    bob.send("quit")
    ann.tell("bob", "wait")
    assert [line["op"] for line in ann.take()] == ["left", "tell"]


def test_the_first_refused_connections_are_told_why_and_a_flood_is_cut_off() -> None:
    house = House(Limits(connections_per_address=1))
    house.connect()
    refused = [house.connect() for _ in range(100)]
    told = [one for one in refused if b"connections from your address" in one.take()]
    assert told == refused[:64]
    assert len(house.factory.connections) < 100
    other = Terminal(house, "nina", host="192.0.2.2")
    assert house.hub.users.get("nina") is not None
    assert other.name == "nina"


def test_refused_connections_take_nobody_s_place() -> None:
    house = House(Limits(connections_per_address=2), capacity=4)
    for _ in range(20):
        house.connect()
    others = [house.connect(f"192.0.2.{number}") for number in (2, 3)]
    assert not any(b"full" in other.take() for other in others)
    assert b"The server is full" in house.connect("192.0.2.4").take()
