"""The checker that buyers run shares no code with billing: both come to the same for any contract and call."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import check_invoice
from billing.judge_terms import Situation, judge_terms
from billing.read_terms import parse_terms
from billing.terms_document import Party
from billing.terms_facts import TERMS_FACTS, decimal_seconds
from tests.billing.contracts import contract

DOLLARS = st.decimals("0", "500", places=2).map(lambda one: f"{one:.2f}")
PERCENT = st.decimals("0", "100", places=4).map(str)
LEAVES = st.sampled_from(
    [
        {"fact": "state", "=": "oh"},
        {"fact": "state", "in": ["OH", "MI"]},
        {"fact": "state", "!=": "MI"},
        {"fact": "veteran", "=": True},
        {"fact": "connected_seconds", ">=": 74.2},
        {"fact": "connected_seconds", "<": 90},
        {"fact": "credit_score", "between": [620, 740]},
        {"fact": "time", "between": ["22:00", "06:00"]},
        {"fact": "home_value", ">": "250000"},
        {"fact": "credit_score", "known": False},
    ]
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
TIERS = st.fixed_dictionaries(
    {
        "period": st.just("month"),
        "tiers": st.tuples(DOLLARS, DOLLARS).map(
            lambda two: [{"from_call": 1, "price": two[0]}, {"from_call": 5, "price": two[1]}]
        ),
    }
)


def rules(prices: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {"price": prices},
        optional={"when": CONDITIONS, "minimum_connected_seconds": st.sampled_from([0, 74.2, 90])},
    )
    return st.lists(one, min_size=1, max_size=3).map(
        lambda many: [{"name": f"rule {index}", **rule} for index, rule in enumerate(many)]
    )


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["OH", "mi", "TX"]),
        "veteran": st.sampled_from(["yes", "no", "maybe"]),
        "credit_score": st.sampled_from(["620", "740", "741", "1,000", "high"]),
        "time": st.sampled_from(["06:00", "06:01", "22:00", "12:00"]),
        "home_value": st.sampled_from(["250000", "250000.01", "$300,000"]),
    },
)
ROUNDINGS = st.fixed_dictionaries(
    {"to": st.sampled_from(["0.01", "1", "0.000001"]), "mode": st.sampled_from(["up", "down", "half_up"])}
)
MONEY = st.integers(0, 10**9)


@st.composite
def judged(draw: st.DrawFn) -> tuple[Party, dict[str, Any], Situation]:
    party = draw(st.sampled_from(Party))
    if party is Party.BUYER:
        prices = st.one_of(
            DOLLARS, TIERS, st.just("bid"), PERCENT.map(lambda share: {"percent_of_bid": share})
        )
        more: dict[str, Any] = {}
    else:
        prices = st.one_of(DOLLARS, PERCENT.map(lambda share: {"percent_of_revenue": share}))
        margins = st.one_of(st.none(), DOLLARS, PERCENT.map(lambda share: {"percent_of_revenue": share}))
        margin = draw(margins)
        more = {} if margin is None else {"minimum_margin": margin}
    terms = contract(
        rules=draw(rules(prices)), bonuses=draw(rules(DOLLARS)), rounding=draw(ROUNDINGS), **more
    )
    connected_ms = draw(st.sampled_from([0, 74_199, 74_200, 89_999, 90_000, 90_001]))
    situation = Situation(
        connected_ms=connected_ms,
        facts={**draw(FACTS), "connected_seconds": decimal_seconds(connected_ms)},
        bid_micros=draw(st.one_of(st.none(), MONEY)) if party is Party.BUYER else None,
        bid_minimum_connected_ms=draw(st.sampled_from([None, 0, 90_000])),
        revenue_micros=draw(MONEY) if party is Party.PUBLISHER else 0,
        calls_before={"month": draw(st.integers(0, 9))},
    )
    return party, terms, situation


@given(judged())
def test_two_reckonings_agree(case: tuple[Party, dict[str, Any], Situation]) -> None:
    party, terms, situation = case
    ours = judge_terms(parse_terms(terms, party), situation)
    invoice = {"kinds": {name: kind.value for name, kind in TERMS_FACTS.items()}}
    read = json.loads(json.dumps(terms), parse_float=Decimal)
    theirs = check_invoice.worth(read, situation.to_json(), invoice)
    assert theirs == (ours.amount_micros if ours.paid else None)


SIGNED = st.tuples(st.binary(min_size=32, max_size=32), st.binary(max_size=200))


@settings(max_examples=25)
@given(SIGNED, st.integers(0, 511), st.integers(0, 255))
def test_two_readings_of_ed25519_agree(signed: tuple[bytes, bytes], at: int, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(signed[0])
    public, signature = key.public_key().public_bytes_raw(), key.sign(signed[1])
    assert check_invoice.is_signed(public, signed[1], signature)
    assert not check_invoice.is_signed(public, signed[1] + b"x", signature)
    changed = bytearray(signature)
    changed[at // 8] ^= 1 << at % 8
    assert not check_invoice.is_signed(public, signed[1], bytes(changed))
    other = bytearray(public)
    other[bit // 8] ^= 1 << bit % 8
    assert not check_invoice.is_signed(bytes(other), signed[1], signature)


def test_a_signature_of_rfc_8032() -> None:
    """Section 7.1, test 2; and its scalar raised by the order, which is no other signature of the same."""
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert check_invoice.is_signed(public, b"\x72", signature)
    raised = int.from_bytes(signature[32:], "little") + check_invoice.ORDER
    assert not check_invoice.is_signed(public, b"\x72", signature[:32] + raised.to_bytes(32, "little"))
    assert not check_invoice.is_signed(public, b"\x72", signature[:63])
