"""A wall clock that is set while people talk: what is billed is how long it truly was."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.cel import CelRow, Clock, call_record, clock_of
from agi.clock import ClockFile, distance_ms
from billing.call_record import CallRecord, evidence_of
from tests.agi.test_cel import SOLD, rows_of

SET_MS = 60_000
OFFSET_MS = 1_700_000_000_000


def stepped(after_row: int, by_ms: int, *, watch: int = 1, times_only: bool = False) -> list[CelRow]:
    """The rows of SOLD when the wall clock is set by so much after the row of this place."""
    rows = []
    for place, row in enumerate(rows_of(SOLD)):
        moved = by_ms if place > after_row else 0
        extra = row.extra
        if moved:
            extra = extra.replace("ended=1764000012200", f"ended={1_764_000_012_200 + moved}")
        if row.event == "LEG" and after_row < 5:
            extra = extra.replace("answered=1764000006000", f"answered={1_764_000_006_000 + moved}")
        clock = "" if times_only else f"{watch if moved else 1} {OFFSET_MS + moved}"
        rows.append(replace(row, event_us=row.event_us + moved * 1000, extra=extra, clock=clock))
    return rows


def record_of(rows: list[CelRow]) -> CallRecord:
    record = call_record(rows)
    assert record is not None
    return record


PLACES = {"before anything": -1, "in the IVR": 3, "while it rings": 4, "in mid-call": 7, "at the end": 13}


@pytest.mark.parametrize("by_ms", [SET_MS, -SET_MS, 3_600_000])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_clock_set_at_any_moment_of_a_call_changes_no_length(place: int, by_ms: int) -> None:
    record = record_of(stepped(place, by_ms))
    leg = record.sold_leg
    assert leg is not None
    assert (leg.connected_ms, leg.disagreement_ms) == (6_200, 2)
    assert (record.carrier_ms, record.total_ms) == (12_195, 12_206)
    evidence = evidence_of(record, leg)
    assert evidence.get("clock_stepped_ms") == (None if place == -1 else by_ms)
    assert evidence["alarm"] is (place == 7), "somebody should look at what was set while they talked"


def test_as_it_was_without_the_second_clock_a_minute_was_gained_unseen() -> None:
    leg = record_of(stepped(7, SET_MS, times_only=True)).sold_leg
    assert leg is not None and leg.connected_ms == 66_200 and not leg.alarm


@given(by_ms=st.integers(-(10**7), 10**7), place=st.integers(-1, 14))
def test_no_step_is_ever_billed(by_ms: int, place: int) -> None:
    leg = record_of(stepped(place, by_ms)).sold_leg
    assert leg is not None and abs(leg.connected_ms - 6_200) <= 50


@pytest.mark.parametrize("by_ms", [-50, 3, 50])
def test_what_the_two_clocks_differ_by_in_reading_is_left_to_the_wall_clock(by_ms: int) -> None:
    rows = [
        replace(row, clock=f"1 {OFFSET_MS + (by_ms if place > 7 else 0)}")
        for place, row in enumerate(rows_of(SOLD))
    ]
    leg = record_of(rows).sold_leg
    assert leg is not None and leg.connected_ms == 6_200 and not leg.alarm


def test_a_step_that_nobody_saw_is_billed_by_the_wall_clock_with_an_alarm() -> None:
    record = record_of(stepped(7, SET_MS, watch=2))
    leg = record.sold_leg
    assert leg is not None and leg.connected_ms == 66_200 and leg.alarm
    assert evidence_of(record, leg)["leg_clock_step_unseen"]


@pytest.mark.parametrize("text", ["", "1", "1 x", "0x1 2", "1 2 3", "-1 2", "1 " + "9" * 16])
def test_a_broken_clock_is_none(text: str) -> None:
    assert clock_of(text) is None


# --- the file ------------------------------------------------------------------------------------------------


def test_the_distance_of_the_clocks_stands_still() -> None:
    first = distance_ms()
    time.sleep(0.05)
    assert abs(distance_ms() - first) <= 2


def test_a_step_is_written_by_whoever_looks_and_belongs_to_the_same_watch(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.touch()
    one, other = ClockFile(path), ClockFile(path)
    one.look(OFFSET_MS)
    other.look(OFFSET_MS + 3)
    assert clock_of(path.read_text()) == Clock(watch=1, offset_ms=OFFSET_MS)
    other.look(OFFSET_MS + SET_MS)
    one.look(OFFSET_MS + SET_MS)
    assert clock_of(path.read_text()) == Clock(watch=1, offset_ms=OFFSET_MS + SET_MS)


def test_what_moved_while_nobody_looked_begins_a_new_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clock"
    ClockFile(path).look(OFFSET_MS)
    again = ClockFile(path)
    again.look(OFFSET_MS)
    assert clock_of(path.read_text()) == Clock(watch=1, offset_ms=OFFSET_MS), (
        "started again, and nothing moved"
    )
    ClockFile(path).look(OFFSET_MS + SET_MS)
    assert clock_of(path.read_text()) == Clock(watch=2, offset_ms=OFFSET_MS + SET_MS)
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) + 6
    monkeypatch.setattr(time, "clock_gettime", lambda _: asleep)
    again.look(OFFSET_MS)
    assert clock_of(path.read_text()) == Clock(watch=3, offset_ms=OFFSET_MS)
