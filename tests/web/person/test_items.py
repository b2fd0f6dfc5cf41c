"""What becomes of each thing is decided in one table, for every kind there is."""

from __future__ import annotations

import pytest

from web.person.items import REASONS, Fate, Item, Kind, fate_of, is_work

KEPT = {Kind.DECISION, Kind.CONSENT, Kind.MONEY, Kind.DISPUTE, Kind.AUDIT}
MASKED = {Kind.CALL_BACK, Kind.SUPPRESSION, Kind.BLOCK}


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_has_a_fate_and_says_why(kind: Kind) -> None:
    fate, reason = fate_of(Item(kind=kind, ref="1", number="+16145550123"))
    assert fate is (Fate.KEPT if kind in KEPT else Fate.MASKED if kind in MASKED else Fate.ERASED)
    assert reason == REASONS[kind][1]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in KEPT])
def test_what_is_at_work_waits(kind: Kind) -> None:
    assert fate_of(Item(kind=kind, ref="1", is_open=True))[0] is Fate.WAITS


@pytest.mark.parametrize("kind", sorted(MASKED))
def test_what_is_masked_is_not_masked_again(kind: Kind) -> None:
    assert not is_work(Item(kind=kind, ref="1", number="+1 614 ••• ••23"))


def test_answers_of_a_billed_call_are_evidence() -> None:
    fate, reason = fate_of(Item(kind=Kind.ANSWERS, ref="1", is_billed=True))
    assert fate is Fate.KEPT and "ledger" in reason
