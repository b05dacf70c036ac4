"""A real browser: Chromium without a window, driven through its DevTools protocol (chromedevtools.github.io).

Every page has a context of its own, as if it were another person's browser: no storage or cookies are shared. What goes
wrong in a page (exceptions, errors in the console, dialogs, violations of its policy) is collected in `Page.troubles`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.daemon import PATIENCE_SECONDS, eventually, lacking

Json = dict[str, Any]

# Chromium starts some processes, of which each loads much.
_START_SECONDS = 60.0
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
    "--remote-debugging-port=0",
)
# Keys by their names in the DevTools protocol: the code of Windows, and the text that they type.
_KEYS = {"Enter": (13, "\r"), "Tab": (9, "")}


def chromium() -> str:
    """Return the path of the browser; without one the test is skipped, in CI it fails."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None) or lacking("chromium is not installed (Debian: apt install chromium)")


class Browser:
    """A browser as a process of its own, with an empty profile. Ends with its context."""

    def __init__(self) -> None:
        self._connection = ExitStack()
        self._ids = count(1)
        self._pages: dict[str, Page] = {}
        self._contexts: list[str] = []

    def __enter__(self) -> Self:
        program = chromium()
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        home = Path(self._profile.name)
        self._output = (home / "output").open("wb")
        self._process = subprocess.Popen(
            [program, *_SWITCHES, f"--user-data-dir={home / 'profile'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        try:
            told = home / "profile" / "DevToolsActivePort"
            eventually(lambda: self._listens(told), lambda: f"{self._said()}\nno DevTools", _START_SECONDS)
            port, path = told.read_text().splitlines()[:2]
            place = f"ws://127.0.0.1:{port}{path}"
            self._socket: ClientConnection = self._connection.enter_context(
                connect(place, max_size=None, compression=None, proxy=None, ping_interval=None)
            )
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            with self._connection:
                self._send("Browser.close", {}, None)
        finally:
            self._end()

    def open(self, url: str) -> Page:
        """Return a page of another person's, in which ``url`` has been loaded; under TLS from whomever it is."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._contexts.append(context)
        page = self._pages[session] = Page(self, session)
        page.prepare()
        page.load(url)
        return page

    def close_pages(self) -> None:
        """Close all pages, with what they have kept."""
        for context in self._contexts:
            self.call("Target.disposeBrowserContext", browserContextId=context)
        self._contexts.clear()
        self._pages.clear()

    def call(self, method: str, session: str | None = None, /, **parameters: Any) -> Json:
        """Return the result of a method of the protocol; fails when it is refused."""
        identifier = self._send(method, parameters, session)
        while (message := self._receive(PATIENCE_SECONDS)) is None or message.get("id") != identifier:
            if message is None:
                pytest.fail(f"the browser does not answer {method}")
            self._notify(message)
        if "error" in message:
            pytest.fail(f"{method}: {message['error']}")
        result: Json = message["result"]
        return result

    def hear(self) -> None:
        """Let the pages know what has happened by now."""
        while (message := self._receive(0)) is not None:
            self._notify(message)

    def tell(self, method: str, session: str, **parameters: Any) -> None:
        """Call a method without waiting for its result."""
        self._send(method, parameters, session)

    def _send(self, method: str, parameters: Json, session: str | None) -> int:
        message: Json = {"id": next(self._ids), "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        identifier: int = message["id"]
        return identifier

    def _receive(self, seconds: float) -> Json | None:
        try:
            message: Json = json.loads(self._socket.recv(timeout=seconds))
        except TimeoutError:
            return None
        return message

    def _notify(self, message: Json) -> None:
        if page := self._pages.get(message.get("sessionId", "")):
            page.happened(message.get("method", ""), message.get("params", {}))

    def _listens(self, told: Path) -> bool:
        if self._process.poll() is not None:
            pytest.fail(f"the browser has ended at its start; it says:\n{self._said()}")
        return told.exists() and told.read_text().count("\n") >= 1

    def _said(self) -> str:
        return Path(self._output.name).read_text(errors="replace")

    def _end(self) -> None:
        try:
            self._process.wait(PATIENCE_SECONDS / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._profile.cleanup()


class Page:
    """One page. ``troubles`` are sentences about what should not happen in a page that works."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = 0
        self.troubles: list[str] = []

    def prepare(self) -> None:
        """Have everything told that may happen in it, and let it behave as the one that is looked at."""
        for domain in ("Page", "Runtime", "Log", "Audits", "Network"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)
        self._call("Security.setIgnoreCertificateErrors", ignore=True)

    def load(self, url: str) -> None:
        """Go to ``url``, and return when it has been loaded with its scripts."""
        self._await_load(lambda: self._call("Page.navigate", url=url))

    def reload(self) -> None:
        """Load the same page again."""
        self._await_load(lambda: self._call("Page.reload"))

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, or of the promise that it is; fails with what it throws."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            pytest.fail(f"{expression}: {_thrown(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return the value of an expression as soon as it is true."""
        return eventually(
            lambda: self.evaluate(expression), lambda: f"never: {expression}\n{self.shown()}\n{self.troubles}", seconds
        )

    def shown(self) -> str:
        """Return the text of the page as it is seen."""
        text: str = self.evaluate("document.body.innerText")
        return text

    def type(self, selector: str, text: str) -> None:
        """Put ``text`` into a field in place of what it holds, as from a keyboard."""
        found = self.evaluate(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)});"
            " if (field === null) return false; field.focus(); field.select(); return true; })()"
        )
        assert found, f"no {selector} in\n{self.shown()}"
        self.insert(text)

    def insert(self, text: str) -> None:
        """Type ``text`` where the focus is."""
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key, such as Enter or Tab."""
        code, text = _KEYS[key]
        fields = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **fields)
        self._call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def emulate(self, *, width: int = 1024, height: int = 768, **media: str) -> None:
        """Give the page a size in CSS pixels, and features of its medium, as in ``prefers_color_scheme="dark"``."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    def accessible(self) -> list[Json]:
        """Return what a screen reader is told: the nodes of the accessibility tree that it doesn't pass over."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node["ignored"]]

    def happened(self, method: str, data: Json) -> None:
        """Note an event."""
        match method:
            case "Page.loadEventFired":
                self._loaded += 1
            case "Page.javascriptDialogOpening":
                self.troubles.append(f"a dialog opened: {data['message']}")
                self._browser.tell("Page.handleJavaScriptDialog", self._session, accept=False)
            case "Runtime.exceptionThrown":
                self.troubles.append(f"an exception: {_thrown(data['exceptionDetails'])}")
            case "Runtime.consoleAPICalled" if data["type"] in ("error", "warning", "assert"):
                words = [str(argument.get("value", argument.get("description", ""))) for argument in data["args"]]
                self.troubles.append(f"the console: {' '.join(words)}")
            case "Log.entryAdded" if data["entry"]["level"] in ("error", "warning"):
                self.troubles.append(f"the log: {data['entry']['text']} {data['entry'].get('url', '')}")
            # A GenericIssue is advice about forms: Chromium doesn't know autocomplete="nickname", which HTML has.
            case "Audits.issueAdded" if data["issue"]["code"] != "GenericIssue":
                self.troubles.append(f"an issue: {data['issue']['code']} {json.dumps(data['issue']['details'])}")
            case "Page.frameAttached" | "Page.windowOpen" | "Page.downloadWillBegin":
                self.troubles.append(f"it opened something: {method}")

    def settled_troubles(self) -> list[str]:
        """Return what went wrong up to now; what the page has begun to load or to run is waited for."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
        self._browser.hear()
        return self.troubles

    def _await_load(self, start: Any) -> None:
        before = self._loaded
        start()

        def loaded() -> bool:
            self._browser.hear()
            return self._loaded > before

        eventually(loaded, lambda: f"the page was not loaded: {self.troubles}")

    def _call(self, method: str, **parameters: Any) -> Json:
        return self._browser.call(method, self._session, **parameters)


def _thrown(details: Json) -> str:
    return str(details.get("exception", {}).get("description", details["text"]))
