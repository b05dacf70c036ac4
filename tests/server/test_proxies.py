"""Connections that a proxy passes on: in memory, with a clock that the test moves."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from tcpchat.core.addresses import LOCAL, Places
from tcpchat.core.limits import Limits
from tcpchat.server.certificates import PairFiles
from tcpchat.server.tls import Security, TlsContext
from tcpchat.wire.proxy import SIGNATURE
from tests.certificates import issue
from tests.house import House
from tests.server.test_tls import Client, channel
from tests.transport import MemoryTransport

PROXY = "198.51.100.1"
BELIEVED = Places((ip_network(PROXY),))
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 3000\r\n"
MAPPED = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 3000\r\n"
BINARY = SIGNATURE + b"\x21\x11\x00\x0c" + IPv4Address("192.0.2.7").packed + b"\0" * 8
OWN = SIGNATURE + b"\x20\x00\x00\x00"
PING = b'{"op":"ping","id":1}\n'


@pytest.fixture
def house() -> House:
    return House(proxies=BELIEVED)


def address(house: House) -> str:
    """Return where the one connection there is comes from."""
    (connection,) = house.factory.connections
    return connection.address


def reasons(house: House, host: str, data: bytes = b"", *, wait: float = 0.0) -> list[str]:
    """Return what is logged of a connection that sends ``data``, waits, and ends."""
    with capturedLogs() as logged:
        transport = house.connect(host)
        if data:
            transport.receive(data)
        house.clock.advance(wait)
        assert transport.take() == b"" or not transport.write_closed
        if not transport.closed:
            transport.end()
        house.clock.advance(0)
    assert transport.closed
    return [event["reason"] for event in logged if "reason" in event]


@pytest.mark.parametrize("header", [LINE, BINARY, MAPPED], ids=["line", "binary", "mapped"])
def test_the_address_is_the_one_in_the_header(house: House, header: bytes) -> None:
    transport = house.connect(PROXY)
    transport.receive(header + PING)
    assert b'"ok"' in transport.take()
    assert address(house) == "192.0.2.7"
    assert channel(house).address == "192.0.2.7"


@given(st.sampled_from([LINE, BINARY]), st.lists(st.integers(1, 60), max_size=8))
def test_it_may_come_in_any_pieces(header: bytes, sizes: list[int]) -> None:
    house = House(proxies=BELIEVED)
    transport = house.connect(PROXY)
    rest = header + b"nina\r\n"
    for size in sizes:
        if rest:
            transport.receive(rest[:size])
            rest = rest[size:]
    if rest:
        transport.receive(rest)
    house.settle()
    assert b"Hello, nina." in transport.take()
    assert address(house) == "192.0.2.7"


def test_silence_is_counted_from_the_header(house: House) -> None:
    transport = house.connect(PROXY)
    house.clock.advance(3)
    assert transport.take() == b""
    transport.receive(LINE)
    house.clock.advance(0.9)
    assert transport.take() == b""
    house.clock.advance(0.2)
    assert b"What is your name?" in transport.take()


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", OWN, SIGNATURE + b"\x21\x31\x00\xd8" + b"/x" * 108])
def test_who_is_not_named_counts_as_the_proxy(house: House, header: bytes) -> None:
    house.connect(PROXY).receive(header + PING)
    assert address(house) == PROXY


@pytest.mark.parametrize("header", [LINE, BINARY])
@pytest.mark.parametrize("silence", [0, 2])
def test_from_anybody_else_it_ends_the_connection_without_a_word(header: bytes, silence: int) -> None:
    house = House(proxies=BELIEVED)
    with capturedLogs() as logged:
        transport = house.connect("192.0.2.66")
        house.clock.advance(silence)
        transport.take()
        transport.receive(header + PING)
        assert transport.write_closed
        transport.end()
    assert transport.take() == (b"Goodbye.\r\n" if silence else b"")  # who was greeted hears the usual end
    (event,) = [event for event in logged if "reason" in event]
    assert (event["address"], event["speaker"]) == ("192.0.2.66", "proxy")
    assert event["reason"] == "it sent a PROXY header and is none of the proxies that are believed"


def test_a_proxy_that_says_nothing_of_it_is_not_let_in(house: House) -> None:
    assert reasons(house, PROXY, PING) == ["it sent no PROXY header"]
    assert reasons(house, PROXY, b"\x16\x03\x01\x02\x00\x01\x00") == ["it sent no PROXY header"]
    assert reasons(house, PROXY, wait=5.1) == ["it sent no PROXY header"]


def test_a_header_that_is_damaged_or_does_not_end_is_refused(house: House) -> None:
    assert reasons(house, PROXY, b"PROXY TCP4 nobody\r\n") == ["the PROXY header is damaged"]
    assert reasons(house, PROXY, b"PROXY UNKNOWN" + b"x" * 200) == ["the PROXY header does not end"]
    assert reasons(house, PROXY, SIGNATURE + b"\x21\x11\xff\xff") == ["the PROXY header is too long"]
    assert reasons(house, PROXY, LINE[:-1], wait=5.1) == ["it sent no PROXY header in time"]
    assert len(house.factory.connections) == 0
    assert house.clock.getDelayedCalls() == []


def test_a_look_whether_anybody_is_there_is_not_logged(house: House) -> None:
    assert reasons(house, PROXY) == []
    assert reasons(house, PROXY, OWN) == []
    assert reasons(house, PROXY, LINE[:9]) == ["ended by the peer"]
    assert reasons(house, PROXY, LINE) == ["ended by the peer"]


def test_limits_go_by_the_real_address() -> None:
    house = House(Limits(connections_per_address=2), proxies=BELIEVED)

    def come(header: bytes) -> MemoryTransport:
        transport = house.connect(PROXY)
        transport.receive(header)
        return transport

    assert not any(come(header).write_closed for header in (LINE, BINARY))
    refused = come(MAPPED)
    assert b"2 connections from your address" in refused.take()
    assert house.connect("192.0.2.7").write_closed
    assert not come(LINE.replace(b"2.7 ", b"2.8 ")).write_closed


def test_who_is_refused_under_tls_hears_why(tmp_path: Path) -> None:
    tls = TlsContext(PairFiles(*issue("localhost").write(tmp_path)))
    limits = Limits(connections_per_address=0)
    client = Client(House(limits, proxies=BELIEVED, security=Security(tls, at_once=True)), host=PROXY)
    client.transport.receive(LINE + client.hello())
    client.shake_hands()
    assert b"connections from your address" in client.take()


def test_trust_goes_by_the_real_address_too() -> None:
    limits = Limits(connections_per_address=1)
    house = House(limits, proxies=BELIEVED, trusted=(ip_network("192.0.2.0/24"),))
    transports = [house.connect(PROXY) for _ in range(3)]
    for transport in transports:
        transport.receive(MAPPED + PING)
    assert all(b'"ok"' in transport.take() for transport in transports)
    (outside, another) = [house.connect(PROXY) for _ in range(2)]
    for transport in (outside, another):
        transport.receive(LINE.replace(b"192.0.2.7", b"203.0.113.1"))
    assert another.write_closed
    assert not outside.write_closed


def test_a_proxy_with_many_connections_waiting_is_no_crowd() -> None:
    house = House(Limits(connections_per_address=2, connection_burst=2), proxies=BELIEVED)
    assert not any(house.connect(PROXY).write_closed for _ in range(50))


def test_a_full_server_tells_a_proxy_nothing_that_it_would_pass_on() -> None:
    house = House(proxies=BELIEVED, capacity=0)
    transport = house.connect(PROXY)
    assert transport.write_closed
    assert transport.take() == b""


def test_unix_sockets_are_believed_if_that_is_said() -> None:
    assert LOCAL in Places(local=True)
    assert LOCAL not in BELIEVED
    for proxies, words in ((Places(local=True), b'"ok"'), (BELIEVED, b"")):
        house = House(proxies=proxies)
        protocol = house.factory.buildProtocol(None)
        transport = MemoryTransport(protocol)
        protocol.makeConnection(transport)
        transport.receive(LINE + PING)
        assert words in transport.take()
        assert transport.write_closed is not bool(words)


@pytest.mark.parametrize("at_once", [False, True])
def test_tls_comes_after_the_header(tmp_path: Path, at_once: bool) -> None:
    tls = TlsContext(PairFiles(*issue("localhost").write(tmp_path)))
    house = House(proxies=BELIEVED, security=Security(tls, at_once=at_once))
    client = Client(house, host=PROXY)
    client.transport.receive(LINE[:20])
    client.transport.receive(LINE[20:] + client.hello())
    client.shake_hands()
    client.send(PING)
    assert b'"ok"' in client.take()
    assert address(house) == "192.0.2.7"
    assert channel(house).secure
    assert channel(house).address == "192.0.2.7"
