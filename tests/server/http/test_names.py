"""As whom the server answers: a Host that means it, as RFC 9110 section 7.2 writes one."""

from __future__ import annotations

import pytest

from tcpchat.server.http.names import WebNames

NAMES = WebNames(frozenset({"chat.example.org"}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "localhost:3000",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:3000",
        "[2001:DB8::1]:",
        "[::ffff:192.0.2.1]",
        "chat.example.org",
        "Chat.Example.Org.:443",
    ],
)
def test_addresses_localhost_and_our_names_are_ours(host: str) -> None:
    assert NAMES.has_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "evil.example",
        "[::1%evil]",
        "[::1%25evil]",
        "[fe80::1%eth0]:80",
        "[::1]80",
        "[::1]x:80",
        "[::1",
        "::1",
        "[localhost]",
        "[127.0.0.1]",
        "[chat.example.org]",
        "[::1].",
        "[[::1]]",
        "localhost]",
        "localhost:80:80",
        "localhost::80",
        "localhost:+80",
        "localhost:٣",
        "localhost:80 ",
        "localhost\n",
        "localhost:80\n",
        "localhost..",
        "user@localhost",
        "127.0.0.1@evil.example",
        "127.1",
        "0x7f000001",
        "localhost,localhost",
        "chat.example.org/",
    ],
)
def test_nothing_else_is(host: str) -> None:
    assert not NAMES.has_host(host)
