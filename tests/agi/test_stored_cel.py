"""What is stored of Asterisk's rows names no caller, and what is read of them does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import cel_queries
from agi.cel import CelRow, user_fields
from agi.stored_cel import extra_as_told, extra_to_store
from store.key_ring import key_ring
from tests.sealed import sealed

CALLER = "+16145550123"


def row_of(extra: str, event: str = "CALL") -> CelRow:
    return CelRow(
        event=event,
        event_us=1,
        uniqueid="a-1.1",
        linkedid="a-1.1",
        channel="PJSIP/trunk-demo-1",
        extra=extra,
        clock="",
    )


@pytest.mark.parametrize("spelled", [CALLER, "16145550123", "6145550123"])
@pytest.mark.parametrize(
    "shape", ["dialled=+18005550100 caller={} trunk=demo", '{{"extra":"dialled=+1800 caller={}"}}']
)
def test_a_number_is_stored_by_its_index_and_told_again(shape: str, spelled: str) -> None:
    given_extra = shape.format(spelled)
    stored = extra_to_store(row_of(given_extra))
    assert "6145550123" not in stored and key_ring().blind("caller", CALLER).hex() in stored
    assert user_fields(row_of(extra_as_told(stored, sealed(CALLER))))["caller"] == CALLER
    assert extra_as_told(stored, sealed("+16145550199")) == stored == extra_as_told(stored, None)


def test_other_events_and_callers_without_a_number_stay_as_they_are() -> None:
    for extra in (
        "caller= trunk=demo",
        "caller=anonymous",
        "caller=+266696687 trunk=x",
        "dialled=+16145550123",
    ):
        assert extra_to_store(row_of(extra)) == extra == extra_as_told(extra, sealed(CALLER))
    assert extra_to_store(row_of(f"caller={CALLER}", event="LEG")) == f"caller={CALLER}"


@given(st.text(max_size=200))
def test_whatever_a_stranger_sends_is_told_as_it_came(extra: str) -> None:
    assert extra_as_told(extra_to_store(row_of(extra)), None) == extra_to_store(row_of(extra))


async def test_the_rows_in_the_database(engine: AsyncEngine) -> None:
    row = row_of(f"dialled=+18005550100 caller={CALLER} trunk=demo")
    async with engine.begin() as connection:
        await cel_queries.insert_cel_rows(connection, "a", "f", [(1, row)])
        arrived = cel_queries.Arrived(
            linkedid="a-1.1", at_ms=1, dialled="+18005550100", caller=CALLER, trunk="demo"
        )
        await cel_queries.calls_arrived(connection, "a", [arrived])
        assert "6145550123" not in str((await connection.execute(text("SELECT * FROM cel_rows"))).all())
        (told,) = (await cel_queries.rows_of_all(connection, ["a-1.1"]))["a-1.1"]
    assert told == row
