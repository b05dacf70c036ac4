"""Appending: numbers without holes, order, texts kept exactly, and a bad change that harms no other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tcpchat.core.entries import Draft, Entry, Kind, PersonId, RoomId, Seq
from tcpchat.core.requests import Append, CreateRoom
from tcpchat.store.log import Outcome
from tcpchat.store.schema import rooms
from tests.store.material import CELLAR, GARDEN, KITCHEN, ON_SERVERS, Store, create, direct, room, say, told, unfit

TEXTS = [
    "plain",
    "",
    " spaces at both ends ",
    "🦆 four bytes 𝕏",
    "e\u0301 is not \u00e9",
    "שלום \u202eabc\u202c العربية",
    "İstanbul ıI",
    "back\\slash 'quotes' \"double\" %s %% %(room)s :room ?",
    "line\r\nbreak\ttab \x1b[31m",
    "\ufeff\ufffd\uffff\U0010ffff",
    "x" * 16_384,
    "🦆" * 4_096,
]


def test_numbers_go_on_from_batch_to_batch(store: Store) -> None:
    store.furnish(GARDEN)
    for batch in range(5):
        said = [say(GARDEN, f"{batch}.{line}") for line in range(batch + 1)]
        start = batch * (batch + 1) // 2
        outcome = store.commit(*said)
        assert outcome == Outcome([Entry(Seq(start + n), one.draft) for n, one in enumerate(said, 1)], [])
    assert store.written(GARDEN) == list(enumerate((f"{b}.{n}" for b in range(5) for n in range(b + 1)), 1))
    assert store.head(GARDEN) == 15


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.commit() == Outcome([], [])


def test_rooms_are_numbered_each_for_itself_however_they_interleave(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN, CELLAR)
    # Not in the order of their ids, in which the rooms' heads are advanced.
    turns = [CELLAR, GARDEN, CELLAR, KITCHEN, GARDEN, CELLAR, GARDEN, GARDEN]
    outcome = store.commit(*(say(where, f"{turn}") for turn, where in enumerate(turns)))
    assert told(outcome.supplies) == [1, 1, 2, 1, 2, 3, 3, 4]
    assert store.written(GARDEN) == [(1, "1"), (2, "4"), (3, "6"), (4, "7")]
    assert store.written(KITCHEN) == [(1, "3")]
    assert store.written(CELLAR) == [(1, "0"), (2, "2"), (3, "5")]


def test_a_new_writer_goes_on_where_the_last_one_ended(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "before"))
    store.close()
    store.database.wait_until_left()
    again = Store(store.database)
    assert told(again.commit(say(GARDEN, "after")).supplies) == [2]
    again.close()


def test_a_room_and_the_first_words_in_it_may_share_a_batch(store: Store) -> None:
    assert told(store.commit(create(GARDEN, "garden"), say(GARDEN, "first")).supplies) == ["+garden", 1]


def test_words_for_a_room_that_is_not_there_are_refused_alone(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(say(GARDEN, "a"), say(RoomId(99), "b"), say(GARDEN, "c"))
    assert told(outcome.supplies) == [1, "no-such-room", 2]
    assert store.written(RoomId(99)) == []


def test_texts_come_back_exactly(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(*(say(GARDEN, words) for words in TEXTS))
    assert [entry.draft.text for entry in store.read(GARDEN)] == TEXTS


def test_every_field_comes_back(store: Store) -> None:
    store.furnish(GARDEN)
    great = 2**63 - 1
    drafts = [
        Draft(GARDEN, great, PersonId(great), "Zoë\u0308🦆", None, Kind.ACTION, "waves"),
        Draft(GARDEN, 0, PersonId(0), "n" * 64, "c" * 20, Kind.MESSAGE, "hello"),
    ]
    outcome = store.commit(*(Append(draft) for draft in drafts))
    assert store.read(GARDEN) == outcome.supplies == [Entry(Seq(n), draft) for n, draft in enumerate(drafts, 1)]


def test_names_are_one_only_if_their_keys_are_the_same_code_points(store: Store) -> None:
    names = ["cafe", "café", "cafe\u0301", "İ", "i", "ı", "straße", "strasse", "ß", "ss", "ÅNGSTRÖM", "angstrom"]
    for number, name in enumerate(names, 20):
        # The keys are folded before they get here: the store must not fold them any further.
        first = replace(room(number, name), key=name)
        second = replace(first, id=RoomId(number + 50))
        assert told(store.commit(CreateRoom(first), CreateRoom(second)).supplies) == [f"+{name}", "room-exists"]
        assert told(store.commit(say(first.id, name, name=name)).supplies) == [1]
        assert store.read(first.id)[0].draft.name == name


def test_a_direct_room_is_opened_once(store: Store) -> None:
    talk = direct(300)
    first = store.commit(say(talk.id, "psst", opens=talk), say(talk.id, "yes?", opens=talk))
    assert told(first.supplies) == [1, 2]
    assert told(store.commit(say(talk.id, "again", opens=talk)).supplies) == [3]
    assert store.rows(talk.id) == 1
    assert store.written(talk.id) == [(1, "psst"), (2, "yes?"), (3, "again")]


def test_new_and_known_direct_rooms_open_in_one_batch(store: Store) -> None:
    known, fresh = direct(300), direct(299)
    store.commit(say(known.id, "one", opens=known))
    outcome = store.commit(say(fresh.id, "new", opens=fresh), say(known.id, "two", opens=known))
    assert told(outcome.supplies) == [1, 2]


def test_a_room_that_several_changes_bring_is_created_once(store: Store) -> None:
    """Two people may join an absent room at the same time."""
    outcome = store.commit(create(GARDEN, "garden"), create(GARDEN, "garden"), say(GARDEN, "a"))
    assert told(outcome.supplies) == ["+garden", "+garden", 1]
    again = store.commit(create(GARDEN, "garden"), create(KITCHEN, "kitchen"), say(GARDEN, "b"))
    assert told(again.supplies) == ["+garden", "+kitchen", 2]
    assert store.rows(GARDEN) == 1


def test_a_name_taken_is_refused_and_the_rest_keeps_its_order(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(
        say(GARDEN, "a"),
        create(KITCHEN, "kitchen"),
        say(GARDEN, "b"),
        create(77, "garden"),
        say(KITCHEN, "c"),
        say(GARDEN, "d"),
        say(RoomId(77), "nowhere"),
    )
    assert told(outcome.supplies) == [1, "+kitchen", 2, "room-exists", 1, 3, "no-such-room"]
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "d")]
    assert store.written(KITCHEN) == [(1, "c")]
    assert store.rows(RoomId(77)) == 0


def test_of_two_rooms_of_one_name_in_a_batch_the_first_is_created(store: Store) -> None:
    outcome = store.commit(create(KITCHEN, "kitchen"), create(77, "Kitchen"), say(KITCHEN, "mine"))
    assert told(outcome.supplies) == ["+kitchen", "room-exists", 1]


def test_an_unfit_entry_anywhere_in_a_batch_leaves_the_others_whole(store: Store) -> None:
    said = [f"{line}" for line in range(5)]
    for place in range(6):
        where = RoomId(20 + place)
        store.commit(create(where, f"room{place}"))
        fit = [say(where, words) for words in said]
        outcome = store.commit(*fit[:place], unfit(where), *fit[place:])
        assert told(outcome.supplies) == [*range(1, place + 1), "store-failed", *range(place + 1, 6)]
        assert store.written(where) == list(enumerate(said, 1))
    assert store.pauses == []


def test_a_batch_of_nothing_but_unfit_entries_leaves_the_writer_well(store: Store) -> None:
    store.furnish(GARDEN)
    assert told(store.commit(*[unfit(GARDEN)] * 5).supplies) == ["store-failed"] * 5
    assert told(store.commit(say(GARDEN, "well")).supplies) == [1]


@ON_SERVERS
def test_a_name_longer_than_its_column_is_refused_and_never_cut(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(say(GARDEN, "a"), say(GARDEN, "b", name="n" * 65), say(GARDEN, "c"))
    assert told(outcome.supplies) == [1, "store-failed", 2]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_nul_that_postgresql_cannot_keep_is_refused_alone(store: Store) -> None:
    store.furnish(GARDEN)
    assert told(store.commit(say(GARDEN, "a"), say(GARDEN, "\0"), say(GARDEN, "c")).supplies) == [1, "store-failed", 2]


def test_a_text_that_is_no_unicode_is_refused_alone(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(say(GARDEN, "a"), say(GARDEN, "half a pair: \ud83e"), say(GARDEN, "c"))
    assert told(outcome.supplies) == [1, "store-failed", 2]


def test_a_large_batch_is_one_of_many_rooms(store: Store) -> None:
    places = [RoomId(1000 + number) for number in range(500)]
    store.commit(*(create(place, f"room{place}") for place in places))
    outcome = store.commit(*(say(place, f"{turn}") for turn in range(4) for place in places))
    assert told(outcome.supplies) == [turn for turn in range(1, 5) for _ in places]
    assert all(store.head(place) == 4 for place in places[::100])
    assert store.read(places[-1])[-1].draft == say(places[-1], "3").draft


def test_the_last_topic_said_is_the_room_s(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    topics = [Append(Draft(GARDEN, 0, PersonId(1), "anna", None, Kind.TOPIC, words)) for words in ("roses", "weeds")]
    assert told(store.commit(topics[0], say(GARDEN, "a"), topics[1], say(KITCHEN, "b")).supplies) == [1, 2, 3, 1]
    with store.reading.connect() as connection:
        found = dict(
            connection.execute(select(rooms.c.id, rooms.c.topic).where(rooms.c.id.in_([GARDEN, KITCHEN]))).all()
        )
    assert found == {GARDEN: "weeds", KITCHEN: ""}
    assert [entry.draft.kind for entry in store.read(GARDEN)] == [Kind.TOPIC, Kind.MESSAGE, Kind.TOPIC]
