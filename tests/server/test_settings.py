from __future__ import annotations

from pathlib import Path

import pytest

from tcpchat.errors import StartError
from tcpchat.server.options import Options, Settings
from tcpchat.server.roster import address_of


def settings(*words: str, **environment: str) -> Settings:
    options = Options()
    options.parseOptions(list(words))
    return Settings.from_options(options, environment)


def test_the_port_comes_from_the_option_the_environment_or_the_default() -> None:
    assert settings("--port", "4000", PORT="5000").port == 4000
    assert settings(PORT="5000").port == 5000
    assert settings().port == 3000


def test_endpoints_replace_the_default_port_but_not_one_that_is_asked_for() -> None:
    given = settings("--endpoint", "unix:/a", "--endpoint", "tcp:1")
    assert given.endpoints == ("unix:/a", "tcp:1")
    assert given.port is None
    assert settings("--endpoint", "tcp:1", "--port", "2").port == 2
    assert settings("--endpoint", "tcp:1", PORT="2").port is None


def test_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings("--data", "x").data == Path.cwd() / "x"
    assert settings(STATE_DIRECTORY="/a:/b").data == Path("/a")
    assert settings(XDG_STATE_HOME="/s").data == Path("/s/tcpchat")
    assert settings(XDG_STATE_HOME="relative").data == tmp_path / ".local/state/tcpchat"
    assert settings().data == tmp_path / ".local/state/tcpchat"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--port", "x"], "the port 'x' is not a number from 0 to 65535"),
        (["--port", "65536"], "is not a number from 0 to 65535"),
        (["--port", "-1"], "is not a number from 0 to 65535"),
        (["--trust", "10.0.0.1/8"], "--trust wants a network"),
        (["--trust", "here"], "--trust wants a network"),
        (["--motd", "/nonexistent"], "can't read the message of the day /nonexistent"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words: list[str], complaint: str) -> None:
    with pytest.raises(StartError) as error:
        settings(*words)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_the_message_of_the_day(tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_bytes("Hello\x1b[1m,\nwörld\n".encode())
    assert settings("--motd", str(file)).motd == "Hello[1m,\nwörld"
    file.write_bytes(b"\xff")
    with pytest.raises(StartError, match="not UTF-8"):
        settings("--motd", str(file))
    file.write_bytes(b"x" * 4097)
    with pytest.raises(StartError, match="longer than 4096 bytes"):
        settings("--motd", str(file))


def test_trusted_networks() -> None:
    assert [str(network) for network in settings("--trust", "10.0.0.0/8", "--trust", "::1").trusted] == [
        "10.0.0.0/8",
        "::1/128",
    ]


class Address:
    def __init__(self, host: str) -> None:
        self.host = host


@pytest.mark.parametrize(
    ("host", "address"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")],
)
def test_an_ipv4_address_is_one_in_every_form(host: str, address: str) -> None:
    assert address_of(Address(host)) == address  # type: ignore[arg-type]
    assert address_of(None) == "local"
