"""The one list of facts: what is made of it, and what is refused because it is not on it."""

from __future__ import annotations

from pathlib import Path

from router.domain.caller_facts import STATE_SOURCE_TAG, ZIP_TAG
from router.domain.decision import LOAN_TYPE_TAG, STATE_CANDIDATES_TAG, STATE_TAG
from rules.known_facts import (
    ALIASES,
    FACTS,
    NOT_FOR_PARTIES,
    TAG_KINDS,
    known_name,
    table_in_markdown,
    unknown_facts,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "facts.md"


def test_each_name_is_one_fact_and_no_alias_is_another_ones_name() -> None:
    names = [fact.name for fact in FACTS]
    aliases = [alias for fact in FACTS for alias in fact.aliases]
    assert len({*names, *aliases}) == len(names) + len(aliases)


def test_what_decides_about_licences_is_on_the_list() -> None:
    assert {LOAN_TYPE_TAG, STATE_TAG, ZIP_TAG, STATE_SOURCE_TAG, STATE_CANDIDATES_TAG} <= set(TAG_KINDS)
    assert {STATE_SOURCE_TAG, STATE_CANDIDATES_TAG, "caller", "score"} <= NOT_FOR_PARTIES
    assert not {LOAN_TYPE_TAG, STATE_TAG, ZIP_TAG} & NOT_FOR_PARTIES


def test_every_other_spelling_is_read_as_ours() -> None:
    assert [known_name(name) for name in ("ZIP_Code", " postal_code ", "zip", "Zip")] == ["zip"] * 4
    assert known_name("roof_age") == "roof_age"
    assert all(known_name(known_name(alias)) == known_name(alias) for alias in ALIASES)


def test_a_fact_nobody_can_tell_is_named_with_the_nearest_known_ones() -> None:
    assert [*unknown_facts({"credit_score", "zip", "day"}, ())] == []
    assert [*unknown_facts({"zip_code"}, ())] == ["zip_code is called zip here"]
    (problem,) = unknown_facts({"credit_scor"}, ())
    assert problem.startswith(
        "no call has the fact credit_scor: no flow sets such a tag; did you mean credit_score"
    )
    assert [*unknown_facts({"moon"}, ())] == ["no call has the fact moon: no flow sets such a tag"]


def test_a_tag_of_a_flow_is_known_while_a_flow_sets_it() -> None:
    assert [*unknown_facts({"score", "roof_age"}, {"score", "roof_age"})] == []
    assert len([*unknown_facts({"score", "roof_age"}, ())]) == 2


def test_what_is_known_when_the_call_is_over_is_for_terms_alone() -> None:
    assert [*unknown_facts({"connected_seconds"}, (), afterwards=True)] == []
    assert len([*unknown_facts({"connected_seconds"}, ())]) == 1


def test_the_documents_table_is_made_from_the_list() -> None:
    assert table_in_markdown() in DOCUMENT.read_text(), "put what python -m rules.known_facts prints there"
