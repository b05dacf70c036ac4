"""The register of accounts: for whom a name, and one that looks like it, is kept."""

from __future__ import annotations

import itertools

import pytest

from tcpchat.core.accounts import Account, Accounts, State
from tcpchat.core.entries import PersonId
from tcpchat.core.names import fold

NOW = 1_000


def account(ident: int, name: str, *, kept: int | None = None) -> Account:
    """Return an account in good standing, or a deleted one whose name is ``kept`` until then."""
    state = State.GOOD if kept is None else State.DELETED
    return Account(PersonId(ident), fold(name), name, None, state, "", kept or 0, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_who_has_a_name_by_now_keeps_it_in_whatever_order_the_accounts_are_read(order: tuple[int, ...]) -> None:
    known = (account(1, "nina", kept=NOW - 2), account(2, "n\u0456na"), account(3, "ni\u0578a", kept=NOW - 1))
    accounts = Accounts()
    for place in order:
        accounts.put(known[place])
    for name in ("nina", "n\u0456na"):
        assert accounts.holder(name, NOW) == known[1]
    accounts.put(known[0])
    assert accounts.holder("nina", NOW) == known[1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_of_two_deleted_accounts_the_name_is_kept_for_the_later(order: tuple[int, ...]) -> None:
    known = (account(1, "nina", kept=NOW - 1), account(2, "n\u0456na", kept=NOW + 1))
    accounts = Accounts()
    for place in order:
        accounts.put(known[place])
    assert accounts.holder("nina", NOW) == known[1]
    assert accounts.holder("nina", NOW + 1) is None


def test_who_has_the_name_in_another_spelling_does_not_hide_who_has_its_look() -> None:
    lan, ian = account(1, "lan"), account(2, "ian")
    accounts = Accounts()
    accounts.put(lan)
    accounts.put(ian)
    assert accounts.holder("Ian", NOW) == ian
    assert accounts.holder("Ian", NOW, besides=ian.id) == lan
    assert accounts.holder("ian", NOW, besides=ian.id) is None
