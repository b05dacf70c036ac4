"""TLS in memory: what it costs, how long it may take, how it ends, and what is known of the peer."""

from __future__ import annotations

import gc
import re
import struct
import weakref
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
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
from tests.house import House, Script
from tests.transport import BUFFER_BYTES, MemoryTransport

_LIMITS = Limits()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsContext:
    return TlsContext(PairFiles(*issue("localhost").write(tmp_path_factory.mktemp("pem"))))


@pytest.fixture
def house(tls: TlsContext) -> House:
    return House(security=Security(tls))


class Client:
    """The other end of a connection, with OpenSSL in between."""

    def __init__(
        self,
        house: House,
        *,
        version: int = SSL.TLS1_3_VERSION,
        own: Issued | None = None,
        host: str = "192.0.2.1",
    ) -> None:
        self.transport: MemoryTransport = house.connect(host)
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(version)
        self.secrets: dict[str, bytes] = {}
        context.set_keylog_callback(self._keep_secret)
        if own is not None:
            context.use_certificate(own.certificate)
            context.use_privatekey(own.key)
        self.tls = SSL.Connection(context)
        self.tls.set_connect_state()

    def _keep_secret(self, connection: SSL.Connection, line: bytes) -> None:
        kind, _, secret = line.decode().split()
        self.secrets[kind] = bytes.fromhex(secret)

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


class KeyUpdates:
    """Records that take other keys, as many as one likes (RFC 8446 sections 4.6.3, 5.2 and 7): a TLS 1.3 of its own.

    ``after``: how many records the client has sent.
    """

    def __init__(self, client: Client, *, requested: bool, after: int = 0) -> None:
        assert client.tls.get_cipher_name() == "TLS_AES_256_GCM_SHA384"
        self._secret = client.secrets["CLIENT_TRAFFIC_SECRET_0"]
        self._message = b"\x18\x00\x00\x01" + bytes([requested]) + b"\x16"
        self._number = after

    def take(self, count: int) -> bytes:
        return b"".join(self._one() for _ in range(count))

    def _one(self) -> bytes:
        header = b"\x17\x03\x03" + struct.pack(">H", len(self._message) + 16)
        key = self._expand("key", 32)
        nonce = (int.from_bytes(self._expand("iv", 12), "big") ^ self._number).to_bytes(12, "big")
        self._secret, self._number = self._expand("traffic upd", 48), 0
        return header + AESGCM(key).encrypt(nonce, self._message, header)

    def _expand(self, label: str, size: int) -> bytes:
        text = b"tls13 " + label.encode()
        return HKDFExpand(SHA384(), size, struct.pack(">HB", size, len(text)) + text + b"\0").derive(self._secret)


class CountedConnection(SSL.Connection):
    """Knows how many bytes of the peer it was given."""

    given = 0

    def bio_write(self, buf: bytes | bytearray | memoryview) -> int:
        self.given += len(buf)
        return super().bio_write(buf)


class CountedTls(TlsContext):
    """Makes connections that count; the last is the ``latest``."""

    latest: CountedConnection

    def connection(self) -> SSL.Connection:
        plain = super().connection()
        self.latest = CountedConnection(plain.get_context())
        self.latest.set_app_data(plain.get_app_data())
        self.latest.set_accept_state()
        return self.latest


def channel(house: House) -> Channel:
    (protocol,) = house.factory.connections
    channel: Channel = protocol._connection.session.channel  # type: ignore[attr-defined]
    return channel


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("own", [None, issue("nina"), issue("nina", days=(-2, -1))], ids=["none", "some", "expired"])
def test_a_session_knows_itschannel(house: House, version: int, own: Issued | None) -> None:
    client = Client(house, version=version, own=own)
    client.shake_hands()
    client.send(b"nina\n")
    exporter = client.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    fingerprint = own.fingerprint if own else None
    bound = exporter if version == SSL.TLS1_3_VERSION else None
    assert channel(house) == Channel(True, fingerprint, bound, "192.0.2.1")
    assert exporter.hex() not in repr(channel(house))
    assert repr(exporter) not in repr(channel(house))


def test_a_plain_session_knows_that_too(house: House) -> None:
    house.connect().receive(b"nina\n")
    assert channel(house) == Channel(address="192.0.2.1")


def test_the_silence_is_counted_from_the_end_of_the_handshake(house: House) -> None:
    client = Client(house)
    house.clock.advance(_LIMITS.silence_seconds * 0.9)
    client.shake_hands()
    house.clock.advance(_LIMITS.silence_seconds * 0.9)
    assert client.take() == b""
    house.clock.advance(_LIMITS.silence_seconds * 0.2)
    assert b"What is your name?" in client.take()


@pytest.mark.parametrize("cut", [3, 60, 10_000])
def test_a_hello_followed_by_silence_is_closed_when_the_time_for_a_handshake_is_over(house: House, cut: int) -> None:
    client = Client(house)
    client.transport.receive(client.hello()[:cut])
    house.clock.advance(_LIMITS.handshake_seconds - 1)
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


@pytest.mark.parametrize("end", ["tear", "end"])
def test_a_handshake_waits_for_the_place_of_one_that_ends(tls: TlsContext, end: str) -> None:
    house = House(Limits(handshakes=1), security=Security(tls))
    first, second = Client(house), Client(house, host="192.0.2.2")
    first.transport.receive(first.hello()[:100])
    second.transport.receive(second.hello())
    assert second.transport.take() == b""
    getattr(first.transport, end)()
    second.shake_hands()
    second.send(b'{"op":"ping","id":1}\n')
    assert b'"ok"' in second.take()


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
    assert house.present == []


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


def test_what_follows_the_goodbye_is_not_kept(tmp_path: Path) -> None:
    tls = CountedTls(PairFiles(*issue("localhost").write(tmp_path)))
    house = House(security=Security(tls))
    client = Client(house)
    client.shake_hands()
    client.send(b'{"op":"login","id":1,"data":{"name":"nobody","password":"wrong horse"}}')
    client.tls.shutdown()
    client.pump()
    assert not client.transport.reading
    given = tls.latest.given
    for _ in range(10):  # what was read before, or comes all the same
        client.transport.receive(b"z" * 65_536)
    assert tls.latest.given == given
    house.settle()
    assert b"bad-credentials" in client.take()
    assert client.transport.closed


def test_openssl_s_memory_is_free_as_soon_as_the_connection_is_gone(tmp_path: Path) -> None:
    tls = CountedTls(PairFiles(*issue("localhost").write(tmp_path)))
    house = House(security=Security(tls))
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\n")
    gone = weakref.ref(tls.latest)
    del tls.latest
    gc.collect()
    gc.disable()
    try:
        client.transport.tear()
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("requested", [True, False])
def test_a_flood_of_new_keys_ends_the_connection(house: House, requested: bool) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\n")
    client.transport.stop_reading()
    flood = KeyUpdates(client, requested=requested, after=1).take(_LIMITS.tls_messages * 20)
    client.transport.receive(flood)
    assert client.transport.closed
    assert client.transport.waiting < 16 * 1024, "not much is answered"
    assert house.present == []


def test_new_keys_now_and_then_are_welcome(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\n")
    updates = KeyUpdates(client, requested=True, after=1)
    for _ in range(_LIMITS.tls_messages):
        client.transport.receive(updates.take(10))
        house.clock.advance(20 / _LIMITS.tls_messages_per_second)
    assert not client.transport.closed


def test_what_tls_answers_by_itself_counts_as_unread(tls: TlsContext) -> None:
    house = House(Limits(tls_messages=100_000, unread_bytes=1024), security=Security(tls))
    client = Client(house)
    client.shake_hands()
    client.transport.stop_reading()
    updates = KeyUpdates(client, requested=True)
    client.transport.receive(updates.take(3_000))
    assert not client.transport.write_closed
    client.transport.receive(updates.take(100))
    house.clock.advance(0)
    assert client.transport.write_closed


def test_a_peer_that_does_not_read_falls_behind_and_catches_up(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b'{"op":"login","data":{"name":"stan"}}\n{"op":"join","data":{"room":"lobby"}}\n')
    nina = Script(house, "nina")
    nina.enter("lobby")
    client.take()
    client.transport.stop_reading()
    waiting: set[int] = set()
    for number in range(50):
        nina.say("lobby", f"{number} {'x' * 10_000}")
        house.settle()
        waiting.add(client.transport.waiting)
    assert max(waiting) < 2 * BUFFER_BYTES
    heard: list[bytes] = []
    for _ in range(50):
        client.transport.start_reading()
        client.transport.stop_reading()
        house.settle()
        heard += re.findall(rb'"text":"(\d+) ', client.take())
    assert heard == [b"%d" % number for number in range(50)]


def test_damaged_records_end_the_connection(house: House) -> None:
    client = Client(house)
    client.shake_hands()
    client.send(b"nina\n")
    client.transport.receive(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert client.transport.closed
    assert house.present == []


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
    assert channel(house).fingerprint is not None
