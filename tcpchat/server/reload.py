"""SIGHUP: the settings are read anew, and those that can change while the daemon runs do so at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from tcpchat.config.table import TABLE
from tcpchat.errors import StartError
from tcpchat.server.live import Live
from tcpchat.server.settings import Settings

Prepared = tuple[Settings, Callable[[], None]]


class Reloader:
    """Reads the settings with ``read``, in a thread, and lets ``live`` have them.

    With any mistake nothing changes, and the log says what is wrong.
    """

    _log = Logger()

    def __init__(self, read: Callable[[], Settings], settings: Settings, live: Live, reactor: Any) -> None:
        self._read = read
        # What the daemon was started with, and what is in force as far as it is live.
        self._started = settings
        self._settings = settings
        self._live = live
        self._reactor = reactor
        self._reading = False
        self._again = False

    def reload(self) -> None:
        """Read everything anew; asked for once more meanwhile, do so after it."""
        if self._reading:
            self._again = True
            return
        self._reading = True
        prepared: Deferred[Prepared] = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._prepare)
        prepared.addCallbacks(self._adopt, self._refuse)
        prepared.addErrback(lambda failure: self._log.failure("the settings could not be read anew", failure))
        prepared.addBoth(self._done)

    def _prepare(self) -> Prepared:
        settings = self._read()
        return settings, self._live.prepare(settings)

    def _adopt(self, prepared: Prepared) -> None:
        settings, adopt = prepared
        changed, waiting = self._changes(settings)
        adopt()
        self._settings = settings
        if changed:
            self._log.info("SIGHUP: changed: {names}", names=", ".join(changed))
        else:
            self._log.info("SIGHUP: no setting has changed")
        if waiting:
            self._log.warn("SIGHUP: these changes wait for a restart: {names}", names=", ".join(waiting))
        self._live.watch.look_now()

    def _refuse(self, failure: Failure) -> None:
        failure.trap(StartError)
        for line in str(failure.value).splitlines():
            self._log.error("SIGHUP: the new settings are refused, and the old ones stay: {line}", line=line)

    def _done(self, _: object) -> None:
        self._reading = False
        if self._again:
            self._again = False
            self.reload()

    def _changes(self, new: Settings) -> tuple[list[str], list[str]]:
        """Return the names of what changes now, and of what doesn't before the next start."""
        changed, waiting = [], []
        for setting in TABLE:
            live = setting.live and (setting.name != "log_level" or self._live.set_level is not None)
            if live and self._value(self._settings, setting.name) != self._value(new, setting.name):
                changed.append(setting.name)
            elif not live and self._started.configuration[setting.name] != new.configuration[setting.name]:
                waiting.append(setting.name)
        return changed, waiting

    def _value(self, settings: Settings, name: str) -> object:
        """Return what a setting amounts to: of a file, what is in it."""
        match name:
            case "motd":
                return settings.motd
            case "invitations":
                return settings.policy.invitations
        return settings.configuration[name]


def reload_on_signal(reloader: Reloader, reactor: Any) -> None:
    """Let SIGHUP read the settings anew."""

    def reload(*signal_and_frame: object) -> None:
        reactor.callFromThread(reloader.reload)

    signal.signal(signal.SIGHUP, reload)
