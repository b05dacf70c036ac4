"""WebSocket on the one port: what is said is as in JSON lines; and frames, pings and closes, right and wrong."""

from __future__ import annotations

import gc
import json
import zlib

import pytest
from websockets.server import ServerProtocol

from tcpchat.core.limits import Limits
from tcpchat.errors import Code
from tcpchat.server.connection import Connection
from tcpchat.server.http.channel import HttpChannel
from tcpchat.server.http.names import WebNames
from tcpchat.server.http.websocket import WebSocket
from tests.frames import BINARY, CLOSE, PING, PONG, TEXT, DeflatedScript, WebScript, frame, parse, request
from tests.house import House, Script, Terminal
from tests.transport import MemoryTransport

_HELLO = b'{"op":"hello","id":1}'


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def nina(house: House) -> WebScript:
    nina = WebScript(house, "nina")
    nina.enter("lobby")
    nina.take()
    return nina


def answer(transport: MemoryTransport) -> tuple[int, str]:
    """Return the status of what was answered by HTTP, and the whole answer."""
    text = transport.take().decode()
    return int(text.split(" ", 2)[1]), text


def test_the_handshake_is_that_of_the_standard(house: House) -> None:
    peer = WebScript(house)
    # The example of RFC 6455 section 1.3.
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in peer.head
    assert "Sec-WebSocket-Extensions" not in peer.head


@pytest.mark.parametrize("path", ["/", "/ws", "/ws?x=1"])
def test_the_way_is_at_two_places(house: House, path: str) -> None:
    transport = house.connect()
    transport.receive(request(path))
    assert answer(transport)[0] == 101


def test_a_handshake_may_come_byte_by_byte_and_with_what_follows(house: House) -> None:
    for size in (1, 7, 10_000):
        transport = house.connect()
        stream = request() + frame(_HELLO) + frame(b"more", PING)
        for start in range(0, len(stream), size):
            transport.receive(stream[start : start + size])
        head, _, rest = transport.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        frames, rest = parse(rest)
        assert sorted(one.opcode for one in frames) == [TEXT, PONG]
        assert rest == b""


def test_requests_may_come_before(house: House) -> None:
    transport = house.connect()
    transport.receive(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + request() + frame(_HELLO))
    text = transport.take()
    assert text.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 101 " in text
    assert b'"op":"hello"' in text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), 426),
        (("Sec-WebSocket-Version: 13", "X-Nothing: 1"), 400),
        (("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Nothing: 1"), 400),
        (("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short"), 400),
        (("Upgrade: websocket\r\n", ""), 426),
        (("Connection: Upgrade", "Connection: keep-alive"), 426),
        (("GET /ws", "GET /other"), 404),
        (("GET /ws", "GET /ws/other"), 404),
        (("GET /ws", "POST /ws"), 405),
        (("Host: localhost", "Host: evil.example"), 421),
        (("Host: localhost", "Host: localhost\r\nHost: localhost"), 400),
        (("Host: localhost\r\n", ""), 400),
        (("Host: localhost", "Host: localhost\r\nContent-Length: 3"), 413),
        (("Host: localhost", "Host: localhost\r\nX-Long: " + "x" * 20_000), 431),
        (("HTTP/1.1", "HTTP/1.0"), 505),
        (("Host: localhost", "Host: local\xffhost"), 421),
        (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 1\x013"), 400),
        (("Upgrade: websocket", "Upgrade: web\xffsocket"), 400),
    ],
)
def test_a_wrong_handshake_is_answered_by_http(house: House, change: tuple[str, str], status: int) -> None:
    transport = house.connect()
    transport.receive(request().replace(change[0].encode("latin-1"), change[1].encode("latin-1")))
    house.settle()
    found, text = answer(transport)
    assert found == status, text


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("localhost:3000", "http://localhost:3000", True),
        ("localhost", "http://localhost", True),
        ("localhost:80", "http://localhost", True),
        ("chat.example.org", "https://chat.example.org", True),
        ("CHAT.example.org", "https://chat.example.org", True),
        ("192.0.2.7:3000", "http://192.0.2.7:3000", True),
        ("[2001:db8::7]:3000", "http://[2001:db8::7]:3000", True),
        ("localhost:3000", "https://friend.example", True),
        ("localhost:3000", "http://localhost:3001", False),
        ("localhost:3000", "http://localhost", False),
        ("localhost", "http://evil.example", False),
        ("localhost", "null", False),
        ("localhost", "", False),
        ("localhost", "http://localhost.evil.example", False),
        ("localhost", "http://evil.example/http://localhost", False),
        ("localhost", "file://", False),
        ("localhost", "https://friend.example.evil.example", False),
    ],
)
def test_only_pages_from_here_and_from_where_is_allowed_may_connect(host: str, origin: str, allowed: bool) -> None:
    house = House(names=WebNames(frozenset({"chat.example.org"}), frozenset({"https://friend.example"})))
    transport = house.connect()
    transport.receive(request(host=host, Origin=origin))
    assert answer(transport)[0] == (101 if allowed else 403)


def test_a_message_is_one_object_and_so_is_an_answer(house: House, nina: WebScript) -> None:
    bob = Terminal(house, "bob")
    jim = Script(house, "jim")
    jim.enter("lobby")
    nina.take()
    nina.say("lobby", "hello 🐟")
    house.settle()
    (event,) = nina.take()
    assert event["data"]["text"] == "hello 🐟"
    assert event in jim.take()
    assert bob.heard() == ["nina in lobby: hello 🐟"]


def test_pieces_are_joined_and_control_frames_may_come_between(house: House, nina: WebScript) -> None:
    message = json.dumps({"op": "say", "id": 7, "data": {"room": "lobby", "text": "ünï 🐟" * 100}}).encode()
    pieces = [message[start : start + 11] for start in range(0, len(message), 11)]
    nina.transport.receive(frame(pieces[0], TEXT, first=0))
    for piece in pieces[1:-1]:
        nina.transport.receive(frame(piece, 0, first=0) + frame(b"now", PING))
    nina.transport.receive(frame(pieces[-1], 0))
    house.settle()
    event, reply = nina.take()
    assert (event["data"]["text"], reply["id"]) == ("ünï 🐟" * 100, 7)
    assert [one.data for one in nina.control] == [b"now"] * (len(pieces) - 2)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(b"{}", BINARY), 1003),
        (frame(b'"\xff"'), 1007),
        (frame(b'"\xc3', TEXT, first=0) + frame(b'x"', 0), 1007),
        (frame(b"x" * 65_537), 1009),
        (frame(b"x" * 40_000, TEXT, first=0) + frame(b"x" * 40_000, 0), 1009),
        (frame(b"{}", masked=False), 1002),
        (frame(b"{}", first=0xC0), 1002),
        (frame(b"{}", 3), 1002),
        (frame(b"{}", 0), 1002),
        (frame(b"x" * 126, PING), 1002),
        (frame(b"", PING, first=0), 1002),
        (frame(b"a", TEXT, first=0) + frame(b"b", TEXT), 1002),
        (frame(b"\x03", CLOSE), 1002),
        (frame((999).to_bytes(2), CLOSE), 1002),
        (frame((1005).to_bytes(2), CLOSE), 1002),
        (frame((1000).to_bytes(2) + b"\xff", CLOSE), 1007),
    ],
)
def test_what_breaks_the_rules_closes_and_says_why(house: House, nina: WebScript, sent: bytes, code: int) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina.say("lobby", "before")
    nina.transport.receive(sent)
    house.settle()
    nina.read()
    assert [one.code for one in nina.control] == [code]
    assert nina.transport.write_closed
    # What came before counts, and whoever breaks the rules may come back and go on.
    assert bob.heard() == ["nina in lobby: before"]
    assert [person.name for person in house.hub.users] == ["nina", "bob"]


@pytest.mark.parametrize(("wrong", "code"), [(frame(b'"\xff"'), 1007), (frame(b"{}", BINARY), 1003)])
@pytest.mark.parametrize("after", [frame((1000).to_bytes(2), CLOSE), frame(b"{}", masked=False)])
@pytest.mark.parametrize("packets", [1, 2])
def test_the_first_that_is_wrong_decides_how_it_ends(
    house: House, nina: WebScript, wrong: bytes, code: int, after: bytes, packets: int
) -> None:
    sent = [frame(b"now", PING) + wrong, after]
    for packet in sent if packets == 2 else [b"".join(sent)]:
        nina.transport.receive(packet)
    house.settle()
    nina.read()
    assert [one.opcode for one in nina.control] == [PONG, CLOSE]
    assert nina.control[1].code == code
    assert [person.name for person in house.hub.users] == ["nina"]


@pytest.mark.parametrize(
    ("close", "echoed", "stays"),
    [
        (b"", b"", False),
        ((1000).to_bytes(2) + b"bye", (1000).to_bytes(2) + b"bye", False),
        ((1001).to_bytes(2), (1001).to_bytes(2), True),
        ((4000).to_bytes(2), (4000).to_bytes(2), True),
    ],
)
def test_a_close_is_answered_after_all_else(
    house: House, nina: WebScript, close: bytes, echoed: bytes, stays: bool
) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina.take()
    nina.post("say", room="lobby", text="last words")
    nina.transport.receive(frame(close, CLOSE) + frame(_HELLO))
    assert nina.frames() == []
    house.settle()
    frames = nina.frames()
    assert [one.opcode for one in frames] == [TEXT, TEXT, CLOSE]
    assert frames[-1].data == echoed
    assert nina.transport.write_closed
    house.clock.advance(3)
    assert ("nina" in [person.name for person in house.hub.users]) is stays


@pytest.mark.parametrize("torn", [False, True], ids=["ended", "torn"])
def test_an_end_without_a_close_leaves_the_session_behind(house: House, nina: WebScript, torn: bool) -> None:
    (nina.transport.tear if torn else nina.transport.end)()
    house.settle()
    house.clock.advance(3)
    assert [person.name for person in house.hub.users] == ["nina"]
    assert house.factory.services.site.websockets == 0


def test_what_came_before_an_end_without_a_close_counts(house: House, nina: WebScript) -> None:
    nina.post("history", room="lobby")
    for number in range(300):
        nina.say("lobby", f"{number}")
    nina.transport.end()
    for _ in range(20):
        house.settle()
        house.clock.advance(1)
    assert house.chat.rooms.get("lobby").head == 300  # type: ignore[union-attr]


def test_quit_closes_with_1000(house: House, nina: WebScript) -> None:
    nina.post("quit")
    assert [one["op"] for one in nina.read()] == ["quit"]
    assert [(one.code, one.reason) for one in nina.control] == [(1000, "")]


def test_a_kick_says_why_twice(house: House, nina: WebScript) -> None:
    operator = Script(house, operator=True)
    operator.ask("disconnect", user="nina", reason="spam")
    assert [line["data"]["code"] for line in nina.read() if line["op"] == "notice"] == ["kicked"]
    assert [(one.code, one.reason) for one in nina.control] == [(1008, "kicked")]


def test_a_stop_is_going_away(house: House, nina: WebScript) -> None:
    for connection in house.factory.connections:
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    house.settle()
    nina.read()
    assert [(one.code, one.reason) for one in nina.control] == [(1001, "shutting-down")]


def test_who_does_not_log_in_is_closed(house: House) -> None:
    peer = WebScript(house)
    house.clock.advance(30)
    peer.transport.receive(frame(b"", PONG))
    house.clock.advance(30)
    peer.transport.receive(frame(b"", PONG))
    house.clock.advance(30)
    peer.transport.receive(frame(b"", PONG))
    house.clock.advance(30)
    peer.read()
    assert [(one.code, one.reason) for one in peer.control if one.opcode == CLOSE] == [(1008, "login-timeout")]


def test_who_answers_pings_stays_and_who_does_not_is_closed(house: House, nina: WebScript) -> None:
    for _ in range(10):
        house.clock.advance(30)
        nina.read()
        assert nina.control.pop().opcode == PING
        nina.transport.receive(frame(b"", PONG))
    house.clock.advance(30)
    house.clock.advance(30)
    nina.read()
    assert [one.opcode for one in nina.control] == [PING, CLOSE]
    assert (nina.control[1].code, nina.control[1].reason) == (1011, "ping-timeout")
    assert [person.name for person in house.hub.users] == ["nina"]  # to be resumed


def test_who_answers_pings_stays_while_its_messages_wait_for_their_turn() -> None:
    house = House(Limits(commands_per_second=20.0))
    nina = WebScript(house, "nina")
    nina.enter("lobby")
    _send_as_it_is_read(house, nina, _many_messages(4_000) + frame((1000).to_bytes(2), CLOSE))
    assert house.chat.rooms.get("lobby").head == 4_000  # type: ignore[union-attr]
    assert [(one.code, one.reason) for one in nina.control if one.opcode == CLOSE] == [(1000, "")]
    assert [person.name for person in house.hub.users] == []


def _many_messages(count: int) -> bytes:
    return b"".join(frame(b'{"op":"say","data":{"room":"lobby","text":"%d"}}' % number) for number in range(count))


def _send_as_it_is_read(house: House, peer: WebScript, waiting: bytes) -> None:
    """Send as a socket would, only what is read, and answer pings, until the server has closed."""
    for _ in range(1_000):
        while waiting and peer.transport.reading:
            chunk, waiting = waiting[:65_536], waiting[65_536:]
            peer.transport.receive(chunk)
        house.settle()
        house.clock.advance(0.5)
        before = len(peer.control)
        peer.take()
        waiting += frame(b"", PONG) * len([one for one in peer.control[before:] if one.opcode == PING])
        if peer.transport.write_closed:
            return


def test_who_is_gone_is_noticed_after_its_messages(house: House, nina: WebScript) -> None:
    nina.transport.receive(_many_messages(400))
    for _ in range(200):
        house.settle()
        house.clock.advance(0.5)
    nina.read()
    assert house.chat.rooms.get("lobby").head == 400  # type: ignore[union-attr]
    assert [one.reason for one in nina.control if one.opcode == CLOSE] == ["ping-timeout"]


def test_who_does_not_read_is_not_pinged(house: House, nina: WebScript) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina.transport.stop_reading()
    for number in range(100):
        bob.say("lobby", f"{number} {'x' * 2_000}")
    house.settle()
    for _ in range(4):
        house.clock.advance(30)
    assert not nina.transport.write_closed
    nina.transport.start_reading()
    house.settle()
    assert len([one for one in nina.read() if one["op"] == "message"]) == 100


def test_before_login_a_message_is_short() -> None:
    house = House(Limits(early_line_bytes=4_096))
    peer = WebScript(house)
    peer.write(b'{"op":"login","id":1,"data":{"name":"nina","x":"%s"}}' % (b"x" * 5_000))
    peer.write(b'{"op":"login","id":2,"data":{"name":"nina"}}')
    refusal, reply = peer.read()
    assert (refusal["error"]["code"], reply["status"]) == ("line-too-long", "ok")


def test_too_much_before_login_is_closed(house: House) -> None:
    peer = WebScript(house)
    for _ in range(40):
        peer.write(b" " * 4_000)
        if peer.transport.write_closed:
            break
    peer.read()
    assert [one.code for one in peer.control] == [1009]


def test_only_longer_messages_are_compressed(house: House) -> None:
    nina = DeflatedScript(house, "nina")
    assert "permessage-deflate; server_no_context_takeover; client_no_context_takeover" in nina.head
    nina.enter("lobby")
    nina.take()
    nina.say("lobby", "short")
    nina.say("lobby", "long " * 200)
    house.settle()
    short, long = nina.frames()
    assert (short.compressed, long.compressed) == (False, True)
    assert json.loads(long.data)["data"]["text"] == ("long " * 200).strip()


def test_compressed_messages_are_understood_and_a_bomb_is_not(house: House) -> None:
    nina = DeflatedScript(house, "nina")
    nina.enter("lobby")
    nina.take()

    def send(message: bytes) -> None:
        stream = zlib.compressobj(9, zlib.DEFLATED, -12)
        data = stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH)
        nina.transport.receive(frame(data[:-4], first=0xC0))

    send(b'{"op":"say","data":{"room":"lobby","text":"%s"}}' % (b"x" * 1_000))
    house.settle()
    (event,) = nina.take()
    assert event["data"]["text"] == "x" * 1_000
    send(b" " * 10_000_000)
    house.settle()
    nina.read()
    assert [one.code for one in nina.control] == [1009]


def test_what_inflates_waits_as_it_has_come(house: House) -> None:
    nina = DeflatedScript(house, "nina")
    nina.enter("lobby")
    nina.take()
    (connection,) = house.factory.connections
    message = b'{"op":"ping","id":1}' + b" " * 65_000
    stream = zlib.compressobj(9, zlib.DEFLATED, -12)
    long = frame((stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4], first=0xC0)
    sent = frame(b'{"op":"register","data":{"password":"%s"}}' % b"carp diem") + long * 8
    assert len(sent) < 1_024
    nina.transport.receive(sent)
    waiting: list[bytes] = connection._lines  # type: ignore[attr-defined]
    assert 0 < sum(map(len, waiting)) <= 3 * 65_536
    for _ in range(20):
        house.settle()
        house.clock.advance(1)
    assert [one["op"] for one in nina.take() if one.get("op") == "ping"] == ["ping"] * 8


def test_readers_of_one_kind_share_the_bytes(house: House) -> None:
    readers = [kind(house, f"{kind.wire}{number}") for kind in (WebScript, DeflatedScript) for number in range(3)]
    for reader in readers:
        reader.enter("lobby")
        house.settle()
    for reader in readers:
        reader.take()
    encoders = {
        id(reader.encoder(current=True))
        for connection in house.factory.connections
        if (reader := connection._connection) is not None  # type: ignore[attr-defined]
    }
    assert len(encoders) == 2


def test_odd_frames_cost_the_time_that_they_take(house: House) -> None:
    nina = WebScript(house, "nina")

    def work() -> float:
        house.work += 0.01
        return house.work

    house.factory.admission.paces.meter = work
    for _ in range(200):
        nina.transport.receive(frame(b"", PING))
    assert not nina.transport.reading
    answered = len(nina.frames())
    assert 0 < answered < 200
    for _ in range(200):
        house.clock.advance(1)
    assert answered + len([one for one in nina.frames() if one.opcode == PONG]) == 200
    assert nina.transport.reading


def test_there_are_only_so_many() -> None:
    house = House(Limits(websockets=2))
    first, _ = WebScript(house, "nina"), WebScript(house, "bob")
    transport = house.connect()
    transport.receive(request())
    status, text = answer(transport)
    assert (status, "Retry-After: 10" in text) == (503, True)
    first.transport.tear()
    assert WebScript(house, "jim").wire == "websocket"


@pytest.mark.parametrize("tagged", [False, True], ids=["flat", "tagged"])
def test_the_first_message_tells_the_older_form(house: House, tagged: bool) -> None:
    bob = Script(house, "bob")
    bob.enter("lobby")
    nina = WebScript(house)
    nina.write(b"")
    for kind, text in (("Enter", None), ("GroupChat", "hello")):
        fields = {"sender_username": "nina", **({"content": text} if text else {})}
        nina.write(json.dumps({"message_type": kind, "message_body": {kind: fields} if tagged else fields}).encode())
        house.settle()
    assert bob.heard() == ["nina in lobby: hello"]
    said = [message["message_body"] for message in nina.read() if message.get("message_type") == "GroupChat"]
    body = {"sender_username": "nina", "content": "hello"}
    assert [{**(one["GroupChat"] if tagged else one)} for one in said] == [body]


_WHOLE, _HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: local"
_REFUSED = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        *(_WHOLE, _HALF, _REFUSED, request(), request() + frame(b"{", first=0)),
        *(
            request() + frame(data, opcode)
            for data, opcode in ((b"", CLOSE), (b"x", BINARY), (b"\xff", TEXT), (b"", 5))
        ),
        request(Sec_WebSocket_Extensions="permessage-deflate") + frame(b"\xff\xff\xff", first=0xC0),
    ],
)
@pytest.mark.parametrize("torn", [False, True])
def test_what_has_ended_waits_for_no_collector(house: House, sent: bytes, torn: bool) -> None:
    gc.collect()
    gc.disable()  # else chance may do what the connection must
    try:
        before = _kept()
        transport = house.connect()
        transport.receive(sent)
        house.settle()
        if not torn:
            transport.end()
            house.settle()
        transport.tear()
        house.settle()
        assert _kept() == before
        assert house.factory.services.site.websockets == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [Script, WebScript])
def test_who_is_lost_with_its_words_on_their_way_waits_for_no_collector(house: House, kind: type[Script]) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _kept()
        peer = kind(house, "nina")
        peer.enter("lobby")
        peer.say("lobby", "my last word")
        peer.transport.tear()
        assert _kept() > before
        house.settle()
        assert house.chat.rooms.get("lobby").head == 1  # type: ignore[union-attr]
        assert _kept() == before
        assert house.factory.services.site.websockets == 0
    finally:
        gc.enable()


def _kept() -> int:
    kinds = (HttpChannel, WebSocket, ServerProtocol, Connection)
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


def test_a_handshake_is_answered_and_over_when_the_peer_has_ended_its_half(house: House) -> None:
    transport = house.connect()

    def work() -> float:
        house.work += 0.01
        return house.work

    house.factory.admission.paces.meter = work
    transport.receive(_WHOLE * 30 + request())
    assert b"HTTP/1.1 101 " not in transport.take()  # it waits for its turn
    transport.end()
    for _ in range(20):
        house.settle()
        house.clock.advance(1)
    assert b"HTTP/1.1 101 " in transport.take()
    assert transport.closed
    assert house.factory.services.site.websockets == 0


@pytest.mark.parametrize("way", ["quit", "kick", "stop", "silent", "deaf", "wrong", "close"])
def test_there_is_room_again_however_one_ends(house: House, nina: WebScript, way: str) -> None:
    site = house.factory.services.site
    assert site.websockets == 1
    (connection,) = house.factory.connections
    if way == "quit":
        nina.post("quit")
    elif way == "kick":
        connection.dismiss("Go.", Code.KICKED)
    elif way == "stop":
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    elif way == "silent":
        house.clock.advance(30)
        house.clock.advance(30)
    elif way == "deaf":
        connection._too_slow()  # type: ignore[attr-defined]
    elif way == "wrong":
        nina.transport.receive(frame(b"", 5))
    else:
        nina.hang_up()
    house.settle()
    assert site.websockets == 0
    nina.transport.tear()
    assert site.websockets == 0
