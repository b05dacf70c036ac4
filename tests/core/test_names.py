from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.confusables import TABLE, skeleton
from tcpchat.core.limits import Limits
from tcpchat.core.names import check_color, check_name, check_person_name, fold
from tcpchat.errors import ChatError

LIMITS = Limits()


@pytest.mark.parametrize("name", ["nina", "Nina-2", "7up", "d.o.t", "日本語", "Ünï", "a_b", "नमस्ते", "x" * 32])
def test_names_that_are_allowed(name: str) -> None:
    assert fold(check_name(name, LIMITS)) == fold(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("-nina", "can't begin with '-'"),
        ("two words", "one word"),
        ("a:b", "can't contain ':'"),
        ("a\x1bb", "U+001B"),
        ("a\u202eb", "U+202E"),
        ("@nina", "can't begin with '@'"),
        ("x" * 33, "at most 32 characters"),
        ("日" * 22, "64 bytes"),
        ("a" + "\ufdfa" * 10, "right to left"),
        ("\ufb01n", "'\ufb01' there: it is another form of a plainer character"),
        ("a\u05d0", "right to left"),
        ("\u00b7a", "can't begin with"),
        ("l\u00b7a", "can't contain"),
        ("\ud800", "U+D800"),
    ],
)
def test_names_that_are_refused_are_told_why(name: str, reason: str) -> None:
    with pytest.raises(ChatError) as refusal:
        check_name(name, LIMITS)
    assert reason in refusal.value.text


@pytest.mark.parametrize(("one", "other"), [("Nina", "nINA"), ("ÉTÉ", "été"), ("Ｎina", "nina"), ("é", "e\u0301")])
def test_the_same_name_in_other_spellings(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text(max_size=80))
def test_an_allowed_name_has_a_key_that_fits_its_column(name: str) -> None:
    try:
        checked = check_name(name, LIMITS)
    except ChatError:
        return
    assert 0 < len(fold(checked)) <= 64
    assert checked.isprintable()
    assert not set(checked) & set(" :*@#/\n")


def test_the_programs_own_words_are_nobodys_name() -> None:
    with pytest.raises(ChatError, match="reserved"):
        check_person_name("YOU", LIMITS)


@pytest.mark.parametrize("name", ["boss", "BOSS", "b0ss", "bоss"])
def test_a_forbidden_name_is_nobodys_nor_what_looks_like_it(name: str) -> None:
    forbidden = {skeleton("Boss")}
    with pytest.raises(ChatError, match="reserved"):
        check_person_name(name, LIMITS, forbidden)
    assert check_person_name("bossy", LIMITS, forbidden) == "bossy"


@pytest.mark.parametrize("color", [None, "#3a7bd5", "teal"])
def test_colors(color: str | None) -> None:
    assert check_color(color) == color


@pytest.mark.parametrize("color", ["", "red;", "#12345", "Red", "\x1b[31m", "teal\n"])
def test_what_is_no_color(color: str) -> None:
    with pytest.raises(ChatError, match="A colour is one word"):
        check_color(color)


def test_a_name_far_too_long_costs_no_time() -> None:
    # Normalising this would take minutes: the marks are sorted in a time that grows with their square.
    endless = "a" + "\u0301\u0323" * 500_000
    assert fold(endless) == endless
    with pytest.raises(ChatError, match="too long"):
        check_name(endless, LIMITS)


@pytest.mark.parametrize("name", ["alice\u034f", "alice\ufe0f", "alice\u3164", "\u3164", "alice\u02d0", "alice\u2d7f"])
def test_what_nobody_can_see_is_no_part_of_a_name(name: str) -> None:
    with pytest.raises(ChatError, match=r"U\+"):
        check_name(name, LIMITS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nina", "n\u0456na"),
        ("Bill", "BiIl"),
        ("bob0", "bobO"),
        ("user1", "userl"),
        ("tom", "torn"),
        ("OLGA", "\u041eLGA"),
        ("Straße", "STRASSE"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
        ("lan", "\uff29an"),
        ("m\u0456na", "\uff4d\uff49\uff4e\uff41"),
    ],
)
def test_names_that_look_alike(one: str, other: str) -> None:
    assert fold(one) != fold(other)
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("nina", "nino"), ("été", "ete"), ("bob1", "bob2"), ("ab", "ba")])
def test_names_that_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    "name",
    [
        "Adm\u0456n",
        "SERVER",
        "ADMIN",
        "r00t",
        "y\u043eu",
        "tcpchat",
        "and",
        "rnore",
        "\uff53\uff45\uff52\uff56\uff45\uff52",
        "\uff41dmin",
    ],
)
def test_what_looks_like_a_reserved_word_is_reserved(name: str) -> None:
    with pytest.raises(ChatError, match="reserved"):
        check_person_name(name, LIMITS)


@given(st.text(max_size=8))
def test_the_same_name_always_looks_the_same(name: str) -> None:
    try:
        name = check_name(name, LIMITS)
    except ChatError:
        return
    assert skeleton(name) == skeleton(skeleton(name))


def test_the_table_is_that_of_unicode() -> None:
    from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]

    looks: dict[str, list[str]] = {
        source.replace("\u200e", ""): [found["c"].replace("\u200e", "") for found in alike]
        for source, alike in confusables_data.items()
    }

    def prototype(character: str) -> str:
        """What many look like is a prototype; of two that only look like each other it is the plainer one."""
        (look, *others) = looks[character]
        if others:
            return character
        if looks.get(look) == [character]:
            return min((character, look), key=lambda text: (not text.isascii(), len(text), text))
        return look

    made: dict[str, list[str]] = {}
    for character in sorted(looks):
        if len(character) == 1 and not character.isascii() and _of_a_name(character):
            look = prototype(character)
            if look not in ("", character) and all(unicodedata.category(part)[0] in "LNM" for part in look):
                made.setdefault(look, []).append(character)
    assert "".join(f"{look} {''.join(alike)}\n" for look, alike in sorted(made.items())) == TABLE


def _of_a_name(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" and unicodedata.normalize("NFKC", character) == character
