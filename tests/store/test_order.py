"""What moderators and admins did: kept whole or not at all, and there again at the next start."""

from __future__ import annotations

from tcpchat.core.audit import AuditRecord
from tcpchat.core.bans import SERVER, Ban, BanId, Subject
from tcpchat.core.entries import Kind, PersonId, RoomId, Seq
from tcpchat.core.requests import (
    Effect,
    Enact,
    Lifted,
    NameRule,
    ReadAudit,
    Redaction,
    StoredSettings,
    StoredState,
)
from tcpchat.core.roles import FOREVER, Membership, RoomRole
from tcpchat.core.settings import OPEN, RoomSettings, decode, differences
from tcpchat.store.order import Order, load_order, read_audit
from tcpchat.store.reading import load_rooms
from tests.store.material import GARDEN, KITCHEN, NOW, ON_SERVERS, Store, create, remove, say, told
from tests.store.test_failures import lose_the_answer

GREAT = 2**63 - 1
LONG = "🦆" * 2_000


def record(act: str = "kick", room: RoomId = GARDEN, subject: str = "bob") -> AuditRecord:
    return AuditRecord(NOW, PersonId(501), "anna", act, subject, "why 🦆", NOW + 1, room, "garden")


def ban(number: int, room: RoomId = GARDEN, data: str = "502") -> Ban:
    return Ban(BanId(number), room, Subject.PERSON, data, "Bob", LONG, "anna", NOW, 0)


def order(store: Store) -> Order:
    return load_order(store.reading)


def audit(store: Store, limit: int = 10, before: int | None = None, room: RoomId | None = None) -> list[str]:
    with store.reading.connect() as connection:
        page = read_audit(connection, ReadAudit(limit, before, room))
    return [f"{one.act} {one.subject}" for one in page.records]


def test_everything_comes_back_as_it_was(store: Store) -> None:
    effects: tuple[Effect, ...] = (
        ban(1),
        ban(GREAT, SERVER),
        Membership(GARDEN, PersonId(GREAT), RoomRole.MODERATOR, FOREVER, invited=True),
        Membership(GARDEN, PersonId(5), muted=NOW),
        NameRule("zoë🦆", "Zoë🦆", "reserved"),
        StoredState("motd", f"=Hello.\n{LONG}"),
    )
    (enacted,) = store.commit(Enact(record(), effects)).supplies
    assert enacted == Enact(record(), effects)
    known = order(store)
    assert {*known.bans, *known.memberships, *known.rules} == set(effects[:5])
    assert known.state == {"motd": f"=Hello.\n{LONG}"}


def test_a_later_word_takes_the_place_of_an_earlier(store: Store) -> None:
    first = Membership(GARDEN, PersonId(5), RoomRole.VOICE)
    store.commit(Enact(None, (first, NameRule("bob", "Bob", "reserved"), StoredState("motd", "=a"), ban(1))))
    second = Membership(GARDEN, PersonId(5), invited=True)
    rest = (second, NameRule("bob", "bob", "forbidden"), StoredState("motd", "=b"), Lifted(BanId(1)))
    store.commit(Enact(None, rest))
    assert order(store) == Order([second], [], [NameRule("bob", "bob", "forbidden")], {"motd": "=b"})
    store.commit(Enact(None, (NameRule("bob", "bob", "free"), StoredState("motd", ""))))
    assert order(store)[2:] == ([], {})


def test_nothing_is_kept_of_a_plain_member_unless_it_created_the_room(store: Store) -> None:
    creator = create(GARDEN, "x").record.creator
    store.furnish(GARDEN)
    store.commit(*(Enact(None, (Membership(GARDEN, one, RoomRole.VOICE),)) for one in (creator, PersonId(5))))
    store.commit(*(Enact(None, (Membership(GARDEN, one),)) for one in (creator, PersonId(5))))
    assert order(store).memberships == [Membership(GARDEN, creator)]


def test_settings_of_a_room(store: Store) -> None:
    store.furnish(GARDEN)
    settings = RoomSettings(unlisted=True, slow=30, key="ab" * 16)
    changed = StoredSettings(GARDEN, differences(OPEN, settings))
    store.commit(say(GARDEN, "one"), Enact(record("set"), (changed,)), say(GARDEN, "two"))
    records, _ = load_rooms(store.reading, epoch=1, now=NOW)
    assert {one.id: decode(one.settings) for one in records}[GARDEN] == settings
    assert store.written(GARDEN)[-1] == (2, "two")


def test_settings_that_are_changed_at_once_are_all_kept(store: Store) -> None:
    store.furnish(GARDEN)
    changes = [StoredSettings(GARDEN, {name: value}) for name, value in (("slow", 5), ("limit", 3), ("slow", 7))]
    store.commit(*(Enact(record("set"), (change,)) for change in changes))
    records, _ = load_rooms(store.reading, epoch=1, now=NOW)
    assert {one.id: decode(one.settings) for one in records}[GARDEN] == RoomSettings(slow=7, limit=3)


def test_a_text_that_is_removed_is_gone(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "one"), say(GARDEN, "two"), say(GARDEN, "three"))
    store.commit(say(GARDEN, "four"), Enact(record("remove"), (Redaction(GARDEN, Seq(2)),)))
    assert store.written(GARDEN) == [(1, "one"), (2, ""), (3, "three"), (4, "four")]
    kinds = [entry.draft.kind for entry in store.read(GARDEN, 1, 4)]
    assert kinds == [Kind.MESSAGE, Kind.REMOVED, Kind.MESSAGE, Kind.MESSAGE]


def test_the_audit_log_is_read_backwards_by_the_page(store: Store) -> None:
    for number in range(5):
        store.commit(Enact(record("ban", GARDEN if number % 2 else KITCHEN, f"p{number}")))
    assert audit(store) == [f"ban p{number}" for number in (4, 3, 2, 1, 0)]
    assert audit(store, room=GARDEN) == ["ban p3", "ban p1"]
    with store.reading.connect() as connection:
        page = read_audit(connection, ReadAudit(2))
        assert page.more
        rest = read_audit(connection, ReadAudit(3, page.records[-1].id))
    assert [one.subject for one in rest.records] == ["p2", "p1", "p0"]
    assert not rest.more


def test_a_deleted_room_leaves_its_record_only(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(Enact(record(), (ban(1), ban(2, SERVER), Membership(GARDEN, PersonId(5), RoomRole.VOICE))))
    store.commit(remove(GARDEN))
    assert [one.id for one in order(store).bans] == [2]
    assert order(store).memberships == []
    assert audit(store) == ["kick bob"]


def test_what_does_not_fit_is_refused_alone(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(Enact(None, (ban(1),)))
    results = store.commit(
        say(GARDEN, "one"), Enact(record("ban"), (ban(2), ban(1))), say(GARDEN, "two"), create(9, "x")
    )
    assert told(results.supplies)[0] == 1
    assert told(results.supplies)[2] == 2
    assert audit(store) == []
    assert [one.id for one in order(store).bans] == [1]


@ON_SERVERS
def test_an_act_whose_commit_was_not_heard_of_is_kept_once(store: Store) -> None:
    store.furnish(GARDEN)
    store.at_next_commit(lose_the_answer(store))
    store.commit(Enact(record(), (ban(1),)))
    assert audit(store) == ["kick bob"]
    assert [one.id for one in order(store).bans] == [1]
