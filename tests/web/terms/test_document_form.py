"""Terms go through their form unchanged, in fields or whole."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billing.check_terms import checked_terms
from billing.terms_document import Party
from web.terms.document_form import ROUNDING, document_of, placed, texts_of

amounts = st.integers(0, 99_999).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
tiers = st.lists(st.integers(2, 10_000), min_size=1, max_size=4, unique=True).flatmap(
    lambda calls: st.builds(
        lambda first, later, period: {
            "tiers": [{"from_call": 1, "price": first}]
            + [{"from_call": call, "price": price} for call, price in zip(sorted(calls), later, strict=True)],
            "period": period,
        },
        amounts,
        st.lists(amounts, min_size=len(calls), max_size=len(calls)),
        st.sampled_from(("day", "week", "month")),
    )
)
prices = amounts | st.just("bid") | st.just({"percent_of_bid": "90"}) | tiers
rules = st.builds(
    lambda price, minimum: {
        "name": "base",
        **({"minimum_connected_seconds": minimum} if minimum else {}),
        "price": price,
    },
    prices,
    st.sampled_from((0, 30, 90, 89.5)),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {
        "currency": "USD",
        "time_zone": "America/New_York",
        "rounding": draw(st.sampled_from((ROUNDING, {"to": "1", "mode": "up"}))),
        "rules": [draw(rules)],
    }
    if draw(st.booleans()):
        document["bonuses"] = [{"name": "veteran", "when": {"fact": "veteran", "=": True}, "price": "5.00"}]
    if draw(st.booleans()):
        document["sale"] = {"within_days": 30, "price": "200.00"}
    if draw(st.booleans()):
        document["rules"].insert(
            0, {"name": "Ohio", "when": {"fact": "state", "in": ["OH"]}, "price": draw(amounts)}
        )
    return document


@given(documents())
def test_terms_go_through_their_form_unchanged(document: dict[str, Any]) -> None:
    texts = texts_of(document, Party.BUYER)
    assert document_of(texts, Party.BUYER) == (document, {})
    assert bool(texts["whole"]) is (len(document["rules"]) > 1)
    checked_terms(document, Party.BUYER)


def test_a_problem_stands_at_the_field_in_which_it_is_mended() -> None:
    texts = {"whole": ""}
    problems = ["rules[0].price.tiers[1].from_call: a", "rules[0].price: b", "sale.price: c", "from: d"]
    assert set(placed(problems, texts)) == {"tiers", "price", "more", "goes_live"}
    assert set(placed(problems, {"whole": "{}"})) == {"whole", "goes_live"}
