"""Performing what the hub requests: commits by the writer's thread, pages by the readers'."""

from __future__ import annotations

from typing import Protocol

from tcpchat.core.requests import ReadPage, Request
from tcpchat.server.commits import GroupCommit, Waiter
from tcpchat.server.pages import PageReaders


class Executor(Protocol):
    """What performs the hub's requests."""

    def perform(self, request: Request, waiter: Waiter) -> None:
        """Perform ``request``; ``waiter`` is told on the reactor's thread."""


class StoreExecutor:
    """Performs them with the store's threads."""

    def __init__(self, commits: GroupCommit, pages: PageReaders) -> None:
        self._commits = commits
        self._pages = pages

    def perform(self, request: Request, waiter: Waiter) -> None:
        """Hand ``request`` to the thread it is for."""
        if isinstance(request, ReadPage):
            self._pages.read(request, waiter.done)
        else:
            self._commits.submit(request, waiter)  # type: ignore[arg-type]
