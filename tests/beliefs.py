"""What people come to believe of the chat, each from nothing but what it was sent; and what really is the case.

A belief is held against everything that comes: an event must follow from what was known before it, an answer must
agree with it. `compare` holds it against the hub when nothing is under way.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import KIND_NAMES, Entry, Kind, RoomId
from tests import returning
from tests.house import Script, Terminal
from tests.listening import Chronicle, Listener, key, standings

User = dict[str, Any]


@dataclass
class Company:
    """What a program believes of a room it is in: the people, their number, the topic, the last number read.

    ``counted`` is whether a count was told since it came: the next one follows from it. ``met``: it was told who is
    there, which who comes back is after what it has missed.
    """

    id: RoomId
    users: dict[str, User]
    people: int
    topic: str
    last: int
    counted: bool = False
    met: bool = True
    epoch: int = 0


_FULL = re.compile(r"\S+ was full, so your place there has gone to somebody else\.")


class Program(Listener, Script):
    """A person who speaks JSON lines. In a ``crowded`` house it believes only how many are there, not who."""

    def __init__(self, chronicle: Chronicle) -> None:
        Script.__init__(self, chronicle.house)
        Listener.__init__(self, chronicle)
        self.exact = not chronicle.crowded
        self.user: User | None = None
        self.rooms: dict[str, Company] = {}
        # What is not known after a return is None, until it is asked for.
        self.listed: set[str] | None = set()
        self.ignored: list[str] | None = []
        self._talks: dict[str, int] = {}
        self._heard: set[tuple[str, int]] = set()
        self._asked: deque[tuple[int, str, dict[str, Any]]] = deque()
        # What was sent under ids of one's own, in this session of a guest, and the first answers.
        self._sent: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, tuple[str, int, int]] = {}
        # Those of them that had no answer at a return: their entries may be among what one wanted to skip.
        self._open: set[str] = set()

    @property
    def sure(self) -> bool:
        """Whether nothing was done for this person that it was not told of."""
        return super().sure and not self._asked

    def request(self, op: str, data: dict[str, Any]) -> None:
        """Ask for something, and wait for nothing."""
        if "client_id" in data:
            self._sent.append((op, data))
        self._asked.append((self.post(op, **data), op, data))

    def repeat(self, number: int) -> None:
        """Send once more what was sent before under an id."""
        if self._sent:
            op, data = self._sent[number % len(self._sent)]
            self._asked.append((self.post(op, **data), op, data))

    def look(self) -> None:
        """Read what has come, and hold it against what is believed."""
        self._read_lines()
        if isinstance(self.trying, returning.Attempt) and (answer := self.trying.look()) is not None:
            if answer["status"] == "ok":
                self._go_on(self.trying, answer["data"])
                self._read_lines()
            else:
                self._refused(self.trying.code, gone=answer["error"]["code"] == "no-such-session")

    def _read_lines(self) -> None:
        for line in self.take():
            if "status" not in line:
                getattr(self, f"_see_{line['op'].replace('-', '_')}")(line["data"])
            elif "id" in line or line["status"] == "ok":
                number, op, asked = self._asked.popleft()
                assert (line["id"], line["op"]) == (number, op), "the answers come in another order than the commands"
                self._hear(op, asked, line)
            else:
                self._doubt(line["error"])

    def compare(self) -> None:
        """Hold the belief against the hub."""
        session = self._compare_reading()
        hub = self.house.hub
        assert not self._asked, "something was never answered"
        if session.person is None:
            assert self.user is None
            assert not self.rooms
            return
        assert self.user == msgspec.to_builtins(session.person.user)
        assert self.listed == {room.label for room in hub.rooms}
        assert self.ignored is not None
        assert len(self.ignored) == len(session.ignores)
        assert {label: company.id for label, company in self.rooms.items()} == {
            room.label: room.id for room in session.rooms.values()
        }
        for room in session.rooms.values():
            company = self.rooms[room.label]
            self._read_up_to(company, room.head)
            assert company.met
            assert company.people == len(room.members)
            assert not self.exact or company.users == _by_name(msgspec.to_builtins(room.users))
            topics = [entry for entry in self.house.store.logs.get(room.id, ()) if entry.draft.kind is Kind.TOPIC]
            if not topics or (room.id, topics[-1].seq) not in self.hidden:
                assert company.topic == room.topic

    # Coming back.

    def _try(self, code: str, number: int) -> returning.Attempt:
        last = {label: company.last for label, company in self.rooms.items()} | self._talks
        epochs = {label: company.epoch for label, company in self.rooms.items()}
        return returning.Attempt(self.house, code, returning.cursors(last, epochs, number))

    def _go_on(self, attempt: returning.Attempt, data: dict[str, Any]) -> None:
        """Compare what one is told of the session with what it was, and believe it."""
        told = [(line["op"], line["data"]) for line in attempt.before if line["op"] != "gap"]
        assert all(op == "room-deleted" or (op == "notice" and _FULL.fullmatch(data["text"])) for op, data in told)
        gone = {data["room"] if op == "room-deleted" else data["text"].split()[0] for op, data in told}
        rooms = {room["room"]: room for room in data["rooms"]}
        if self.sure:
            assert data["user"] == self.user
            assert rooms.keys() == self.rooms.keys() - gone
        self._compare_places(attempt, rooms)
        session = self._returned(data["session"])
        after = standings(session)
        self._catch_up(session, after, attempt.cursors, topics=True)
        self.lines, self.user = attempt.script.lines, data["user"]
        self.rooms = {
            label: Company(
                self.chronicle.epochs[room["epoch"]],
                {},
                room["people"],
                room["topic"],
                room["after"],
                met=False,
                epoch=room["epoch"],
            )
            for label, room in rooms.items()
        }
        self.listed = self.ignored = None
        self._asked.clear()
        self._open |= {data["client_id"] for _, data in self._sent} - self._answers.keys()
        self.request("ignored", {})

    def _compare_places(self, attempt: returning.Attempt, rooms: dict[str, dict[str, Any]]) -> None:
        """One goes on where one asked to, and is told of each gap."""
        gaps = {line["data"]["room"]: line["data"] for line in attempt.before if line["op"] == "gap"}
        for label, room in rooms.items():
            if label in attempt.cursors:
                after, gap = returning.standing(attempt.cursors[label], room["epoch"], room["head"])
                assert room["after"] == after
                told = gaps.pop(label, None)
                assert (told and (told["first"], told["last"])) == gap
            else:
                assert label not in gaps
        assert all(label.startswith("@") and label in attempt.cursors for label in gaps)

    # Events.

    def _see_message(self, data: dict[str, Any]) -> None:
        label = data["room"]
        direct = label.startswith("@")
        delivery = self._take_due(RoomId(int(label[1:], 16)) if direct else self.rooms[label].id)
        draft = delivery.entry.draft
        color = {"color": draft.color} if draft.color else {}
        names = delivery.names(self.chronicle)
        mine = {"mine": True} if self.wrote(draft) else {}
        other = {"with": data["with"], **mine} if names and data.get("with") in names else {}
        assert bool(names) == bool(other)
        told = {"from": draft.name, "text": draft.text, "kind": KIND_NAMES[draft.kind], **color, **other}
        assert data == {"room": delivery.label, "seq": delivery.entry.seq, "at": draft.at, **told}
        self._heard.add((label, data["seq"]))
        if direct:
            self._talks[label] = data["seq"]
        else:
            self._number(label, data)
            if self.exact and not self.behind:
                assert self.rooms[label].users[data["from"]].get("color") == data.get("color")

    def _see_topic(self, data: dict[str, Any]) -> None:
        entry = self._take_due(self.rooms[data["room"]].id).entry
        assert entry.draft.kind is Kind.TOPIC
        told = {"seq": entry.seq, "at": entry.draft.at, "from": entry.draft.name, "text": entry.draft.text}
        assert data == {"room": data["room"], **told}
        self._heard.add((data["room"], data["seq"]))
        self._number(data["room"], data)
        self.rooms[data["room"]].topic = data["text"]

    def _number(self, label: str, data: dict[str, Any]) -> None:
        self._read_up_to(self.rooms[label], data["seq"] - 1)
        self.rooms[label].last += 1
        assert not self.exact or self.behind or data["from"] in self.rooms[label].users

    def _read_up_to(self, company: Company, seq: int) -> None:
        assert company.last <= seq
        assert all((company.id, number) in self.hidden for number in range(company.last + 1, seq + 1)), "a gap"
        company.last = seq

    def _see_members(self, data: dict[str, Any]) -> None:
        assert self.behind
        company = self.rooms[data["room"]]
        self._read_up_to(company, data["head"])
        company.users, company.people, company.met = _by_name(data["members"]), data["people"], True
        company.counted = False
        assert not self.exact or len(company.users) == company.people

    def _see_rooms_changed(self, data: dict[str, Any]) -> None:
        assert self.behind
        self.listed = None
        if self.there:
            self.request("rooms", {})

    def _see_notice(self, data: dict[str, Any]) -> None:
        if "code" in data:
            assert data["code"] == "resumed"
            assert self._abandoned or self.trying is not None
        else:
            assert self.behind
            self._forget_due()

    def _see_joined(self, data: dict[str, Any]) -> None:
        company, user = self.rooms[data["room"]], data["user"]
        company.people += 1
        assert not self.exact or user["name"] not in company.users
        company.users[user["name"]] = user

    def _see_left(self, data: dict[str, Any]) -> None:
        company, user = self.rooms[data["room"]], data["user"]
        company.people -= 1
        known = company.users.pop(user["name"], None)
        assert not self.exact or known == user

    def _see_crowd(self, data: dict[str, Any]) -> None:
        company = self.rooms[data["room"]]
        assert not self.exact
        assert data["joined"] + data["left"] > 0
        if company.counted:
            assert data["people"] == company.people + data["joined"] - data["left"]
        company.people = data["people"]
        company.counted = True

    def _see_renamed(self, data: dict[str, Any]) -> None:
        company, user = self.rooms[data["room"]], data["user"]
        known = company.users.pop(data["name"], None)
        if self.exact:
            assert known is not None
            assert user == {**known, "name": user["name"]}
            assert user["name"] not in company.users
        company.users[user["name"]] = user

    def _see_color(self, data: dict[str, Any]) -> None:
        self._change(data, "color")

    def _see_away(self, data: dict[str, Any]) -> None:
        assert ("text" in data) is data["user"].get("away", False)
        self._change(data, "away")

    def _change(self, data: dict[str, Any], what: str) -> None:
        users, user = self.rooms[data["room"]].users, data["user"]
        if self.exact:
            known = users[user["name"]]
            assert {**known, what: None} == {**user, what: None}
            assert what == "away" or known != user
        users[user["name"]] = user

    def _see_room_created(self, data: dict[str, Any]) -> None:
        if self.listed is not None:
            assert data["room"] not in self.listed
            self.listed.add(data["room"])

    def _see_room_deleted(self, data: dict[str, Any]) -> None:
        if self.listed is not None:
            self.listed.remove(data["room"])
        self.rooms.pop(data["room"], None)
        if self.behind:
            self._forget_due()

    # Answers.

    def _hear(self, op: str, asked: dict[str, Any], line: dict[str, Any]) -> None:
        if line["status"] == "error":
            self._doubt(line["error"])
            if asked.get("client_id") in self._answers:
                assert line["error"]["code"] in ("no-such-room", "store-failed", "not-logged-in", "resumed")
        elif op in ("say", "tell", "reply") or (op == "topic" and "seq" in line["data"]):
            place = line["data"]["room"], line["data"]["seq"]
            first = (*place, line["data"]["at"])
            told = place in self._heard or asked.get("client_id") in self._answers.keys() | self._open
            assert told, f"{op} is answered before it was told"
            if "client_id" in asked:
                assert self._answers.setdefault(asked["client_id"], first) == first, "another answer than the first"
        elif op == "join":
            self._enter(line["data"], latest="after" not in asked)
        elif answered := getattr(self, f"_hear_{op}", None):
            answered(line["data"])

    def _doubt(self, error: dict[str, Any]) -> None:
        assert error["code"] not in ("internal", "bad-field", "bad-json", "unknown-op"), error
        names = self.chronicle.names_now()
        if "suggestion" in error and names == self.chronicle.names:  # else it may have been free for a moment
            for look in (key, skeleton):
                assert look(error["suggestion"]) not in map(look, names.values())

    def _hear_login(self, data: dict[str, Any]) -> None:
        self.user = data["user"]
        self.listed = {room["room"] for room in data["rooms"]}
        self._begin_session(data.get("session"))

    def _hear_logout(self, data: dict[str, Any]) -> None:
        self.user = None
        self.rooms.clear()
        self.ignored = []
        self._begin_session(None)

    def _begin_session(self, code: str | None) -> None:
        """What was sent under ids is another person's now."""
        self.codes.begin(code)
        self.identity = self.session.person if self.session is not None else None
        self._talks.clear()
        self._sent.clear()
        self._answers.clear()
        self._open.clear()

    def _enter(self, data: dict[str, Any], *, latest: bool) -> None:
        label, users = data["room"], _by_name(data["members"])
        room = self.chronicle.epochs[data["epoch"]]
        new = Company(room, users, data["people"], data["topic"], data["head"], epoch=data["epoch"])
        assert self.listed is None or label in self.listed
        if known := self.rooms.get(label):
            self._read_up_to(known, data["head"])
            assert known.id == new.id
            assert not self.exact or (known.users, known.people) == (new.users, new.people)
        if self.exact:
            assert len(users) == data["people"]
            assert self.user is not None
            assert _roleless(users[self.user["name"]]) == self.user
        self.rooms[label] = new
        self._compare_entries(data["entries"], data["head"])
        if latest and data["head"] and not self.shunned:
            assert data["entries"][-1]["seq"] == data["head"], "the page doesn't reach the head"

    def _hear_history(self, data: dict[str, Any]) -> None:
        # What was hidden counts as read: a page may go on after it.
        company = self.rooms.get(data["room"])
        seen = [number for room, number in self.hidden if company and room == company.id]
        self._compare_entries(data["entries"], max([company.last, *seen]) if company else None)

    def _compare_entries(self, entries: list[dict[str, Any]], head: int | None) -> None:
        """Compare a page with the log: no hole in it but what is from people who were ignored."""
        numbers = [entry["seq"] for entry in entries]
        assert head is None or not numbers or numbers[-1] <= head, "the history shows what was not heard yet"
        if numbers and not self.shunned:
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
        for shown in entries:
            if shown["text"]:
                entry = self.chronicle.entry(shown["text"])
                draft = entry.draft
                assert draft.author not in self.ignoring
                assert (shown["seq"], shown["from"], shown["kind"]) == (entry.seq, draft.name, KIND_NAMES[draft.kind])

    def _hear_leave(self, data: dict[str, Any]) -> None:
        company = self.rooms.pop(data["room"])
        if self.behind:
            self._forget_due()
        elif self.exact:
            assert self.user is not None
            del company.users[self.user["name"]]
            assert company.users == _by_name(data["members"])

    def _hear_members(self, data: dict[str, Any]) -> None:
        if self.exact and data["room"] in self.rooms:
            assert self.rooms[data["room"]].users == _by_name(data["members"])

    def _hear_users(self, data: dict[str, Any]) -> None:
        users = _by_name(data["users"])
        assert self.user is not None
        assert _roleless(users[self.user["name"]]) == self.user
        if self.exact:
            assert all(
                users[name] == _roleless(user) for room in self.rooms.values() for name, user in room.users.items()
            )

    def _hear_whois(self, data: dict[str, Any]) -> None:
        assert ("away" in data) is data["user"].get("away", False)
        if self.exact:
            for label, company in self.rooms.items():
                shown = data["user"] if label in data["rooms"] else None
                assert _roleless(company.users.get(data["user"]["name"])) == shown

    def _hear_rooms(self, data: dict[str, Any]) -> None:
        rooms = {room["room"]: room for room in data["rooms"]}
        self.listed = rooms.keys() | set() if self.listed is None else self.listed
        assert rooms.keys() == self.listed
        for label, company in self.rooms.items():
            assert rooms[label]["head"] >= company.last
            assert not self.exact or rooms[label]["members"] == company.people

    def _hear_nick(self, data: dict[str, Any]) -> None:
        assert self.user is not None
        assert data["user"] == {**self.user, "name": data["user"]["name"]}
        self.user = data["user"]

    def _hear_color(self, data: dict[str, Any]) -> None:
        assert self.user is not None
        assert {**data["user"], "color": ""} == {**self.user, "color": ""}
        self.user = data["user"]

    def _hear_away(self, data: dict[str, Any]) -> None:
        assert self.user is not None
        self.user = {**self.user, "away": True} if data else {k: v for k, v in self.user.items() if k != "away"}

    def _hear_ignore(self, data: dict[str, Any]) -> None:
        self.ignored = data["users"]

    _hear_unignore = _hear_ignore

    def _hear_ignored(self, data: dict[str, Any]) -> None:
        self.ignored = data["users"] if self.ignored is None else self.ignored
        assert len(self.ignored) == len(data["users"])  # they are listed by their present names

    def _hear_create(self, data: dict[str, Any]) -> None:
        assert self.listed is None or data["room"] in self.listed

    def _hear_delete(self, data: dict[str, Any]) -> None:
        assert self.listed is None or data["room"] not in self.listed


def _by_name(users: Iterable[User]) -> dict[str, User]:
    return {user["name"]: user for user in users}


class Human(Listener, Terminal):
    """A person at a terminal, who believes which rooms it is in and what was said there."""

    _SPOKEN = re.compile(r"(\S+)(?: in (\S+)| to (\S+))?: (word\d+)")
    _ACTED = re.compile(r"\* (\S+)(?: \(in (\S+)\))?( )(word\d+)")
    _LOGGED = re.compile(r".*?(word\d+|topic\d+)? \(\d\d:\d\d, (\S+):(\d+)\)")
    _NAMED = re.compile(r"Hello, (\S+)\. Type .*|You are called (\S+) now\.")
    _IN = re.compile(r"You are in (\S+), (?:with .*|alone)\.")
    _FOCUS = re.compile(r"(?:You left (\S+)\. )?You are (?:speaking in (\S+) now|in no room now)\..*")
    _DELETED = re.compile(r"The room (\S+) was deleted\.")
    _BACK = re.compile(r"Welcome back, (\S+)\.(?: You are in (.*)\.)?")
    _CODE = re.compile(r".*/resume ([a-z2-7-]{19})")

    def __init__(self, chronicle: Chronicle) -> None:
        Terminal.__init__(self, chronicle.house)
        Listener.__init__(self, chronicle)
        self.current: str | None = None
        # The last number read in each room; none where nothing was shown yet.
        self.rooms: dict[str, int | None] = {}
        self._entered: str | None = None

    def enter_line(self, line: str) -> None:
        """Type a line, and wait for nothing."""
        self.transport.receive(line.encode() + b"\r\n")

    def look(self) -> None:
        """Read what has come, and hold it against what is believed."""
        for line in self.take():
            self._read(line)
        if isinstance(self.trying, returning.TypedAttempt) and self.trying.look():
            lines = self.trying.lines
            if found := self._BACK.fullmatch(lines[0]):
                self._go_on(found[1], found[2] or "", lines[1])
                for line in lines[2:]:
                    self._read(line)
            else:
                self._refused(self.trying.code, gone=lines[0].startswith("No session has this code"))

    def _try(self, code: str, number: int) -> returning.TypedAttempt:
        return returning.TypedAttempt(self.house, code)

    def _go_on(self, name: str, rooms: str, line: str) -> None:
        """Believe what one is told of the session, and expect what was missed."""
        found = self._CODE.fullmatch(line)
        assert found
        session = self._returned(found[1])
        after = standings(session)
        self._catch_up(session, after, (), topics=False)
        known = {room.label: after[room.id] for room in session.rooms.values()}
        self.name, self._entered = name, None
        self.rooms = {label: known[label] for label in re.split(", | and ", rooms) if label}

    def compare(self) -> None:
        """Hold the belief against the hub."""
        session = self._compare_reading()
        if session.person is None:
            assert self.name is None
            return
        assert self.name == session.person.name
        assert self.rooms.keys() == {room.label for room in session.rooms.values()}
        assert self.current == (session.current.label if session.current else None)

    def _read(self, line: str) -> None:
        assert "Something went wrong" not in line
        if found := self._LOGGED.fullmatch(line):
            seq = int(found[3])
            if found[1]:
                entry = self.chronicle.entry(found[1])
                assert entry.seq == seq
                assert entry.draft.author not in self.ignoring
            if self._entered == found[2]:
                self.rooms[found[2]] = seq
            return
        if found := self._SPOKEN.fullmatch(line) or self._ACTED.fullmatch(line):
            self._hear(found[1], found[2], found[3], found[4], Kind.ACTION if line.startswith("* ") else Kind.MESSAGE)
            return
        assert not re.search(r"word\d", line), f"nobody can have said {line!r}"
        if found := self._IN.fullmatch(line):
            self._entered = self.current = found[1]
            self.rooms[found[1]] = None
        elif not line.startswith(("The topic is: ", "What is said here ", "This was said ")):
            self._entered = None
        if found := self._CODE.fullmatch(line):
            self.codes.begin(found[1])
            self.identity = self.session.person if self.session is not None else None
        if found := self._NAMED.fullmatch(line):
            self.name = found[1] or found[2]
        elif found := self._FOCUS.fullmatch(line):
            self.current = found[2]
            if found[1]:
                del self.rooms[found[1]]
        elif found := self._DELETED.fullmatch(line):
            self.rooms.pop(found[1], None)
            if self.behind:
                self._forget_due()

    def _hear(self, author: str, room: str | None, to: str | None, word: str, kind: Kind) -> None:
        self._entered = None
        entry = self.chronicle.entry(word)
        delivery = self._take_due(entry.draft.room)
        assert (delivery.entry, entry.draft.kind) == (entry, kind)
        assert room is None or room != self.current
        names = delivery.names(self.chronicle)
        if not names:
            assert (author, room or self.current) == (entry.draft.name, delivery.label)
            self._number(delivery.label, entry)
        elif self.wrote(entry.draft):
            assert author == "you"
            assert to in names
        else:
            assert (author, to) == (entry.draft.name, "you")

    def _number(self, label: str, entry: Entry) -> None:
        """Compare a number with the last: between them were topics, and what is from people who were ignored."""
        last = self.rooms[label]
        shown = self.chronicle.house.chat.limits.join_entries
        between = range(max(1, entry.seq - shown) if last is None else last + 1, entry.seq)
        assert last is None or last < entry.seq, f"{label}:{entry.seq} is told twice"
        log = self.house.store.logs[entry.draft.room]
        for missing in (log[number - 1].draft for number in between):
            assert missing.kind is Kind.TOPIC or missing.author in self.shunned, "a gap"
        self.rooms[label] = entry.seq


Person = Program | Human


def _roleless(user: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return somebody as seen outside of a room, where there is no role."""
    return None if user is None else {name: value for name, value in user.items() if name != "role"}
