"""Double entry by textbook, and digests that notice everything."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import (
    FIRST_ROOT,
    Posting,
    SealedEntry,
    Unbalanced,
    balanced,
    leaf_of,
    leaf_of_stored,
    merkle_root,
    seal_root,
    settlement_postings,
)

MICROS = st.integers(0, 10**12)


def test_a_sold_call() -> None:
    postings = settlement_postings(
        buyer_id=3,
        publisher_id=4,
        carrier_name="Carrier",
        price_micros=45_000_000,
        payout_micros=30_000_000,
        carrier_cost_micros=11_400,
    )
    assert {posting.account: posting.amount_micros for posting in postings} == {
        "buyer:3:receivable": 45_000_000,
        "revenue": -45_000_000,
        "payout": 30_000_000,
        "publisher:4:payable": -30_000_000,
        "carrier_cost": 11_400,
        "carrier:Carrier:payable": -11_400,
    }


@given(MICROS, MICROS, MICROS)
def test_every_settlement_balances_and_has_no_zero(price: int, payout: int, cost: int) -> None:
    postings = settlement_postings(
        buyer_id=1,
        publisher_id=1,
        carrier_name="c",
        price_micros=price,
        payout_micros=payout,
        carrier_cost_micros=cost,
    )
    assert sum(posting.amount_micros for posting in postings) == 0
    assert all(posting.amount_micros for posting in postings)


def test_an_unsold_call_of_a_free_trunk_posts_nothing() -> None:
    assert _settlement(price=0, payout=0) == ()


@pytest.mark.parametrize(("price", "payout"), [(-1, 0), (0, -1), (1, 0)])
def test_negative_amounts_and_amounts_nobody_owes_are_refused(price: int, payout: int) -> None:
    with pytest.raises(ValueError, match=r"negative|nobody owes"):
        _settlement(price=price, payout=payout)


@given(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    ),
    st.dictionaries(st.text(min_size=1).filter(lambda name: "\0" not in name), st.integers()),
)
def test_a_digest_of_texts_is_the_digest_of_values(kind: str, detail: Any, amounts: dict[str, int]) -> None:
    call_id = "6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a11"
    entry = SealedEntry(
        id=7, call_id=call_id, kind=kind, posted_at_us=1, detail=detail, corrects_id=None,
        postings=tuple(amounts.items()),
    )  # fmt: skip
    # As PostgreSQL writes them: text as it is, accounts in the order of their bytes.
    postings = json.dumps(sorted(map(list, amounts.items())), separators=(",", ":"), ensure_ascii=False)
    stored = leaf_of_stored(
        id_=7, call_id=call_id, kind=kind, posted_at_us=1, detail=json.dumps(detail), corrects_id=None,
        postings=postings,
    )  # fmt: skip
    assert stored == leaf_of(entry)


def test_unbalanced_postings_are_refused() -> None:
    with pytest.raises(Unbalanced, match="by 1 micros"):
        balanced((Posting(account="a", amount_micros=2), Posting(account="b", amount_micros=-1)))


ENTRY = SealedEntry(
    id=1,
    call_id="c",
    kind="settlement",
    posted_at_us=5,
    detail={"b": 1, "a": 2},
    corrects_id=None,
    postings=(("revenue", -5), ("buyer:1:receivable", 5)),
)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ENTRY, id=2),
        replace(ENTRY, call_id=None),
        replace(ENTRY, kind="other"),
        replace(ENTRY, posted_at_us=6),
        replace(ENTRY, detail={"b": 1, "a": 3}),
        replace(ENTRY, corrects_id=1),
        replace(ENTRY, postings=(("revenue", -6), ("buyer:1:receivable", 6))),
        replace(ENTRY, postings=(("revenue", -5), ("buyer:2:receivable", 5))),
    ],
)
def test_a_digest_notices_every_change(changed: SealedEntry) -> None:
    assert leaf_of(changed) != leaf_of(ENTRY)


def test_a_digest_does_not_depend_on_the_order_of_keys_or_postings() -> None:
    same = replace(ENTRY, detail={"a": 2, "b": 1}, postings=ENTRY.postings[::-1])
    assert leaf_of(same) == leaf_of(ENTRY)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True), st.data())
def test_a_root_notices_a_leaf_lost_added_or_moved(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    assert merkle_root(leaves[:place] + leaves[place + 1 :]) != root
    assert merkle_root([*leaves, leaves[place]]) != root
    moved = [*leaves[:place], *leaves[place + 1 :], leaves[place]]
    assert (merkle_root(moved) == root) is (moved == leaves)


def test_a_seal_depends_on_its_place_in_the_chain() -> None:
    leaves = [leaf_of(ENTRY)]
    roots = {
        seal_root(1, FIRST_ROOT, leaves),
        seal_root(2, FIRST_ROOT, leaves),
        seal_root(1, b"x" * 32, leaves),
    }
    assert len(roots) == 3


def _settlement(*, price: int, payout: int) -> tuple[Posting, ...]:
    return settlement_postings(
        buyer_id=None,
        publisher_id=1,
        carrier_name=None,
        price_micros=price,
        payout_micros=payout,
        carrier_cost_micros=0,
    )
