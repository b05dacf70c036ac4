"""Followers that speak: each sends what it has no answer to again, under the same id, until it has one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tests.daemon import Daemon, JsonClient
from tests.faults.follower import ROOMS, Follower
from tests.faults.record import Record, Sending

# What a writer sends at once. A batch of the log gathers several of them.
_MOST_AT_ONCE = 40
# Some texts fill pages of the database; most are what people say.
_LONG_TEXT = 3_000
# Of what is sent how much is sent once more before there is an answer, and once more after it.
_TWICE_AT_ONCE = 0.02
_ANSWERED_AGAIN = 0.05
# How much of what was answered is sent once more at the end.
_AT_THE_END = 400
# How often a connection is not broken, but left alone for another: the server knows of nothing until that comes.
_LEFT_OPEN = 0.3
# How often an account logs in anew, though its session could go on.
_NEW_SESSION = 0.3


class Writer(Follower):
    """One person who says things, each once, whatever breaks: a guest, or an account, which outlives its sessions."""

    def __init__(self, name: str, record: Record, seed: int) -> None:
        super().__init__(name, record, seed)
        self._token = ""
        self._count = 0
        self._unanswered: dict[str, Sending] = {}
        self._answered: list[Sending] = []
        # By the ids of requests on this connection: what was sent, and whether it was known to be in the log.
        self._asked: dict[int, tuple[Sending, bool]] = {}
        self._left_open: JsonClient | None = None

    def register(self, daemon: Daemon) -> None:
        """Become an account, before the first round."""
        client = daemon.json()
        client.request("register", name=self._name, password=f"the secret of {self._name}")
        self._token = client.request("tokens", create={})["token"]
        client.request("quit")

    def settle(self, daemon: Daemon) -> None:
        """Come back, and have everything answered that is still open, and some that was answered once more."""
        self._come(daemon)
        answered = self._chance.sample(self._answered, min(_AT_THE_END, len(self._answered)))
        self._repeat([*answered, *self._unanswered.values()])
        while self._asked:
            self._take(self._open_client.read())
        if self._unanswered:
            self._record.fault(f"{self._name} has no answer to {len(self._unanswered)} messages")
        self._tear()

    def _come(self, daemon: Daemon) -> None:
        self._asked.clear()
        if self._token and self._chance.random() < _NEW_SESSION:
            self._code = ""
        super()._come(daemon)
        if self._left_open is not None:
            self._left_open.close()
            self._left_open = None

    def _log_in(self, client: JsonClient) -> str:
        if self._token:
            code: str = client.request("login", token=self._token)["session"]
            return code
        # The ids of a guest end with its session: under them it would say everything anew.
        self._unanswered.clear()
        self._answered.clear()
        return super()._log_in(client)

    def _stay(self, deadline: float) -> None:
        self._repeat([*self._unanswered.values()])
        while time.monotonic() < deadline:
            if not self._asked:
                self._speak()
            self._take(self._open_client.read())

    def _part(self) -> None:
        if self._chance.random() < _LEFT_OPEN:
            self._left_open = self._open_client
        else:
            self._tear()

    def _speak(self) -> None:
        """Send some new messages, and among them some of the last ones, and of those that were answered, again."""
        lines: list[bytes] = []
        for _ in range(self._chance.randint(1, _MOST_AT_ONCE)):
            sending = self._compose()
            self._record.send(sending)
            self._unanswered[sending.client_id] = sending
            lines.append(self._line(sending, known=False))
            if self._chance.random() < _TWICE_AT_ONCE:
                lines.append(self._line_again(self._chance.choice([*self._unanswered.values()])))
            if self._answered and self._chance.random() < _ANSWERED_AGAIN:
                lines.append(self._line_again(self._chance.choice(self._answered)))
        self._open_client.stream.send(b"".join(lines))

    def _repeat(self, sendings: Sequence[Sending]) -> None:
        """Send everything once more, in its order, as much at a time as is taken while nothing is read."""
        for start in range(0, len(sendings), _MOST_AT_ONCE):
            lines = [self._line_again(sending) for sending in sendings[start : start + _MOST_AT_ONCE]]
            self._open_client.stream.send(b"".join(lines))
            while len(self._asked) > _MOST_AT_ONCE:
                self._take(self._open_client.read())

    def _compose(self) -> Sending:
        self._count += 1
        padding = "x" * (_LONG_TEXT if self._chance.random() < 0.02 else self._chance.randint(0, 60))
        text = f"{self._name} {self._count} {padding}".strip()
        return Sending(f"{self._name}-{self._count}", self._chance.choice(ROOMS), text)

    def _line_again(self, sending: Sending) -> bytes:
        return self._line(sending, known=self._record.retry(sending))

    def _line(self, sending: Sending, *, known: bool) -> bytes:
        said = {"room": sending.room, "text": sending.text, "client_id": sending.client_id}
        identifier, line = self._open_client.line("say", **said)
        self._asked[identifier] = sending, known
        return line

    def _take(self, received: dict[str, Any]) -> None:
        if "status" not in received:
            super()._take(received)
            return
        sending, known = self._asked.pop(received["id"])
        if received["status"] != "ok":
            self._record.fault(f"{self._name} was refused {sending.client_id}: {received['error']}")
            return
        self._record.acknowledge(sending.text, received["data"], known=known)
        self._kept = True  # the session was stored before what was said
        if self._unanswered.pop(sending.client_id, None) is not None:
            self._answered.append(sending)
        if not self._asked:
            self.under_way.set()
