from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tcpchat.config.configuration import ConfigurationError
from tcpchat.core.addresses import address_of
from tcpchat.core.chat import Policy
from tcpchat.core.confusables import skeleton
from tcpchat.core.limits import Limits
from tcpchat.errors import StartError
from tcpchat.server.options import Options
from tcpchat.server.settings import Settings, read_settings
from tests.certificates import issue


def settings(*words: str, **environment: str) -> Settings:
    options = Options()
    options.parseOptions(list(words))
    return read_settings(options, environment, Path("/"))


def complaints(*words: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        settings(*words, **environment)
    return str(error.value).splitlines()


def test_the_command_line_says_everything(tmp_path: Path) -> None:
    motd = tmp_path / "motd"
    motd.write_text("Hello")
    given = settings(
        *("--port", "4000", "--endpoint", "unix:/a", "--endpoint", "tcp:1", "--data", "/x", "--motd", str(motd)),
        *("--database", "sqlite:////y.db", "--trust", "10.0.0.0/8", "--trust", "::1", "--registration", "closed"),
        *("--no-guests", "--scram-iterations", "100000", "--tls-self-signed", "--require-tls", "--server-name", "chez"),
    )
    assert (given.port, given.endpoints, given.data) == (4000, ("unix:/a", "tcp:1"), Path("/x"))
    assert (given.database, given.motd, given.server_name) == ("sqlite:////y.db", "Hello", "chez")
    assert [str(network) for network in given.trusted] == ["10.0.0.0/8", "::1/128"]
    assert given.policy == Policy(False, "closed")
    assert (given.scram_iterations, given.self_signed, given.tls_required) == (100_000, True, True)
    assert given.certificate is None


def test_without_a_word_it_is_the_defaults() -> None:
    given = settings()
    assert (given.port, given.endpoints, given.database, given.motd) == (3000, (), None, "")
    assert (given.server_name, given.policy, given.limits) == ("tcpchat", Policy(), Limits())
    assert (given.self_signed, given.tls_required, given.certificate, given.scram_iterations) == (False, False, None, 0)


def test_limits_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "chat.toml"
    file.write_text("[limits]\ntext_bytes = 5\nlogin_seconds = 3\n")
    limits = settings("--config", str(file)).limits
    assert limits == Limits(text_bytes=5, login_seconds=3.0)


def test_limits_become_others_for_everybody() -> None:
    limits = Limits()
    other = Limits(**{one.name: getattr(limits, one.name) + 1 for one in fields(Limits)})
    limits.become(other)
    assert limits == other


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--port", "x"], "--port is a whole number from 0 to 65535, not 'x'"),
        (["--trust", "10.0.0.1/8"], "--trust is a network"),
        (["--motd", "/nonexistent"], "--motd names /nonexistent, which can't be read: No such file"),
        (["--registration", "sometimes"], "--registration is open, invitation or closed, not 'sometimes'"),
        (["--registration", "invitation"], "--registration invitation needs codes"),
        (["--scram-iterations", "5"], "--scram-iterations is 0, or a whole number from 100000"),
        (["--tls-key", "/k"], "--tls-key needs a certificate"),
        (["--tls-self-signed", "--tls-cert", "/c"], "--tls-self-signed can't be given together with a certificate"),
        (["--require-tls"], "--require-tls needs a certificate"),
        (["--endpoint", "ssl:0"], "the endpoint 'ssl:0' is not of the form"),
        (["--database", "oracle://nina:SECRET@host/name"], "the database 'oracle' is not supported"),
        (["--database", "nonsense SECRET"], "the database URL is not one"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words: list[str], complaint: str) -> None:
    (line,) = complaints(*words)
    assert complaint in line
    assert "SECRET" not in line


def test_what_does_not_fit_together_is_listed_with_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "chat.toml"
    file.write_text('motd = "nowhere"\nrequire_tls = true\n\nforbidden_names = ["boss", "a:b"]\nport = -1\n')
    assert [re.sub(r".*, line", "line", line) for line in complaints("--config", str(file))] == [
        f"line 1: motd names {tmp_path}/nowhere, which can't be read: No such file or directory",
        "line 2: require_tls needs a certificate: --tls-cert, --tls-self-signed, or an endpoint with one",
        "line 4: forbidden_names has 'a:b', which is no name: "
        "The name can't contain ':': use letters, digits, '-', '_' and '.'.",
        "line 5: port is a whole number from 0 to 65535, not -1",
    ]


def test_waits_after_failures_that_contradict_each_other(tmp_path: Path) -> None:
    file = tmp_path / "chat.toml"
    file.write_text("[limits]\nfailure_seconds = 100\nfailure_forgotten_seconds = 1\naccount_burst = 19\n")
    assert [re.sub(r".*, line", "line", line) for line in complaints("--config", str(file))] == [
        "line 2: limits.failure_seconds is longer than failure_seconds_most, 60",
        "line 3: limits.failure_forgotten_seconds is shorter than failure_seconds_most, 60: "
        "to wait would end the waits",
        "line 4: limits.account_burst is a whole number from 20 to 1099511627776, not 19",
    ]


def test_a_file_that_is_no_toml_is_the_only_complaint(tmp_path: Path) -> None:
    file = tmp_path / "chat.toml"
    file.write_text("tls_self_signed =\n")
    (line,) = complaints("--config", str(file), "--require-tls")
    assert "line 1: is not TOML" in line


def test_the_message_of_the_day(tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_bytes("Hello\x1b[1m,\nwörld\n".encode())
    assert settings("--motd", str(file)).motd == "Hello[1m,\nwörld"
    file.write_bytes(b"\xff")
    assert "not UTF-8" in complaints("--motd", str(file))[0]
    file.write_bytes(b"x" * 4097)
    assert "longer than 4096 bytes" in complaints("--motd", str(file))[0]


def test_invitations(tmp_path: Path) -> None:
    file = tmp_path / "codes"
    file.write_text("# for the choir\n\n sesame \n#\nopen-up\n")
    policy = settings("--registration", "invitation", "--invitations", str(file)).policy
    assert policy.invitations == {"sesame", "open-up"}
    file.write_text("sesame\n", encoding="utf-8-sig")
    assert settings("--invitations", str(file)).policy.invitations == {"sesame"}
    file.write_text("# nobody yet\n")
    assert "needs codes" in complaints("--registration", "invitation", "--invitations", str(file))[0]
    file.write_text("sesame\nopen up\n")
    (complaint,) = complaints("--invitations", str(file))
    assert complaint.endswith(f"has a space in line 2 of {file}: a code is one word")


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    file = tmp_path / "codes"
    file.write_text("SECRET")
    given = settings("--database", "postgresql://nina:SECRET@host/db", "--invitations", str(file))
    assert given.policy.invites("SECRET")
    assert "SECRET" not in repr((given, given.configuration))


def test_forbidden_names_are_compared_by_their_look() -> None:
    forbidden = settings(TCPCHAT_FORBIDDEN_NAMES="boss Owner").policy.forbidden
    assert forbidden == {skeleton("BOSS"), skeleton("owner")}


def test_a_certificate_needs_no_key_of_its_own(tmp_path: Path) -> None:
    certificate, key = issue("localhost").write(tmp_path)
    pair = settings("--tls-cert", str(certificate)).certificate
    assert pair is not None
    assert pair.key == certificate
    pair = settings("--tls-cert", str(certificate), "--tls-key", str(key)).certificate
    assert pair is not None
    assert pair.key == key


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(StartError, match="there is no home directory"):
        settings()


def test_networks_in_the_ipv6_form_of_ipv4_are_of_ipv4() -> None:
    trusted = settings("--trust", "::ffff:192.0.2.0/120", "--trust", "::ffff:192.0.2.7").trusted
    assert [str(network) for network in trusted] == ["192.0.2.0/24", "192.0.2.7/32"]


def test_proxies_that_are_believed() -> None:
    believed = settings("--trust-proxy", "192.0.2.7", "--trust-proxy", "unix", "--trust-proxy", "2001:db8::/32")
    assert all(address in believed.trusted_proxies for address in ("192.0.2.7", "local", "2001:db8::1"))
    assert "192.0.2.8" not in believed.trusted_proxies
    assert "local" not in settings().trusted_proxies
    with pytest.raises(StartError, match="--trust-proxy is a network such as"):
        settings("--trust-proxy", "here")


@pytest.mark.parametrize(
    ("host", "address"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")],
)
def test_an_ipv4_address_is_one_in_every_form(host: str, address: str) -> None:
    assert address_of(host) == address
    assert address_of(None) == "local"
