"""TLS in memory: what it costs, how long it may take, how it ends, and what is known of the peer."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from tcpchat.core.channel import Channel
from tcpchat.core.limits import Limits
from tcpchat.errors import Code, StartError
from tcpchat.server.certificates import PairFiles, PemDirectory
from tcpchat.server.selfsigned import self_signed
from tcpchat.server.tls import Security, TlsContext
from tcpchat.server.tlsendpoints import parse_tls_endpoint
from tests.certificates import Issued, issue
from tests.house import House
from tests.transport import MemoryTransport

_LIMITS = Limits()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsContext:
    return TlsContext(PairFiles(*issue("localhost").write(tmp_path_factory.mktemp("pem"))))


@pytest.fixture
def house(tls: TlsContext) -> House:
    return House(security=Security(tls))


class Client:
    """The other end of a connection, with OpenSSL in between."""

    def __init__(self, house: House, *, version: int = SSL.TLS1_3_VERSION, own: Issued | None = None) -> None:
        self.transport: MemoryTransport = house.connect()
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(version)
        if own is not None:
            context.use_certificate(own.certificate)
            context.use_privatekey(own.key)
        self.tls = SSL.Connection(context)
        self.tls.set_connect_state()

    def hello(self) -> bytes:
        with pytest.raises(SSL.WantReadError):
            self.tls.do_handshake()
        return self.tls.bio_read(65_536)

    def pump(self) -> None:
        """Let all that waits pass in both directions."""
        while True:
            try:
                self.transport.receive(self.tls.bio_read(65_536))
            except SSL.WantReadError:
                return

    def shake_hands(self) -> None:
        for _ in range(4):
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                self.pump()
                if data := self.transport.take():
                    self.tls.bio_write(data)
        self.tls.do_handshake()
        self.pump()

    def send(self, data: bytes) -> None:
        self.tls.send(data)
        self.pump()

    def take(self) -> bytes:
        """Return what has come, up to the server's goodbye if it has said it."""
        if data := self.transport.take():
            self.tls.bio_write(data)
        text = b""
        try:
            while True:
                text += self.tls.recv(65_536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return text


def _channel(house: House) -> Channel:
    (protocol,) = house.factory.connections
    channel: Channel = protocol._connection.session.channel  # type: ignore[attr-defined]
    return channel


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("own", [None, issue("nina"), issue("nina", days=(-2, -1))], ids=["none", "some", "expired"])
def test_a_session_knows_its_channel(house: House, version: int, own: Issued | None) -> None:
    client = Client(house, version=version, own=own)
    client.shake_hands()
    client.send(b"nina\n")
    exporter = client.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    fingerprint = own.fingerprint if own else None
    bound = exporter if version == SSL.TLS1_3_VERSION else None
    assert _channel(house) == Channel(True, fingerprint, bound, "192.0.2.1")
    assert exporter.hex() not in repr(_channel(house))
    assert repr(exporter) not in repr(_channel(house))


def test_a_plain_session_knows_that_too(house: House) -> None:
    house.connect().receive(b"nina\n")
    assert _channel(house) == Channel(address="192.0.2.1")


def test_the_silence_is_counted_from_the_end_of_the_handshake(house: House) -> None:
    client = Client(house)
    house.clock.advance(_LIMITS.silence_seconds * 0.9)
    client.shake_hands()
    house.clock.advance(_LIMITS.silence_seconds * 0.9)
    assert client.take() == b""
    house.clock.advance(_LIMITS.silence_seconds * 0.2)
    assert b"What is your name?" in client.take()


@pytest.mark.parametrize("cut", [3, 60, 10_000])
def test_a_hello_followed_by_silence_is_closed_when_the_time_to_log_in_is_over(house: House, cut: int) -> None:
    client = Client(house)
    client.transport.receive(client.hello()[:cut])
    house.clock.advance(_LIMITS.login_seconds - 1)
    assert not client.transport.closed
    assert b"name" not in client.transport.take()
    house.clock.advance(1.1)
    assert client.transport.closed
    assert len(house.factory.connections) == 0


def test_the_handshake_is_a_part_of_the_time_to_log_in(house: House) -> None:
    client = Client(house)
    house.clock.advance(0.5)
    client.shake_hands()
    house.clock.advance(_LIMITS.login_seconds - 0.4)
    assert b"It took too long to log in." in client.take()
    assert client.transport.write_closed


def test_no_more_than_the_early_bytes_are_taken_in_the_handshake(house: House) -> None:
    transport = house.connect()
    record = b"\x16\x03\x01\x40\x00"
    transport.receive(record + b"\x01\x01\xff\xf0" + b"x" * 16_380)
    sent = 0
    while not transport.closed:
        transport.receive(record + b"x" * 16_384)
        sent += 16_384
        assert sent <= _LIMITS.early_bytes


@given(st.binary(max_size=300), st.integers(0, 517), st.booleans())
def test_whatever_follows_the_first_two_bytes_raises_nothing(
    tls: TlsContext, junk: bytes, kept: int, ends: bool
) -> None:
    house = House(security=Security(tls))
    client = Client(house)
    client.transport.receive(b"\x16\x03" + client.hello()[2:kept])
    for part in (junk[:7], junk[7:]):
        if part and not client.transport.closed:
            client.transport.receive(part)
    if ends and not client.transport.closed:
        client.transport.end()
        assert client.transport.closed
    house.clock.advance(_LIMITS.login_seconds + _LIMITS.drain_seconds + 1)
    assert client.transport.closed
    assert len(house.hub.users) == 0


def test_the_hello_may_come_byte_by_byte(house: House) -> None:
    client = Client(house)
    for byte in client.hello():
        client.transport.receive(bytes([byte]))
    client.shake_hands()
    client.send(b'{"op":"ping","id":1}\n')
    assert b'"ok"' in client.take()


def test_nothing_in_plain_leaves_once_tls_has_begun(house: House) -> None:
    client = Client(house)
    client.transport.receive(client.hello())
    next(iter(house.factory.connections)).dismiss("The reason is secret.", Code.BUSY)
    client.tls.bio_write(answer := client.transport.take())
    assert b"secret" not in answer
    client.tls.do_handshake()
    client.pump()
    assert client.take() == b"The reason is secret.\r\n"  # told after the handshake
    assert client.transport.write_closed


def test_the_server_ends_without_waiting_for_a_handshake(house: House) -> None:
    client = Client(house)
    client.transport.receive(client.hello())
    next(iter(house.factory.connections)).retire("Goodbye.", Code.SHUTTING_DOWN)
    assert client.transport.closed


@pytest.mark.parametrize("goodbye", [True, False])
def test_who_ends_its_half_is_answered_and_a_line_that_may_be_torn_does_not_count(house: House, goodbye: bool) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\nwhole\ntorn")
    if goodbye:
        client.tls.shutdown()
        client.pump()
    client.transport.end()
    house.settle()
    heard = client.take().decode()
    assert "nina: whole" in heard
    assert ("nina: torn" in heard) is goodbye
    assert heard.endswith("Goodbye.\r\n")
    assert client.transport.closed


def test_a_peer_that_reads_slowly_is_slowed_and_closed_as_ever(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b'{"op":"login","data":{"name":"stan"}}\n{"op":"join","data":{"room":"lobby"}}\n')
    house.settle()
    client.transport.stop_reading()
    for _ in range(200):
        client.send(b'{"op":"say","data":{"room":"lobby","text":"%b"}}\n' % (b"x" * 15_000))
        house.settle()
        house.clock.advance(1)
        if client.transport.write_closed or client.transport.closed:
            break
    assert client.transport.waiting < _LIMITS.unread_bytes + 256 * 1024


def test_damaged_records_end_the_connection(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\n")
    client.transport.receive(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert client.transport.closed
    assert len(house.hub.users) == 0


def test_nothing_is_left_of_a_connection(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\nhello\n")
    house.settle()
    (protocol,) = house.factory.connections
    gone = weakref.ref(protocol)
    protocol.abort(quietly=True)  # the log would keep it
    assert client.transport.closed
    del client, protocol
    house.clock.advance(60)
    gc.collect()
    assert gone() is None


def test_a_port_may_begin_with_tls(tls: TlsContext) -> None:
    house = House(security=Security(tls, at_once=True, required=True))
    plain = house.connect()
    plain.receive(b'{"op":"ping","id":1}\n')
    assert plain.closed
    client = Client(house)
    house.clock.advance(_LIMITS.silence_seconds * 2)
    client.shake_hands()
    client.send(b'{"op":"ping","id":1}\n')
    assert b'"ok"' in client.take()


# Endpoints and files.


@pytest.mark.parametrize(
    ("description", "port", "plain"),
    [
        ("ssl:3001:privateKey=/a/key.pem:certKey=/a/cert.pem", 3001, None),
        ("ssl:port=3001:certKey=/a/cert.pem:privateKey=/a/key.pem:backlog=5", 3001, None),
        ("ssl:0:interface=127.0.0.1:privateKey=/a/key.pem:certKey=/a/cert.pem", 0, "tcp:0:interface=127.0.0.1"),
        (r"ssl:1:interface=\:\:1:privateKey=/a/key.pem:certKey=/a/cert.pem", 1, r"tcp:1:interface=\:\:1"),
    ],
)
def test_what_ssl_means(description: str, port: int, plain: str | None) -> None:
    endpoint = parse_tls_endpoint(description)
    assert endpoint is not None
    assert (endpoint.port, endpoint.plain) == (port, plain)
    assert endpoint.source == PairFiles(Path("/a/cert.pem"), Path("/a/key.pem"))


def test_what_tls_means() -> None:
    for description in (r"tls:/a/b\:c:3001", r"tls:path=/a/b\:c:port=3001"):
        endpoint = parse_tls_endpoint(description)
        assert endpoint is not None
        assert (endpoint.source, endpoint.port) == (PemDirectory(Path("/a/b:c")), 3001)
    assert parse_tls_endpoint("tcp:3000") is None


@pytest.mark.parametrize(
    "description",
    [
        "ssl:",
        "ssl:1",
        "ssl:x:privateKey=a",
        "ssl:1:privateKey=a:sslmethod=TLSv1_METHOD",
        "tls:",
        "tls:a:b",
        "tls:a:1:2:3:4",
    ],
)
def test_what_tls_does_not_mean_is_told(description: str) -> None:
    with pytest.raises(StartError, match=r"is not of the form (ssl:PORT|tls:DIR)"):
        parse_tls_endpoint(description)


def test_a_pair_of_ones_own_is_made_anew_when_half_of_it_is_gone(tmp_path: Path) -> None:
    first = self_signed(tmp_path).read()[0].fingerprint
    assert self_signed(tmp_path).read()[0].fingerprint == first
    (tmp_path / "tls-certificate.pem").unlink()
    assert self_signed(tmp_path).read()[0].fingerprint != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tls-certificate.pem", "tls-key.pem"]


def test_a_look_tells_once_what_is_wrong(tmp_path: Path) -> None:
    certificate, key = issue("localhost").write(tmp_path)
    context = TlsContext(PairFiles(certificate, key))
    assert context.look() is None
    content = certificate.read_bytes()
    certificate.write_bytes(b"nothing")
    look = context.look()
    assert look is not None
    assert look.refused == f"there is no certificate in {certificate}"
    assert context.look() is None
    certificate.write_bytes(content)
    look = context.look()
    assert look is not None
    assert look.refused is None


def test_a_reload_in_the_middle_of_a_handshake_does_no_harm(tmp_path: Path) -> None:
    directory = tmp_path / "pem"
    directory.mkdir()
    for name in ("one.example", "two.example"):
        issued = issue(name)
        (directory / f"{name}.pem").write_bytes(issued.pem() + issued.key_pem())
    context = TlsContext(PemDirectory(directory))
    house = House(security=Security(context))
    client = Client(house, own=issue("nina"))
    client.tls.set_tlsext_host_name(b"two.example")
    hello = client.hello()
    client.transport.receive(hello[:50])
    assert context.look(forced=True) is not None
    gc.collect()
    client.transport.receive(hello[50:])
    context.look(forced=True)
    gc.collect()
    client.shake_hands()
    client.send(b"nina\n")
    assert _channel(house).fingerprint is not None
