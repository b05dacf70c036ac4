"""Random acts of several people, and after each of them: who reads what, by every path, and who was allowed to act."""

from __future__ import annotations

import itertools
import os
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpchat.core.permissions import may_read
from tcpchat.core.roles import Act, RoomRole, ServerRole
from tcpchat.core.state import Room, Session
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal

SECRET = "correct horse"
ROOMS = ("tea", "jam")
ACCOUNTS = {"olga": ServerRole.OWNER, "ada": ServerRole.ADMIN, "uma": ServerRole.USER, "ulf": ServerRole.USER}
GUESTS = ("bob", "carl")
TYPIST = "tom"
PEOPLE = (*ACCOUNTS, *GUESTS, TYPIST)

NEEDS = {
    "kick": Act.KICK, "ban": Act.BAN, "unban": Act.BAN, "mute": Act.MUTE, "unmute": Act.MUTE, "invite": Act.INVITE,
    "uninvite": Act.INVITE,
}  # fmt: skip
SETTINGS: list[dict[str, Any]] = [
    {"unlisted": True}, {"unlisted": False}, {"invite_only": True}, {"invite_only": False}, {"key": "oolong"},
    {"key": ""}, {"read_only": True}, {"read_only": False}, {"moderated": True}, {"moderated": False}, {"limit": 3},
    {"limit": 0},
]  # fmt: skip
ROOM_ROLES = ("member", "voice", "moderator", "owner")
OPS = (*NEEDS, "room-set", "room-role", "join", "leave", "say", "role", "remove")


class World:
    """A house with people of every kind, and what an observer knows of the roles, bans and settings in it."""

    def __init__(self) -> None:
        self.house = House(trusted=(ip_network("192.0.2.0/24"),))
        self.people: dict[str, Script] = {}
        self.server = dict.fromkeys(PEOPLE, ServerRole.GUEST)
        self.roles: dict[tuple[str, str], RoomRole] = {}
        # By whom; a kick is by nobody: everybody with the right to it may end that.
        self.banned: dict[tuple[str, str], str] = {}
        self.muted: set[tuple[str, str]] = set()
        self.invited: set[tuple[str, str]] = set()
        self.inside: set[tuple[str, str]] = set()
        self.set: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
        self._tokens = (f"token{number}x" for number in itertools.count())
        for name, role in ACCOUNTS.items():
            self._register(name, role)
        for name in GUESTS:
            self.people[name] = Script(self.house, name)
        self.typist = Terminal(self.house, TYPIST)
        for room, creator in zip(ROOMS, ("uma", "bob"), strict=True):
            self.people[creator].ask("join", room=room)
            self.roles[creator, room] = RoomRole.OWNER
            self.inside.add((creator, room))
            self.typist.type(f"/join {room}")
            self.inside.add((TYPIST, room))
        self._quiet()

    def _register(self, name: str, role: ServerRole) -> None:
        person = self.people[name] = Script(self.house)
        person.ask("register", name=name, password=SECRET)
        self.server[name] = role
        known = self.house.chat.accounts.get(name)
        assert known is not None
        changed = msgspec.structs.replace(known, role=role)
        self.house.store.accounts[changed.id] = changed
        self.house.hub.commit([changed])

    # What is done.

    def act(self, actor: str, op: str, target: str, room: str, variant: int) -> None:
        """Let ``actor`` try something, and compare the answer with what is allowed."""
        data: dict[str, Any] = {"room": room}
        if op in NEEDS or op in ("room-role", "role"):
            data["user"] = target
        if op == "room-set":
            data |= SETTINGS[variant % len(SETTINGS)]
        elif op == "room-role":
            data["role"] = ROOM_ROLES[variant % len(ROOM_ROLES)]
        elif op == "role":
            data = {"user": target, "role": ("user", "admin", "owner")[variant % 3]}
        elif op == "say":
            data["text"] = next(self._tokens)
        elif op == "remove":
            data["seq"] = 1 + variant
        elif op == "join" and variant % 2:
            data["key"] = "oolong"
        refused = _refusal(self.people[actor], op, **data)
        allowed = self._allowed(actor, op, target, room, data)
        if refused is None:
            assert allowed is not False, (actor, op, data)
            self._note(actor, op, target, room, data)
            return
        # A field that is bad asks for what is so already.
        excused = refused in (Code.NO_SUCH_BAN, Code.NO_SUCH_USER, Code.ACCOUNT_NEEDED, Code.BAD_FIELD)
        assert excused or allowed is not True, (actor, op, data, refused)

    def _allowed(self, actor: str, op: str, target: str, room: str, data: dict[str, Any]) -> bool | None:
        """Return whether the tables allow it; None where it depends on more."""
        server, role = self.server[actor], self.roles.get((actor, room), RoomRole.MEMBER)
        if op == "role" and actor == target and ServerRole[data["role"].upper()] < server:
            return None if server is ServerRole.OWNER else True  # the only one must stay
        if op == "role":
            return Act.CHANGE_ROLE.allows(server) and self.server[target] < server and actor != target
        if op in ("join", "leave", "remove"):
            return None
        if op == "say":
            return self._may_say(actor, room)
        if op == "room-set":
            return Act.SET_ROOM.allows(server, role)
        above = self._rank(actor, room) > self._rank(target, room) and actor != target
        if op == "room-role" and actor == target and RoomRole[data["role"].upper()] < role:
            return True
        if op == "room-role":
            high = RoomRole[data["role"].upper()] >= RoomRole.MODERATOR
            high = high or self.roles.get((target, room), RoomRole.MEMBER) >= RoomRole.MODERATOR
            return (Act.PROMOTE if high else Act.GIVE_VOICE).allows(server, role) and above
        if op == "invite" and (target, room) in self.banned:
            return None  # not who is banned; who was only put out may be
        maker = self.banned.get((target, room))
        if op == "unban" and maker and self._rank(maker, room) > self._rank(actor, room):
            return False
        if op in ("unban", "invite"):
            return NEEDS[op].allows(server, role)
        return NEEDS[op].allows(server, role) and above

    def _may_say(self, actor: str, room: str) -> bool:
        if (actor, room) not in self.inside:
            return False
        server, role = self.server[actor], self.roles.get((actor, room), RoomRole.MEMBER)
        if (actor, room) in self.muted and server < ServerRole.ADMIN:
            return False
        rules = ((self.set[room].get("read_only"), Act.SPEAK_READ_ONLY),
                 (self.set[room].get("moderated"), Act.SPEAK_MODERATED))  # fmt: skip
        return all(not on or act.allows(server, role) for on, act in rules)

    def _rank(self, name: str, room: str) -> int:
        server = self.server[name]
        return 10 + server if server >= ServerRole.ADMIN else self.roles.get((name, room), RoomRole.MEMBER)

    def _note(self, actor: str, op: str, target: str, room: str, data: dict[str, Any]) -> None:
        """Keep in mind what was done."""
        of_target = (target, room)
        match op:
            case "kick" | "ban":
                self.inside.discard(of_target)
                if op == "ban":
                    self.banned[of_target] = actor
                    self.roles.pop(of_target, None)
                    self.invited.discard(of_target)
                self.banned.setdefault(of_target, "")
            case "unban":
                self.banned.pop(of_target, None)
            case "mute":
                self.muted.add(of_target)
            case "unmute":
                self.muted.discard(of_target)
            case "invite":
                self.invited.add(of_target)
            case "uninvite":
                self.invited.discard(of_target)
                if self.set[room].get("invite_only") and not self.roles.get(of_target):
                    self.inside.discard(of_target)
            case "room-set":
                self.set[room] |= {name: value for name, value in data.items() if name != "room"}
                if self.set[room].get("invite_only"):
                    self.invited |= {(name, where) for name, where in self.inside if where == room}
            case "room-role":
                self.roles[of_target] = RoomRole[data["role"].upper()]
            case "role":
                self.server[target] = ServerRole[data["role"].upper()]
            case "join":
                self.inside.add((actor, room))
            case "leave":
                self.inside.discard((actor, room))

    # What is seen of it.

    def look(self) -> None:
        """Compare every path by which somebody reads with `may_read`, and that with what the observer knows."""
        for room in ROOMS:
            self._look_at(room)
            self._listen(room)
        self._quiet()

    def _look_at(self, label: str) -> None:
        room = self.house.hub.rooms.get(label)
        assert room is not None
        for name in PEOPLE:
            session = self._session(name)
            readable = may_read(self.house.chat, session, room)
            assert bool(readable) is (self._readable(name, label) and room.head > 0), (name, label)
            if name == TYPIST:
                continue
            person = self.people[name]
            listed = {one["room"]: one for one in person.ask("rooms")["rooms"]}
            hidden = bool(self.set[label].get("unlisted")) and not self._knows(name, label)
            assert (label in listed) is not hidden, (name, label)
            if label in listed and room.head:
                assert ("closed" in listed[label]) is not bool(readable)
                assert (listed[label]["head"] > 0) is bool(readable)
            for op in ("history", "members", "topic"):
                assert _answers(person, op, room=label) is self._readable(name, label), (name, op, label)
            for other in PEOPLE:
                shown = label in person.ask("whois", user=other)["rooms"]
                there = (other, label) in self.inside
                assert shown is (there and self._readable(name, label) and not hidden), (name, other, label)

    def _listen(self, label: str) -> None:
        """Have the owner of the server say something, and see who hears it and finds it in a page."""
        self._quiet()
        olga, token = self.people["olga"], next(self._tokens)
        stays = ("olga", label) in self.inside
        olga.ask("join", room=label)
        olga.ask("say", room=label, text=token)
        for name, person in self.people.items():
            if name != "olga":
                assert (token in str(person.take())) is ((name, label) in self.inside), (name, label)
        assert (token in "\n".join(self.typist.take())) is ((TYPIST, label) in self.inside)
        for name, person in self.people.items():
            if self._readable(name, label):
                assert token in str(person.ask("history", room=label, limit=1))
        if not stays:
            olga.ask("leave", room=label)

    def _readable(self, name: str, label: str) -> bool:
        """Return whether somebody may read a room, by the rules as a person would tell them."""
        rules, place = self.set[label], (name, label)
        if place in self.inside:
            return True
        if place in self.banned:
            return False
        role = self.roles.get(place, RoomRole.MEMBER)
        if role >= RoomRole.MODERATOR:
            return True
        if rules.get("invite_only") and place not in self.invited and role is RoomRole.MEMBER:
            return False
        return not rules.get("key")

    def _knows(self, name: str, label: str) -> bool:
        place = (name, label)
        known = place in self.inside or place in self.invited or place in self.muted or bool(self.roles.get(place))
        return known or self.server[name] >= ServerRole.ADMIN

    def _session(self, name: str) -> Session:
        person = self.house.hub.users.get(name)
        assert person is not None
        return next(iter(person.sessions))

    def _quiet(self) -> None:
        self.house.settle()
        for person in self.people.values():
            person.take()
        self.typist.take()


def _refusal(person: Script, op: str, **data: Any) -> Code | None:
    try:
        person.ask(op, **data)
    except ChatError as error:
        return error.code
    return None


def _answers(person: Script, op: str, **data: Any) -> bool:
    code = _refusal(person, op, **data)
    assert code in (None, Code.BANNED, Code.KICKED, Code.INVITE_ONLY, Code.KEY_NEEDED), (op, code)
    return code is None


STEP = st.tuples(
    st.sampled_from([name for name in PEOPLE if name != TYPIST]),
    st.sampled_from(OPS),
    st.sampled_from(PEOPLE),
    st.sampled_from(ROOMS),
    st.integers(0, 11),
)


@settings(max_examples=int(os.environ.get("TCPCHAT_WORLDS", "40")), deadline=None)
@given(st.lists(STEP, max_size=25))
def test_every_path_asks_the_same_rule(steps: list[tuple[str, str, str, str, int]]) -> None:
    world = World()
    world.look()
    for step in steps:
        world.act(*step)
        world.look()


def test_the_observer_knows_rooms() -> None:
    world = World()
    assert {room.label for room in world.house.hub.rooms if isinstance(room, Room)} == {"lobby", *ROOMS}
    with pytest.raises(ChatError):
        world.people["carl"].ask("kick", room="tea", user="uma")
