"""The page in a real browser: people talk with those on other wires, come back, and nothing that is said runs."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, Page
from tests.daemon import Daemon, JsonClient, Refused
from tests.interop.corpus import NAMES, TEXTS

_SAID = "[...document.querySelectorAll('#log .said > .text')].map((text) => text.textContent)"
_STATE = "document.getElementById('state').textContent"
_TALKING = "!document.getElementById('talk').hidden && document.activeElement.id === 'text'"
# The log and its lines must neither scroll to the side nor be cut off there.
_WIDEST = "Math.max(...[...document.querySelectorAll('html, #log, #log p')].map((one) => one.scrollWidth))"
# What the log is made of, whatever is said.
_ELEMENTS = ["BDI", "P", "TIME"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser without a page."""
    yield chromium
    chromium.close_pages()


def arrive(browser: Browser, daemon: Daemon, name: str, room: str = "lobby", *, scheme: str = "http") -> Page:
    """Return a page on which somebody has come into a room, by keys alone."""
    page = browser.open(f"{scheme}://127.0.0.1:{daemon.port}/")
    page.press("Tab")
    page.insert(name)
    page.press("Tab")
    page.insert(room)
    page.press("Enter")
    page.until(_TALKING)
    return page


def say(page: Page, text: str) -> None:
    page.type("#text", text)
    page.press("Enter")


def hear(page: Page, text: str) -> None:
    page.until(f"{_SAID}.includes({json.dumps(text)})")


def sounds(page: Page) -> list[str]:
    said: list[str] = page.evaluate(_SAID)
    return said


def deafen(page: Page) -> None:
    """Let the page hear nothing more on its connection, so that answers are lost."""
    page.evaluate("void (chat.wire.socket.onmessage = null)")


def troubles_but_broken_connections(page: Page) -> list[str]:
    return [trouble for trouble in page.settled_troubles() if "WebSocket connection to" not in trouble]


def come(daemon: Daemon, name: str, room: str = "lobby") -> JsonClient:
    client = daemon.json(name)
    client.request("join", room=room)
    return client


def test_two_pages_and_a_terminal_talk_in_one_room(browser: Browser, daemon: Daemon) -> None:
    tom = daemon.text("tom")
    tom.say("Is anybody here?")
    tom.hear("tom: Is anybody here?")
    nina = arrive(browser, daemon, "nina")
    hear(nina, "Is anybody here?")
    bob = arrive(browser, daemon, "bob")
    say(nina, "Two of us: <b>nina</b> & bob.")
    hear(bob, "Two of us: <b>nina</b> & bob.")
    tom.hear("nina: Two of us: <b>nina</b> & bob.")
    tom.say("/me waves")
    say(bob, "שלום, everybody")
    tom.hear("bob: שלום, everybody")
    for page in (nina, bob):
        hear(page, "שלום, everybody")
        assert sounds(page) == ["Is anybody here?", "Two of us: <b>nina</b> & bob.", "waves", "שלום, everybody"]
        assert "* tom waves" in page.shown()
        page.until("document.getElementById('outbox').childElementCount === 0")
    assert "bob joined." in nina.shown()
    bob.evaluate("document.getElementById('leave').focus()")
    bob.press("Enter")
    bob.until("!document.getElementById('arrival').hidden")
    tom.hear("bob left lobby.")
    nina.until("document.getElementById('log').textContent.includes('bob left.')")
    assert nina.settled_troubles() == bob.settled_troubles() == []


def test_under_tls_all_is_as_without(browser: Browser, tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--tls-self-signed") as daemon:
        nina = arrive(browser, daemon, "nina", scheme="https")
        bob = come(daemon, "bob")
        say(nina, "psst")
        assert bob.event("message", text="psst")["from"] == "nina"
        hear(nina, "psst")
        nina.reload()
        hear(nina, "psst")
        assert nina.evaluate("chat.wire.socket.url").startswith("wss:")
        assert nina.settled_troubles() == []


def test_what_is_refused_is_told_in_a_sentence(browser: Browser, daemon: Daemon) -> None:
    come(daemon, "nina")
    page = browser.open(f"http://127.0.0.1:{daemon.port}/")
    for name, sentence in (("nina", "is free."), ("two words", "can't contain a space"), ("<b>", "can't begin with")):
        page.type("#name", name)
        page.press("Enter")
        page.until(f"document.getElementById('complaint').textContent.includes({json.dumps(sentence)})")
        assert page.evaluate("document.activeElement.id") == "name"
    page.type("#name", "rita")
    page.press("Enter")
    page.until(_TALKING)
    assert page.evaluate("document.getElementById('complaint').textContent") == ""
    say(page, "x" * 20_000)
    page.until("document.getElementById('complaint').textContent.includes('at most 16384 are allowed')")
    assert page.evaluate("document.getElementById('text').value.length") == 20_000, "it is given back to be mended"
    say(page, "shorter")
    hear(page, "shorter")
    assert page.settled_troubles() == []


def test_commands_and_secrets_are_not_said(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    for text in (
        "/msg ada hello",
        "/login nina secret",
        "login nina secret",
        "gwwj-zlrb-a4z3-fn35",
        "/resume gwwj-zlrb-a4z3-fn35",
    ):
        say(page, text)
        page.until("document.getElementById('complaint').textContent.includes('not said')")
        page.evaluate(
            "void (document.getElementById('text').value = '', document.getElementById('complaint').textContent = '')"
        )
    say(page, "//shrug")
    hear(page, "/shrug")
    listener = daemon.json("bob")
    assert [entry["text"] for entry in listener.request("join", room="lobby")["entries"]] == ["/shrug"]


def test_direct_messages_are_shown_again_after_a_reload(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    daemon.json("bob").request("tell", to="nina", text="psst")
    hear(page, "psst")
    page.reload()
    hear(page, "psst")
    assert len([text for text in sounds(page) if "psst" in text]) == 1


def test_who_is_put_out_is_told_why(browser: Browser, daemon: Daemon) -> None:
    owner = come(daemon, "olga", "tea")
    page = arrive(browser, daemon, "nina", "tea")
    owner.request("kick", room="tea", user="nina", reason="<i>calm</i> down")
    page.until("!document.getElementById('arrival').hidden")
    assert "olga put you out of this room: <i>calm</i> down" in page.shown()
    assert page.settled_troubles() == []


def test_a_reload_goes_on_with_the_same_session(browser: Browser, daemon: Daemon) -> None:
    bob = come(daemon, "bob")
    page = arrive(browser, daemon, "nina")
    bob.request("say", room="lobby", text="before")
    hear(page, "before")
    page.reload()
    hear(page, "before")
    say(page, "after")
    assert bob.event("message", text="after")["from"] == "nina"
    hear(page, "after")
    assert sounds(page) == ["before", "after"]
    bob.request("ping")
    assert not [event for event in bob.events if event["op"] in ("joined", "left")]
    assert page.settled_troubles() == []


def test_what_was_not_acknowledged_before_a_reload_is_said_once(browser: Browser, daemon: Daemon) -> None:
    bob = come(daemon, "bob")
    page = arrive(browser, daemon, "nina")
    deafen(page)
    say(page, "once")
    bob.event("message", text="once")
    page.reload()
    hear(page, "once")
    page.until("document.getElementById('unsaid').hidden")
    say(page, "then this")
    hear(page, "then this")
    assert [entry["text"] for entry in bob.history("lobby")] == ["once", "then this"]


def test_a_session_that_goes_on_elsewhere_is_left_to_that(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    code = page.evaluate("JSON.parse(sessionStorage.getItem('tcpchat')).session")
    elsewhere = daemon.json()
    elsewhere.request("resume", session=code)
    page.until("!document.getElementById('arrival').hidden")
    assert page.evaluate("document.getElementById('complaint').textContent") != ""
    assert page.evaluate("sessionStorage.getItem('tcpchat')") is None
    assert elsewhere.request("ping") == {}


@pytest.fixture
def fixed(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with the same port after a restart. The port is free just now, and another program could take it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Daemon(tmp_path / "data", "--endpoint", f"tcp:{port}:interface=127.0.0.1", port=False) as running:
        yield running


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_missed_or_shown_twice_through_a_restart(
    browser: Browser, fixed: Daemon, end: signal.Signals
) -> None:
    pages = [arrive(browser, fixed, name) for name in ("nina", "bob")]
    for number in range(60):  # what is acknowledged, and what may still be on its way
        say(pages[number % 2], f"before {number}")
    hear(pages[0], "before 59")
    witness = come(fixed, "witness")
    deafen(pages[1])
    say(pages[1], "committed, and the answer is lost")
    witness.event("message", text="committed, and the answer is lost")
    fixed.stop(end)
    pages[0].until(f"{_STATE}.includes('Trying to come back.')")
    say(pages[0], "said while nobody listened")
    say(pages[0], "and again")
    assert pages[0].evaluate("document.getElementById('outbox').innerText").split("\n") == [
        "said while nobody listened",
        "and again",
    ]
    fixed.start()
    writer = come(fixed, "writer")
    writer.request("say", room="lobby", text="meanwhile")
    for page in pages:
        page.until(f"{_STATE}.startsWith('You are ')")
    for page in pages:
        hear(page, "and again")
        hear(page, "meanwhile")
    say(pages[1], "the last")
    logged = [entry["text"] for entry in _history_with(writer, "the last")]
    assert sorted(logged) == sorted(
        [
            *(f"before {number}" for number in range(60)),
            "committed, and the answer is lost",
            "said while nobody listened",
            "and again",
            "meanwhile",
            "the last",
        ]
    )
    for page in pages:
        hear(page, "the last")
        assert sounds(page) == logged
        page.until("document.getElementById('unsaid').hidden")
        assert troubles_but_broken_connections(page) == []


def _history_with(client: JsonClient, text: str) -> list[dict[str, Any]]:
    client.event("message", text=text)
    return client.history("lobby")


def test_a_session_that_is_gone_is_begun_anew_and_what_is_unsure_is_told(
    browser: Browser, fixed: Daemon, tmp_path: Path
) -> None:
    page = arrive(browser, fixed, "nina")
    say(page, "kept")
    hear(page, "kept")
    fixed.stop()
    page.until(f"{_STATE}.includes('Trying to come back.')")
    say(page, "in between")
    for file in fixed.data.glob("tcpchat.db*"):
        file.unlink()
    fixed.start()
    page.until(f"{_STATE} === 'You are nina.'")
    assert "Nobody knows whether this was said: in between" in page.shown()
    assert "the room's log begins anew" in page.shown()
    say(page, "the first")
    hear(page, "the first")
    assert sounds(page) == ["kept", "the first"]


def test_nothing_that_is_said_runs_or_changes_the_page(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    page.emulate(width=320, height=600)
    kinds = "[...new Set([...document.querySelectorAll('body *')].map((element) => element.tagName))].sort()"
    mallory = come(daemon, "mallory")
    mallory.request("say", room="lobby", text="harmless")
    hear(page, "harmless")
    before = page.evaluate(kinds)
    said = ["harmless"]
    for text in TEXTS:
        mallory.request("say", room="lobby", text=text)
        said.append(mallory.event("message", seq=len(said) + 1)["text"])
    mallory.request("topic", room="lobby", text="<img src=x onerror=alert(1)>")
    mallory.request("tell", to="nina", text="<svg onload=alert(7)>")
    mallory.request("away", text="<script>alert(1)</script>")
    mallory.request("say", room="lobby", text="<marquee>the end", action=True)
    said.append("<marquee>the end")
    hear(page, "<marquee>the end")
    assert sounds(page) == [*said[:-1], "<svg onload=alert(7)>", said[-1]]
    inside = page.evaluate("[...document.querySelectorAll('#log *')].map((element) => element.tagName)")
    assert sorted(set(inside)) == _ELEMENTS
    assert page.evaluate(kinds) == before
    assert page.evaluate(_WIDEST) <= 320
    say(page, "still here")
    assert mallory.event("message", text="still here")["from"] == "nina"
    page.reload()  # the same by the other way: from the log, of which the end is shown again
    hear(page, "still here")
    again = sounds(page)
    again.remove("<svg onload=alert(7)>")  # from its own log
    assert len(again) > 40
    assert again == [*said, "still here"][-len(again) :]
    assert sorted(set(page.evaluate("[...document.querySelectorAll('#log *')].map((e) => e.tagName)"))) == _ELEMENTS
    assert page.settled_troubles() == []


def test_no_name_of_a_person_or_a_room_runs_or_changes_the_page(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    shown = []
    for name in NAMES:
        person = daemon.json()
        try:
            name = person.request("login", name=name)["user"]["name"]
        except Refused:
            continue
        person.request("join", room="lobby")
        person.request("say", room="lobby", text=f"I am {name}.")
        shown.append(name)
        hear(page, f"I am {name}.")
        assert (
            arrive(browser, daemon, f"guest{len(shown)}", name).evaluate("document.getElementById('here').textContent")
            == daemon.json(f"visitor{len(shown)}").request("join", room=name)["room"]
        )
    assert len(shown) >= 12
    authors = "[...document.querySelectorAll('#log .said')].map((line) => line.firstElementChild.textContent)"
    assert page.evaluate(authors) == shown
    assert page.settled_troubles() == []


def test_the_browser_keeps_the_policy_of_the_page(browser: Browser, daemon: Daemon) -> None:
    """What the page never does is refused by the browser, and is seen: else the tests above prove little."""
    page = arrive(browser, daemon, "nina")
    page.evaluate("(() => { try { document.body.innerHTML = '<p>markup</p>'; } catch { return; } })()")
    assert "markup" not in page.shown()
    page.evaluate("document.body.append(Object.assign(document.createElement('img'), { src: '//127.0.0.1:1/x.png' }))")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('style'), { textContent: '*{color:red}' }))"
    )
    troubles = " ".join(page.settled_troubles())
    assert "TrustedHTML" in troubles
    assert "img-src" in troubles
    assert "style-src" in troubles
    page.troubles.clear()
    page.evaluate("setTimeout(() => { alert('a dialog'); throw new Error('thrown'); }, 0)")
    page.until("true")
    assert [trouble.split(":")[0] for trouble in page.settled_troubles()] == ["a dialog opened", "an exception"]


_CONTRASTS = """(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const seen = [...document.querySelectorAll("body, body *")].filter((element) => element.checkVisibility());
  return seen.map((element) => {
    const [one, other] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  });
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_schemes_and_on_a_narrow_screen(browser: Browser, daemon: Daemon, scheme: str) -> None:
    page = browser.open(f"http://127.0.0.1:{daemon.port}/")
    page.emulate(width=320, height=256, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.type("#name", "server")
    page.press("Enter")
    page.until("document.getElementById('complaint').textContent.includes('reserved')")
    assert min(page.evaluate(_CONTRASTS)) >= 4.5
    assert page.evaluate(_WIDEST) <= 320
    page.type("#name", "nina")
    page.press("Enter")
    page.until(_TALKING)
    say(page, "long" * 200)
    hear(page, "long" * 200)
    assert min(page.evaluate(_CONTRASTS)) >= 4.5
    assert page.evaluate(_WIDEST) <= 320
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 18, 18)"
    )


def test_a_screen_reader_is_told_what_everything_is(browser: Browser, daemon: Daemon) -> None:
    page = browser.open(f"http://127.0.0.1:{daemon.port}/")
    told = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in page.accessible()}
    assert {
        ("RootWebArea", "tcpchat"),
        ("banner", ""),
        ("main", ""),
        ("form", "Join a room"),
        ("textbox", "Your name"),
        ("textbox", "Room"),
        ("button", "Join"),
        ("status", ""),
        ("alert", ""),
    } <= told
    page = arrive(browser, daemon, "nina")
    nodes = page.accessible()
    told = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes}
    assert {
        ("heading", "Room lobby"),
        ("log", "What is said"),
        ("form", "Say something"),
        ("textbox", "Your message"),
        ("button", "Say"),
        ("button", "Leave"),
    } <= told
    log = next(node for node in nodes if node["role"]["value"] == "log")
    assert {"name": "live", "value": {"type": "token", "value": "polite"}} in log["properties"]


def test_everything_is_reached_by_the_keyboard_in_its_order(browser: Browser, daemon: Daemon) -> None:
    page = arrive(browser, daemon, "nina")
    page.evaluate("document.getElementById('leave').focus()")
    order = []
    for _ in range(4):
        order.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.press("Tab")
    assert order == ["leave", "log", "text", "Say"]
