"""What a call would have come to, had one target's hours, caps, licences or wallet not held."""

from __future__ import annotations

import pytest

from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import Decision
from router.domain.what_if import Rule
from router.replay import replay, suppose
from tests.router.markets import a_campaign, a_licence, a_market, a_request, a_target, snapshot_of

CLOSED = {"time_zone": "America/New_York", "ranges": []}


@pytest.mark.parametrize(
    ("change", "licences", "counts", "rule"),
    [
        ({"schedule": CLOSED}, [a_licence(1)], Counts(), Rule.SCHEDULE),
        ({}, [], Counts(), Rule.LICENCES),
        ({"concurrency_cap": 1}, [a_licence(1)], Counts(concurrency={1: 1}), Rule.CAPS),
        ({"enabled": False}, [a_licence(1)], Counts(), Rule.SWITCHED_OFF),
    ],
)
def test_one_rule_let_go_of_gives_the_target_the_call(
    change: dict[str, object], licences: list[dict[str, object]], counts: Counts, rule: Rule
) -> None:
    targets = [a_target(1, **change), a_target(2)]
    snapshot = snapshot_of(a_market(targets, [*licences, a_licence(2)], a_campaign([[(1, 1), (2, 2)]])))
    decision = decide(snapshot, a_request(), counts)
    assert isinstance(decision, Decision) and decision.chosen is not None
    assert decision.chosen.target_id == 2
    stored = decision.to_json()
    supposed = suppose(stored, snapshot, 1, {rule})
    assert supposed.decision.chosen is not None and supposed.decision.chosen.target_id == 1
    others = set(Rule) - {rule}
    assert suppose(stored, snapshot, 1, others).decision.chosen == decision.chosen
    assert replay(stored, snapshot).to_bytes() == decision.to_bytes(), "the market itself is untouched"


def test_a_target_the_market_did_not_have_is_told() -> None:
    snapshot = snapshot_of(a_market([a_target(1)], [a_licence(1)], a_campaign([[(1, 1)]])))
    decision = decide(snapshot, a_request(), Counts())
    assert isinstance(decision, Decision)
    with pytest.raises(KeyError):
        suppose(decision.to_json(), snapshot, 9, {Rule.CAPS})
