from __future__ import annotations

import pytest

from router.errors import SnapshotRefused
from tests.router.markets import a_small_market, snapshot_of


def test_a_method_we_do_not_know_refuses_the_market() -> None:
    document = a_small_market(1)
    document["campaigns"][0]["stages"][0]["method"] = "lottery"
    with pytest.raises(
        SnapshotRefused,
        match=r"campaign 'mortgage', stage 1: method 'lottery' is not one of best_value, ping_post, priority",
    ):
        snapshot_of(document)


def test_a_plan_with_a_target_that_does_not_exist_is_refused() -> None:
    document = a_small_market(1)
    document["campaigns"][0]["stages"][0]["entries"].append([99, 1])
    with pytest.raises(SnapshotRefused, match="target 99 does not exist"):
        snapshot_of(document)


def test_another_format_is_refused() -> None:
    with pytest.raises(SnapshotRefused, match="format 1"):
        snapshot_of({**a_small_market(1), "format": 1})


def test_rows_that_cannot_be_right_are_named_and_the_rest_goes_on() -> None:
    document = a_small_market(2)
    document["targets"][0] |= {"schedule": {"ranges": []}, "sip_uri": "tel:911", "loan_types": ["auto"]}
    document["licences"][1] |= {"state": "ZZ"}
    snapshot = snapshot_of(document)
    assert snapshot.targets[1].problem
    assert not snapshot.targets[2].problem
    assert [problem.split(":")[0] for problem in snapshot.problems] == [
        "target 1 'desk 1'",
        "target 1 'desk 1'",
        "target 1 'desk 1'",
        "licence 2 (10002)",
    ]


def test_numbers_are_found_only_while_they_are_sold() -> None:
    document = a_small_market(1)
    assert snapshot_of(document).number("+18005550100") is not None
    assert snapshot_of(document).number("+18005550999") is None
    document["numbers"][0]["enabled"] = False
    assert snapshot_of(document).number("+18005550100") is None
