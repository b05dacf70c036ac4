"""Requests by HTTP on one connection: what is asked, in which order and for how long, and of whom it is heard."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

from tcpchat.core.limits import Limits
from tcpchat.errors import Code
from tcpchat.server.http.headers import SECURITY_HEADERS
from tests.frames import request
from tests.house import House
from tests.server.test_logs import Seen
from tests.transport import BUFFER_BYTES, MemoryTransport

_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_UPGRADE = request()
_LIMITS = Limits()


@pytest.fixture
def house() -> House:
    return House()


def statuses(transport: MemoryTransport) -> list[int]:
    """Return what the requests were answered with since the last call."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", transport.take())]


def rest(house: House) -> None:
    """Let all be parsed that may be: a piece in a turn of the reactor."""
    for _ in range(100):
        house.clock.advance(0)


def script(house: House) -> bytes:
    """Return a request for the longest script of the page."""
    transport = house.connect()
    transport.receive(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    found = re.search(rb'"(static/chat\.[^"]+)"', transport.take())
    assert found is not None
    return b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % found[1]


@pytest.mark.parametrize("host", ["192.0.2.1", "198.51.100.1"])
def test_who_does_not_read_is_answered_no_further(host: str) -> None:
    house = House(trusted=(ip_network("198.51.100.0/24"),))
    one = script(house)
    transport = house.connect(host)
    transport.receive(one)
    size = len(transport.take())
    transport.stop_reading()
    transport.receive(one * 500)
    rest(house)
    assert transport.waiting <= BUFFER_BYTES + size
    transport.receive(one)
    assert not transport.reading
    for _ in range(1_000):
        transport.start_reading()
        rest(house)
    assert statuses(transport) == [200] * 501
    assert transport.reading


def test_who_reads_nothing_has_no_more_time_for_it(house: House) -> None:
    one = script(house)
    transport = house.connect()
    transport.stop_reading()
    transport.receive(one * 500)
    house.clock.advance(_LIMITS.http_seconds)
    house.clock.advance(_LIMITS.drain_seconds)
    assert transport.closed


def test_who_reads_slowly_has_time_for_the_next_one(house: House) -> None:
    one = script(house)
    transport = house.connect()
    transport.stop_reading()
    transport.receive(one * 3)
    for _ in range(3):
        house.clock.advance(_LIMITS.http_seconds - 1)
        transport.start_reading()
        transport.stop_reading()
        rest(house)
    transport.start_reading()
    assert statuses(transport) == [200] * 3


def test_who_says_no_more_is_answered_all_that_was_asked(house: House) -> None:
    one = script(house)
    transport = house.connect()
    transport.stop_reading()
    transport.receive(one * 100)
    transport.end()
    rest(house)
    assert not transport.closed
    for _ in range(200):
        if not transport.closed:
            transport.start_reading()
            rest(house)
    assert statuses(transport) == [200] * 100
    assert transport.closed


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/nowhere", "/static/", "/\x80", "/?\x80", f"/{'A' * 3000}"]
)
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_head_is_answered_by_headers_alone_and_nothing_of_it_is_logged(house: House, path: str, host: str) -> None:
    rest_of_it = f"{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    transport = house.connect()
    with Seen() as seen:
        transport.receive(b"HEAD " + rest_of_it)
        rest(house)
        head = transport.take()
        transport.receive(b"GET " + rest_of_it)
        rest(house)
        get = transport.take()
    assert seen == []
    assert head.endswith(b"\r\n\r\n")
    assert sorted(head.lower().split(b"\r\n")) == sorted(
        get.partition(b"\r\n\r\n")[0].lower().split(b"\r\n") + [b""] * 2
    )


def ask(house: House, request: bytes) -> bytes:
    """Return what a request is answered with; nothing is logged of it but the end of its connection."""
    transport = house.connect()
    with Seen() as seen:
        transport.receive(request)
        rest(house)
    assert seen == []
    return transport.take()


def fields(answer: bytes) -> list[str]:
    """Return the header lines of an answer."""
    return answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]


def test_head_is_not_a_handshake(house: House) -> None:
    answer = ask(house, b"HEAD /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")
    assert "Allow: GET" in fields(answer)


_START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(_START + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400, id="a length of 5,000 digits"),
        pytest.param(_START + b"Content-Length: " + b"0" * 5_000 + b"\r\n\r\n", 400, id="5,000 zeros"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="GET *"),
        pytest.param(b"HEAD * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="HEAD *"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, id="OPTIONS *"),
        pytest.param(b"GET xws HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="no slash"),
        pytest.param(b"GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="an authority"),
        pytest.param(b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="another scheme"),
        pytest.param(b"GET http:///healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, id="an empty host"),
        pytest.param(_START + b"Transfer-Encoding: identity\r\n\r\n", 400, id="identity"),
        pytest.param(_START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="chunks"),
        pytest.param(_START + b"X: %b\r\n" % (b"x" * 1_000) * 17 + b"\r\n", 431, id="17 headers of 1 KB"),
        pytest.param(_START + b"X: x\r\n" * 100 + b"\r\n", 431, id="101 headers"),
    ],
)
def test_what_is_wrong_is_refused_with_all_that_answers_say(house: House, request_: bytes, status: int) -> None:
    answer = ask(house, request_ + _ALIVE)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"%d" % status]
    assert {f"{name}: {value}" for name, value in SECURITY_HEADERS.items()} <= set(fields(answer))
    assert {"Connection: close", "Cache-Control: no-store"} <= set(fields(answer))
    assert b"Twisted" not in answer


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/healthz", "localhost", 200),
        ("HTTP://localhost:3000/healthz", "localhost", 200),
        ("https://localhost", "localhost", 200),
        ("http://localhost?x=y", "localhost", 200),
        ("http://localhost/healthz", "evil.example", 200),
        ("http://evil.example/healthz", "localhost", 421),
        ("http://localhost@evil.example/healthz", "localhost", 421),
        ("http://localhost/healthz", "localhost\r\nHost: localhost", 400),
    ],
)
def test_the_host_of_a_whole_address_counts_and_not_that_of_the_header(
    house: House, target: str, host: str, status: int
) -> None:
    answer = ask(house, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_a_whole_address_without_a_host_header_is_for_http_1_0_only(house: House) -> None:
    assert b" 400 " in ask(house, b"GET http://localhost/healthz HTTP/1.1\r\n\r\n").partition(b"\r\n")[0]
    assert b" 200 " in ask(house, b"GET http://localhost/healthz HTTP/1.0\r\n\r\n").partition(b"\r\n")[0]
    assert b" 421 " in ask(house, b"GET http://evil.example/healthz HTTP/1.0\r\n\r\n").partition(b"\r\n")[0]


def test_nobody_is_told_to_go_on_with_a_body(house: House) -> None:
    assert ask(house, _START + b"Expect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "headers", [b"", b"Upgrade: h2c\r\n", b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"]
)
def test_who_does_not_upgrade_is_told_how(house: House, headers: bytes) -> None:
    answer = ask(house, b"GET /ws HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert {"Upgrade: websocket", "Connection: Upgrade"} <= set(fields(answer))


def ends(house: House, *pieces: bytes, seconds: float) -> tuple[list[int], list[str]]:
    """Let a peer send ``pieces``, then nothing for so long; return what it was answered, and how its end was logged."""
    transport = house.connect()
    with Seen() as seen:
        for piece in pieces:
            transport.receive(piece)
            rest(house)
        house.clock.advance(seconds)
        answers = statuses(transport)
        transport.loseConnection()
    return answers, [str(event["reason"]) for event in seen]


def test_who_asks_nothing_more_is_closed_without_a_word(house: House) -> None:
    assert ends(house, _ALIVE, seconds=_LIMITS.http_seconds) == ([200], [])


@pytest.mark.parametrize("part", [b"GET /heal", _START, _ALIVE + b"GET /he"])
def test_a_request_that_takes_too_long_is_logged_as_one(house: House, part: bytes) -> None:
    answers, logged = ends(house, part, seconds=_LIMITS.http_seconds)
    assert answers[-1] == 408
    assert logged == ["A request took too long."]


def test_who_does_not_read_its_answers_is_logged_as_such(house: House) -> None:
    transport = house.connect()
    transport.stop_reading()
    with Seen() as seen:
        transport.receive(script(house) * 500)
        house.clock.advance(_LIMITS.http_seconds)
        transport.loseConnection()
    assert [event["reason"] for event in seen] == ["You read too slowly: too much is waiting for you."]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"GET /\r\n\r\n", "its request by HTTP was refused with 400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "its request by HTTP was refused with 405"),
        (_START + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "its request by HTTP was refused with 431"),
        (_START + b"Connection: close\r\n\r\n", "its last request by HTTP is answered"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", "its last request by HTTP is answered"),
    ],
)
def test_what_ended_it_is_logged(house: House, request_: bytes, reason: str) -> None:
    assert ends(house, request_, seconds=0)[1] == [reason]


def test_a_connection_is_not_for_ever(house: House) -> None:
    transport = house.connect()
    pause = _LIMITS.http_seconds / 2
    for _ in range(int(_LIMITS.http_connection_seconds / pause)):
        transport.receive(_ALIVE)
        assert "Connection: close" not in fields(transport.take())
        house.clock.advance(pause)
    transport.receive(_ALIVE * 2)
    answer = transport.take()
    assert "Connection: close" in fields(answer)
    assert answer.count(b"alive") == 1
    assert transport.write_closed


def test_an_old_connection_may_still_become_a_websocket() -> None:
    house = House(Limits(http_connection_seconds=1))
    transport = house.connect()
    transport.receive(_ALIVE[:10])
    house.clock.advance(2)
    transport.receive(_ALIVE[10:-2] + b"Connection: close\r\n\r\n")
    assert [line for line in fields(transport.take()) if line.startswith("Connection")] == ["Connection: close"]
    transport = house.connect()
    transport.receive(_UPGRADE[:10])
    house.clock.advance(2)
    transport.receive(_UPGRADE[10:])
    assert statuses(transport) == [101]
    assert not transport.write_closed


@pytest.mark.parametrize("sent", [b"", _ALIVE, b"GET /heal", _START])
def test_a_stop_answers_only_what_is_asked(house: House, sent: bytes) -> None:
    transport = house.connect()
    transport.receive(_ALIVE + sent)
    assert statuses(transport) == [200] * (2 if sent == _ALIVE else 1)
    for connection in house.factory.connections:
        connection.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    assert statuses(transport) == ([503] if sent not in (b"", _ALIVE) else [])
    assert transport.write_closed
