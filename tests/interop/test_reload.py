"""SIGHUP in the middle of the talk: other settings count at once, broken ones change nothing, and nobody is dropped."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Issued, issue
from tests.daemon import PATIENCE_SECONDS, Daemon, JsonClient, Refused, SocketStream, eventually

_NAMES = ("127.0.0.1", "localhost")


class Traffic:
    """Somebody who talks without a pause, and those who listen: one plain, one under TLS."""

    def __init__(self, daemon: Daemon, secret: JsonClient | None = None) -> None:
        self._talker = daemon.json("tina")
        self._listeners = [daemon.json("lena"), *([secret] if secret else [])]
        for client in (self._talker, *self._listeners):
            client.request("join", room="lobby")
        self._said = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._failure: BaseException | None = None

    def _talk(self) -> None:
        try:
            while not self._stopping.is_set():
                self._talker.request("say", room="lobby", text=f"number {self._said}")
                self._said += 1
        except BaseException as error:
            self._failure = error

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        """Let it flow meanwhile; afterwards everybody has heard every word once, and is still there."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join(PATIENCE_SECONDS)
        assert self._failure is None
        assert self._said > 0
        for listener in self._listeners:
            listener.request("ping")
            heard = [listener.event("message")["text"] for _ in range(self._said)]
            assert heard == [f"number {number}" for number in range(self._said)]


class House:
    """A daemon with a file of settings."""

    def __init__(self, tmp_path: Path, daemon: Daemon, file: Path) -> None:
        self.directory = tmp_path
        self.daemon = daemon
        self.file = file
        self.clients = contextlib.ExitStack()

    def certificate(self, stem: str) -> Issued:
        issued = issue(*_NAMES)
        issued.write(self.directory, stem)
        return issued

    def settings(self, text: str) -> None:
        self.file.write_text(text)

    def reload(self, words: str) -> str:
        """Send SIGHUP, and return what the log says from there on, once it says ``words``."""
        before = len(self.daemon.log)
        self.daemon.send_signal(signal.SIGHUP)
        eventually(lambda: words in self.daemon.log[before:], lambda: f"{words!r} is not in {self.daemon.log[before:]}")
        return self.daemon.log[before:]

    def secret(self, name: str, issued: Issued) -> JsonClient:
        context = ssl.create_default_context(cadata=issued.pem().decode())
        plain = socket.create_connection(("127.0.0.1", self.daemon.port), timeout=PATIENCE_SECONDS)
        with contextlib.closing(plain):  # what is wrapped has another
            stream = SocketStream(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        return JsonClient(self.clients.enter_context(contextlib.closing(stream)), name)

    def shown(self) -> str:
        """Return the fingerprint of the certificate that a newcomer is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.daemon.port), PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain) as stream,
        ):
            return hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    file = tmp_path / "chat.toml"
    file.write_text("")
    with Daemon(tmp_path / "data", "--config", str(file)) as daemon:
        house = House(tmp_path, daemon, file)
        with house.clients:
            yield house
        assert "Traceback" not in daemon.log


def _facts(client: JsonClient) -> dict[str, Any]:
    return client.request("hello")


def test_a_good_file_changes_limits_motd_and_certificate_under_traffic(house: House) -> None:
    one, other = house.certificate("one"), house.certificate("other")
    (house.directory / "motd").write_text("Mind the step.")
    house.settings('tls_cert = "one-certificate.pem"\ntls_key = "one-key.pem"\n')
    house.reload("SIGHUP: changed: tls_cert, tls_key")
    assert house.shown() == one.fingerprint
    watcher = house.daemon.json("wanda")
    secret = house.secret("sven", one)
    with Traffic(house.daemon, secret).flowing():
        assert _facts(watcher)["limits"]["text_bytes"] == 16_384
        house.settings(
            'tls_cert = "other-certificate.pem"\ntls_key = "other-key.pem"\nmotd = "motd"\n'
            'forbidden_names = ["boss"]\nregistration = "closed"\n'
            "[limits]\ntext_bytes = 20\nconnections_per_address = 300\n"
        )
        said = house.reload(other.fingerprint)
        assert (
            "SIGHUP: changed: motd, registration, forbidden_names, tls_cert, tls_key, limits.text_bytes, "
            "limits.connections_per_address\n" in said
        )
        facts = _facts(watcher)
        assert (facts["limits"]["text_bytes"], facts["motd"]) == (20, "Mind the step.")
        with pytest.raises(Refused, match="at most 20 are allowed"):
            watcher.request("tell", to="tina", text="x" * 21)
        with pytest.raises(Refused, match="reserved"):
            watcher.request("nick", name="B0SS")
        with pytest.raises(Refused):
            watcher.request("register", password="correct horse battery")
        newcomer = house.secret("nina", other)
        assert newcomer.request("ping") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[limits]\ntext_bytes = 20\nline_bytes = 5\n", "chat.toml, line 3: limits.line_bytes is a whole number"),
        ('[limits]\ntext_bytes = 20\n[more]\nmotd = "x"\n', "chat.toml, line 4: more.motd is not a setting"),
        ("[limits]\ntext_bytes = = 20\n", "chat.toml, line 2: is not TOML: invalid value"),
        ('motd = "nowhere"\n[limits]\ntext_bytes = 20\n', "chat.toml, line 1: motd names "),
        ('tls_cert = "nowhere"\n[limits]\ntext_bytes = 20\n', "chat.toml, line 1: tls_cert can't be used: can't read "),
        (None, "chat.toml: can't be read: No such file or directory"),
    ],
)
def test_a_broken_file_changes_nothing_and_the_log_says_where(house: House, text: str | None, complaint: str) -> None:
    issued = house.certificate("one")
    (house.directory / "motd").write_text("Mind the step.")
    good = 'tls_cert = "one-certificate.pem"\ntls_key = "one-key.pem"\nmotd = "motd"\n[limits]\ntext_bytes = 10_000\n'
    house.settings(good)
    house.reload("SIGHUP: changed:")
    secret = house.secret("sven", issued)
    watcher = house.daemon.json("wanda")
    with Traffic(house.daemon, secret).flowing():
        if text is None:
            house.file.unlink()
        else:
            house.settings(text)
        (house.directory / "motd").write_text("Changed.")
        said = house.reload("SIGHUP: the new settings are refused, and the old ones stay: ")
        assert complaint in said
        facts = _facts(watcher)
        assert (facts["limits"]["text_bytes"], facts["motd"]) == (10_000, "Mind the step.")
        assert house.shown() == issued.fingerprint
        house.settings(good)
        house.reload("SIGHUP: changed: motd\n")
        assert _facts(watcher)["motd"] == "Changed."


def test_every_mistake_is_a_line(house: House) -> None:
    house.settings("prot = 1\nguests = 5\n")
    house.daemon.send_signal(signal.SIGHUP)
    house.daemon.await_log("chat.toml, line 2: guests is true or false, not 5")
    assert "chat.toml, line 1: prot is not a setting; did you mean port?" in house.daemon.log


def test_what_waits_for_a_restart_is_said_and_nothing_of_it_happens(house: House) -> None:
    client = house.daemon.json("nina")
    house.settings('server_name = "chez"\nlog_format = "json"\n[limits]\nrooms = 20_000\n')
    said = house.reload("wait for a restart")
    assert "SIGHUP: changed: limits.rooms\n" in said
    assert "SIGHUP: these changes wait for a restart: server_name, log_format\n" in said
    assert _facts(client)["server"] == "tcpchat"
    said = house.reload("SIGHUP: no setting has changed")
    house.daemon.restart()
    assert _facts(house.daemon.json("otto"))["server"] == "chez"


def test_the_level_of_the_log(house: House) -> None:
    nina, bob = house.daemon.json("nina"), house.daemon.json("bob")
    house.settings('log_level = "error"\n[limits]\ntext_bytes = 20\n')
    house.daemon.send_signal(signal.SIGHUP)
    eventually(lambda: _facts(nina)["limits"]["text_bytes"] == 20, lambda: "nothing changes")
    before = len(house.daemon.log)
    bob.close()
    eventually(lambda: _facts(nina)["people"] == 1, lambda: "bob is still there")
    assert house.daemon.log[before:] == ""
    house.settings('log_level = "info"\n')
    house.reload("SIGHUP: changed: log_level, limits.text_bytes\n")
    nina.close()
    house.daemon.await_log("(json) ended after")


def test_whom_the_daemon_lets_in_and_back(house: House) -> None:
    nina = house.daemon.json("nina")
    house.settings("guests = false\n")
    house.reload("SIGHUP: changed: guests")
    with pytest.raises(Refused, match="Guests are not let in here"):
        house.daemon.json("bob")
    assert nina.request("ping") == {}
    house.settings("")
    house.reload("SIGHUP: changed: guests\n")
    assert nina.request("ping") == {}


def test_tls_can_be_begun_and_ended(house: House) -> None:
    nina = house.daemon.json("nina")
    issued = house.certificate("one")
    house.settings('tls_cert = "one-certificate.pem"\ntls_key = "one-key.pem"\nrequire_tls = true\n')
    house.reload("SIGHUP: changed: tls_cert, tls_key, require_tls")
    sven = house.secret("sven", issued)
    plain = house.daemon.json()
    plain.send("login", name="bob")
    assert plain.read()["error"]["code"] == "tls-required"
    house.settings("")
    house.reload("SIGHUP: changed: tls_cert, tls_key, require_tls\n")
    for client in (nina, sven, house.daemon.json("bob")):
        assert client.request("ping") == {}


def test_dotenv_and_variables(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("TCPCHAT_LIMITS_TEXT_BYTES=100 # a little\nTCPCHAT_LIMITS_ROOMS=5\n")
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_ROOMS": "7", "TCPCHAT_TOKEN": "x"}) as daemon:
        client = daemon.json("nina")
        assert _facts(client)["limits"]["text_bytes"] == 100
        dotenv.write_text("TCPCHAT_LIMITS_TEXT_BYTES='200'\n")
        daemon.send_signal(signal.SIGHUP)
        daemon.await_log("SIGHUP: changed: limits.text_bytes\n")
        assert _facts(client)["limits"]["text_bytes"] == 200
        dotenv.write_text("TCPCHAT_LIMITS_TXT_BYTES=300\n")
        daemon.send_signal(signal.SIGHUP)
        daemon.await_log(f"{dotenv}, line 1: TCPCHAT_LIMITS_TXT_BYTES is not a setting; did you mean ")
        assert _facts(client)["limits"]["text_bytes"] == 200
