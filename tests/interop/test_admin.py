"""tcpchat-admin against the real daemon: each of its commands, in both forms, and who is let in."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpchat.admin.table import TABLE
from tests.daemon import PATIENCE_SECONDS, Daemon, Json, JsonClient, Refused, SocketStream, environment, lacking
from tests.interop.test_start import _complaint as complaint

_NOBODY = 65_534
PASSWORD = "correct horse"
ROWS = {" ".join(row.words) for row in TABLE}


class Admin:
    """Runs the tool, and remembers which of its commands were run in which form."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.used: set[tuple[str, bool]] = set()

    def run(self, *words: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        row = " ".join(words[:2]) if " ".join(words[:2]) in ROWS else words[0]
        self.used.add((row, "--json" in words))
        return subprocess.run(
            [sys.executable, "-m", "tcpchat.admin.main", *words],
            input=typed,
            capture_output=True,
            text=True,
            env=environment(TCPCHAT_DATA=str(self.data), TZ="UTC", **settings),
            timeout=PATIENCE_SECONDS,
        )

    def lines(self, *words: str, typed: str = "") -> list[str]:
        """Return what a command that works shows to people."""
        ended = self.run(*words, typed=typed)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout.splitlines()

    def json(self, *words: str, typed: str = "") -> Json:
        """Return what a command that works gives to a script."""
        [line] = self.lines(*words, "--json", typed=typed)
        found: Json = json.loads(line)
        return found

    def refusal(self, *words: str, **settings: str) -> str:
        """Return why a command doesn't work."""
        ended = self.run(*words, **settings)
        assert (ended.returncode, ended.stdout) == (1, "")
        [line] = ended.stderr.splitlines()
        assert line.startswith("tcpchat-admin: ")
        return line.removeprefix("tcpchat-admin: ")


@pytest.fixture
def admin(daemon: Daemon) -> Admin:
    return Admin(daemon.data)


def came_off(person: JsonClient) -> str:
    """Return the code of what a person was told before the connection ended."""
    code = str(person.event("notice")["code"])
    with pytest.raises(EOFError):
        person.read()
    return code


def log_in(daemon: Daemon, **proof: str) -> JsonClient:
    person = daemon.json()
    person.request("login", **proof)
    return person


def test_every_command_in_both_forms(daemon: Daemon, admin: Admin) -> None:
    nina, bob = daemon.json("nina"), daemon.json("bob")
    bob.request("join", room="tea")
    nina.request("join", room="tea")
    said = nina.request("say", room="tea", text="a secret word")

    # What there is.
    assert admin.lines("version")[0] == "The daemon is tcpchat 0.1.0, calls itself tcpchat, and 2 people are here."
    assert admin.json("version")["people"] == 2
    assert admin.lines("users")[1:] == ["nina", "bob"]
    assert [one["name"] for one in admin.json("users")["users"]] == ["nina", "bob"]
    assert admin.lines("rooms", "te") == ["ROOM  PEOPLE  ENTRIES  TOPIC", "tea        2        1"]
    assert {one["room"] for one in admin.json("rooms")["rooms"]} == {"lobby", "tea"}
    assert [line.split()[:4] for line in admin.lines("sessions")[1:]] == [
        ["127.0.0.1", "nina", "no", "no"],
        ["127.0.0.1", "bob", "no", "no"],
    ]
    assert "LEFT BEHIND" in admin.lines("sessions")[0]
    assert admin.json("sessions", "bob")["sessions"][0]["rooms"] == ["tea"]
    health = admin.json("health")
    assert (health["store"], health["people"]) == ("ok", 2)
    assert health["detached"] == 0
    assert health["free_bytes"] > health["free_bytes_least"]
    assert [" ".join(line.split()) for line in admin.lines("health")][:2] == ["WHAT IS", "store ok"]
    assert admin.lines("limits")[1].split() == ["line_bytes", "65,536", "bytes"]
    assert {"name": "rooms", "value": 10_000, "unit": "rooms"} in admin.json("limits")["limits"]

    # Accounts.
    assert admin.lines("account", "create", "olga", typed=f"{PASSWORD}\n") == ["The account olga is made."]
    made = admin.json("account", "create", "uma", "--generate")
    uma = log_in(daemon, name="uma", password=made["password"])
    assert admin.lines("account", "password", "uma", "--generate")[1].startswith("Its password is ")
    assert came_off(uma) == "revoked"
    assert admin.json("account", "password", "uma", "--alone", typed=f"{PASSWORD}\n") == {}
    log_in(daemon, name="uma", password=PASSWORD)
    assert [line.split()[:4] for line in admin.lines("accounts")[1:]] == [
        ["olga", "user", "good", "no"],
        ["uma", "user", "good", "yes"],
    ]
    assert [one["name"] for one in admin.json("accounts", "ol")["accounts"]] == ["olga"]
    assert (daemon.data / "owner-code").exists()
    assert admin.lines("role", "olga", "owner") == ["olga is owner of this server now."]
    assert admin.json("role", "uma", "voice", "--room", "tea") == {}
    log_in(daemon, name="olga", password=PASSWORD).request("sessions")

    # Tokens.
    [token] = admin.lines("token", "create", "uma", "--label", "deploy", "--days", "30")
    bot = log_in(daemon, token=token)
    other = admin.json("token", "create", "uma")
    log_in(daemon, token=other["token"])
    listed = admin.json("token", "list", "uma")["credentials"]
    assert [one["label"] for one in listed] == ["deploy", ""]
    assert admin.lines("token", "list", "uma")[1].split()[:2] == [listed[0]["id"], "deploy"]
    assert admin.lines("token", "revoke", "uma", listed[0]["id"]) == [f"The token {listed[0]['id']} is revoked."]
    assert came_off(bot) == "revoked"
    assert admin.json("token", "revoke", "uma", listed[1]["id"])["credentials"] == []

    # Order.
    assert admin.lines("mute", "bob", "tea", "--for", "10m") == ["bob can't speak in tea now."]
    with pytest.raises(Refused, match="muted"):
        bob.request("say", room="tea", text="x")
    assert admin.json("unmute", "bob", "tea") == {}
    assert admin.json("mute", "bob", "tea") == {}
    assert admin.lines("unmute", "bob", "tea") == ["bob can speak in tea again."]
    assert admin.lines("remove", "tea", str(said["seq"])) == [f"The text of tea:{said['seq']} is removed."]
    spare = nina.request("say", room="tea", text="another")
    admin.json("remove", "tea", str(spare["seq"]), "--reason", "x")
    assert "secret" not in str(nina.history("tea"))
    assert admin.lines("ban", "bob", "--room", "tea", "--for", "2h", "--reason", "x") == ["bob is banned from tea now."]
    assert admin.json("bans", "--room", "tea")["bans"][0]["name"] == "bob"
    assert admin.lines("unban", "bob", "--room", "tea") == ["bob may come to tea again."]
    assert admin.json("ban", "--address", "192.0.2.0/24", "--for", "7d") == {}
    assert admin.lines("bans")[1].split()[:2] == ["192.0.2.0/24", "operator"]
    assert admin.json("unban", "--address", "192.0.2.0/24") == {}
    assert admin.lines("kick", "nina", "--room", "tea", "--reason", "x") == ["nina was put out of tea."]
    assert admin.json("kick", "bob") == {}
    assert came_off(bob) == "kicked"
    assert admin.lines("suspend", "uma", "--for", "1h", "--reason", "x") == ["The account uma is suspended now."]
    assert admin.lines("unsuspend", "uma") == ["The account uma can be used again."]
    assert admin.json("suspend", "uma") == {}
    assert admin.json("unsuspend", "uma") == {}

    # The house.
    assert admin.lines("broadcast", "tea", "time") == ["Everybody was told: tea time"]
    assert nina.event("notice")["text"] == "operator to everybody: tea time"
    assert admin.json("broadcast", "again") == {}
    assert admin.lines("motd", "Be", "kind.") == ["Be kind."]
    assert admin.json("motd") == {"text": "Be kind."}
    assert admin.lines("name", "support", "reserved") == ["The name support is reserved now."]
    assert admin.json("name", "boss", "forbidden")["forbidden"] == ["boss"]
    assert admin.lines("names")[1:] == ["support  reserved", "boss     forbidden"]
    assert admin.json("names")["reserved"] == ["support"]
    assert admin.lines("emergency", "no-new-guests") == ["The emergency is: no-new-guests."]
    assert admin.json("emergency", "off") == {"level": "off"}
    assert admin.json("account", "delete", "uma") == {}
    assert admin.lines("account", "delete", "olga") == ["The account olga is deleted."]
    assert admin.json("shutdown", "--in", "1h")["at"] > 0
    assert admin.json("shutdown", "--cancel") == {}

    # What is noted, and by whom.
    acts = admin.json("audit", "--count", "100")["acts"]
    name = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert {one["by"] for one in acts} == {f"operator ({name})"}
    assert {"account-password", "token-create", "server-ban", "broadcast", "shutdown"} <= {one["act"] for one in acts}
    assert [line.split()[0] for line in admin.lines("audit", "--count", "3")[1:4]] == [
        str(one["id"]) for one in reversed(acts[:3])
    ]
    assert admin.lines("audit", "--count", "1")[-1] == f"There are older ones: --before {acts[0]['id']}"
    assert token not in str(acts) + daemon.log
    assert PASSWORD not in str(acts) + daemon.log

    # And the end, announced.
    [told] = admin.lines("shutdown", "--in", "0s", "--reason", "tea")
    assert told.startswith("The server shuts down at 20")
    assert daemon.wait() == 0
    assert not (daemon.data / "admin.sock").exists()
    assert admin.refusal("users").startswith(f"no daemon listens on {daemon.data}/admin.sock: ")
    assert admin.used == {(row, form) for row in ROWS for form in (False, True)}


def test_control_characters_reach_no_terminal(daemon: Daemon, admin: Admin) -> None:
    bob = daemon.json("bob")
    bob.request("join", room="tea")
    bob.request("topic", room="tea", text="a\x1b[2J\x9b31m\u202eb")
    words = ("kick", "a\x1b[2Jb\u202e\nc")
    assert "\x1b" not in "".join(admin.lines("rooms"))
    assert admin.lines("rooms", "tea")[1].isprintable()
    assert admin.refusal(*words).isprintable()
    assert admin.lines("ban", "bob", "--room", "tea", "--reason", "x\x1b[2J\u202ey")[0].isprintable()
    assert all(line.isprintable() for line in admin.lines("audit"))
    assert all(line.isascii() for line in admin.run("audit", "--json").stdout.splitlines())
    assert all(line.isprintable() for line in daemon.log.splitlines())


def test_a_refusal_is_a_sentence(daemon: Daemon, admin: Admin) -> None:
    assert admin.refusal("kick", "zed") == "Nobody here, and no account, is called zed."
    assert "role" in admin.refusal("role", "zed", "king")
    assert "shorter" in admin.refusal("account", "create", "nina") or "8" in admin.refusal("account", "create", "nina")


def test_where_the_socket_is(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "run" / "chat.sock"
    path.parent.mkdir()
    with Daemon(data, "--admin-socket", str(path)) as daemon:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not (data / "admin.sock").exists()
        assert f"tcpchat-admin reaches this server by {path}" in daemon.log
        admin = Admin(data)
        assert admin.run("version", "--socket", str(path)).returncode == 0
        assert admin.run("version", TCPCHAT_ADMIN_SOCKET=str(path)).returncode == 0
        assert admin.refusal("version", "--data-dir", str(data)).startswith(f"no daemon listens on {data}/admin.sock")
        daemon.stop()
        assert not path.exists()


def test_without_a_socket(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Daemon(data, "--admin-socket", "off") as daemon:
        assert not list(data.glob("*.sock"))
        assert "tcpchat-admin" not in daemon.log
        refusal = Admin(data).refusal("version", TCPCHAT_ADMIN_SOCKET="off")
        assert refusal == "the admin socket is switched off (admin_socket)"


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 100)
    with Daemon(data) as daemon:  # nobody has asked for the socket: people can talk
        assert "tcpchat-admin can't reach this server: the path of the admin socket has" in daemon.log
        daemon.json("nina").request("ping")
    path = str(data / "admin.sock")
    said = complaint(tmp_path, "--port", "0", "--data", str(tmp_path / "data"), "--admin-socket", path)
    assert said.startswith("the path of the admin socket has ")


def test_a_socket_in_use(tmp_path: Path) -> None:
    path = tmp_path / "chat.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        said = complaint(tmp_path, "--port", "0", "--data", str(tmp_path / "data"), "--admin-socket", str(path))
    assert said == f"can't make the admin socket {path}: another program is listening there"


def test_what_a_killed_daemon_left_is_replaced(daemon: Daemon, admin: Admin) -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    assert (daemon.data / "admin.sock").is_socket()
    assert admin.refusal("version").startswith("no daemon listens on")
    daemon.start()
    assert admin.lines("version")


def test_a_daemon_that_hangs_or_dies_in_the_middle(daemon: Daemon, admin: Admin) -> None:
    path = daemon.data / "admin.sock"
    daemon.send_signal(signal.SIGSTOP)
    try:
        assert admin.refusal("users", "--timeout", "0.2").endswith("has not answered within 0.2 seconds")
        waiting = subprocess.Popen(
            [sys.executable, "-m", "tcpchat.admin.main", "users", "--socket", str(path)],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert waiting.stderr is not None
        with waiting.stderr:
            daemon.send_signal(signal.SIGKILL)
            daemon.send_signal(signal.SIGCONT)
            _, said = waiting.communicate(timeout=PATIENCE_SECONDS)
    finally:
        daemon.send_signal(signal.SIGCONT)
    assert waiting.returncode == 1
    assert said.startswith(b"tcpchat-admin: ")
    assert said.count(b"\n") == 1


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user of the machine may enter, unlike pytest's own."""
    if os.geteuid() != 0:
        lacking("only root can be another user")
    made = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
    os.chmod(made, 0o755)
    yield Path(made)
    subprocess.run(["rm", "-r", made], check=True)


def test_another_user_is_refused_by_the_modes_and_by_the_daemon(open_place: Path) -> None:
    data = open_place / "data"
    path = data / "admin.sock"

    def as_nobody() -> str:
        # Our Python may be where only we can run it: so what it needs is loaded first, by a try that fails.
        program = (
            "import os, sys\n"
            "from tcpchat.admin.main import main\n"
            "main(['users', '--socket', '/nonexistent'])\n"
            "os.setgroups([])\n"
            f"os.setgid({_NOBODY})\n"
            f"os.setuid({_NOBODY})\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program, "users", "--socket", str(path)],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE_SECONDS,
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        return ended.stderr.splitlines()[-1]

    by_its_mode = f"tcpchat-admin: you may not use {path}: only the user of the daemon and root may"
    with Daemon(data) as daemon:
        assert as_nobody() == by_its_mode
        data.chmod(0o755)
        assert as_nobody() == by_its_mode
        path.chmod(0o666)
        assert as_nobody() == "tcpchat-admin: Only the user of the daemon and root may administer it from here."
        daemon.await_log(f"security: the user with uid {_NOBODY} was refused on the admin socket")
        assert Admin(data).lines("audit") == ["There is nothing to show."]


def test_who_types_there_is_told_of_the_tool(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(daemon.data / "admin.sock"))
        stream = SocketStream(sock)
        stream.send(b"hello\n")
        assert b"For people there is tcpchat-admin." in stream.receive(PATIENCE_SECONDS)
