"""Real sockets behind a proxy: PROXY headers of both versions, and limits that go by the real address."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tcpchat.wire.proxy import SIGNATURE
from tests.certificates import issue
from tests.daemon import Daemon, JsonClient, Refused, SocketStream, TextClient, eventually

_PASSWORD = "four words for nina"


def line(source: str) -> bytes:
    """Return a header of version 1."""
    family = 4 if ip_address(source).version == 4 else 6
    destination = "198.51.100.1" if family == 4 else "::1"
    return f"PROXY TCP{family} {source} {destination} 40000 3000\r\n".encode()


def binary(source: str) -> bytes:
    """Return a header of version 2, with something more than addresses."""
    address = ip_address(source).packed
    body = address + address + b"\x9c\x40\x0b\xb8" + b"\x04\x00\x02hm"
    return SIGNATURE + bytes([0x21, 0x11 if len(address) == 4 else 0x21]) + len(body).to_bytes(2, "big") + body


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "data", "--trust-proxy", "127.0.0.1") as running:
        yield running


def come(daemon: Daemon, header: bytes) -> SocketStream:
    """Return a connection that a proxy passes on."""
    stream = daemon.connect()
    stream.send(header)
    return stream


@pytest.mark.parametrize("header", [line, binary])
@pytest.mark.parametrize("source", ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7"])
def test_the_log_shows_the_real_address(proxied: Daemon, header: type, source: str) -> None:
    stream = proxied.connect()
    for byte in header(source):
        stream.send(bytes([byte]))
    client = JsonClient(stream, "nina")
    client.request("quit")
    proxied.await_log(f"connection from {source.removeprefix('::ffff:')} (json) ended after ")


def test_a_person_is_greeted_and_a_pipe_gets_every_answer(proxied: Daemon) -> None:
    TextClient(come(proxied, line("203.0.113.7"))).hear("What is your name?")
    pipe = come(proxied, line("203.0.113.8") + b"nina\nhello\n/quit\n")
    pipe.end()
    assert "Goodbye." in TextClient(pipe).rest()


def test_without_a_header_a_proxy_is_not_let_in(proxied: Daemon) -> None:
    stream = come(proxied, b'{"op":"ping","id":1}\n')
    assert stream.receive(5) == b""
    stream.end()
    proxied.await_log("it sent no PROXY header")


def test_from_others_a_header_ends_the_connection_without_a_word(daemon: Daemon) -> None:
    for header in (line("203.0.113.7"), binary("203.0.113.7")):
        stream = come(daemon, header + b"nina\r\n")
        assert stream.receive(5) == b""
        stream.close()
    daemon.await_log("it sent a PROXY header and is none of the proxies that are believed")
    assert "203.0.113.7" not in daemon.log


def test_unix_sockets_can_be_believed(tmp_path: Path) -> None:
    path = f"{tmp_path}/chat.sock"
    with (
        Daemon(tmp_path / "data", "--endpoint", f"unix:{path}", "--trust-proxy", "unix") as daemon,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        sock.connect(path)
        sock.sendall(binary("203.0.113.7"))
        JsonClient(SocketStream(sock), "nina").request("quit")
        daemon.await_log("connection from 203.0.113.7 (json)")
        assert daemon.json("bob").request("ping") == {}  # TCP goes as before


def test_tls_passes_through_the_proxy(tmp_path: Path) -> None:
    certificate, key = issue("localhost").write(tmp_path / "pem")
    ending = f"privateKey={key}:certKey={certificate}:interface=127.0.0.1"
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--endpoint", f"ssl:0:{ending}")
    context = ssl.create_default_context(cafile=str(certificate))
    with Daemon(tmp_path / "data", "--trust-proxy", "127.0.0.1", *options) as daemon:
        for port in daemon.ports:
            sock = socket.create_connection(("127.0.0.1", port), 20)
            sock.sendall(line("203.0.113.7"))
            with context.wrap_socket(sock, server_hostname="localhost") as secret:
                JsonClient(SocketStream(secret), "nina").request("quit")
        ended = "connection from 203.0.113.7 (json under TLS)"
        eventually(lambda: daemon.log.count(ended) == 2, lambda: daemon.log)


def test_connections_are_counted_by_the_real_address(proxied: Daemon) -> None:
    kept = [come(proxied, binary(f"2001:db8::{number:x}")) for number in range(1, 257)]
    refused = TextClient(come(proxied, line("2001:db8::ffff")))
    assert refused.rest() == ["There are 256 connections from your address already. Close one and try again."]
    kept[0].close()
    hasty = TextClient(come(proxied, line("2001:db8::ffff")))
    (told,) = hasty.rest()
    assert told.startswith(("Your address connects too often. Please try again in ", "There are 256 connections"))
    assert JsonClient(come(proxied, line("2001:db8:0:1::1")), "nina").request("ping") == {}


def test_failed_logins_of_one_network_delay_no_other(proxied: Daemon) -> None:
    nina = JsonClient(come(proxied, line("203.0.113.7")), "nina")
    nina.request("register", password=_PASSWORD)
    nina.request("logout")
    codes: list[str] = []
    while "too-many-attempts" not in codes:
        with pytest.raises(Refused) as refused:
            nina.request("login", name="nina", password="a wrong guess")
        codes.append(refused.value.code)
        assert len(codes) < 10
    assert set(codes[:-1]) == {"bad-credentials"}
    assert len(codes) >= 4
    with pytest.raises(Refused):
        JsonClient(come(proxied, line("203.0.113.7"))).request("login", name="nina", password=_PASSWORD)
    elsewhere = JsonClient(come(proxied, line("203.0.113.8")))
    assert elsewhere.request("login", name="nina", password=_PASSWORD)["user"]["name"] == "nina"
