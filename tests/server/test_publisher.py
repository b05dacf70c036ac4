"""Fan-out: encoded once, joined, written once to each; to very many in several turns; filtered for few."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from twisted.internet.task import Clock

from tcpchat.core.audience import EVERYBODY
from tcpchat.core.entries import PersonId, RoomId, Seq
from tcpchat.core.events import Event, Message, Notice, RoomCreated
from tcpchat.core.state import Person, Room, Session
from tcpchat.errors import Code
from tcpchat.server.publisher import Lag, Publisher
from tcpchat.wire.codec import Encoder

TEA, HALL = RoomId(7), RoomId(8)
NINA, BOB = PersonId(1), PersonId(2)
# Several turns of the reactor.
CROWD = 2_500


class WordEncoder:
    """Events as words, and a note of each encoding."""

    def __init__(self, prefix: str = "", *, personal: bool = True) -> None:
        self._prefix = prefix
        self.personal = personal
        # What is shown; messages, where a test is about them.
        self.shown: tuple[type[Notice | Message], ...] = (Notice,)
        self.encodings = 0

    def encode_to(self, name: str, event: Event) -> bytes:
        return f"{name}!".encode() + self.encode((event,))

    def encode(self, events: Iterable[Event]) -> bytes:
        self.encodings += 1
        return b"".join(f"{self._prefix}{event.text} ".encode() for event in events if isinstance(event, self.shown))


class Member:
    """A reader, and all it was given."""

    def __init__(self, here: Encoder, elsewhere: Encoder | None = None) -> None:
        self.session = Session()
        self.given: list[bytes] = []
        self._here = here
        self._elsewhere = elsewhere or here

    def encoder(self, *, current: bool) -> Encoder:
        return self._here if current else self._elsewhere

    def dismiss(self, text: str, code: Code) -> None:
        raise AssertionError("nobody is dismissed here")

    def deliver(self, data: bytes) -> None:
        self.given.append(data)

    address = deliver
    writable = True
    unsent = 0

    def fell_behind(self) -> None:
        pass

    arrived = True

    def go_back(self) -> None:
        pass

    def read_on(self) -> None:
        pass

    def caught_up(self) -> None:
        pass

    @property
    def read(self) -> str:
        return b"".join(self.given).decode().strip()


class Stage:
    """A publisher and its readers."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.publisher = Publisher(self.clock)
        self.encoder = WordEncoder()

    def member(self, *rooms: RoomId, encoder: Encoder | None = None) -> Member:
        member = Member(encoder or self.encoder)
        self.publisher.attach(member.session, member)
        for room in rooms:
            self.enter(member, room)
        return member

    def enter(self, member: Member, room: RoomId) -> None:
        member.session.rooms[room] = Room(room, str(room), Seq(0), 0, "", NINA)
        self.publisher.enter(room, member.session)

    def leave(self, member: Member, room: RoomId) -> None:
        self.publisher.leave(room, member.session)
        del member.session.rooms[room]

    def set_aside(self, member: Member, head: int) -> Lag:
        """Let a member fall behind when so many entries of its rooms were published."""
        for room in member.session.rooms.values():
            room.head = Seq(head)
        return self.publisher.set_aside(member.session)

    def say(self, *words: str, room: RoomId = TEA, author: PersonId = NINA) -> None:
        self.publisher.publish(room, [Notice(word) for word in words], [author] * len(words))
        self.publisher.flush_soon()

    def turn(self) -> None:
        """One turn of the reactor; a Clock would run what is asked for meanwhile in the same one."""
        asked, self.clock.calls = self.clock.calls, []
        for call in asked:
            call.func(*call.args)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_all_of_a_kind_are_given_one_and_the_same_chunk(stage: Stage) -> None:
    members = [stage.member(TEA) for _ in range(50)]
    loud = WordEncoder("!")
    others = [stage.member(TEA, encoder=loud) for _ in range(50)]
    stage.say("a", "b")
    stage.say("c")
    stage.publisher.flush()
    assert {id(member.given[0]) for member in members} == {id(members[0].given[0])}
    assert [member.given for member in members] == [[b"a b c "]] * 50
    assert [member.given for member in others] == [[b"!a !b !c "]] * 50
    assert (stage.encoder.encodings, loud.encodings) == (1, 1)


def test_what_is_pending_is_told_in_the_next_turn(stage: Stage) -> None:
    member = stage.member(TEA, HALL)
    stage.say("a")
    stage.say("b", room=HALL)
    assert member.given == []
    stage.turn()
    assert member.given == [b"a ", b"b "]
    stage.turn()
    assert member.given == [b"a ", b"b "]


def test_who_enters_reads_from_there_on_and_who_leaves_up_to_there(stage: Stage) -> None:
    old, leaver = stage.member(TEA), stage.member(TEA)
    stage.say("a")
    early = stage.member(TEA)
    stage.say("b")
    stage.leave(leaver, TEA)
    late = stage.member(TEA)
    stage.say("c")
    both = stage.member(TEA)
    stage.say("d")
    stage.leave(both, TEA)
    stage.say("e")
    stage.turn()
    stage.say("f")
    stage.turn()
    assert [one.read for one in (old, early, late)] == ["a b c d e f", "b c d e f", "c d e f"]
    assert [one.read for one in (leaver, both)] == ["a b", "d"]
    assert [len(one.given) for one in (old, early, late, leaver, both)] == [2, 2, 2, 1, 1]


def test_who_asks_reads_what_is_pending_once_and_before_the_others(stage: Stage) -> None:
    asker, other = stage.member(TEA, HALL), stage.member(TEA, HALL)
    stage.say("a")
    stage.say("b", room=HALL)
    stage.publisher.catch_up(asker.session)
    assert (asker.read, other.read) == ("a b", "")
    stage.say("c")
    stage.publisher.catch_up(asker.session)
    stage.publisher.catch_up(asker.session)
    stage.say("d")
    stage.turn()
    assert asker.given == [b"a ", b"b ", b"c ", b"d "]
    assert other.given == [b"a c d ", b"b "]


def test_who_asks_again_and_again_costs_no_more_than_what_is_new(stage: Stage) -> None:
    asker, other = stage.member(TEA), stage.member(TEA)
    asker.session.ignores = {BOB: "bob"}
    for number in range(50):
        stage.publisher.publish(TEA, [Notice(str(number))], [NINA], patient=True)
        stage.publisher.catch_up(asker.session)
    assert stage.encoder.encodings == 50
    stage.publisher.hurry()
    stage.turn()
    assert asker.read == other.read == " ".join(map(str, range(50)))


def test_what_is_sent_to_one_comes_after_what_is_patient(stage: Stage) -> None:
    hearer, other = stage.member(TEA), stage.member(TEA)
    stage.publisher.publish(TEA, [Notice("a")], [NINA], patient=True)
    stage.publisher.publish(HALL, [Notice("b")], [NINA], patient=True)
    stage.publisher.send(hearer.session, Notice("c"))
    assert (hearer.read, other.read) == ("a c", "")
    stage.publisher.hurry()
    stage.turn()
    assert (hearer.read, other.read) == ("a c", "a")


def test_who_ignores_somebody_gets_a_chunk_without_them(stage: Stage) -> None:
    plain, picky = stage.member(TEA), stage.member(TEA)
    picky.session.ignores = {BOB: "bob"}
    stage.publisher.refilter(picky.session)
    stage.say("a", "b")
    stage.publisher.flush()
    assert picky.given[0] is plain.given[0]  # nothing to leave out: nothing of its own
    stage.say("c")
    stage.say("noise", author=BOB)
    stage.say("d")
    stage.publisher.flush()
    stage.say("noise", author=BOB)
    stage.publisher.flush()
    stage.say("noise", author=BOB)
    stage.say("e")
    stage.publisher.catch_up(picky.session)
    assert plain.given == [b"a b ", b"c noise d ", b"noise "]
    assert picky.given == [b"a b ", b"c d ", b"e "]
    stage.leave(picky, TEA)
    picky.session.ignores = {}
    stage.publisher.refilter(picky.session)
    stage.enter(picky, TEA)
    stage.say("hello", author=BOB)
    stage.publisher.flush()
    assert picky.given[-1] == b"hello "


def test_a_fan_out_to_very_many_takes_several_turns(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    stage.say("a")
    stage.publisher.flush()
    done: list[str] = []
    stage.publisher.when_flushed(lambda: done.append("a"))
    assert [sum(bool(member.given) for member in crowd), done] == [1_000, []]
    stage.turn()
    assert [sum(bool(member.given) for member in crowd), done] == [2_000, []]
    stage.turn()
    assert done == ["a"]
    assert [member.given for member in crowd] == [[b"a "]] * CROWD
    stage.publisher.when_flushed(lambda: done.append("at once"))
    assert done == ["a", "at once"]


def test_coming_and_going_between_the_turns_of_a_fan_out(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    stage.say("a")
    stage.publisher.flush()
    first, middle, last, asker = crowd[0], crowd[1_500], crowd[-1], crowd[-2]
    stage.publisher.catch_up(asker.session)
    assert asker.given == [b"a "]
    stage.say("b")
    for leaver in (first, last):
        stage.leave(leaver, TEA)
    newcomer = stage.member(TEA)
    stage.publisher.catch_up(middle.session)
    assert [one.given for one in (first, middle, last)] == [[b"a ", b"b "]] * 3
    stage.say("c")
    for _ in range(6):
        stage.turn()
    assert [one.read for one in (first, middle, last)] == ["a b", "a b c", "a b"]
    assert newcomer.given == [b"c "]
    assert all(member.given == [b"a ", b"b c "] for member in crowd[1:1_500])


def test_what_is_flushed_during_a_fan_out_follows_it_before_anybody_hears_of_the_flush(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    speaker = stage.member(HALL)
    stage.say("a")
    stage.publisher.flush()
    stage.say("b", room=HALL)
    stage.publisher.flush()
    heard: list[str] = []
    stage.publisher.when_flushed(lambda: heard.append(speaker.read))
    for _ in range(3):
        stage.turn()
    assert heard == ["b"]
    # Behind a second one of many turns, but not behind a third: else nobody would ever be answered in a storm.
    stage.say("c")
    stage.publisher.flush()
    stage.say("d")
    stage.publisher.flush()
    stage.publisher.when_flushed(lambda: heard.append(crowd[-1].read))
    stage.turn()
    stage.turn()
    assert crowd[-1].read == "a c"
    stage.say("e")
    stage.turn()
    stage.turn()
    assert heard == ["b", "a c d"]
    for _ in range(3):
        stage.turn()
    assert all(member.read == "a c d e" for member in crowd)


def test_those_who_wait_are_called_in_their_order(stage: Stage) -> None:
    for _ in range(CROWD):
        stage.member(TEA)
    lonely = stage.member(HALL)
    order: list[int] = []
    stage.say("a")
    stage.publisher.flush()
    stage.publisher.when_flushed(lambda: order.append(1))
    stage.say("b", room=HALL)
    stage.publisher.when_flushed(lambda: order.append(2))
    stage.leave(lonely, HALL)
    stage.publisher.when_flushed(lambda: order.append(3))
    for _ in range(4):
        stage.turn()
    assert order == [1, 2, 3]


def test_a_fault_in_one_reader_or_listener_stops_nobody_else(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Member):
        def deliver(self, data: bytes) -> None:
            raise RuntimeError("broken")

    crowd = [stage.member(TEA) for _ in range(CROWD)]
    broken = Broken(stage.encoder)
    stage.publisher.attach(broken.session, broken)
    stage.enter(broken, TEA)
    late = stage.member(TEA)
    done: list[str] = []
    stage.say("a")
    stage.publisher.flush()
    stage.publisher.when_flushed(lambda: [][0])
    stage.publisher.when_flushed(lambda: done.append("told"))
    for _ in range(4):
        stage.turn()
    assert all(member.given == [b"a "] for member in (*crowd, late))
    assert done == ["told"]
    stage.publisher.catch_up(broken.session)


def test_closing_a_room_in_the_middle_of_a_fan_out(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    stage.say("a")
    stage.publisher.flush()
    stage.say("b")
    stage.publisher.close(TEA)
    stage.say("nothing")
    for _ in range(4):
        stage.turn()
    assert all(member.given == [b"a ", b"b "] for member in crowd)


def test_what_is_patient_is_read_before_a_room_closes_and_by_nobody_who_comes_after_all_have_left(stage: Stage) -> None:
    member, last = stage.member(TEA), stage.member(HALL)
    for room in (TEA, HALL):
        stage.publisher.publish(room, [Notice("a")], [NINA], patient=True)
    stage.publisher.close(TEA)
    stage.leave(last, HALL)
    assert (member.read, last.read) == ("a", "a")
    late = stage.member(HALL)
    stage.publisher.hurry()
    stage.turn()
    assert late.read == ""


def test_a_change_of_the_current_room_changes_what_comes_after_it(stage: Stage) -> None:
    member = Member(WordEncoder("here:"), WordEncoder("there:"))
    stage.publisher.attach(member.session, member)
    stage.enter(member, TEA)
    stage.enter(member, HALL)
    stage.publisher.enter(EVERYBODY, member.session)
    stage.say("a")
    stage.say("z", room=EVERYBODY)
    member.session.current = member.session.rooms[TEA]
    stage.publisher.refocus(member.session)
    assert member.given == [b"there:a ", b"there:z "]
    stage.say("b")
    stage.say("c", room=HALL)
    stage.turn()
    assert member.given[2:] == [b"here:b ", b"there:c "]


def entry(number: int) -> Message:
    return Message("tea", Seq(number), 0, "nina", str(number), "message")


def test_who_falls_behind_gets_what_is_owed_and_its_cursor_stands_before_what_is_pending(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    fresh, ahead, owed = crowd[0], crowd[1], crowd[-1]
    stage.say("a")
    stage.publisher.flush()
    stage.publisher.publish(TEA, [entry(5)], [NINA])
    stage.publisher.catch_up(ahead.session)
    stage.publisher.publish(TEA, [entry(6), Notice("z")], [NINA, NINA])
    cursors = [stage.set_aside(one, head=6).rooms[TEA] for one in (fresh, ahead, owed)]
    assert [cursor.seq for cursor in cursors] == [4, 5, 4]
    assert all(cursor.stirred for cursor in cursors)
    assert [one.read for one in (fresh, ahead, owed)] == ["a", "a", "a"]
    for _ in range(6):
        stage.turn()
    assert [one.read for one in (fresh, ahead, owed)] == ["a", "a", "a"]


def test_who_is_taken_back_reads_on_after_what_is_pending(stage: Stage) -> None:
    member, other = stage.member(TEA), stage.member(TEA)
    cursor = stage.set_aside(member, head=4).rooms[TEA]
    assert (cursor.seq, cursor.stirred) == (4, False)
    stage.publisher.publish(TEA, [entry(5)], [NINA])
    stage.publisher.resort(member.session)
    stage.say("a")
    assert cursor.stirred
    stage.publisher.take_back(member.session)
    stage.say("b")
    stage.turn()
    assert (member.read, other.read) == ("b", "a b")


def test_who_falls_behind_has_what_was_told_to_everybody_so_far(stage: Stage) -> None:
    member, other = stage.member(TEA), stage.member(TEA)
    for one in (member, other):
        stage.publisher.enter(EVERYBODY, one.session)
    stage.say("a", room=EVERYBODY)
    lag = stage.set_aside(member, head=0)
    stage.say("b", room=EVERYBODY)
    stage.publisher.publish(EVERYBODY, [RoomCreated("jam")], [NINA])
    stage.turn()
    assert (member.read, other.read) == ("a b", "a b")
    assert lag.rooms_changed


def test_a_room_stays_for_who_is_behind_and_goes_with_it(stage: Stage) -> None:
    member = stage.member(TEA)
    stage.set_aside(member, head=0)
    stage.say("a")
    stage.publisher.take_back(member.session)
    stage.say("b")
    stage.turn()
    assert member.read == "b"
    stage.set_aside(member, head=0)
    stage.publisher.abandon(member.session)
    late = stage.member(TEA)
    stage.say("c")
    stage.turn()
    assert (member.read, late.read) == ("b", "c")


def mention(stage: Stage, *mentioned: Member) -> None:
    """Say three things, the second of which mentions bob and carl."""
    stage.encoder.shown = (Notice, Message)
    second = Message("tea", 2, 0, "nina", "two", "message", mentions=["bob", "carl"])
    sessions = [member.session for member in mentioned]
    stage.publisher.publish(TEA, [Notice("one"), second, Notice("three")], [NINA, BOB, NINA], mentioned=sessions)
    stage.publisher.flush_soon()


def called(member: Member, name: str) -> Member:
    member.session.person = Person(PersonId(len(name)), name)
    return member


def test_only_who_is_mentioned_gets_a_line_of_its_own(stage: Stage) -> None:
    bob, carl = called(stage.member(TEA), "bob"), called(stage.member(TEA), "carl")
    others = [called(stage.member(TEA), "eve") for _ in range(10)]
    mention(stage, bob, carl)
    stage.turn()
    assert bob.read == "one bob!two three"
    assert carl.read == "one carl!two three"
    assert [other.read for other in others] == ["one two three"] * 10
    assert all(len(member.given) == 1 for member in (bob, carl, *others))
    assert stage.encoder.encodings == 1 + 3 + 2
    stage.say("four")
    stage.turn()
    assert bob.read == "one bob!two three four"
    assert stage.encoder.encodings == 7


def test_where_all_read_the_same_a_mention_costs_nothing(stage: Stage) -> None:
    encoder = WordEncoder(personal=False)
    encoder.shown = (Notice, Message)
    bob = called(stage.member(TEA, encoder=encoder), "bob")
    mention(stage, bob)
    stage.turn()
    assert (bob.read, encoder.encodings) == ("one two three", 1)


def test_who_is_mentioned_is_told_so_when_it_catches_up_and_when_it_ignores_somebody(stage: Stage) -> None:
    bob, carl = called(stage.member(TEA), "bob"), called(stage.member(TEA), "carl")
    carl.session.ignores = {BOB: "bob"}
    stage.publisher.refilter(carl.session)
    mention(stage, bob, carl)
    stage.publisher.catch_up(bob.session)
    assert bob.read == "one bob!two three"
    stage.turn()
    assert bob.read == "one bob!two three"
    assert carl.read == "one three"


def test_nothing_has_arrived_while_a_fan_out_has_yet_to_come_to_somebody(stage: Stage) -> None:
    crowd = [stage.member(TEA) for _ in range(CROWD)]
    elsewhere = stage.member(HALL)
    stage.say("a")
    assert stage.publisher.arrived(elsewhere.session)
    stage.turn()
    assert stage.publisher.arrived(crowd[0].session)
    assert not stage.publisher.arrived(crowd[-1].session)
    assert stage.publisher.arrived(elsewhere.session)
    stage.say("b", room=HALL)  # waits for the end of the other one
    stage.publisher.flush()
    assert elsewhere.given == []
    assert not stage.publisher.arrived(elsewhere.session)
    for _ in range(4):
        stage.turn()
    assert elsewhere.given == [b"b "]
    assert all(stage.publisher.arrived(one.session) for one in (crowd[-1], elsewhere))
