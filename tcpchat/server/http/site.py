"""What is there by HTTP: the page, its files, the way to WebSocket, and the state of the server."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tcpchat.core.hub import Hub
from tcpchat.core.limits import Limits
from tcpchat.server.http.assets import packaged
from tcpchat.server.http.channel import Visit
from tcpchat.server.http.headers import answer, secure
from tcpchat.server.http.names import WebNames

# Each message is compressed by itself, both ways: a stream that goes on would take 100 KiB of a connection.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, client_max_window_bits=12
)
# The parser takes pings within a message, and what compression adds, for parts of the message.
_SPARE_BYTES = 1024
_VERSION = "13"
_WAY = f"This is the way to WebSocket, version {_VERSION}."


class ChatSite(Site):
    """The pages of one server. ``names`` and what it says of itself may change while it runs."""

    displayTracebacks = False

    def __init__(self, hub: Hub, limits: Limits, clock: IReactorTime, names: WebNames = WebNames()) -> None:
        super().__init__(_Pages(self), reactor=clock)
        self.hub = hub
        self.limits = limits
        self.names = names
        self.websockets = 0

    def getResourceFor(self, request: Visit) -> IResource:
        """Return what a request is for."""
        secure(request)
        hosts = [value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(b"host", [])]
        if len(hosts) > 1 or (not hosts and request.clientproto == b"HTTP/1.1"):
            return _Text(400, "There must be one Host header.")
        if hosts and not self.names.has_host(hosts[0]):
            request.remark("it asked for another host than web_hosts has")
            return _Text(421, "This server has another name: the operator can add this one to web_hosts.")
        found: IResource = super().getResourceFor(request)
        return found

    def log(self, request: HttpRequest) -> None:
        """Keep no log of requests: connections are logged, and their addresses with them."""

    def full(self) -> bool:
        """Return whether there are as many WebSockets as there may be."""
        return self.websockets >= self.limits.websockets

    def opened(self) -> None:
        """Count a WebSocket."""
        self.websockets += 1

    def closed(self) -> None:
        """Count one less."""
        self.websockets -= 1


class _Pages(Resource):
    """The paths there are: what lives, and else the page and its files."""

    def __init__(self, site: ChatSite) -> None:
        super().__init__()
        self._site = site
        self._assets = packaged()

    def getChild(self, path: bytes, request: Request) -> IResource:
        """Return what is at ``path``."""
        if not request.postpath:
            if path == b"ws" or (not path and _wants_upgrade(request)):
                return _Socket(self._site)
            if path == b"healthz":
                return _Text(200, "alive")
            if path == b"readyz":
                unready = self._site.hub.unready
                return _Text(503, f"not ready: {unready}") if unready else _Text(200, "ready")
        found: IResource = self._assets.getChildWithDefault(path, request)
        return found


class _Text(Resource):
    """A few words."""

    isLeaf = True

    def __init__(self, status: int, text: str) -> None:
        super().__init__()
        self._status = status
        self._text = text

    def render_GET(self, request: Request) -> bytes:
        """Say them."""
        return answer(request, self._status, self._text)


class _Socket(Resource):
    """The way to WebSocket (RFC 6455 section 4.2)."""

    isLeaf = True

    def __init__(self, site: ChatSite) -> None:
        super().__init__()
        self._site = site

    def render_GET(self, request: Visit) -> bytes | int:
        """Go on with WebSocket, or say why not."""
        site = self._site
        try:
            headers = _headers(request)
        except InvalidHeader:
            text = "A header has characters that none may have (RFC 9110 section 5.5)."
            return _Text(400, text).render_GET(request)
        origins = headers.get_all("Origin")
        if not all(site.names.has_origin(origin, headers.get("Host", "")) for origin in origins):
            request.remark("a page from elsewhere wanted to connect, and is none of web_origins")
            text = "Pages from elsewhere may not connect: the operator can add them to web_origins."
            return _Text(403, text).render_GET(request)
        if site.full():
            request.remark("there are as many connections by WebSocket as there may be")
            request.setHeader("Retry-After", "10")
            return _Text(503, "The server is full. Please try again later.").render_GET(request)
        protocol = ServerProtocol(state=OPEN, extensions=[_DEFLATE], max_size=site.limits.line_bytes + _SPARE_BYTES)
        words = (word.decode("latin-1") for word in (request.path, request.method, request.clientproto))
        path, method, version = words
        response = protocol.accept(Handshake(path, headers, method, version))
        if response.status_code != 101:
            if any(other != _VERSION for other in headers.get_all("Sec-WebSocket-Version")):
                return self._other_version(request)
            if "Upgrade" in response.headers:
                _offer(request)
            if "Allow" in response.headers:
                request.setHeader("Allow", response.headers["Allow"])
            return _Text(response.status_code, _WAY).render_GET(request)
        request.upgrade(protocol, response.serialize())
        return NOT_DONE_YET

    def _other_version(self, request: Visit) -> bytes:
        """Say which version is spoken (RFC 6455 section 4.4)."""
        _offer(request)
        request.setHeader("Sec-WebSocket-Version", _VERSION)
        return _Text(426, _WAY).render_GET(request)


def _offer(request: Request) -> None:
    """Say what else is spoken here (RFC 9110 section 7.8), besides what the answer says of its connection."""
    request.setHeader("Upgrade", "websocket")
    request.responseHeaders.addRawHeader("Connection", "Upgrade")


def _wants_upgrade(request: Request) -> bool:
    upgrades: Iterable[bytes] = request.requestHeaders.getRawHeaders(b"upgrade", [])
    return any(b"websocket" in value.lower() for value in upgrades)


def _headers(request: Request) -> Headers:
    """Return the headers of a request. Raises `InvalidHeader`."""
    headers = Headers()
    for name, values in request.requestHeaders.getAllRawHeaders():
        for value in values:
            headers[name.decode("latin-1")] = value.decode("latin-1")
    return headers
