"""The commands about profit and loss as an admin types them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from billing.rollups_queries import fold_pending
from store import session
from store.session import open_engine
from store.tables import publishers
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.market import make_market
from tests.postgres import execute
from tollbridge.cli import cli

FORMULA = '=HYPERLINK("http://evil")'
DAY = f"{datetime.fromtimestamp(START_MS / 1000, UTC):%Y-%m-%d}"
UNTIL = ("--from", DAY, "--to", "2026-03-01")


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    asyncio.run(_one_call(database_url))

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, ["reports", *words])

    return command


async def _one_call(database_url: str) -> None:
    engine = open_engine(database_url, application_name="test")
    try:
        market = await make_market(engine)
        await settled(engine, a_call(market))
        async with engine.begin() as connection:
            await connection.execute(update(publishers).values(name=FORMULA))
            await connection.execute(text('UPDATE calls SET tags = \'{"state": "OH"}\''))
            await fold_pending(connection)
    finally:
        await engine.dispose()


def test_figures_are_shown_and_told_to_programs(run: Any) -> None:
    shown = run("show", "--by", "buyer", "--by", "state", *UNTIL).output
    head, first, total = shown.splitlines()
    assert head.split()[:3] == ["buyer", "state", "calls"]
    assert first.split()[:5] == ["first", "OH", "1", "1", "1"] and "45.00" in first and "14.99" in first
    assert total.startswith("total")
    told = json.loads(run("show", "--by", "day", *UNTIL, "--compare", "--json").output)
    assert [row["keys"]["day"] for row in told["rows"]] == [DAY]
    assert told["total"]["revenue_micros"] == 45_000_000
    assert told["rows"][0]["before"]["calls"] == told["total_before"]["calls"] == 0
    pivot = run("show", "--by", "state", "--by", "buyer", "--figure", "revenue", *UNTIL).output
    assert [line.split() for line in pivot.splitlines()] == [["revenue", "first"], ["OH", "45.00"]]


def test_no_cell_of_a_file_is_a_formula(run: Any, tmp_path: Path) -> None:
    sheet, book = tmp_path / "a.csv", tmp_path / "a.xlsx"
    assert run("export", str(sheet), "--by", "publisher", *UNTIL).exit_code == 0
    assert run("export", str(book), "--by", "publisher", *UNTIL, "--compare").exit_code == 0
    rows = list(csv.reader(io.StringIO(sheet.read_text())))
    assert rows[1][0] == f"'{FORMULA}" and rows[1][9] == "45.0"
    with zipfile.ZipFile(book) as parts:
        cells = parts.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in cells and "hyperlink" not in cells
        assert "'=HYPERLINK" in parts.read("xl/sharedStrings.xml").decode()


def test_the_calls_behind_a_figure_are_listed(run: Any) -> None:
    listed = json.loads(run("calls", "--of", "state=OH", *UNTIL, "--json").output)
    assert [call["revenue_micros"] for call in listed["calls"]] == [45_000_000] and listed["next"] == ""
    assert run("calls", "--of", "state=TX", *UNTIL).output == "0 calls\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("show", "--by", "state", "--by", "state"), "two that differ"),
        (("show", "--by", "state", "--figure", "revenue"), "give --by twice"),
        (("show", "--from", "2026-03-01", "--to", "2026-02-01"), "ends before it begins"),
        (("show", "--zone", "Mars/North"), "no time zone"),
        (("show", "--from", "2026-03-01T00:00"), "has no zone"),
        (("calls", "--of", "buyer=first"), "told by its id"),
        (("calls", "--of", "day=1"), "their time is the period"),
        (("calls", "--after", "x,1"), "--after takes"),
        (("export", "a.pdf"), "neither .csv nor .xlsx"),
    ],
)
def test_a_question_without_answer_is_refused(run: Any, words: tuple[str, ...], reason: str) -> None:
    refused = run(*words)
    assert refused.exit_code != 0 and reason in refused.output


def test_sums_are_compared_and_made_anew(run: Any, database_url: str) -> None:
    assert run("compare").output == "reports are what the ledger says\n"
    execute(database_url, "UPDATE rollups SET calls = 9 WHERE grain = 4")
    wrong = run("compare")
    assert wrong.exit_code == 1 and "sums by month" in wrong.output
    assert "from 1 facts" in run("rebuild").output
    assert run("compare").exit_code == 0


def test_work_over_years_of_calls_is_waited_for(
    run: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly = "BEGIN PERFORM pg_sleep(1); RETURN NULL; END"
    execute(database_url, f"CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ {slowly} $$")
    execute(
        database_url,
        "CREATE TRIGGER slow BEFORE DELETE ON rollups FOR EACH STATEMENT EXECUTE FUNCTION slowly()",
    )
    # No statement of a call may take so long; the client gives up by itself, whatever the server allows.
    monkeypatch.setattr(session, "COMMAND_TIMEOUT_SECONDS", 0.5)
    assert "from 1 facts" in run("rebuild").output
