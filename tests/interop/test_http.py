"""HTTP on the one port: what is answered how, and that nothing that is wrong hurts anybody else."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.certificates import issue
from tests.daemon import Daemon, JsonClient, SocketStream, eventually, tool
from tests.interop.rawwebsocket import CLOSE, KEY, PING, TEXT, RawWebSocket, encode, handshake

_GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
_SMUGGLED = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]+\r\n(.*?)\r\n\r\n", re.DOTALL)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all that leave nothing behind."""
    options = ("--web-host", "chat.example.org", "--web-origin", "https://pages.example.org")
    with Daemon(tmp_path_factory.mktemp("http") / "data", *options) as daemon:
        yield daemon
        assert "Traceback" not in daemon.log


@pytest.fixture
def witness(shared: Daemon) -> Iterator[JsonClient]:
    """Somebody who talks meanwhile, and hears of nothing else."""
    wanda = shared.json("wanda")
    wanda.request("join", room="lobby", last=0)
    wanda.request("say", room="lobby", text="hello")
    wanda.request("ping")
    wanda.events.clear()
    yield wanda
    assert wanda.request("ping") == {}
    assert [event["op"] for event in wanda.events] == []
    assert [user["name"] for user in wanda.request("users")["users"]] == ["wanda"]
    wanda.request("quit")
    wanda.close()


def _read_to_end(stream: SocketStream) -> bytes:
    received = b""
    with suppress(ConnectionResetError):  # after the answer: what else we sent was not read
        while chunk := stream.receive(20):
            received += chunk
    return received


def _answers(received: bytes, *, bodies: bool = True) -> list[Answer]:
    answers = []
    while received:
        found = _ANSWER.match(received)
        assert found is not None, received
        pairs = [line.split(": ", 1) for line in found[2].decode().split("\r\n")]
        headers = {name.lower(): value for name, value in pairs}
        end = found.end() + (int(headers.get("content-length", 0)) if bodies else 0)
        answers.append(Answer(int(found[1]), headers, received[found.end() : end].decode()))
        received = received[end:]
    return answers


def _ask(daemon: Daemon, *pieces: bytes, bodies: bool = True) -> list[Answer]:
    """Send requests, the last of which ends the connection, and return the answers."""
    stream = daemon.connect()
    with suppress(ConnectionError):
        for piece in pieces:
            stream.send(piece)
    answers = _answers(_read_to_end(stream), bodies=bodies)
    stream.close()
    return answers


def _statuses(daemon: Daemon, *pieces: bytes) -> list[int]:
    return [answer.status for answer in _ask(daemon, *pieces)]


def test_pages_are_answered_one_after_the_other(shared: Daemon, witness: JsonClient) -> None:
    paths = ("/", "/healthz", "/readyz", "/nowhere", "/healthz/more", "/%2e%2e/etc/passwd", "/healthz?a=b")
    requests = b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths)
    answers = _ask(shared, requests + _LAST)
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 404, 404, 200, 200]
    assert answers[1].body == "alive\n"
    assert answers[2].body == "ready\n"
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] in ("no-cache", "no-store")


def test_head_is_answered_as_get_without_the_body(shared: Daemon, witness: JsonClient) -> None:
    (head,) = _ask(shared, _LAST.replace(b"GET", b"HEAD"), bodies=False)
    (get,) = _ask(shared, _LAST)
    assert (head.status, head.body) == (200, "")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


def _with_host(*hosts: str) -> bytes:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    return f"GET /healthz HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (("localhost:3000",), 200),
        (("127.0.0.1",), 200),
        (("[::1]:3000",), 200),
        (("chat.example.org",), 200),
        (("CHAT.example.org.:443",), 200),
        (("evil.example",), 421),
        (("localhost.evil.example",), 421),
        (("localhost@evil.example",), 421),
        (("evil.example:80:localhost",), 421),
        (("",), 421),
        (("localhost", "localhost"), 400),
        (("localhost", "evil.example"), 400),
        ((), 400),
    ],
)
def test_the_host_must_be_one_of_ours(shared: Daemon, witness: JsonClient, hosts: tuple[str, ...], status: int) -> None:
    assert _statuses(shared, _with_host(*hosts)) == [status]
    upgrade = handshake(Host=hosts[0] if hosts else None)
    if len(hosts) == 1 and status != 200:
        stream = shared.connect()
        stream.send(upgrade)
        assert stream.receive(20).startswith(b"HTTP/1.1 %d " % status)
        stream.close()


def test_http_1_0_needs_no_host(shared: Daemon, witness: JsonClient) -> None:
    (answer,) = _ask(shared, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.body) == (200, "alive\n")


_MANY = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 500) for number in range(40))
_COUNTLESS = b"".join(b"X-%d: x\r\n" % number for number in range(150))


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 48\r\n\r\n", [405], id="POST"),
        pytest.param(_GET.replace(b"GET", b"PUT") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [405], id="PUT"),
        pytest.param(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", [405], id="DELETE"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", [405], id="OPTIONS"),
        pytest.param(b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", [405], id="CONNECT"),
        pytest.param(b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", [405], id="TRACE"),
        pytest.param(b"PATCH / HTTP/1.1\r\nHost: localhost\r\n\r\n", [405], id="PATCH"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], id="HTTP/2"),
        pytest.param(_GET + b"Content-Length: 48\r\n\r\n", [413], id="a body"),
        pytest.param(_GET + b"Content-Length: 99999999999999999999\r\n\r\n", [413], id="a huge body"),
        pytest.param(_GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], id="chunks"),
        pytest.param(_GET + b"Content-Length: 0\r\n\r\n" + _LAST, [200, 200], id="an empty body"),
        pytest.param(_GET + b"Content-Length: 0\r\nContent-Length: 48\r\n\r\n", [400], id="two lengths"),
        pytest.param(_GET + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", [400], id="a length twice"),
        pytest.param(_GET + b"Content-Length: 0, 48\r\n\r\n", [400], id="a list of lengths"),
        pytest.param(_GET + b"Content-Length: +48\r\n\r\n", [400], id="a length with a sign"),
        pytest.param(_GET + b"Content-Length: 0x30\r\n\r\n", [400], id="a length in hex"),
        pytest.param(_GET + b"Content-Length: -1\r\n\r\n", [400], id="a negative length"),
        pytest.param(_GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], id="CL.TE"),
        pytest.param(_GET + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", [400], id="TE.CL"),
        pytest.param(_GET + b"Transfer-Encoding: identity\r\n\r\n", [400], id="identity"),
        pytest.param(_GET + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", [400], id="a length too long to read"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", [400], id="GET *"),
        pytest.param(b"GET xws HTTP/1.1\r\nHost: localhost\r\n\r\n", [400], id="no slash"),
        pytest.param(_GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400], id="another encoding"),
        pytest.param(_GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [400], id="two encodings"),
        pytest.param(_GET + b"Content-Length : 48\r\n\r\n", [400], id="a space before the colon"),
        pytest.param(_GET + b"no colon\r\n\r\n", [400], id="no colon"),
        pytest.param(_GET + b"X: a\x00b\r\n\r\n", [400], id="NUL in a header"),
        pytest.param(_GET + b"X: a\nHost: evil.example\r\n\r\n", [400], id="LF in a header"),
        pytest.param(_GET + b"X: a\rb\r\n\r\n", [400], id="CR in a header"),
        pytest.param(b"GET /healthz\r\n\r\n", [400], id="HTTP/0.9"),
        pytest.param(b"GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n", [400], id="HTTP/3.0"),
        pytest.param(b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", [400], id="no path"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", [400], id="NUL in the path"),
        pytest.param(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", [431], id="a long path"),
        pytest.param(_GET + b"X: " + b"x" * 20_000 + b"\r\n\r\n", [431], id="a long header"),
        pytest.param(_GET + b"X: " + b"x" * 20_000, [431], id="a header without an end"),
        pytest.param(_GET + _MANY + b"\r\n", [431], id="long headers"),
        pytest.param(_GET + _COUNTLESS + b"\r\n", [431], id="many headers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_after_it_is_read(
    shared: Daemon, witness: JsonClient, request_: bytes, statuses: list[int]
) -> None:
    assert _statuses(shared, request_ + _SMUGGLED) == statuses
    assert _statuses(shared, request_, _SMUGGLED) == statuses


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "https://pages.example.org.evil.example"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": "too short"}, 400),
        ({"Sec_WebSocket_Version": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": "13\r\nSec-WebSocket-Version: 8"}, 426),
        ({"Sec_WebSocket_Key": f"{KEY}\r\nSec-WebSocket-Key: {KEY}"}, 400),
        ({"Upgrade": None}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": None}, 426),
        ({"Connection": "close"}, 426),
        ({"Content_Length": "5"}, 413),
    ],
)
def test_a_handshake_that_is_wrong_is_refused(
    shared: Daemon, witness: JsonClient, headers: dict[str, str | None], status: int
) -> None:
    stream = shared.connect()
    stream.send(handshake(**headers))
    answer = stream.receive(20)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"101" not in answer
    if status == 426 and "Sec_WebSocket_Version" in headers:
        assert b"sec-websocket-version: 13\r\n" in answer.lower()
    stream.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:3000", "Host": "127.0.0.1:3000"},
        {"Origin": "https://chat.example.org", "Host": "chat.example.org"},
        {"Origin": "https://pages.example.org"},
        {"Connection": "keep-alive, Upgrade"},
        {"Upgrade": "WebSocket"},
        {"Sec_WebSocket_Extensions": "permessage-deflate; server_max_window_bits=99"},
        {"Sec_WebSocket_Extensions": "x-webkit-deflate-frame"},
        {"Sec_WebSocket_Protocol": "chat"},
    ],
)
def test_a_handshake_that_is_right_is_taken(shared: Daemon, witness: JsonClient, headers: dict[str, str]) -> None:
    stream = shared.connect()
    stream.send(handshake(**headers) + encode(PING, b"there?"))
    head, _, rest = _until(stream, b"there?").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Extensions" not in head
    assert b"Sec-WebSocket-Protocol" not in head
    assert rest == b"\x8a\x06there?"
    stream.close()


def _until(stream: SocketStream, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        chunk = stream.receive(20)
        assert chunk, received
        received += chunk
    return received


@pytest.mark.parametrize("path", ["/ws", "/", "/ws?from=page"])
def test_a_handshake_may_come_byte_by_byte_with_pages_before_it_and_frames_behind_it(
    shared: Daemon, witness: JsonClient, path: str
) -> None:
    ping = encode(TEXT, b'{"op":"ping","id":1}')
    everything = _GET + b"\r\n" + _SMUGGLED + handshake(path) + encode(PING, b"end") + ping
    for size in (1, 7, len(everything)):
        stream = shared.connect()
        for start in range(0, len(everything), size):
            stream.send(everything[start : start + size])
        received = _until(stream, b'"status":"ok","data":{}}')
        assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", received)] == [200, 200, 101]
        assert received.rpartition(b"\r\n\r\n")[2].startswith(b"\x8a\x03end\x81")  # pings don't wait
        stream.close()


def test_a_request_that_does_not_end_in_time_gets_408(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_HTTP_SECONDS": "1"}) as daemon:
        began = time.monotonic()
        assert _statuses(daemon, _GET) == [408]
        stream = daemon.connect()
        stream.send(b"GET / HTTP/1.1\r\n")
        sent = 0
        with suppress(ConnectionError):
            while b"408" not in _glance(stream):
                stream.send(b"X-%d: x\r\n" % sent)
                sent += 1
        assert sent < 200
        stream.close()
        idle = daemon.connect()
        idle.send(_GET + b"\r\n")
        assert [answer.status for answer in _answers(_read_to_end(idle))] == [200]  # and then an end, without a word
        assert time.monotonic() - began < 15
        assert "Traceback" not in daemon.log


def _glance(stream: SocketStream) -> bytes:
    try:
        return stream.receive(0.1)
    except TimeoutError:
        return b""


@pytest.mark.parametrize("trusted", ["127.0.0.1/32", "192.0.2.0/24"])
def test_who_reads_late_gets_all_answers_also_after_the_end_of_its_half(tmp_path: Path, trusted: str) -> None:
    with Daemon(tmp_path / "data", "--trust", trusted) as daemon:
        found = re.search(r'"(static/chat\.[^"]+)"', _ask(daemon, _LAST.replace(b"/healthz", b"/"))[0].body)
        assert found is not None
        one = f"GET /{found[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        stream = daemon.connect(receive_buffer=1 << 17)
        stream.send(one * 800)  # more than the kernel keeps of answers
        stream.end()
        assert _statuses(daemon, _LAST) == [200]
        assert [answer.status for answer in _answers(_read_to_end(stream))] == [200] * 800
        assert "Traceback" not in daemon.log


def test_no_more_than_the_most_connections(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_WEBSOCKETS": "2"}) as daemon:
        first, second = RawWebSocket(daemon.connect(), "one"), RawWebSocket(daemon.connect(), "two")
        stream = daemon.connect()
        stream.send(handshake())
        (answer,) = _answers(_until(stream, b"try again later.\n"))
        assert answer.status == 503
        assert answer.headers["retry-after"] == "10"
        assert _statuses(daemon, _LAST) == [200]
        assert daemon.json("jason").request("ping") == {}
        second.send(encode(CLOSE, b"\x03\xe8"))
        assert second.read_to_end()[-1].code == 1000
        third = RawWebSocket(daemon.connect(), "three")
        third.stream.close()  # torn
        eventually(lambda: daemon.log.count("(websocket) ended") == 2, lambda: daemon.log)
        RawWebSocket(daemon.connect(), "four")
        assert first.request("ping") == {}


def test_a_connection_that_waits_for_a_place_is_not_closed(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_WEBSOCKETS": "1"}) as daemon:
        first = RawWebSocket(daemon.connect(), "one")
        stream = daemon.connect()
        stream.send(handshake())
        assert b" 503 " in _until(stream, b"try again later.\n")
        first.send(encode(CLOSE))
        first.read_to_end()
        stream.send(handshake())
        assert b" 101 " in stream.receive(20)


def test_curl_over_tls_and_without(tmp_path: Path) -> None:
    certificate, key = issue("127.0.0.1", "localhost").write(tmp_path / "pem")
    with Daemon(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as daemon:
        for scheme in ("http", "https"):
            for path, said in (("healthz", "alive"), ("readyz", "ready")):
                url = f"{scheme}://localhost:{daemon.port}/{path}"
                command = [tool("curl"), "-sS", "--max-time", "10", "--cacert", str(certificate), "-w", "%{http_code}"]
                shown = subprocess.run([*command, url], capture_output=True, text=True).stdout
                assert shown == f"{said}\n200"
        assert "Traceback" not in daemon.log


def test_what_is_not_http_has_no_way_around(shared: Daemon, witness: JsonClient) -> None:
    """Chat lines behind a request, as a page could have them sent, are never a person's nor a program's."""
    lines = b'mallory\r\nhello\r\n{"op":"login","data":{"name":"mallory"}}\r\n{"op":"msg","data":"hello"}\r\n'
    for verb in (b"GET", b"POST", b"PUT"):
        request = verb + b" / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(lines)
        assert _statuses(shared, request + lines) in ([405], [413])
    stream = shared.connect()
    stream.send(handshake() + lines)
    received = _read_to_end(stream)
    assert received.startswith(b"HTTP/1.1 101 ")
    assert received.rpartition(b"\r\n\r\n")[2][2:4] == (1002).to_bytes(2)
