"""What every response by HTTP says: what may be done with it, and not by which program it is."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from twisted.web.server import Request

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

# The same for what is written without a request's help.
SECURITY_LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items()).encode()


def secure(request: Request) -> None:
    """Give a response the headers that every response over HTTP has, and no name or version of a program."""
    request.responseHeaders.removeHeader(b"server")
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)


def answer(request: Request, status: int, text: str) -> bytes:
    """Return the body of a short answer in plain text that nobody keeps; sets status and headers."""
    secure(request)
    request.setResponseCode(status, HTTPStatus(status).phrase.encode())
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    request.setHeader("Cache-Control", "no-store")
    return f"{text}\n".encode()
