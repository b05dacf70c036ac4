"""The page for browsers: its files, read once at the start, and how they may be kept, compressed and used.

The page itself is asked for anew each time and tells its version by its ETag. All other files have names made of what
is in them, so that a browser may keep them for ever; a new version has other names, and only the page knows them.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request

from tcpchat.server.http.headers import ALLOWED, READING, answer, body, secure

PAGE: Final = "index.html"
# By which the page refers to the other files; where they are.
FOLDER: Final = "static/"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
_HASH_DIGITS = 16
_ALWAYS_ASKED = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"


def package_files() -> dict[str, bytes]:
    """Return the files of the page by their names; blocks."""
    return {file.name: file.read_bytes() for file in files("tcpchat").joinpath("web").iterdir() if file.is_file()}


@cache
def packaged() -> Assets:
    """Return the page of this package; the first time it blocks, to read and compress it."""
    return Assets(package_files())


class NotFound(Resource):
    """What there is at every address where nothing is."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Say so, whatever the method."""
        return answer(request, http.NOT_FOUND, "There is no page here.")


class Assets(Resource):
    """The page at the root, and its files in a folder; nothing elsewhere."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        """``contents`` are files by their names (`package_files`); raises ValueError if they don't fit together."""
        super().__init__()
        names = {name: _hashed(name, content) for name, content in contents.items() if name != PAGE}
        page = _with_names(contents[PAGE].decode(), names)
        self.putChild(b"", _File(_Content.of(PAGE, page.encode(), _ALWAYS_ASKED)))
        folder = _Folder()
        self.putChild(FOLDER.rstrip("/").encode(), folder)
        for name, hashed in names.items():
            folder.putChild(hashed.encode(), _File(_Content.of(name, contents[name], _FOR_EVER)))

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return what is where nothing was put."""
        return NotFound()


class _Folder(NotFound):
    isLeaf = False

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self if not path else NotFound()


def _hashed(name: str, content: bytes) -> str:
    stem, _, kind = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]}.{kind}"


def _with_names(page: str, names: Mapping[str, str]) -> str:
    """Return the page with the files' hashed names; raises ValueError when it names none, or one that is not there."""
    for name, hashed in names.items():
        if f'"{FOLDER}{name}"' not in page:
            raise ValueError(f"the page does not refer to {name}")
        page = page.replace(f'"{FOLDER}{name}"', f'"{FOLDER}{hashed}"')
    if page.count(f'"{FOLDER}') != sum(page.count(f'"{FOLDER}{hashed}"') for hashed in names.values()):
        raise ValueError("the page refers to a file that is not there")
    return page


@dataclass(frozen=True, slots=True)
class _Content:
    """One file as it is sent: plain, and compressed where that is shorter."""

    kind: str
    caching: str
    tag: str
    plain: bytes
    zipped: bytes | None

    @classmethod
    def of(cls, name: str, plain: bytes, caching: str) -> _Content:
        """Return a file; raises KeyError for a kind of file that a page has no use for."""
        zipped = gzip.compress(plain, 9, mtime=0)
        tag = hashlib.sha256(plain).hexdigest()[:_HASH_DIGITS]
        kind = _TYPES[name[name.rindex(".") :]]
        return cls(kind, caching, tag, plain, zipped if len(zipped) < len(plain) else None)


class _File(Resource):
    isLeaf = True

    def __init__(self, content: _Content) -> None:
        super().__init__()
        self._content = content

    def render(self, request: Request) -> bytes:
        if request.postpath:
            return NotFound().render(request)
        if request.method not in READING:
            request.setHeader("Allow", ALLOWED)
            return answer(request, http.NOT_ALLOWED, "This can only be read, by GET or HEAD.")
        secure(request)
        return self._read(request)

    def _read(self, request: Request) -> bytes:
        content = self._content
        zipped = content.zipped if accepts_gzip(_header(request, b"Accept-Encoding")) else None
        # Other bytes have another tag (RFC 9110 section 8.8.3.3).
        tag = f'"{content.tag}-gzip"' if zipped is not None else f'"{content.tag}"'
        request.setHeader("Cache-Control", content.caching)
        request.setHeader("Vary", "Accept-Encoding")
        request.setHeader("ETag", tag)
        if names_tag(_header(request, b"If-None-Match"), tag):
            request.setResponseCode(http.NOT_MODIFIED)
            return b""
        request.setHeader("Content-Type", content.kind)
        if zipped is not None:
            request.setHeader("Content-Encoding", "gzip")
        return body(request, content.plain if zipped is None else zipped)


def _header(request: Request, name: bytes) -> str:
    """Return a header with all its values; it may hold any bytes."""
    values: Sequence[bytes] = request.requestHeaders.getRawHeaders(name, [])
    return b",".join(values).decode("latin-1")


def accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding lets a response be gzip (RFC 9110 section 12.5.3)."""
    weights: dict[str, bool] = {}
    for item in accepted.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding] = all(_wanted(parameter) for parameter in parameters)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def _wanted(parameter: str) -> bool:
    """Return whether a parameter is no weight of zero; a weight that can't be read is one."""
    name, _, weight = parameter.partition("=")
    try:
        return name.strip() != "q" or float(weight) > 0
    except ValueError:
        return False


def names_tag(condition: str, tag: str) -> bool:
    """Return whether an If-None-Match names ``tag``, which is ours and strong (RFC 9110 section 13.1.2)."""
    named = [item.strip().removeprefix("W/") for item in condition.split(",")]
    return tag in named or named == ["*"]
