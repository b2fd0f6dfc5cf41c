"""Whatever an address holds, the list gets a filter and a place that make sense."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.calls.listing import Cursor, Filter, read_cursor, read_filter, span_of

CALL_ID = UUID("6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a10")


def test_numbers_are_their_digits() -> None:
    wanted = read_filter({"caller": "+1 (614) 555-0123", "number": "800.555"})
    assert (wanted.caller, wanted.dialled) == ("16145550123", "800555")


@pytest.mark.parametrize(
    "query",
    [
        {"caller": "%_'\"<script>"},
        {"outcome": "sold' or 1=1"},
        {"campaign": "x"},
        {"campaign": "9" * 40},
        {"campaign": "²"},
        {"campaign": ""},
        {"nobody": "asked"},
    ],
)
def test_nonsense_is_left_out(query: dict[str, str]) -> None:
    assert read_filter(query) == Filter()


def test_a_filter_goes_into_an_address_and_comes_back() -> None:
    wanted = Filter(caller="614", dialled="800", outcome="sold", campaign_id=7)
    assert wanted.query(before="1.x") == "?caller=614&number=800&outcome=sold&campaign=7&before=1.x"
    assert Filter().query() == ""


@given(moment=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), call_id=st.uuids())
def test_a_place_survives_the_address_to_the_microsecond(moment: datetime, call_id: UUID) -> None:
    place = Cursor(started_at=moment, call_id=call_id)
    found = read_cursor({"before": str(place)})
    assert found == place or moment.year >= 5138


@pytest.mark.parametrize(
    "text",
    ["", "1", f"x.{CALL_ID}", f"99999999999999999.{'-' * 36}", f"{'9' * 30}.{CALL_ID}", f"²²²²²².{CALL_ID}"],
)
def test_a_place_that_is_none_is_the_top(text: str) -> None:
    assert read_cursor({"before": text}) is None


@pytest.mark.parametrize(
    ("query", "led_by"),
    [
        ({"caller": "614"}, {}),
        ({"state": "OH"}, {}),
        ({"tag": "name=ada", "campaign": "1"}, {"campaign": "1"}),
        ({"seconds": "90", "from": "2026-11-01"}, {"from": "2026-11-01"}),
        ({"converted": "no", "outcome": "sold"}, {"outcome": "sold"}),
        ({"recorded": "yes"}, {}),
        ({"campaign": "1", "buyer": "2"}, {"buyer": "2"}),
        ({"caller": "6145550123", "target": "2"}, {"caller": "6145550123"}),
    ],
)
def test_a_search_is_led_by_the_rarest_thing_an_index_knows(
    query: dict[str, str], led_by: dict[str, str]
) -> None:
    wanted = read_filter(query)
    assert wanted.is_search
    assert wanted.indexed == read_filter(led_by)


@pytest.mark.parametrize("query", [{}, {"campaign": "1"}, {"caller": "6145550123"}, {"outcome": "sold"}])
def test_what_an_index_answers_is_no_search(query: dict[str, str]) -> None:
    assert not read_filter(query).is_search
    assert not read_filter({**query, "from": "2026-11-01"}).is_search


def test_days_are_the_visitors() -> None:
    wanted = read_filter({"from": "2026-11-01", "to": "2026-11-01"})
    span = span_of(wanted, ZoneInfo("America/New_York"))
    assert (span.start, span.end) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 11, 2, 5, tzinfo=UTC),
    )
    assert span.rest is None
