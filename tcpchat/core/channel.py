"""What a connection knows of the channel that its bytes come by: what a proof may be bound to."""

from __future__ import annotations

import msgspec


class Channel(msgspec.Struct, frozen=True, gc=False):
    """How a session's bytes come and go.

    ``secure``: under TLS 1.2 or later. ``fingerprint``: the SHA-256 of the certificate that the peer has shown (of its
    DER), in 64 lower hexadecimal digits, or None; that it holds the key is proved, who has signed it is not looked at.
    ``exporter``: 32 bytes that only the two ends of this one TLS connection can know (``tls-exporter``, RFC 9266);
    None below TLS 1.3, where they are bound to the connection only under conditions that can't be seen from here.
    ``address``: where the peer is, as text (never IPv4 in its IPv6 form), ``local`` for a unix socket; ``trusted``: it
    is exempt from limits on speed.
    """

    secure: bool = False
    fingerprint: str | None = None
    exporter: bytes | None = None
    address: str = ""
    trusted: bool = False

    def __repr__(self) -> str:  # the exporter's value is nobody else's business, not even a log's
        return f"Channel(secure={self.secure}, fingerprint={self.fingerprint!r})"


PLAIN = Channel()
"""A connection without TLS."""
