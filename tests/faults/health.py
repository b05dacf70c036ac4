"""What a watcher of the daemon is told by HTTP."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection

from tests.daemon import PATIENCE_SECONDS, Daemon


def watch(daemon: Daemon, path: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    with closing(HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
