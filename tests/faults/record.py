"""What is known of a storm of sends: what was sent, acknowledged and displayed, and what does not agree with that."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, int]


@dataclass(frozen=True)
class Sending:
    """What is sent until it is answered, each time under the same id; no text is said under two ids."""

    client_id: str
    room: str
    text: str


@dataclass
class Record:
    """What the clients know, by texts: what was ``sent``, the first answer to it, and who saw it.

    ``retried`` counts what was sent once more, ``repeated`` the answers to what was answered before, ``recovered``
    those to what had no answer and was known to be in the log. ``struck``: the daemon is being killed. One lock guards
    all of it: everybody runs in a thread.
    """

    sent: dict[str, Sending] = field(default_factory=dict)
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    displayed: set[Place] = field(default_factory=set)
    shown_as_text: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    retried: int = 0
    repeated: int = 0
    recovered: int = 0
    struck: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Which text stands where, by all that anybody was told.
    _texts: dict[Place, str] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)

    def send(self, sending: Sending) -> None:
        """Note what is about to be sent for the first time."""
        with self.lock:
            self.sent[sending.text] = sending

    def retry(self, sending: Sending) -> bool:
        """Note what is about to be sent once more; return whether it is known to be in the log."""
        with self.lock:
            self.retried += 1
            return sending.text in self._places

    def acknowledge(self, text: str, answer: dict[str, Any], *, known: bool) -> None:
        """Note an answer: each must be the first one again. ``known``: the text was in the log before it was sent."""
        with self.lock:
            first = self.acknowledged.setdefault(text, answer)
            if first is not answer:
                self.repeated += 1
            elif known:
                self.recovered += 1
            if first != answer:
                self.faults.append(f"{text[:40]!r} was answered by {first}, and then by {answer}")
            self._put((answer["room"], answer["seq"]), text)

    def read(self, reader: str, cursors: dict[str, int], event: dict[str, Any]) -> None:
        """Note an event that somebody is told who has read up to ``cursors``: each entry is the one after the last."""
        data = event["data"]
        if event["op"] == "gap":
            self.fault(f"{reader} was told of a gap: {data}")
        if event["op"] != "message":
            return
        room, seq = data["room"], data["seq"]
        if seq != cursors[room] + 1:
            self.fault(f"{reader} read {room}:{seq} after {cursors[room]}")
        cursors[room] = seq
        self.display(room, seq, data["text"])

    def display(self, room: str, seq: int, text: str) -> None:
        """Note that somebody saw an entry."""
        with self.lock:
            self.displayed.add((room, seq))
            self._put((room, seq), text)

    def show(self, line: str) -> None:
        """Note a line that a person saw."""
        with self.lock:
            self.shown_as_text.add(line)

    def fault(self, what: str) -> None:
        """Note what must not be."""
        with self.lock:
            self.faults.append(what)

    def end(self, name: str, error: Exception) -> None:
        """Note that a connection has ended: only the daemon's death may end it."""
        if isinstance(error, TimeoutError) or not self.struck:
            self.fault(f"{name} lost the connection before the daemon was killed: {error!r}")

    def compare(self, room: str, log: list[dict[str, Any]], head: int) -> None:
        """Hold a room's log against what is known; everything that doesn't agree is a fault."""
        numbers = [entry["seq"] for entry in log]
        if numbers != list(range(1, head + 1)):
            self.fault(f"{room} has numbers up to {head}, its log {numbers[:3]} … {numbers[-3:]}")
        there = {(room, entry["seq"]): entry["text"] for entry in log}
        texts = set(there.values())
        if len(texts) != len(log):
            self.fault(f"{room} holds {len(log) - len(texts)} texts twice")
        if strange := [text[:40] for text in texts if text not in self.sent or self.sent[text].room != room]:
            self.fault(f"{room} holds what was never sent there: {strange}")
        acknowledged = {(answer["room"], answer["seq"]): text for text, answer in self.acknowledged.items()}
        displayed = {place: self._texts[place] for place in self.displayed}
        for what, known in (("acknowledged", acknowledged), ("displayed", displayed)):
            lost = [place for place, text in known.items() if place[0] == room and there.get(place) != text]
            if lost:
                self.fault(f"{len(lost)} {what} messages are not where they were: {lost[:5]} …")
        shown = [text for text in self.shown_as_text if text not in self.sent or self.sent[text].room == room]
        if missing := [text[:40] for text in shown if text not in texts]:
            self.fault(f"a person saw what is not in {room}: {missing[:5]} …")
        self._compare_order(room, log)
        with self.lock:
            for place, text in there.items():
                self._put(place, text)

    def compare_ids(self, kept: list[tuple[str, str | None]]) -> None:
        """Hold the ids that the database keeps, each with the text of its entry, against what is known.

        What is in a log has its id, once, and so has what was acknowledged; no id stands for another text.
        """
        texts = dict(kept)
        sent = {sending.client_id: text for text, sending in self.sent.items()}
        if len(texts) != len(kept):
            self.fault(f"{len(kept) - len(texts)} ids are kept twice")
        if wrong := [name for name, text in texts.items() if sent.get(name) != text]:
            self.fault(f"{len(wrong)} ids are kept of what was not sent under them: {wrong[:5]} …")
        for what, known in (("in a log", self._places), ("acknowledged", self.acknowledged)):
            if lost := [text[:40] for text in known if self.sent[text].client_id not in texts]:
                self.fault(f"{len(lost)} texts are {what} and their ids are not kept: {lost[:5]} …")

    def _compare_order(self, room: str, log: list[dict[str, Any]]) -> None:
        """Each writer numbers its texts: they stand in that order."""
        last: dict[str, int] = {}
        for entry in log:
            number = int(entry["text"].split()[1])
            if number <= last.get(entry["from"], -1):
                self.fault(f"{room}:{entry['seq']} stands before what its author said earlier")
            last[entry["from"]] = number

    def _put(self, place: Place, text: str) -> None:
        known: tuple[tuple[Mapping[Any, Any], Any, Any], ...] = (
            (self._texts, place, text),
            (self._places, text, place),
        )
        for mapping, one, other in known:
            if mapping.get(one, other) != other:
                self.faults.append(f"{str(one)[:40]} was told for two: {str(mapping[one])[:40]}, {str(other)[:40]}")
        self._texts.setdefault(place, text)
        self._places.setdefault(text, place)
