"""TLS begun in place on the port where everybody else talks, by clients that really do so."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import socket
import ssl
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.certificates import Issued, issue
from tests.daemon import PATIENCE_SECONDS, TWISTD, Daemon, JsonClient, SocketStream, TextClient, eventually, tool

_NAMES = ("127.0.0.1", "localhost")


class Secured:
    """A daemon whose plain port understands TLS, and what its clients need."""

    def __init__(self, daemon: Daemon, directory: Path, issued: Issued) -> None:
        self.daemon = daemon
        self.directory = directory
        self.issued = issued
        self.clients = contextlib.ExitStack()

    def context(self, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.issued.pem().decode())
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def connect(self, *alpn: str) -> SocketStream:
        plain = socket.create_connection(("127.0.0.1", self.daemon.port), timeout=PATIENCE_SECONDS)
        with contextlib.closing(plain):  # what is wrapped has another
            secret = self.context(alpn).wrap_socket(plain, server_hostname="127.0.0.1")
        return self.clients.enter_context(contextlib.closing(SocketStream(secret)))

    def json(self, name: str | None = None) -> JsonClient:
        return JsonClient(self.connect(), name)

    def shown(self) -> str:
        """Return the fingerprint of the certificate that a newcomer is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.daemon.port), PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain) as stream,
        ):
            return hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()


@contextlib.contextmanager
def _secured(tmp_path: Path, *options: str) -> Iterator[Secured]:
    issued = issue(*_NAMES)
    certificate, key = issued.write(tmp_path / "pem")
    given = ("--tls-cert", str(certificate), "--tls-key", str(key), *options)
    with Daemon(tmp_path / "data", *given) as daemon:
        secured = Secured(daemon, tmp_path / "pem", issued)
        with secured.clients:
            yield secured
        assert "Traceback" not in daemon.log


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with _secured(tmp_path) as secured:
        yield secured


def _ended(stream: SocketStream) -> bytes:
    """Return what comes up to the end, which must not be a reset."""
    return b"".join(iter(lambda: stream.receive(PATIENCE_SECONDS), b""))


def _hello() -> bytes:
    ours = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), ours).do_handshake()
    return ours.read()


def test_everybody_talks_on_one_port_whether_under_tls_or_not(secured: Secured) -> None:
    daemon = secured.daemon
    telnet = daemon.run_in_terminal("telnet", "127.0.0.1", str(daemon.port))
    telnet.hear("What is your name?")
    telnet.say("tina")
    telnet.hear("You are in lobby")
    nc = daemon.run("nc", "127.0.0.1", str(daemon.port))
    nc.say("nina")
    nc.hear("You are in lobby")
    script = secured.json("jason")
    script.request("join", room="lobby")
    person = TextClient(secured.connect("irc"))
    person.hear("What is your name?")  # greeted for the silence, under TLS
    person.say("petra")
    person.hear("You are in lobby")
    where = f"127.0.0.1:{daemon.port}"
    s_client = daemon.run("openssl", "s_client", "-quiet", "-connect", where)
    s_client.say("osman", "hello from openssl")
    for client in (telnet, nc, person, s_client):
        client.hear("osman: hello from openssl")
    assert script.event("message")["from"] == "osman"
    daemon.stop()
    assert "The server is shutting down." in person.rest()


@pytest.mark.parametrize("offer", ["--http1.1", "--http2", "--no-alpn"])
def test_curl_gets_the_page_whatever_it_offers(secured: Secured, offer: str) -> None:
    url = f"https://127.0.0.1:{secured.daemon.port}/"
    trusted = str(secured.directory / "tls-certificate.pem")
    asked = [tool("curl"), "-sS", "--cacert", trusted, offer, "--max-time", "10", "-w", "\n%{http_code}", url]
    answer = subprocess.run(asked, capture_output=True, text=True)
    assert answer.stderr == ""
    assert answer.stdout.endswith("\n200")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(("irc",), "irc"), (("h2", "http/1.1"), "http/1.1"), (("irc", "http/1.1"), "http/1.1"), ((), None)],
)
def test_what_is_offered_by_alpn(secured: Secured, offered: tuple[str, ...], chosen: str | None) -> None:
    stream = secured.connect(*offered)
    assert isinstance(stream.socket, ssl.SSLSocket)
    assert stream.socket.selected_alpn_protocol() == chosen
    assert stream.socket.version() == "TLSv1.3"
    assert JsonClient(stream, "anna").request("ping") == {}


def test_sessions_are_not_resumed(secured: Secured) -> None:
    context = secured.context()

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        plain = socket.create_connection(("127.0.0.1", secured.daemon.port), timeout=PATIENCE_SECONDS)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as stream:
            JsonClient(SocketStream(stream)).request("ping")  # what the server says about sessions comes before it
            return stream.session, stream.session_reused

    session, _ = connect(None)
    assert connect(session)[1] is False


def test_who_speaks_only_http2_is_refused_by_name(secured: Secured) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        secured.connect("h2")
    secured.daemon.await_log("(tls) ended after 0.0 s: no TLS handshake: no protocol in common (ALPN)")


def _half_closing(secured: Secured, version: int) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(version)
    sock = socket.create_connection(("127.0.0.1", secured.daemon.port))
    sock.settimeout(None)
    connection = SSL.Connection(context, sock)
    connection.set_connect_state()
    connection.do_handshake()
    return connection


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_who_ends_its_half_still_gets_every_answer(secured: Secured, version: int) -> None:
    connection = _half_closing(secured, version)
    connection.sendall(b"nina\nhello\n/users\nlast line without its end")
    connection.shutdown()
    heard = b""
    with contextlib.suppress(SSL.ZeroReturnError):  # so it must end
        while True:
            heard += connection.recv(65_536)
    lines = heard.decode().splitlines()
    assert "nina: last line without its end" in lines
    assert lines[-1] == "Goodbye."
    connection.sock_shutdown(socket.SHUT_RDWR)
    connection.close()


def test_a_last_line_that_may_be_cut_off_does_not_count(secured: Secured) -> None:
    witness = secured.json("wanda")
    witness.request("join", room="lobby")
    stream = secured.connect()
    stream.send(b"nina\nI owe you 100\nI owe you 1")
    stream.socket.shutdown(socket.SHUT_WR)  # of TCP: no goodbye of TLS
    secured.daemon.await_log(" ended after ")
    assert [entry["text"] for entry in witness.request("history", room="lobby")["entries"]] == ["I owe you 100"]
    # Nobody has said goodbye: nina may come back.
    assert [user["name"] for user in witness.request("users")["users"]] == ["wanda", "nina"]
    stream.close()


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"\x16\x03\x01\x00\x05hello", "no TLS handshake: "),
        (b"\x16\x03" + b"\xff" * 300, "no TLS handshake: "),
        (b"\x16\x03\x01\x00\x00", "no TLS handshake: "),
        (b"\x16\x03\x01", "no TLS handshake: the peer ended the handshake"),
        (_hello()[:100], "no TLS handshake: the peer ended the handshake"),
        (_hello(), "no TLS handshake: the peer ended the handshake"),
    ],
    ids=["garbage", "more garbage", "empty record", "three bytes", "half a hello", "silence after a hello"],
)
def test_a_damaged_hello_is_closed_cleanly_and_is_one_line(secured: Secured, sent: bytes, logged: str) -> None:
    stream = secured.daemon.connect()
    stream.send(sent)
    stream.end()
    assert b"name" not in _ended(stream)
    secured.daemon.await_log("(tls) ended")
    ended = [line for line in secured.daemon.log.splitlines() if "ended after" in line]
    assert len(ended) == 1
    assert logged in ended[0]


def test_an_old_tls_is_told_so(secured: Secured) -> None:
    hello = struct.pack(">BHH", 0x16, 0x0301, 45) + struct.pack(">B3sH", 1, b"\0\0\x29", 0x0301)
    hello += os.urandom(32) + b"\0" + struct.pack(">HH", 2, 0x002F) + b"\1\0"
    stream = secured.daemon.connect()
    stream.send(hello)
    assert _ended(stream) == b"\x15\x03\x01\x00\x02\x02\x46"  # the alert protocol_version
    secured.daemon.await_log("(tls) ended after 0.0 s: no TLS handshake: unsupported protocol")


def test_tls_inside_tls_is_refused(secured: Secured) -> None:
    stream = secured.connect()
    stream.send(_hello())
    assert _ended(stream) == b""
    secured.daemon.await_log(": TLS inside TLS")


def test_a_hello_after_the_greeting_comes_too_late(secured: Secured) -> None:
    stream = secured.daemon.connect()
    assert b"name" in stream.receive(5)
    stream.send(_hello())
    assert b"\x16" not in _ended(stream)
    secured.daemon.await_log("TLS was begun after the greeting")


def test_thousands_of_damaged_hellos_leave_the_daemon_as_it_was(secured: Secured) -> None:
    chance = random.Random(1)
    hello = _hello()
    for _ in range(600):
        damaged = bytearray(hello)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(2, len(damaged))] = chance.randrange(256)
        cut = bytes(damaged[: chance.randrange(2, len(damaged) + 1)])
        sock = socket.create_connection(("127.0.0.1", secured.daemon.port), PATIENCE_SECONDS)
        with sock, contextlib.suppress(ConnectionError):
            sock.sendall(cut + os.urandom(chance.choice([0, 0, 50, 20_000])))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65_536):
                pass
    secured.json("nina").request("ping")
    eventually(lambda: secured.daemon.log.count(" ended after ") >= 600, lambda: secured.daemon.log[-2000:])
    assert "error" not in secured.daemon.log


def test_a_hello_without_end_is_cut_off(secured: Secured) -> None:
    """Many records, each a piece of one handshake message of 16 MiB."""
    stream = secured.daemon.connect()
    piece = b"\x16\x03\x01\x40\x00"
    with contextlib.suppress(ConnectionError):
        stream.send(piece + b"\x01\xff\xff\xff" + b"x" * 16_380)
        for _ in range(100):
            stream.send(piece + b"x" * 16_384)
    secured.daemon.await_log("no TLS handshake: ")


# Required.


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Secured]:
    with _secured(tmp_path, "--require-tls") as secured:
        yield secured


@pytest.mark.parametrize("sent", [b"", b"nina\nhello\n", b"\xff\xfb\x1f", b"n"])
def test_a_plain_person_is_told_that_tls_is_required(strict: Secured, sent: bytes) -> None:
    stream = strict.daemon.connect()
    stream.send(sent)
    assert _ended(stream) == b"This server wants TLS. Please connect again, with a client that speaks it.\r\n"
    assert strict.json("jason").request("users")["users"] == [{"name": "jason"}]


def test_a_plain_script_gets_an_error_with_a_code(strict: Secured) -> None:
    script = strict.daemon.json()
    script.send("login", name="jason")
    answer = script.read()
    assert answer["status"] == "error"
    assert answer["error"]["code"] == "tls-required"
    with pytest.raises(EOFError):
        script.read()


def test_http_gets_its_page_and_under_tls_all_is_as_ever(strict: Secured) -> None:
    browser = strict.daemon.connect()
    browser.send(b"GET / HTTP/1.1\r\n\r\n")
    page = _ended(browser)
    assert page.startswith(b"HTTP/1.1 404")
    assert b"speak to it under TLS" in page
    assert b"telnet" not in page
    nc = strict.daemon.run("nc", "-N", "127.0.0.1", str(strict.daemon.port))
    nc.stream.send(b"nina")
    nc.stream.end()
    assert len(nc.rest()) == 1
    person = TextClient(strict.connect())
    person.say("petra", "hello", "/quit")
    assert "petra: hello" in person.rest()


def test_over_a_unix_socket_tls_is_begun_in_place_as_well(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with (
        _secured(tmp_path, "--endpoint", f"unix:{path}", "--require-tls") as secured,
        socket.socket(socket.AF_UNIX) as s,
    ):
        s.connect(str(path))
        script = JsonClient(SocketStream(secured.context().wrap_socket(s, server_hostname="localhost")), "jason")
        assert script.request("ping") == {}
        script.close()


def test_behind_a_proxy_tls_is_begun_in_place_as_well(tmp_path: Path) -> None:
    with _secured(tmp_path, "--endpoint", "haproxy:tcp:0:interface=127.0.0.1") as secured:
        plain = socket.create_connection(("127.0.0.1", secured.daemon.ports[1]), timeout=PATIENCE_SECONDS)
        plain.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 3000\r\n")
        stream = SocketStream(secured.context().wrap_socket(plain, server_hostname="localhost"))
        assert JsonClient(stream, "jason").request("ping") == {}
        stream.close()
        secured.daemon.await_log("(json under TLS) ended")


# Certificates.


def _fails(tmp_path: Path, *options: str) -> str:
    command = [TWISTD, "-n", "--pidfile=", "tcpchat", "--port", "0", "--data", str(tmp_path / "data"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd=tmp_path)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    return line


def test_what_is_wrong_with_a_certificate_is_one_line_at_the_start(tmp_path: Path) -> None:
    one, other = issue("one.example"), issue("other.example")
    certificate, key = map(str, one.write(tmp_path / "one"))
    stranger = str(other.write(tmp_path / "other")[1])
    locked, empty = tmp_path / "locked.pem", tmp_path / "empty.pem"
    locked.write_bytes(one.key_pem(b"secret"))
    empty.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    pair = ("--tls-cert", certificate, "--tls-key")
    assert f"{stranger} does not belong to the certificate {certificate}" in _fails(tmp_path, *pair, stranger)
    assert "No such file" in _fails(tmp_path, *pair, "/nonexistent/key")
    assert "is encrypted" in _fails(tmp_path, *pair, str(locked))
    assert "no private key in" in _fails(tmp_path, "--tls-cert", certificate)
    assert "can't be read" in _fails(tmp_path, "--tls-cert", str(empty), "--tls-key", key)
    assert "--tls-key needs a certificate" in _fails(tmp_path, "--tls-key", key)
    assert "--tls-self-signed can't be given together" in _fails(tmp_path, *pair, key, "--tls-self-signed")
    assert "--require-tls needs a certificate" in _fails(tmp_path, "--require-tls")
    assert "is not of the form ssl:" in _fails(tmp_path, "--endpoint", "ssl:0")
    assert "not a directory" in _fails(tmp_path, "--endpoint", f"tls:{tmp_path}/nowhere:0")


def test_a_pair_of_ones_own_is_made_once(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--tls-self-signed") as daemon:
        file = daemon.data / "tls-certificate.pem"
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, daemon.data / "tls-key.pem")]
        assert modes == [0o600, 0o600]
        context = ssl.create_default_context(cafile=str(file))
        for name in ("localhost", "127.0.0.1", "::1"):
            with socket.create_connection(("127.0.0.1", daemon.port)) as plain:
                shown = context.wrap_socket(plain, server_hostname=name)
                fingerprint = hashlib.sha256(shown.getpeercert(binary_form=True) or b"").hexdigest()
                shown.close()
        assert f"SHA-256 fingerprint {fingerprint}" in daemon.log
        daemon.restart()
        assert f"SHA-256 fingerprint {fingerprint}" in daemon.log


def test_sighup_reads_a_new_certificate_and_drops_nobody(secured: Secured) -> None:
    clients = [secured.json("jason"), secured.daemon.json("petra")]
    new = issue(*_NAMES)
    new.write(secured.directory)
    secured.daemon.send_signal(signal.SIGHUP)
    secured.daemon.await_log(new.fingerprint)
    assert secured.shown() == new.fingerprint
    for client in clients:
        assert client.request("ping") == {}


def test_a_new_certificate_is_noticed(secured: Secured) -> None:
    client = secured.json("jason")
    new = issue(*_NAMES)
    new.write(secured.directory)
    secured.daemon.await_log(new.fingerprint)
    assert secured.shown() == new.fingerprint
    assert client.request("ping") == {}


@pytest.mark.parametrize("wrong", ["expired", "mismatched", "missing", "garbage"])
def test_a_bad_new_certificate_is_refused_and_the_old_one_stays(secured: Secured, wrong: str) -> None:
    client = secured.json("jason")
    certificate = secured.directory / "tls-certificate.pem"
    if wrong == "expired":
        issue(*_NAMES, days=(-2, -1)).write(secured.directory)
    elif wrong == "mismatched":
        certificate.write_bytes(issue(*_NAMES).pem())
    elif wrong == "missing":
        certificate.unlink()
    else:
        certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nrubbish")
    secured.daemon.send_signal(signal.SIGHUP)
    secured.daemon.await_log("the new certificate is refused, and the old one stays: ")
    assert str(certificate) in secured.daemon.log.splitlines()[-1]
    assert secured.shown() == secured.issued.fingerprint
    assert client.request("ping") == {}


def test_sighup_without_tls_does_no_harm(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        client = daemon.json("jason")
        daemon.send_signal(signal.SIGHUP)
        daemon.await_log("SIGHUP")
        assert client.request("ping") == {}


def test_an_expired_certificate_is_a_warning_at_the_start(tmp_path: Path) -> None:
    certificate, key = issue(*_NAMES, days=(-2, -1)).write(tmp_path / "pem")
    with Daemon(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as daemon:
        daemon.await_log(f"warn watch: the certificate {certificate} expired on ")


def test_a_directory_of_certificates_by_name(tmp_path: Path) -> None:
    directory = tmp_path / "pem"
    directory.mkdir()
    issued = {name: issue(name) for name in ("first.example", "*.wild.example", "apart.example")}
    for number, name in enumerate(("first.example", "*.wild.example")):
        (directory / f"{number}.pem").write_bytes(issued[name].key_pem() + issued[name].pem())
    issued["apart.example"].write(directory, "apart")
    with Daemon(tmp_path / "data", "--endpoint", f"tls:{directory}:0:interface=127.0.0.1", port=False) as daemon:

        def shown(name: str | None) -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_SECONDS) as plain:
                stream = context.wrap_socket(plain, server_hostname=name)
                JsonClient(SocketStream(stream)).request("ping")
                certificate = stream.getpeercert(binary_form=True) or b""
                stream.close()
            return hashlib.sha256(certificate).hexdigest()

        asked = {"first.example": None, "apart.example": None, "a.wild.example": "*.wild.example"}
        for name, known in asked.items():
            assert shown(name) == issued[known or name].fingerprint
        assert shown(None) == shown("else.example") == shown("a.b.wild.example") == issued["first.example"].fingerprint
        late = issue("late.example")
        (directory / "DEFAULT.pem").write_bytes(late.pem() + late.key_pem())
        daemon.send_signal(signal.SIGHUP)
        daemon.await_log(late.fingerprint)
        assert shown("late.example") == shown(None) == late.fingerprint
        assert "Traceback" not in daemon.log


def test_what_starts_with_tls_takes_nothing_else(tmp_path: Path) -> None:
    certificate, key = issue(*_NAMES).write(tmp_path / "pem")
    endpoint = f"ssl:0:privateKey={key}:certKey={certificate}"
    with Daemon(tmp_path / "data", "--endpoint", endpoint, port=False) as daemon:
        stream = daemon.connect()
        stream.send(b'{"op":"ping","id":1}\n')
        assert b"ping" not in _ended(stream)
        began = time.monotonic()
        hello = daemon.connect()
        hello.send(_hello())  # and then nothing
        assert hello.receive(5).startswith(b"\x16\x03\x03")
        daemon.stop()
        assert time.monotonic() - began < 3  # it doesn't hold up the end
        assert "Traceback" not in daemon.log
