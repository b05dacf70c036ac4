"""What the daemon is to do: the settings that are in force, checked together and with the files that they name.

Nothing of Twisted's is loaded for it, so that `tcpchat-admin` checks a configuration at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tcpchat.config.configuration import Configuration, ConfigurationError, Mistake, draft_configuration
from tcpchat.config.surroundings import admin_socket
from tcpchat.config.table import LIMITS
from tcpchat.core.addresses import UNIX, Network, Places
from tcpchat.core.chat import Policy
from tcpchat.core.confusables import skeleton
from tcpchat.core.limits import Limits
from tcpchat.core.names import check_name
from tcpchat.core.text import clean_lines
from tcpchat.errors import ChatError, StartError
from tcpchat.server.http.names import WebNames

if TYPE_CHECKING:
    from tcpchat.server.certificates import BadCertificate, PairFiles, Source

# Some thousand codes; a file that is larger is something else.
_INVITATIONS_BYTES = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon is to do. ``port`` None: none but the endpoints. ``database`` None: the embedded one.

    ``admin_socket`` None: there is to be none. ``certificate``: what plain ports begin TLS with; ``self_signed``: one
    that is made in the data directory. ``configuration``: what all this was made of.
    """

    configuration: Configuration = field(repr=False)
    port: int | None
    endpoints: tuple[str, ...]
    data: Path
    admin_socket: Path | None
    database: str | None = field(repr=False)  # there may be a password in it
    server_name: str
    trusted: tuple[Network, ...]
    trusted_proxies: Places
    motd: str
    policy: Policy
    limits: Limits
    scram_iterations: int
    certificate: PairFiles | None
    self_signed: bool
    tls_required: bool
    web_names: WebNames


def read_settings(options: Mapping[str, Any], environment: Mapping[str, str], directory: Path) -> Settings:
    """Return the settings for a command line, an environment and a working directory.

    Raises `ConfigurationError` with every mistake. Blocks: it reads the files that are named.
    """
    configuration, mistakes = draft_configuration(options, environment, directory)
    if any(not mistake.origin.name for mistake in mistakes):
        raise ConfigurationError(mistakes)  # without a whole file the rest need not fit together
    return _settings(configuration, mistakes)


def _settings(configuration: Configuration, mistakes: list[Mistake]) -> Settings:
    """Return what a configuration amounts to; raises `ConfigurationError` with ``mistakes`` and all others. Blocks."""

    def collected(name: str, make: Callable[[Configuration], T]) -> T | None:
        """Return what is made for a setting; what prevents it is noted."""
        try:
            return make(configuration)
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
        except (StartError, ValueError) as error:
            mistakes.append(configuration.mistake(name, str(error)))
        return None

    motd = collected("motd", _motd)
    policy = collected("registration", _policy)
    certificate = collected("tls_cert", _certificate)
    collected("require_tls", _check_tls)
    collected("database", _check_database)
    collected(LIMITS, _check_limits)
    if mistakes or motd is None or policy is None:
        raise ConfigurationError(mistakes)
    return Settings(
        configuration=configuration,
        port=configuration["port"],
        endpoints=configuration["endpoints"],
        data=configuration["data"],
        admin_socket=admin_socket(configuration["admin_socket"], configuration["data"]),
        database=configuration["database"],
        server_name=configuration["server_name"],
        trusted=configuration["trust"],
        trusted_proxies=_places(configuration["trust_proxy"]),
        motd=motd,
        policy=policy,
        limits=_limits(configuration),
        scram_iterations=configuration["scram_iterations"],
        certificate=certificate,
        self_signed=configuration["tls_self_signed"],
        tls_required=configuration["require_tls"],
        web_names=WebNames(frozenset(configuration["web_hosts"]), frozenset(configuration["web_origins"])),
    )


def check_certificate(settings: Settings, source: PairFiles) -> None:
    """Raise `ConfigurationError` if the certificate in ``source`` can't be used, or has expired. Blocks."""
    from tcpchat.server.certificates import BadCertificate  # takes longer than all the rest

    try:
        _check_pairs(source)
    except BadCertificate as error:
        raise unusable(settings, error) from None


def check_endpoints(settings: Settings) -> None:
    """Raise `ConfigurationError` with every endpoint that one can't listen on, or whose certificate can't be used.

    Blocks. Whether a place is free is not tried.
    """
    mistakes = []
    for description in settings.endpoints:
        from tcpchat.server.certificates import BadCertificate  # these load Twisted
        from tcpchat.server.endpoints import check_endpoint
        from tcpchat.server.tlsendpoints import parse_tls_endpoint

        try:
            secure = parse_tls_endpoint(description)
            if secure is not None:
                _check_pairs(secure.source)
            if secure is None or secure.plain is not None:
                check_endpoint(description if secure is None else str(secure.plain))
        except (BadCertificate, StartError) as error:
            mistakes.append(
                settings.configuration.mistake("endpoints", f"has {description!r}, which won't do: {error}")
            )
    if mistakes:
        raise ConfigurationError(mistakes)


def _check_pairs(source: Source) -> None:
    """Raise `BadCertificate` for what can't be used or has expired. Blocks."""
    from tcpchat.server.certificates import BadCertificate

    for pair in source.read():
        if complaint := pair.complaint(datetime.now(UTC)):
            raise BadCertificate(complaint)


def unusable(settings: Settings, error: BadCertificate) -> ConfigurationError:
    """Return what is said of a certificate that can't be used."""
    name = "tls_self_signed" if settings.self_signed else "tls_cert"
    return ConfigurationError([settings.configuration.mistake(name, f"can't be used: {error}")])


def _places(given: tuple[Network | str, ...]) -> Places:
    return Places(tuple(one for one in given if not isinstance(one, str)), UNIX in given)


def _limits(configuration: Configuration) -> Limits:
    return Limits(**{one.name: configuration[f"{LIMITS}.{one.name}"] for one in fields(Limits)})


def _motd(configuration: Configuration) -> str:
    path: Path | None = configuration["motd"]
    return (
        "" if path is None else clean_lines(_read(configuration, "motd", path, configuration[f"{LIMITS}.motd_bytes"]))
    )


def _policy(configuration: Configuration) -> Policy:
    path: Path | None = configuration["invitations"]
    content = "" if path is None else _read(configuration, "invitations", path, _INVITATIONS_BYTES)
    lines = [line.strip() for line in content.splitlines()]
    codes = frozenset(line for line in lines if line and not line.startswith("#"))
    registration: str = configuration["registration"]
    mistakes = [
        configuration.mistake("invitations", f"has a space in line {number} of {path}: a code is one word")
        for number, line in enumerate(lines, 1)
        if line in codes and len(line.split()) > 1
    ]
    if registration == "invitation" and not codes:
        mistakes.append(
            configuration.mistake("registration", "invitation needs codes: a file of invitations, one on each line")
        )
    limits = Limits()
    for name in configuration["forbidden_names"]:
        try:
            check_name(name, limits)
        except ChatError as error:
            mistakes.append(configuration.mistake("forbidden_names", f"has {name!r}, which is no name: {error}"))
    if mistakes:
        raise ConfigurationError(mistakes)
    return Policy(
        configuration["guests"], registration, codes, frozenset(map(skeleton, configuration["forbidden_names"]))
    )


def _certificate(configuration: Configuration) -> PairFiles | None:
    """Return the certificate of the plain ports, if it is in files of the operator's."""
    certificate, key = configuration["tls_cert"], configuration["tls_key"]
    if key is not None and certificate is None:
        raise ConfigurationError([configuration.mistake("tls_key", "needs a certificate: --tls-cert or tls_cert")])
    if certificate is None:
        return None
    if configuration["tls_self_signed"]:
        reason = "can't be given together with a certificate (--tls-cert or tls_cert)"
        raise ConfigurationError([configuration.mistake("tls_self_signed", reason)])
    from tcpchat.server.certificates import PairFiles  # takes longer than all the rest

    return PairFiles(certificate, key or certificate)


def _check_tls(configuration: Configuration) -> None:
    """Raise StartError for endpoints of TLS that are none, ValueError if TLS is required and there is none."""
    secure = False
    for description in configuration["endpoints"]:
        if description.startswith(("ssl:", "tls:")):
            from tcpchat.server.tlsendpoints import parse_tls_endpoint  # loads Twisted

            secure = parse_tls_endpoint(description) is not None
    if configuration["require_tls"] and not (
        secure or configuration["tls_cert"] is not None or configuration["tls_self_signed"]
    ):
        raise ValueError("needs a certificate: --tls-cert, --tls-self-signed, or an endpoint with one")


def _check_limits(configuration: Configuration) -> None:
    """Raise `ConfigurationError` for waits after failures that would contradict each other."""
    limits = _limits(configuration)
    mistakes = []
    if limits.failure_seconds > limits.failure_seconds_most:
        reason = f"is longer than failure_seconds_most, {limits.failure_seconds_most:g}"
        mistakes.append(configuration.mistake(f"{LIMITS}.failure_seconds", reason))
    if limits.failure_forgotten_seconds < limits.failure_seconds_most:
        reason = f"is shorter than failure_seconds_most, {limits.failure_seconds_most:g}: to wait would end the waits"
        mistakes.append(configuration.mistake(f"{LIMITS}.failure_forgotten_seconds", reason))
    if mistakes:
        raise ConfigurationError(mistakes)


def _check_database(configuration: Configuration) -> None:
    if configuration["database"] is not None:
        from tcpchat.store.database import parse_url  # takes longer than all the rest

        parse_url(configuration["database"])


def _read(configuration: Configuration, name: str, path: Path, most_bytes: int) -> str:
    """Return a file's text; raises `ConfigurationError` naming the setting and the file."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) <= most_bytes:
            return content.decode("utf-8-sig")  # some editors begin a file with a byte order mark
        reason = f"names {path}, which is longer than {most_bytes} bytes"
    except OSError as error:
        reason = f"names {path}, which can't be read: {error.strerror or error}"
    except UnicodeDecodeError:
        reason = f"names {path}, which is not UTF-8"
    raise ConfigurationError([configuration.mistake(name, reason)])
