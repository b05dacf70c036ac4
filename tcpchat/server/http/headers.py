"""What every response by HTTP says: what may be done with it, not by which program it is; and short ones in full."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from twisted.web.server import Request

# Of RFC 9110: what reads, and has no body.
READING: Final = (b"GET", b"HEAD")
ALLOWED: Final = "GET, HEAD"

# What the page may load and do. "connect-src 'self'" is for the WebSocket: since CSP 3 'self' matches ws: and wss:
# on the page's own host and port. No markup can be made of a string (Trusted Types).
CONTENT_SECURITY_POLICY: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
))  # fmt: skip

# Strict-Transport-Security is not among them: it would be for all ports and programs of the host, so it is for the
# operator to say, at the proxy.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}

# As RFC 9110 has it, and Python since 3.13.
_PHRASES = {413: "Content Too Large"}
# Of the short ones.
_WORDS = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


def secure(request: Request) -> None:
    """Give a response the headers that every response over HTTP has, and no name or version of a program."""
    request.responseHeaders.removeHeader(b"server")
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)


def answer(request: Request, status: int, text: str) -> bytes:
    """Return the body of a short answer in plain text that nobody keeps; sets status and headers."""
    secure(request)
    request.setResponseCode(status, HTTPStatus(status).phrase.encode())
    for name, value in _WORDS.items():
        request.setHeader(name, value)
    return body(request, f"{text}\n".encode())


def body(request: Request, content: bytes) -> bytes:
    """Return what is sent of ``content``: to HEAD only its length (Twisted would log whatever such a request says)."""
    if request.method != b"HEAD":
        return content
    request.setHeader("Content-Length", str(len(content)))
    return b""


def last_answer(status: int, text: str, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Return a short answer in full, with ``more`` headers, for where there is no request; the connection ends."""
    content = f"{text}\n".encode()
    ending = {"Content-Length": str(len(content)), "Connection": "close"}
    headers = {**SECURITY_HEADERS, **_WORDS, **more, **ending}
    phrase = _PHRASES.get(status, HTTPStatus(status).phrase)
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content
