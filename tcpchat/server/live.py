"""What of a running daemon follows its settings, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tcpchat.core.chat import Chat
from tcpchat.server.certificates import BadCertificate, PairFiles
from tcpchat.server.factory import ChatFactory
from tcpchat.server.selfsigned import self_signed
from tcpchat.server.settings import Settings, check_certificate, unusable
from tcpchat.server.tls import Security, TlsContext
from tcpchat.server.watch import CertificateWatch


@dataclass(slots=True)
class Live:
    """The parts of a running daemon that settings change.

    ``data`` is the data directory, and ``source`` where the certificate of the plain ports is. ``set_level`` changes
    the level of the log; None if that is not ours.
    """

    chat: Chat
    factory: ChatFactory
    watch: CertificateWatch
    data: Path
    source: PairFiles | None
    set_level: Callable[[str], None] | None = None

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Do what may fail or block; return what lets the settings count, which does neither.

        For any thread; what is returned is for the reactor's. Raises `ConfigurationError` for a certificate that can't
        be used. One that is in the same files as before is the watch's business.
        """
        source = certificate_source(settings, self.data)
        security = replace(self.factory.security, required=settings.tls_required)
        if source != self.source:
            security = replace(security, tls=_context(settings, source) if source is not None else None)

        def adopt() -> None:
            self._adopt(settings, security)
            self.source = source

        return adopt

    def _adopt(self, settings: Settings, security: Security) -> None:
        if security.tls is not self.factory.security.tls:
            self.watch.replace(self.factory.security.tls, security.tls)
        self.factory.security = security
        self.factory.connections.trusted = settings.trusted
        self.factory.services.site.names = settings.web_names
        self.factory.admission.proxies = settings.trusted_proxies
        self.chat.limits.become(settings.limits)
        self.factory.admission.limits_changed()
        self.chat.policy = settings.policy
        self.chat.identity = replace(self.chat.identity, motd=settings.motd)
        if self.set_level is not None:
            self.set_level(settings.configuration["log_level"])


def certificate_source(settings: Settings, data: Path) -> PairFiles | None:
    """Return where the certificate of the plain ports is; one of our own is made if need be. Raises `StartError`."""
    if settings.self_signed:
        return self_signed(data)
    return settings.certificate


def _context(settings: Settings, source: PairFiles) -> TlsContext:
    check_certificate(settings, source)
    try:
        return TlsContext(source)
    except BadCertificate as error:
        raise unusable(settings, error) from None
