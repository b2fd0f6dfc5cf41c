"""What a market carries of kept data packages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from router import kept_data
from router.data_tables import TableUnavailable
from router.kept_data import KeptData
from rules.schedule import parse_schedule


@pytest.fixture(autouse=True)
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_data, "read_area_codes", lambda: {"614": ["OH"]})
    monkeypatch.setattr(kept_data, "read_zip_codes", lambda: {"432": "OH"})


def target(calendar: str) -> dict[str, object]:
    return {"schedule": {"time_zone": "UTC", "ranges": [], "holidays": {"calendar": calendar}}}


async def test_every_state_has_its_holidays_and_other_countries_are_there_when_named(tmp_path: Path) -> None:
    found = await KeptData(tmp_path / "none").of_market([target("CA-ON"), target("US-OH"), target("XX")])
    this_year = datetime.now(UTC).year
    holidays = found["holidays"]
    assert holidays["US-TX"][f"{this_year}-03-02"] == "Texas Independence Day"
    assert holidays["CA-ON"][f"{this_year + 1}-07-01"] == "Canada Day"
    assert "XX" not in holidays
    assert (found["area_codes"], found["zip_codes"]) == ({"614": ["OH"]}, {"432": "OH"})
    assert found["zip_codes_source"].startswith("zipcodes ")
    assert parse_schedule(target("CA-ON")["schedule"], holidays).off


async def test_a_table_that_cannot_be_read_is_left_out_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable() -> dict[str, str]:
        raise TableUnavailable("no such package")

    kept = KeptData(tmp_path / "none")
    monkeypatch.setattr(kept_data, "read_zip_codes", unavailable)
    assert (await kept.of_market([]))["zip_codes"] == {}
    monkeypatch.setattr(kept_data, "read_zip_codes", lambda: {"432": "OH"})
    assert (await kept.of_market([]))["zip_codes"] == {"432": "OH"}
