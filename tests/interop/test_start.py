"""Starting the daemon: its options, its environment, and one clear line when it can't."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
from alembic import command

import tcpchat
from tcpchat.store.database import REVISION, sqlite_url
from tests.daemon import PATIENCE_SECONDS, TWISTD, Daemon, environment
from tests.store.material import Database
from tests.store.test_upgrading import alembic, revision

_CHECKOUT = Path(__file__).parents[2]


def _twistd(directory: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the daemon to its end: in all these cases there is something that ends it at once."""
    return subprocess.run(
        [TWISTD, "-n", "--pidfile=", "tcpchat", *options],
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def _complaint(directory: Path, *options: str, **settings: str) -> str:
    """Return the one line that a failed start prints."""
    ended = _twistd(directory, *options, **settings)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    lines = said.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("tcpchat: ")
    return lines[0].removeprefix("tcpchat: ")


def test_far_too_few_open_files(tmp_path: Path) -> None:
    command = f"ulimit -n 100 && exec {TWISTD} -n --pidfile= tcpchat --port 0 --data {tmp_path / 'data'}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert line.startswith("tcpchat: this process may have only 100 files open, and needs 256 at least: ")
    assert ended.returncode == 1


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        data = str(tmp_path / "data")
        complaint = _complaint(tmp_path, "--port", str(port), "--data", data)
        assert complaint == f"can't listen on port {port}: another program is listening there"
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        complaint = _complaint(tmp_path, "--port", "0", "--endpoint", endpoint, "--data", data)
        assert complaint == f"can't listen on '{endpoint}': another program is listening there"


def test_a_data_directory_that_can_not_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    complaint = _complaint(tmp_path, "--port", "0", "--data", str(file / "data"))
    assert complaint == f"can't use the data directory {file / 'data'}: Not a directory"
    assert str(file) in _complaint(tmp_path, "--port", "0", "--data", str(file))
    # /proc takes nothing, from root neither.
    assert "/proc/tcpchat" in _complaint(tmp_path, "--port", "0", "--data", "/proc/tcpchat")
    assert "/proc/1/fdinfo" in _complaint(tmp_path, "--port", "0", "--data", "/proc/1/fdinfo")


def test_a_database_that_is_a_directory_or_none_at_all(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "tcpchat.db").mkdir(parents=True)
    assert "tcpchat.db" in _complaint(tmp_path, "--port", "0", "--data", str(data))
    (data / "tcpchat.db").rmdir()
    (data / "tcpchat.db").write_bytes(b"Dear diary, " * 1000)
    assert "file is not a database" in _complaint(tmp_path, "--port", "0", "--data", str(data))


def test_a_second_daemon_on_the_same_data(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as first:
        assert first.process is not None
        complaint = _complaint(tmp_path, "--port", "0", "--data", str(first.data))
        assert complaint == f"another daemon (process {first.process.pid}) is using {first.data}/tcpchat.db"
        url = f"sqlite:///{tmp_path}/other.db"
        with Daemon(tmp_path / "unused", "--database", url):
            assert "another daemon" in _complaint(tmp_path, "--port", "0", "--database", url)
        assert first.json("nina").request("ping") == {}


def test_a_database_newer_than_the_program(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        daemon.json("nina")
    database = sqlite3.connect(tmp_path / "data" / "tcpchat.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    complaint = _complaint(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    assert "is newer than this program (its schema is 9999" in complaint


def test_a_database_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        nina = daemon.json("nina")
        nina.request("join", room="lobby")
        nina.request("say", room="lobby", text="before")
    database = Database(sqlite_url(tmp_path / "data" / "tcpchat.db"))
    alembic(database, command.downgrade, "0001")
    with Daemon(tmp_path / "data") as daemon:
        nina = daemon.json("nina")
        nina.request("join", room="lobby")
        nina.request("say", room="lobby", text="after")
        entries = nina.request("history", room="lobby")["entries"]
        assert [(entry["seq"], entry["text"]) for entry in entries] == [(1, "before"), (2, "after")]
    assert revision(database) == REVISION


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "http"], "--port is a whole number from 0 to 65535, not 'http'"),
        (["--port", "65536"], "--port is a whole number from 0 to 65535, not 65536"),
        (["--port", "-1"], "--port is a whole number from 0 to 65535, not -1"),
        (["--endpoint", "tcp:http"], "'tcp:http'"),
        (["--endpoint", "carrier-pigeon:3000"], "'carrier-pigeon:3000'"),
        (["--endpoint", ""], "endpoint"),
        (["--endpoint", "ssl:0:privateKey=/nowhere.pem"], "'ssl:0:privateKey=/nowhere.pem'"),
        (["--endpoint", "unix:/nowhere/chat.sock"], "'unix:/nowhere/chat.sock'"),
        (["--port", "0", "--database", "nonsense"], "database URL"),
        (["--port", "0", "--database", "oracle://host/name"], "not supported"),
        (["--port", "0", "--database", "sqlite://"], "needs a file"),
        (["--port", "0", "--database", "sqlite:////nowhere/chat.db"], "/nowhere/chat.db"),
        (["--port", "0", "--trust", "everybody"], "--trust"),
        (["--port", "0", "--motd", "/nowhere/motd"], "/nowhere/motd"),
    ],
)
def test_an_option_that_makes_no_sense(tmp_path: Path, options: list[str], words: str) -> None:
    assert words in _complaint(tmp_path, *options, "--data", str(tmp_path / "data"))


def test_a_port_from_the_environment_that_makes_no_sense(tmp_path: Path) -> None:
    assert "'http'" in _complaint(tmp_path, "--data", str(tmp_path / "data"), PORT="http")


def test_the_version_and_the_help(tmp_path: Path) -> None:
    version = _twistd(tmp_path, "--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"tcpchat {tcpchat.__version__}\n", "")
    told = _twistd(tmp_path, "--help")
    assert told.returncode == 0
    logs = ("--log-format", "--log-level", "--log-file")
    for option in ("--port", "--endpoint", "--data", "--database", "--trust", "--motd", "--version", *logs):
        assert option in told.stdout
    assert "telnet localhost 3000" in re.sub(r"\s+", " ", told.stdout)
    assert list(tmp_path.iterdir()) == []


def _free_port() -> int:
    """Return a port that is free just now: the one thing here that another program could take from us."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port: int = server.getsockname()[1]
        return port


def test_port_and_place_from_the_environment(tmp_path: Path) -> None:
    port, state = _free_port(), tmp_path / "state"
    settings = {"PORT": str(port), "STATE_DIRECTORY": str(state)}
    with Daemon(tmp_path / "log", settings=settings, command=["-n", "--pidfile=", "tcpchat"]) as daemon:
        assert daemon.ports == [port]
        assert daemon.json("nina").request("ping") == {}
    assert (state / "tcpchat.db").is_file()


def test_both_families_of_addresses(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data") as daemon:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, daemon.port), timeout=PATIENCE_SECONDS) as sock:
                sock.sendall(b'{"op":"ping","id":1}\n')
                assert sock.recv(100) == b'{"op":"ping","id":1,"status":"ok","data":{}}\n'


def test_the_tac_file_runs_from_any_directory(tmp_path: Path) -> None:
    port = _free_port()
    settings = {"PORT": str(port), "STATE_DIRECTORY": str(tmp_path / "state")}
    with Daemon(
        tmp_path / "log", settings=settings, command=["--pidfile=", "-noy", str(_CHECKOUT / "tcpchat.tac")]
    ) as daemon:
        assert daemon.ports == [port]
        person = daemon.text("nina")
        person.say("hello")
        person.hear("nina: hello")
    assert (tmp_path / "state" / "tcpchat.db").is_file()
