"""Requests by HTTP on one connection: what is asked, in which order and for how long, and of whom it is heard."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

from tcpchat.core.limits import Limits
from tests.house import House
from tests.transport import BUFFER_BYTES, MemoryTransport

_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
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
