"""Any endpoint of Twisted: the same chat over a unix socket and under TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.certificates import issue
from tests.daemon import PATIENCE_SECONDS, Daemon, JsonClient, SocketStream, TextClient, tool


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return issue("127.0.0.1").write(tmp_path)[0]


@pytest.fixture
def tls_daemon(tmp_path: Path, certificate: Path) -> Iterator[Daemon]:
    key = certificate.with_name("tls-key.pem")
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    with Daemon(
        tmp_path / "data", "--endpoint", endpoint, "--tls-cert", str(certificate), "--tls-key", str(key)
    ) as running:
        yield running


def _connect_tls(daemon: Daemon, certificate: Path, port: int | None = None) -> SocketStream:
    """Return a connection under TLS; ``port`` is another one that leads there."""
    context = ssl.create_default_context(cafile=str(certificate))
    plain = socket.create_connection(("127.0.0.1", port or daemon.ports[1]), timeout=PATIENCE_SECONDS)
    return SocketStream(context.wrap_socket(plain, server_hostname="127.0.0.1"))


class Tap:
    """A port that leads to another one, and keeps what passes in either direction. Ends with its context."""

    def __init__(self, port: int) -> None:
        self._leads_to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.passed = b""
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        """Return when all that is connected has ended."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
        self._listener.close()

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # so ends the listener
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._leads_to))
                self._run(self._pass_on, client, server)
                self._run(self._pass_on, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError), source:
            while data := source.recv(65_536):
                with self._lock:
                    self.passed += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def _chat_in_secret(script: JsonClient, person: TextClient) -> None:
    """Let Secretia and Nosecret speak of secrets, one by one and many at once, and part."""
    script.request("login", name="Secretia")
    script.request("join", room="hideout")
    person.say("Nosecret", "/join hideout")
    person.hear("You are in hideout, with Secretia.")
    script.request("say", room="hideout", text="first secret")
    person.hear("first secret")
    asked = [script.line("say", room="hideout", text=f"secret number {number}") for number in range(300)]
    person.say(*(f"my own secret {number}" for number in range(300)))
    script.stream.send(b"".join(line for _, line in asked))
    assert {script.reply(identifier)["room"] for identifier, _ in asked} == {"hideout"}
    person.say("/quit")
    assert person.rest()[-1] == "Goodbye."
    script.request("quit")
    with pytest.raises(EOFError):
        script.read()


def test_people_and_scripts_chat_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with Daemon(tmp_path / "data", "--endpoint", f"unix:{path}", port=False) as daemon:
        assert daemon.ports == []
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            script = JsonClient(SocketStream(sock), "jason")
            script.request("join", room="lobby")
            nc = daemon.run("nc", "-N", "-U", str(path))
            nc.stream.send(b"nina\nhello")
            nc.stream.end()

            assert "nina: hello" in nc.rest()
            assert script.event("message")["text"] == "hello"


def test_everybody_chats_under_tls_with_those_on_the_plain_port(tls_daemon: Daemon, certificate: Path) -> None:
    plain = tls_daemon.json("petra")
    plain.request("join", room="lobby")
    script_stream, person_stream = _connect_tls(tls_daemon, certificate), _connect_tls(tls_daemon, certificate)
    try:
        script = JsonClient(script_stream, "jason")
        script.request("join", room="lobby")
        person = TextClient(person_stream)
        person.hear("What is your name?")
        person.say("nina", "hello", "/quit")
        lines = person.rest()
        assert "nina: hello" in lines
        assert lines[-1] == "Goodbye."
        assert script.request("say", room="lobby", text="hello nina")["seq"] == 2
    finally:
        script_stream.close()
        person_stream.close()
    heard = [plain.event("message"), plain.event("message")]
    assert [(event["from"], event["seq"], event["text"]) for event in heard] == [
        ("nina", 1, "hello"),
        ("jason", 2, "hello nina"),
    ]


@pytest.mark.parametrize(("port", "under_tls"), [(1, True), (0, True), (0, False)], ids=["ssl", "in place", "plain"])
def test_under_tls_nothing_that_is_said_passes_in_plain(
    tls_daemon: Daemon, certificate: Path, port: int, under_tls: bool
) -> None:
    """Without TLS the same is seen to pass: so the tap does hear."""
    with Tap(tls_daemon.ports[port]) as tap, contextlib.ExitStack() as streams:
        if under_tls:
            pair = [_connect_tls(tls_daemon, certificate, tap.port) for _ in range(2)]
        else:
            plain = [socket.create_connection(("127.0.0.1", tap.port), PATIENCE_SECONDS) for _ in range(2)]
            pair = [SocketStream(sock) for sock in plain]
        for stream in pair:
            streams.enter_context(contextlib.closing(stream))
        _chat_in_secret(JsonClient(pair[0]), TextClient(pair[1]))
    words = [b"Secretia", b"Nosecret", b"secret", b"hideout", b'"op"', b"message", b"Goodbye"]
    assert [word for word in words if word in tap.passed] == ([] if under_tls else words)
    assert len(tap.passed) > 100_000
    assert "Traceback" not in tls_daemon.log


@pytest.mark.parametrize("offer", ["--http1.1", "--http2", "--no-alpn"])
def test_curl_gets_the_page_under_tls_whatever_it_offers(tls_daemon: Daemon, certificate: Path, offer: str) -> None:
    url = f"https://127.0.0.1:{tls_daemon.ports[1]}/"
    asked = [tool("curl"), "-sS", "-k", offer, "--max-time", "10", "-w", "\n%{http_code} %{http_version}", url]
    answer = subprocess.run(asked, capture_output=True, text=True)
    assert answer.stderr == ""
    assert answer.stdout.endswith("\n200 1.1")
    assert answer.returncode == 0
