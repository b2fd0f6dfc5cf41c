"""What each role sees of a call, and that nothing of another party is ever among it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.masking import masked_number
from web.keys import HOUSE, Role
from web.visibility import Field, Viewer, own_verdict, seen_columns

BUYER = Viewer(role=Role.BUYER, buyer_id=7)
PUBLISHER = Viewer(role=Role.PUBLISHER, publisher_id=3)
ANALYST = Viewer(role=Role.ANALYST)

BUYERS = ("price", "bid", "buyer_id", "target_id", "leg", "minimum")
PUBLISHERS = ("payout", "publisher_id", "number", "source", "share")
secrets = st.lists(
    # Long enough that none is a part of another's digits.
    st.integers(min_value=10**11, max_value=10**12 - 1),
    min_size=11,
    max_size=11,
    unique=True,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[dict[str, Any], list[str], list[str]]:
    """A call's row, with what only its buyer and only its publisher may see of it."""
    values = draw(secrets)
    of_buyer = dict(zip(BUYERS, values, strict=False))
    of_publisher = dict(zip(PUBLISHERS, values[len(BUYERS) :], strict=True))
    row = {
        "id": "a",
        "caller": "+16145550123",
        "dialled": f"+1{of_publisher['number']}",
        "revenue_micros": of_buyer["price"],
        "payout_micros": of_publisher["payout"],
        "margin_micros": of_buyer["price"] - of_publisher["payout"],
        "publisher": f"P{of_publisher['publisher_id']}",
        "publisher_id": of_publisher["publisher_id"],
        "buyer": f"B{of_buyer['buyer_id']}",
        "buyer_id": of_buyer["buyer_id"],
        "target": f"T{of_buyer['target_id']}",
        "target_id": of_buyer["target_id"],
        "tags": {"source": of_publisher["source"]},
        "decisions": [{"bid_micros": of_buyer["bid"]}],
        "legs": [{"target": of_buyer["leg"]}],
        "transactions": [{"revenue": of_buyer["price"], "payout": of_publisher["payout"]}],
        "evidence": {"target": of_buyer["target_id"]},
        "conversion": _conversion(of_buyer, of_publisher),
    }
    return row, [str(value) for value in of_publisher.values()], [str(value) for value in of_buyer.values()]


def _conversion(of_buyer: dict[str, int], of_publisher: dict[str, int]) -> dict[str, Any]:
    both = {"publisher_id": of_publisher["publisher_id"]}
    return {
        "verdict": "converted",
        "detail": f"{of_buyer['minimum']}; no payout: {of_publisher['share']}",
        "connected_ms": 92_418,
        "minimum_connected_ms": of_buyer["minimum"],
        "duplicate_of": "another call",
        "price_micros": of_buyer["price"],
        "payout_micros": of_publisher["payout"],
        "buyer": {"paid": True, "rule": "base", "inputs": {"bid_micros": of_buyer["bid"], **both}},
        "publisher": {"paid": True, "rule": "base", "inputs": {"revenue_micros": of_buyer["price"], **both}},
    }


@given(calls())
def test_a_buyer_never_reads_what_is_the_publishers_nor_a_publisher_what_is_the_buyers(
    made: tuple[dict[str, Any], list[str], list[str]],
) -> None:
    row, of_publisher, of_buyer = made
    for_buyer, for_publisher = (json.dumps(seen_columns(row, one)) for one in (BUYER, PUBLISHER))
    assert not [one for one in of_publisher if one in for_buyer]
    assert not [one for one in of_buyer if one in for_publisher]
    assert row["caller"] in for_buyer
    assert row["caller"] not in for_publisher
    assert "0123" not in str(seen_columns(row, PUBLISHER).get("caller")), "random money may hold these digits"


@given(calls())
def test_the_house_reads_all_money_and_an_analyst_no_whole_number(
    made: tuple[dict[str, Any], list[str], list[str]],
) -> None:
    row, _, _ = made
    for role in HOUSE - {Role.ANALYST}:
        assert seen_columns(row, Viewer(role=role)) == row
    seen = seen_columns(row, ANALYST)
    assert seen | {"caller": row["caller"]} == row and seen["caller"] == "+1 614 ••• ••23"


def test_a_recording_is_heard_by_who_had_the_call_and_by_the_house_but_not_by_analysts() -> None:
    assert BUYER.hears_recording_of(7, 92_418)
    assert not BUYER.hears_recording_of(7, 0)
    assert not BUYER.hears_recording_of(8, 92_418)
    assert not BUYER.hears_recording_of(None, 92_418)
    assert not Viewer(role=Role.BUYER).hears_recording_of(None, 92_418)
    assert not PUBLISHER.hears_recording_of(7, 92_418)
    assert not ANALYST.hears_recording_of(7, 92_418)
    assert Viewer(role=Role.MANAGER).hears_recording_of(None, None)


def test_a_number_is_masked_but_for_its_area_code_and_last_two_digits() -> None:
    assert masked_number("+16145550123") == "+1 614 ••• ••23"
    assert masked_number("+442079460958") == "••••58"
    assert masked_number("anonymous") == masked_number("12") == "••••••"
    assert masked_number(None) is None


def test_a_party_is_told_of_its_own_terms_in_their_words() -> None:
    conversion = {
        "verdict": "too_short",
        "detail": "74.2 s of 90 s; no payout: base: converted is not true",
        "connected_ms": 74_200,
        "minimum_connected_ms": 90_000,
        "buyer": {"paid": False, "failed": [{"rule": "base", "reason": "connected 74.2 s of 90 s needed"}]},
    }
    told = own_verdict(conversion, BUYER)
    assert told is not None and told["failed"][0]["reason"] == "connected 74.2 s of 90 s needed"
    assert "payout" not in json.dumps(told)
    seen = own_verdict(conversion, PUBLISHER)
    assert seen is not None and seen["verdict"] == "too_short" and seen["failed"] == []
    assert not PUBLISHER.sees(Field.REVENUE) and own_verdict(None, BUYER) is None
