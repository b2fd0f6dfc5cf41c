"""Licences: who may talk to whom, on which days, and which licences end soon."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.expiring_licences import HeldLicence, find_expiring
from router.domain.licences import Missing, Need, find_licences, in_force, is_licensed
from router.domain.market import Licence

TODAY = date(2026, 3, 3)
OHIO_REFINANCE = Need(products=("refinance",), states=("OH",))


def licence(**changes: Any) -> Licence:
    said: dict[str, Any] = {
        "id": 1,
        "nmls_id": "401822",
        "state": "OH",
        "product": "refinance",
        "valid_from": date(2020, 1, 1),
        "valid_to": None,
        "status": "active",
    }
    return Licence(**{**said, **changes})


def of_officer(**changes: Any) -> Licence:
    return licence(**{"id": 2, "officer_name": "Ann Lee", "officer_nmls_id": "1187265", **changes})


def missing(*held: Licence, officers: bool = False, need: Need = OHIO_REFINANCE) -> Missing | None:
    by_key: dict[tuple[str, str], tuple[Licence, ...]] = {}
    for one in held:
        key = (one.state, one.product)
        by_key[key] = (*by_key.get(key, ()), one)
    found = find_licences(by_key, need, TODAY, officers=officers)
    return found if isinstance(found, Missing) else None


@pytest.mark.parametrize(
    ("begins", "ends", "holds"), [(0, 9, True), (1, 9, False), (-9, 0, True), (-9, -1, False), (0, 0, True)]
)
def test_the_first_and_the_last_day_count(begins: int, ends: int, holds: bool) -> None:
    first, last = TODAY + timedelta(days=begins), TODAY + timedelta(days=ends)
    assert in_force(licence(valid_from=first, valid_to=last), TODAY) is holds


def test_a_buyer_that_lists_its_officers_needs_one_who_is_licensed() -> None:
    assert missing(licence()) is None
    assert missing(licence(), officers=True) == Missing(
        detail="no loan officer has a licence for refinance in OH", officer=True
    )
    assert missing(licence(), of_officer(), officers=True) is None
    ended = of_officer(valid_to=TODAY - timedelta(days=1))
    assert missing(licence(), ended, officers=True) == Missing(
        detail="licence 1187265 of Ann Lee for refinance in OH ended on 2026-03-02", officer=True
    )
    assert missing(licence(), ended, of_officer(id=3, officer_name="Bo"), officers=True) is None


def test_an_officer_does_not_stand_in_for_the_company() -> None:
    assert missing(of_officer(), officers=True) == Missing(
        detail="no licence for refinance in OH", officer=False
    )


def test_every_state_the_caller_may_live_in_needs_a_licence() -> None:
    need = Need(products=("refinance",), states=("KS", "MO"))
    assert missing(licence(state="KS"), licence(state="MO"), need=need) is None
    said = missing(licence(state="KS"), licence(state="MO", status="suspended"), need=need)
    assert said is not None
    assert said.detail == "licence 401822 for refinance in MO is suspended"


days = st.integers(-3, 3).map(lambda shift: TODAY + timedelta(days=shift))
licences = st.builds(
    licence,
    valid_from=days,
    valid_to=days | st.none(),
    status=st.sampled_from(["active", "active", "suspended"]),
    officer_nmls_id=st.sampled_from([None, "7"]),
)


@given(held=st.lists(licences, max_size=4), officers=st.booleans())
def test_the_short_question_and_the_long_one_agree(held: list[Licence], officers: bool) -> None:
    assert is_licensed(held, TODAY, officers=officers) is (missing(*held, officers=officers) is None)


# --- licences that end soon ------------------------------------------------------------------------------------


def ending(*held: Licence, within: int = 60) -> list[tuple[int, int]]:
    found = find_expiring([HeldLicence(buyer="Keystone", licence=one) for one in held], TODAY, within)
    return [(one.days_left, one.urgency) for one in found]


def in_days(count: int, **changes: Any) -> Licence:
    return licence(valid_to=TODAY + timedelta(days=count), **changes)


def test_a_licence_is_warned_of_at_sixty_thirty_and_seven_days() -> None:
    states = ("OH", "MI", "PA", "NY", "TX", "FL", "GA")
    left = (0, 7, 8, 30, 31, 60, 61)
    assert ending(*(in_days(days, state=state) for days, state in zip(left, states, strict=True))) == [
        (0, 7), (7, 7), (8, 30), (30, 30), (31, 60), (60, 60),
    ]  # fmt: skip


def test_a_licence_that_has_ended_is_named_first() -> None:
    assert ending(in_days(5), in_days(-1, state="MI"), in_days(-61, state="PA")) == [(-1, 0), (5, 7)]


def test_a_licence_that_has_been_renewed_is_not_warned_of() -> None:
    assert ending(in_days(5), licence(valid_from=TODAY + timedelta(days=6))) == []
    assert ending(in_days(5), licence(valid_from=TODAY + timedelta(days=7))) == [(5, 7)], "a gap of a day"
    assert ending(in_days(-5), licence(valid_from=TODAY - timedelta(days=1))) == []
    renewed = licence(valid_from=TODAY + timedelta(days=6), valid_to=TODAY + timedelta(days=40))
    assert ending(in_days(5), renewed) == [(40, 60)]
    assert ending(in_days(5), licence(valid_from=TODAY + timedelta(days=6), status="pending")) == [(5, 7)]
    assert ending(in_days(5), of_officer(valid_from=TODAY)) == [(5, 7)], "somebody else's"


@given(held=st.lists(licences, max_size=5), within=st.integers(0, 5))
def test_what_is_not_warned_of_holds_beyond_the_days_asked_for(held: list[Licence], within: int) -> None:
    """Day by day: a licensee in force today who loses the licence within the days asked for is always named."""
    found = {
        (one.licence.officer_nmls_id, one.days_left)
        for one in find_expiring([HeldLicence(buyer="Keystone", licence=one) for one in held], TODAY, within)
    }
    for officer in (None, "7"):
        own = [one for one in held if one.officer_nmls_id == officer]
        day, last = TODAY, None
        while any(in_force(one, day) for one in own) and (day - TODAY).days <= 10:
            last, day = day, day + timedelta(days=1)
        if last is not None and (last - TODAY).days <= within:
            assert (officer, (last - TODAY).days) in found
