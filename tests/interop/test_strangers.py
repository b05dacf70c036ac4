"""What speaks something else is told so, or closed, and never reaches the chat."""

from __future__ import annotations

import ssl
import subprocess

import pytest

from tests.daemon import Daemon, JsonClient, tool


@pytest.fixture
def witness(daemon: Daemon) -> JsonClient:
    """Somebody in the lobby, whose events are all that happens there."""
    client = daemon.json("wanda")
    client.request("join", room="lobby")
    client.request("ping")
    client.events.clear()
    return client


def _nothing_reached_the_chat(witness: JsonClient) -> bool:
    users = witness.request("users")["users"]
    return not witness.events and len(users) == 1 and witness.request("history", room="lobby")["entries"] == []


def _curl(*arguments: str) -> str:
    return subprocess.run([tool("curl"), "-sS", "--max-time", "10", *arguments], capture_output=True, text=True).stdout


def test_curl_gets_pages_and_nothing_else(daemon: Daemon, witness: JsonClient) -> None:
    url = f"http://127.0.0.1:{daemon.port}/"
    page, status = _curl("-w", "\n%{http_code} %{content_type}", url).rsplit("\n", 1)
    assert status == "200 text/html; charset=utf-8"
    assert "<!doctype html>" in page
    assert _curl("-I", "-w", "%{http_code}", url).endswith("200")
    assert _curl("-w", "%{http_code}", f"{url}nowhere").endswith("404")
    chat = 'mallory\nhello\n{"op":"login","data":{"name":"mallory"}}\n'
    assert _curl("-w", "%{http_code}", "--data-binary", chat, url).endswith("405")
    assert _curl("-w", "%{http_code}", "-X", "PUT", "--data-binary", chat, url).endswith("405")
    assert _nothing_reached_the_chat(witness)


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "OPTIONS", "DELETE"])
def test_chat_lines_in_the_body_of_a_request_stay_there(daemon: Daemon, witness: JsonClient, verb: str) -> None:
    browser = daemon.connect()
    body = b'mallory\r\nhello\r\n{"op":"login","data":{"name":"mallory"}}\r\n{"op":"MSG","data":"hello"}\r\n'
    head = f"{verb} / HTTP/1.1\r\nHost: chat\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    browser.send(head[:3])
    browser.send(head[3:] + body)

    answer = b"".join(iter(lambda: browser.receive(5), b""))
    status = b"413 Content Too Large" if verb == "GET" else b"405 Method Not Allowed"
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert _nothing_reached_the_chat(witness)


def test_a_request_whose_body_comes_late_is_closed_cleanly(daemon: Daemon, witness: JsonClient) -> None:
    browser = daemon.connect()
    browser.send(b"POST / HTTP/1.1\r\nHost: chat\r\nContent-Length: 14\r\n\r\n")
    assert browser.receive(5).startswith(b"HTTP/1.1 405")
    browser.send(b"mallory\nhello\n")
    assert browser.receive(5) == b""
    assert _nothing_reached_the_chat(witness)


def test_a_tls_handshake_on_the_plain_port_is_closed_cleanly(daemon: Daemon, witness: JsonClient) -> None:
    ours = ssl.MemoryBIO()
    browser = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ours, server_hostname="chat.example")
    with pytest.raises(ssl.SSLWantReadError):
        browser.do_handshake()
    connection = daemon.connect()
    connection.send(ours.read())

    assert connection.receive(5) == b""  # an end, not a reset
    connection.end()
    daemon.await_log("TLS is not spoken here")
    assert _nothing_reached_the_chat(witness)


@pytest.mark.parametrize("late", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\nmallory\n"])
def test_who_was_greeted_for_its_silence_and_then_speaks_something_else_is_closed(
    daemon: Daemon, witness: JsonClient, late: bytes
) -> None:
    connection = daemon.connect()
    assert b"What is your name?" in connection.receive(5)
    connection.send(late)
    answer = b"".join(iter(lambda: connection.receive(5), b""))
    assert b"HTTP" not in answer
    daemon.await_log("is not spoken here")
    assert _nothing_reached_the_chat(witness)


@pytest.mark.parametrize("method", [b"CHAT", b"patch", b"PROPFIND", b"nina"])
def test_no_method_that_a_page_can_make_a_browser_send_is_taken_for_a_person(
    daemon: Daemon, witness: JsonClient, method: bytes
) -> None:
    browser = daemon.connect()
    browser.send(method + b" /?" + b"x" * 9_000)  # as long as the first segments
    browser.send(b" HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 30\r\n\r\nmallory\r\nI was never here\r\n")
    answer = b"".join(iter(lambda: browser.receive(5), b""))
    assert answer.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 431 "))
    assert _nothing_reached_the_chat(witness)


def test_the_log_says_why_a_browser_was_refused(daemon: Daemon) -> None:
    for request, reason in (
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "it asked for another host than web_hosts has"),
        (
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\n\r\n",
            "a page from elsewhere wanted to connect",
        ),
    ):
        browser = daemon.connect()
        browser.send(request)
        assert browser.receive(5).startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 403 "))
        browser.close()
        daemon.await_log(reason)
