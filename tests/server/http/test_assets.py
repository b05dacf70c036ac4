"""The page's files over HTTP: their names, how long they are kept, compression, and what every response says."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from tcpchat.server.http.assets import Assets, accepts_gzip, names_tag, package_files
from tcpchat.server.http.headers import SECURITY_HEADERS

FOR_EVER = "public, max-age=31536000, immutable"
SCRIPT = b"// a script\n" * 50
FILES = {
    "index.html": b'<!doctype html><title>page</title><script src="static/chat.js"></script>'
    b'<link rel="stylesheet" href="static/style.css"><p>static/chat.js</p>' + b"<p>and so on</p>" * 20,
    "chat.js": SCRIPT,
    "style.css": b"b{}",
}
CHAT = f"/static/chat.{hashlib.sha256(SCRIPT).hexdigest()[:16]}.js"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class Visitor:
    """Asks the site that is made of ``files``, each time on a connection of its own."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.site: Site = Site(Assets(FILES if files is None else files), reactor=Clock())

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
        lines = [f"{method} {path} HTTP/1.1", "Host: chat.example", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        channel = self.site.buildProtocol(None)
        transport = StringTransport()
        assert channel is not None
        channel.makeConnection(transport)
        channel.dataReceived("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        head, _, content = transport.value().partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        fields = [line.split(": ", 1) for line in rest]
        assert len({name.lower() for name, _ in fields}) == len(fields), "a header twice"
        return Response(int(first.split()[1]), {name.lower(): value for name, value in fields}, content)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


def test_the_page_is_asked_for_anew_and_names_its_files_by_what_is_in_them(visitor: Visitor) -> None:
    page = visitor.ask("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assert f'src="{CHAT[1:]}"'.encode() in page.body
    assert re.search(rb'href="static/style\.[0-9a-f]{16}\.css"', page.body)
    assert b"<p>static/chat.js</p>" in page.body, "what is no reference stays"
    assert page.headers["content-length"] == str(len(page.body))


def test_a_file_is_kept_for_ever_under_a_name_that_changes_with_it(visitor: Visitor) -> None:
    script = visitor.ask(CHAT)
    assert (script.status, script.body) == (200, SCRIPT)
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == FOR_EVER
    newer = Visitor({**FILES, "chat.js": SCRIPT + b"//"})
    assert newer.ask(CHAT).status == 404
    assert newer.ask("/").headers["etag"] != visitor.ask("/").headers["etag"]


@pytest.mark.parametrize("path", ["/", CHAT])
def test_who_has_it_already_is_told_so_without_it(visitor: Visitor, path: str) -> None:
    tag = visitor.ask(path).headers["etag"]
    for condition in (tag, f'"other", W/{tag}', "*"):
        again = visitor.ask(path, If_None_Match=condition)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == visitor.ask(path).headers["cache-control"]
        assert "content-type" not in again.headers
    assert visitor.ask(path, If_None_Match='"other"').status == 200


@pytest.mark.parametrize("path", ["/", CHAT])
def test_who_takes_gzip_gets_it_under_another_tag(visitor: Visitor, path: str) -> None:
    plain, zipped = visitor.ask(path), visitor.ask(path, Accept_Encoding="br, gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["content-length"] == str(len(zipped.body))
    assert len(zipped.body) < len(plain.body)
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == zipped.headers["vary"] == "Accept-Encoding"
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert visitor.ask(path, Accept_Encoding="gzip", If_None_Match=zipped.headers["etag"]).status == 304


def test_what_gzip_makes_longer_is_sent_as_it_is(visitor: Visitor) -> None:
    style = re.search(rb'href="(static/style[^"]+)"', visitor.ask("/").body)
    assert style is not None
    response = visitor.ask(f"/{style[1].decode()}", Accept_Encoding="gzip")
    assert response.body == b"b{}"
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("gzip", True),
        ("GZIP;Q=1.0", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=0.1", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("gzip;q=x", False),
    ],
)
def test_a_weight_of_zero_is_a_no(accepted: str, wanted: bool) -> None:
    assert accepts_gzip(accepted) is wanted


def test_a_header_of_odd_bytes_asks_for_nothing(visitor: Visitor) -> None:
    response = visitor.ask("/", Accept_Encoding="\xff, \xc3", If_None_Match='"\xe9"')
    assert response.status == 200
    assert "content-encoding" not in response.headers


def test_a_tag_is_compared_whole() -> None:
    assert names_tag('W/"a", "b"', '"a"')
    assert not names_tag('"ab"', '"a"')
    assert not names_tag("", '"a"')


@pytest.mark.parametrize("path", ["/", CHAT, "/nothing"])
def test_head_is_get_without_the_body(visitor: Visitor, path: str) -> None:
    got, head = visitor.ask(path), visitor.ask(path, "HEAD")
    assert (head.status, head.body) == (got.status, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize("path", ["/", CHAT])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_nothing_but_reading_is_allowed(visitor: Visitor, path: str, method: str) -> None:
    response = visitor.ask(path, method, b"text=hello")
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.body == b"This can only be read, by GET or HEAD.\n"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/index.html",
        "/chat.js",
        "/static",
        "/static/",
        "/static/chat.js",
        "/static/../index.html",
        "/static/%2e%2e/setup.py",
        f"{CHAT}/",
        f"{CHAT}/more",
        "//nothing",
        "/%00",
    ],
)
def test_elsewhere_is_nothing(visitor: Visitor, path: str) -> None:
    response = visitor.ask(path)
    assert (response.status, response.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert response.body == b"There is no page here.\n"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "GET"), ("/", "HEAD"), ("/", "POST"), (CHAT, "GET"), ("/nothing", "GET"), ("/x/y", "PUT")],
)
def test_every_response_says_what_may_be_done_with_it_and_not_by_whom_it_is(
    visitor: Visitor, path: str, method: str
) -> None:
    headers = visitor.ask(path, method).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name.lower()] == value
    assert "server" not in headers
    assert not re.search("twisted|python", str(headers), re.IGNORECASE)


def test_unmodified_is_secured_too(visitor: Visitor) -> None:
    assert "content-security-policy" in visitor.ask("/", If_None_Match="*").headers


@pytest.mark.parametrize(
    ("page", "others"),
    [(b"<p>none</p>", {"chat.js": b""}), (b'<script src="static/gone.js"></script>', {})],
)
def test_a_page_and_files_that_do_not_belong_together_are_refused(page: bytes, others: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="the page"):
        Assets({"index.html": page, **others})


class Inline(HTMLParser):
    """Finds what a strict policy would not let run or load, and what refers to elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("style", "base", "iframe", "object", "embed") or (tag == "script" and "src" not in given):
            self.wrong.append(tag)
        self.wrong += [name for name in given if name == "style" or name.startswith("on")]
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_our_page_holds_no_code_and_loads_only_its_own_files() -> None:
    files = package_files()
    page = Inline()
    page.feed(files["index.html"].decode())
    assert page.wrong == []
    assert sorted(page.loaded) == sorted(f"static/{name}" for name in files if name != "index.html")
    assert Visitor(files).ask("/").status == 200


@pytest.mark.parametrize("name", sorted(name for name in package_files() if name.endswith(".js")))
def test_our_scripts_never_make_markup_or_code_of_text(name: str) -> None:
    makers = (
        r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|parseFromString|createContextualFragment|document\.write|srcdoc"
        r"|\beval\b|new Function|setTimeout\(\s*[\"'`]|javascript:|setAttribute|\.style\b|cssText|\bon\w+\s*=\s*[\"'`]"
    )
    assert re.findall(makers, package_files()[name].decode()) == []
