from __future__ import annotations

import pytest

from rules.holiday_calendars import UnknownCalendar, holidays_of


def test_a_calendar_gives_its_days_with_those_on_which_they_are_observed() -> None:
    days = holidays_of("US", [2026, 2027])
    assert days["2026-11-26"] == "Thanksgiving Day"
    assert days["2026-07-03"] == "Independence Day (observed)"
    assert list(days) == sorted(days)


def test_a_state_has_its_own_holidays() -> None:
    only_texas = set(holidays_of("US-TX", [2026])) - set(holidays_of("US", [2026]))
    assert "2026-03-02" in only_texas, "Texas Independence Day"


@pytest.mark.parametrize("name", ["US-XX", "XX", "us", "US-", "", "US-OH\n"])
def test_a_calendar_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UnknownCalendar, match="calendar"):
        holidays_of(name, [2026])
