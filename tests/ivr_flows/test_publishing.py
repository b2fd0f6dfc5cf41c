"""An admin drafts, publishes, goes back; what callers meet never changes under them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ivr_flows import library, queries
from ivr_flows.definition import parse_flow
from ivr_flows.differences import Change, Difference
from ivr_flows.publishing import (
    Published,
    Refused,
    Saved,
    changes,
    check_flow,
    publish,
    roll_back,
    save_draft,
)

MORTGAGE = library.load("mortgage")
PART = {"entry": "done", "nodes": {"done": {"kind": "return"}}}
BROKEN = {"entry": "nowhere", "nodes": {}}


def changed(prompt: str) -> dict[str, Any]:
    loan_type = {**MORTGAGE["nodes"]["loan_type"], "prompt": prompt}
    return {**MORTGAGE, "nodes": {**MORTGAGE["nodes"], "loan_type": loan_type}}


def going_into(*names: str) -> dict[str, Any]:
    nodes: dict[str, Any] = {"done": {"kind": "return"}}
    for number, name in enumerate(names):
        to = f"in{number + 1}" if number + 1 < len(names) else "done"
        nodes[f"in{number}"] = {"kind": "sub_flow", "flow": name, "exits": {"next": to}}
    return {"entry": "in0", "nodes": nodes}


async def published(engine: AsyncEngine, name: str, definition: Mapping[str, Any]) -> Published:
    assert isinstance(await save_draft(engine, name, definition), Saved)
    done = await publish(engine, name)
    assert isinstance(done, Published), done
    return done


async def met_by_callers(engine: AsyncEngine, name: str) -> queries.PublishedVersion:
    async with engine.connect() as connection:
        found = await queries.published_version(connection, name)
    assert found is not None
    return found


async def test_a_draft_is_nothing_that_callers_meet_until_it_is_published(engine: AsyncEngine) -> None:
    await published(engine, "mortgage", MORTGAGE)
    saved = await save_draft(engine, "mortgage", changed("What loan?"), by="ada")
    assert isinstance(saved, Saved) and saved.findings == ()
    assert (await met_by_callers(engine, "mortgage")).version == 1
    done = await publish(engine, "mortgage", by="ada", note="shorter")
    assert done == Published(name="mortgage", version=2, findings=())
    met = await met_by_callers(engine, "mortgage")
    assert (met.published_by, met.note) == ("ada", "shorter")
    assert met.definition["nodes"]["loan_type"]["prompt"] == "What loan?"


async def test_a_broken_draft_is_kept_and_not_published(engine: AsyncEngine) -> None:
    saved = await save_draft(engine, "mortgage", BROKEN)
    assert isinstance(saved, Saved) and [f.text for f in saved.findings] == [
        "the entry 'nowhere' is not a node"
    ]
    refused = await publish(engine, "mortgage")
    assert isinstance(refused, Refused) and refused.findings == saved.findings
    async with engine.connect() as connection:
        assert await queries.versions_of(connection, "mortgage") == []


async def test_warnings_do_not_stand_in_the_way(engine: AsyncEngine) -> None:
    done = await published(engine, "direct", library.load("direct"))
    assert [finding.code for finding in done.findings] == ["no_notice"]


async def test_a_missing_sound_stands_in_the_way_until_it_is_there(engine: AsyncEngine) -> None:
    await save_draft(engine, "mortgage", changed("upload:question"))
    assert isinstance(await publish(engine, "mortgage"), Refused)
    assert isinstance(await publish(engine, "mortgage", uploads={"question"}), Published)


async def test_nobody_overwrites_what_somebody_else_has_saved_meanwhile(engine: AsyncEngine) -> None:
    first = await save_draft(engine, "mortgage", MORTGAGE, by="ada", seen_revision=0)
    assert isinstance(first, Saved) and first.revision == 1
    refused = await save_draft(engine, "mortgage", BROKEN, by="bob", seen_revision=0)
    assert isinstance(refused, Refused)
    assert "the draft was changed by ada meanwhile (revision 1): load it again" in refused.findings[0].text
    second = await save_draft(engine, "mortgage", changed("?"), by="bob", seen_revision=1)
    assert isinstance(second, Saved) and second.revision == 2


async def test_publishing_the_same_twice_is_refused(engine: AsyncEngine) -> None:
    await published(engine, "mortgage", MORTGAGE)
    refused = await publish(engine, "mortgage")
    assert (
        isinstance(refused, Refused) and "the draft is what version 1 is already" in refused.findings[0].text
    )
    assert isinstance(await publish(engine, "other"), Refused)


async def test_a_version_that_nobody_could_witness_is_undone(engine: AsyncEngine) -> None:
    seen: list[int] = []

    async def fails(connection: AsyncConnection, version: int) -> None:
        met = await queries.published_version(connection, "mortgage")
        seen.append(version if met is not None and met.version == version else 0)
        raise RuntimeError("nothing can be written down")

    await published(engine, "mortgage", MORTGAGE)
    await published(engine, "mortgage", changed("What loan?"))
    await save_draft(engine, "mortgage", changed("Which loan?"))
    with pytest.raises(RuntimeError):
        await publish(engine, "mortgage", witness=fails)
    with pytest.raises(RuntimeError):
        await roll_back(engine, "mortgage", 1, witness=fails)
    assert seen == [3, 3]
    met = await met_by_callers(engine, "mortgage")
    assert (met.version, met.definition["nodes"]["loan_type"]["prompt"]) == (2, "What loan?")
    async with engine.connect() as connection:
        assert [one.version for one in await queries.versions_of(connection, "mortgage")] == [2, 1]
        draft = await queries.draft_of(connection, "mortgage")
    assert draft is not None and draft.based_on == 2
    done = await publish(engine, "mortgage")
    assert isinstance(done, Published) and done.version == 3


async def test_going_back_publishes_the_old_version_anew(engine: AsyncEngine) -> None:
    await published(engine, "mortgage", MORTGAGE)
    await published(engine, "mortgage", changed("What loan?"))
    done = await roll_back(engine, "mortgage", 1, by="ada")
    assert isinstance(done, Published) and done.version == 3
    met = await met_by_callers(engine, "mortgage")
    assert met.note == "back to version 1"
    assert met.definition["nodes"] == MORTGAGE["nodes"]
    for version, sentence in ((3, "version 3 is what callers meet already"), (9, "no published version 9")):
        refused = await roll_back(engine, "mortgage", version)
        assert isinstance(refused, Refused) and sentence in refused.findings[0].text


async def test_many_who_publish_at_once_make_one_version_each_or_none(engine: AsyncEngine) -> None:
    async def one(number: int) -> Published | Refused:
        await save_draft(engine, "mortgage", changed(f"Question {number}?"))
        return await publish(engine, "mortgage")

    done = await asyncio.gather(*(one(number) for number in range(8)))
    versions = sorted(result.version for result in done if isinstance(result, Published))
    assert versions == list(range(1, len(versions) + 1)) and versions
    async with engine.connect() as connection:
        assert len(await queries.versions_of(connection, "mortgage")) == len(versions)


async def test_a_sub_flow_stays_what_it_was_when_its_flow_was_published(engine: AsyncEngine) -> None:
    await published(engine, "part", PART)
    await published(engine, "whole", going_into("part"))
    more = {
        "entry": "a",
        "nodes": {"a": {"kind": "answer", "exits": {"next": "done"}}, "done": {"kind": "return"}},
    }
    await published(engine, "part", more)
    whole = parse_flow((await met_by_callers(engine, "whole")).definition)
    assert whole.subflows["part"].version == 1 and set(whole.subflows["part"].nodes) == {"done"}
    # Published again it takes the newest.
    again = await publish(engine, "whole")
    assert isinstance(again, Published) and again.version == 2
    assert parse_flow((await met_by_callers(engine, "whole")).definition).subflows["part"].version == 2


async def test_what_changed_tells_of_a_sub_flow_which_version_became_which(engine: AsyncEngine) -> None:
    await published(engine, "part", PART)
    await published(engine, "whole", going_into("part"))
    assert await changes(engine, "whole", 0, None) == []
    await published(engine, "part", library.load("direct"))
    newer = Difference(
        change=Change.CHANGED, place="subflows.part", before='"version 1"', after='"version 2"'
    )
    # The draft is as it was, but published now it would go into the newer one.
    assert await changes(engine, "whole", 1, None) == [newer]
    assert isinstance(await publish(engine, "whole"), Published)
    assert await changes(engine, "whole", 1, 2) == [newer]
    assert await changes(engine, "whole", 0, None) == []


async def test_what_is_not_there_is_not_compared(engine: AsyncEngine) -> None:
    await published(engine, "part", PART)
    for before, after, sentence in (
        (7, None, "the flow 'part' has no published version 7: `tollbridge flow list` shows what there is"),
        (1, 8, "the flow 'part' has no published version 8: "),
    ):
        refused = await changes(engine, "part", before, after)
        assert isinstance(refused, Refused) and refused.findings[0].text.startswith(sentence)
    refused = await changes(engine, "other", 0, None)
    assert isinstance(refused, Refused) and "'other' has no published version: " in refused.findings[0].text
    async with engine.begin() as connection:
        await queries.delete_draft(connection, "part")
    refused = await changes(engine, "part", 0, None)
    assert isinstance(refused, Refused) and "the flow 'part' has no draft: " in refused.findings[0].text


async def test_a_sub_flow_that_is_not_published_is_told(engine: AsyncEngine) -> None:
    (finding,) = await check_flow(engine, "whole", going_into("part"))
    assert finding.text == "the flow 'part' is not published: publish it first, or name another"


async def test_flows_that_go_into_each_other_are_refused(engine: AsyncEngine) -> None:
    await published(engine, "a", PART)
    await published(engine, "b", going_into("a"))
    (itself,) = await check_flow(engine, "a", going_into("a"))
    assert itself.text == "the flow goes into itself (a → a): take one of these sub-flows out"
    (round_about,) = await check_flow(engine, "a", going_into("b"))
    assert "(a → b → a)" in round_about.text


async def test_flows_go_three_deep_and_no_deeper(engine: AsyncEngine) -> None:
    await published(engine, "f0", PART)
    for depth in (1, 2, 3):
        await published(engine, f"f{depth}", going_into(f"f{depth - 1}"))
    (finding,) = await check_flow(engine, "f4", going_into("f3"))
    assert "sub-flows go more than 3 deep: make them flatter" in finding.text


@pytest.mark.parametrize("name", ["", "Mortgage", "../etc", "x" * 61])
async def test_a_flows_name_is_plain(engine: AsyncEngine, name: str) -> None:
    refused = await save_draft(engine, name, MORTGAGE)
    assert isinstance(refused, Refused) and "is no flow's name" in refused.findings[0].text


async def test_a_draft_is_not_without_bounds(engine: AsyncEngine) -> None:
    refused = await save_draft(engine, "big", {"layout": {"x": "y" * 600_000}})
    assert isinstance(refused, Refused) and "a flow has at most 500,000" in refused.findings[0].text


async def test_the_database_itself_keeps_published_versions(engine: AsyncEngine) -> None:
    await published(engine, "mortgage", MORTGAGE)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="flow mortgage version 1 is published and never changed"):
            await connection.execute(text("UPDATE flows SET definition = '{}'"))


async def test_the_list_tells_versions_drafts_and_campaigns(engine: AsyncEngine) -> None:
    await published(engine, "mortgage", MORTGAGE)
    await save_draft(engine, "another", BROKEN)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO campaigns (name, flow_name) VALUES ('Radio', 'mortgage')"))
        another, mortgage = await queries.summaries(connection)
        assert (another.name, another.version, another.draft_revision) == ("another", 0, 1)
        assert (mortgage.version, mortgage.campaigns) == (1, ("Radio",))
        assert await queries.delete_draft(connection, "another")
        assert not await queries.delete_draft(connection, "another")
