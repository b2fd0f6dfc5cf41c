from __future__ import annotations

from typing import Any

import pytest

from router.domain.counts import Counts
from router.domain.decide import decide
from router.errors import DecisionUnreadable, SnapshotDiffers
from router.replay import replay
from tests.router.markets import a_request, a_small_market, snapshot_of


def test_a_decision_is_made_again_from_what_was_stored() -> None:
    snapshot = snapshot_of(a_small_market(3))
    decision = decide(snapshot, a_request(tried=(2,)), Counts(concurrency={1: 1, 99: 7}))
    assert decision.to_json()["inputs"]["counts"]["concurrency"] == {"1": 1}
    again = replay(decision.to_json(), snapshot)
    assert again.to_bytes() == decision.to_bytes()
    assert again.chosen is not None
    assert again.chosen.target_id == 3


def test_another_market_is_not_asked() -> None:
    decision = decide(snapshot_of(a_small_market(3)), a_request(), Counts())
    with pytest.raises(SnapshotDiffers):
        replay(decision.to_json(), snapshot_of(a_small_market(2)))


@pytest.mark.parametrize("broken", [{}, {"format": 9}, {"format": 1}, {"format": 1, "inputs": {"now": 3}}])
def test_what_is_no_decision_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(DecisionUnreadable):
        replay(broken, snapshot_of(a_small_market(1)))
