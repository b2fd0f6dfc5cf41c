"""The list of security requirements stays true: each is there once, and what shows it is there too."""

from __future__ import annotations

import re

import pytest

from tests.asvs.requirements import (
    BEGIN,
    CHAPTERS,
    PAGE,
    PENDING,
    STATES,
    Requirement,
    is_there,
    merged,
    page,
    read,
)

ROWS = read()
LEVEL_1, LEVEL_2 = 70, 183
"""How many requirements ASVS 5.0.0 has of each level."""


def test_every_requirement_of_levels_1_and_2_is_listed_once() -> None:
    assert len({one.id for one in ROWS}) == len(ROWS) == LEVEL_1 + LEVEL_2
    assert sum(one.level == "1" for one in ROWS) == LEVEL_1
    assert {one.chapter for one in ROWS} == set(range(1, len(CHAPTERS) + 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_shown_by_what_is_there_or_says_why_not(row: Requirement) -> None:
    assert row.requirement and (row.state in STATES or row.state.startswith(PENDING))
    if row.state.startswith(PENDING):
        assert row.shown_by
        return
    assert row.missing == [], "what showed it is gone: show it anew, or say that it is not met"
    if row.state == "met":
        assert row.shown_by
    else:
        assert row.note, "say why"


def test_the_page_is_written_from_the_list() -> None:
    text = PAGE.read_text()
    assert text == page(text, ROWS), "run `python -m tests.asvs.requirements`"


def test_files_that_the_page_names_are_there() -> None:
    written = PAGE.read_text().partition(BEGIN)[0]
    named = re.findall(r"`((?:docs|tests|tollbridge|web)/[\w/.-]+\.(?:md|py|csv))`", written)
    assert named and [one for one in named if not is_there(one)] == []


def test_a_row_whose_test_is_gone_is_found() -> None:
    here = "tests/asvs/test_requirements.py"
    assert is_there(f"{here}::test_a_row_whose_test_is_gone_is_found")
    gone = Requirement(
        id="1.1.1",
        level="1",
        requirement="x",
        state=f"{PENDING}x",
        shown_by=(here, f"{here}::nothing"),
        note="",
    )
    assert gone.missing == [f"{here}::nothing"]
    assert merged([gone], "x") == [gone]
