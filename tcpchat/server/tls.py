"""The TLS that the daemon speaks: one context that can be read anew while it is in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from OpenSSL import SSL

from tcpchat.server.certificates import BadCertificate, Pair, Source, Stamp

ALPN = (b"http/1.1", b"irc")
"""What is offered (RFC 7301), the preferred first. Never ``h2``, which is not spoken here."""

# RFC 9325 section 4.2: forward secrecy and authenticated encryption. TLS 1.3 has no others.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
# Belongs to sessions that are resumed; OpenSSL wants one as soon as certificates are asked for.
_SESSION_CONTEXT = b"tcpchat"


@dataclass(frozen=True, slots=True)
class Security:
    """What a port does about TLS.

    ``tls``: what it begins TLS with, None for never; ``at_once``: from the first byte, otherwise when the first bytes
    are a ClientHello. ``required``: without TLS a peer is only told that it is wanted.
    """

    tls: TlsContext | None = None
    at_once: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Contexts for one state of the files."""

    default: SSL.Context
    pairs: tuple[Pair, ...]


@dataclass(slots=True)
class _Kept:
    """What is kept with one connection: its contexts, and how often it has dealt with messages of TLS itself."""

    loaded: _Loaded
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What came of looking at the files: words for the log. ``refused``: the old certificate stays in use."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    refused: str | None = None


class TlsContext:
    """TLS 1.2 and 1.3 with the certificates of one source; raises `BadCertificate` when they can't be used.

    A client is asked for a certificate and needs none; any is accepted, as long as the client holds its key. One that
    offers protocols (ALPN) and none of ours is refused, as RFC 7301 section 3.2 asks for. Sessions are not resumed:
    connections are few and long here, and tickets would outlive the certificate.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stamp: Stamp = source.stamp()
        self._loaded = _load(source)

    def connection(self) -> SSL.Connection:
        """Return the server's side of a new connection, which reads and writes memory."""
        loaded = self._loaded
        connection = SSL.Connection(loaded.default)
        # OpenSSL calls back into what was loaded, and a reload in the middle of the handshake would free it.
        connection.set_app_data(_Kept(loaded))
        connection.set_accept_state()
        return connection

    def describe(self) -> Look:
        """Return what is in use."""
        return _describe(self._loaded.pairs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the times of the certificates in use, or soon will be."""
        return self.describe().warnings

    def look(self, *, forced: bool = False) -> Look | None:
        """Read the files anew if they have changed, or ``forced``; None if they haven't. Blocks; any thread may call.

        What can't be used, an expired certificate included, changes nothing, and is said once.
        """
        stamp = self._source.stamp()
        if stamp == self._stamp and not forced:
            return None
        self._stamp = stamp
        try:
            loaded = _load(self._source)
            for pair in loaded.pairs:
                if complaint := pair.complaint(datetime.now(UTC)):
                    raise BadCertificate(complaint)
        except BadCertificate as error:
            return Look((), refused=str(error))
        self._loaded = loaded
        return _describe(loaded.pairs)


def _describe(pairs: Iterable[Pair]) -> Look:
    now = datetime.now(UTC)
    return Look(
        tuple(
            f"TLS has the certificate {pair.file}, valid until {pair.leaf.not_valid_after_utc:%Y-%m-%d}, "
            f"SHA-256 fingerprint {pair.fingerprint}"
            for pair in pairs
        ),
        tuple(warning for pair in pairs if (warning := pair.warning(now))),
    )


def _load(source: Source) -> _Loaded:
    pairs = source.read()
    contexts = [_context(pair) for pair in pairs]
    by_name: dict[str, tuple[datetime, SSL.Context]] = {}
    for pair, context in zip(pairs, contexts, strict=True):
        until = pair.leaf.not_valid_after_utc
        for name in pair.names:
            if name not in by_name or by_name[name][0] < until:
                by_name[name] = (until, context)

    def choose(connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        found = by_name.get(name) or by_name.get(f"*.{name.partition('.')[2]}")
        if found is not None:
            connection.set_context(found[1])

    if len(pairs) > 1:
        contexts[0].set_tlsext_servername_callback(choose)
    return _Loaded(contexts[0], tuple(pairs))


def _context(pair: Pair) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KiB less for each idle connection
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_CONTEXT)
    context.set_cipher_list(_CIPHERS)
    context.set_verify(SSL.VERIFY_PEER, _accept_any)
    context.set_alpn_select_callback(_choose_protocol)
    context.set_info_callback(_count_step)
    try:
        context.use_certificate(pair.leaf)
        for certificate in pair.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(pair.key)
        context.check_privatekey()
    except SSL.Error as error:
        raise BadCertificate(f"the certificate {pair.file} can't be used: {reason_of(error)}") from None
    return context


def _accept_any(connection: SSL.Connection, certificate: object, error: int, depth: int, valid: int) -> bool:
    return True  # its fingerprint is what counts, and OpenSSL sees to it that the client has the key


def steps_of(connection: SSL.Connection) -> int:
    """Return how often a connection of `TlsContext` has dealt with messages of TLS itself, in its handshake and since.

    What the peer says above TLS is not counted; such a message counts once or twice.
    """
    kept: _Kept = connection.get_app_data()
    return kept.steps


def _count_step(connection: SSL.Connection, where: int, value: int) -> None:
    if where == SSL.SSL_CB_ACCEPT_EXIT:
        connection.get_app_data().steps += 1


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    for protocol in ALPN:
        if protocol in offered:
            return protocol
    # An exception makes the fatal alert no_application_protocol of it.
    raise SSL.Error([("", "", "no protocol in common (ALPN)")])


def reason_of(error: SSL.Error) -> str:
    """Return in a few words what OpenSSL says."""
    try:
        return str(error.args[0][-1][2]) or "no reason given"
    except (IndexError, TypeError):
        return "the connection broke"
