from __future__ import annotations

import pytest
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.testing import MemoryReactorClock

from tcpchat.client.address import client_endpoint, parse_address


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("chat.example.org", ("chat.example.org", 3000)),
        ("localhost:4000", ("localhost", 4000)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("::1", ("::1", 3000)),
        ("[::1]", ("::1", 3000)),
        ("[2001:db8::7]:65535", ("2001:db8::7", 65535)),
        ("tls:localhost:3000", None),
        ("unix:/run/chat.sock", None),
        ("[localhost]:3000", None),
        ("", None),
    ],
)
def test_a_host_with_or_without_a_port(address: str, parsed: tuple[str, int] | None) -> None:
    assert parse_address(address) == parsed


def test_the_kind_of_endpoint_follows() -> None:
    reactor = MemoryReactorClock()
    assert isinstance(client_endpoint(reactor, "[::1]:3000"), HostnameEndpoint)
    assert isinstance(client_endpoint(reactor, "unix:/run/chat.sock"), UNIXClientEndpoint)
    assert client_endpoint(reactor, "tcp:localhost:3000")
    for secure in ("tls:localhost:3000", "tls:localhost", "tls:[::1]:3000", "tls:localhost:3000:timeout=5"):
        assert client_endpoint(reactor, secure)


@pytest.mark.parametrize(
    "address", ["", ":3000", "host:0", "host:65536", "host:http", "tcp:host", "tls:", "tls:host:0", "a b"]
)
def test_what_is_no_address_is_said_in_one_line(address: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        client_endpoint(MemoryReactorClock(), address)
