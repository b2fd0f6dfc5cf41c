"""The survival script, run as Asterisk runs it: it goes by what was known last, and what binds binds."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agi.call import dump_tags
from router.domain.decision import canonical_bytes
from router.domain.last_known import SUPPRESSED_RECORD, DigestTable, LastKnown, digest_of_caller
from router.domain.live_counts import Changes
from router.last_known_file import RUNG_BYTES_MAXIMUM, read_rung, rung_path, write_callers, write_counts
from router.snapshot_file import write_snapshot
from tests.router.markets import a_small_market
from tests.router.stored import nobody_is_suppressed

CALLER = "16145550123"
KEY = b"k" * 32
PRICE = 45_000_000
_GET = re.compile(r"GET (?:FULL )?VARIABLE (\S+)")
_SET = re.compile(r'SET VARIABLE (\S+) "?(.*?)"?$')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three targets for nine calls at once; the first buyer has prepaid $45, and a call costs as much."""
    document = a_small_market(3)
    for target in document["targets"]:
        target["concurrency_cap"] = 9
    document["buyers"][0]["credit_limit_micros"] = PRICE
    terms = {"campaign_id": 1, "goes_live_at": "2020-01-01T00:00:00+00:00", "price_micros": PRICE}
    document["terms"] = [{"buyer_id": 1, **terms}]
    cap = {"owner": "target", "owner_id": 2, "kind": "attempts", "period": "total", "at_most": 1}
    document["caps"] = [{**cap, "time_zone": "America/New_York", "range_name": None}]
    write_snapshot(tmp_path / "snapshot.json", version=1, market=canonical_bytes(document))
    (tmp_path / "journal").mkdir()
    return tmp_path


async def survive(folder: Path, *, linkedid: str = "t-1.1", caller: str = CALLER) -> dict[str, str]:
    """Run the script for one call; return the variables it set."""
    script = [
        sys.executable,
        "-m",
        "agi.survival",
        *map(str, (folder / "snapshot.json", folder / "journal", folder)),
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*script, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    given = {
        "TB_DIALLED": "+18005550100",
        "TB_CALLER": caller,
        "TB_ATTEMPT": "1",
        "TB_TAGS": dump_tags({"loan_type": "refinance", "state": "OH"}),
    }
    process.stdin.write(f"agi_request: survival\nagi_uniqueid: {linkedid}\n\n".encode())
    told: dict[str, str] = {}
    while line := (await process.stdout.readline()).decode().strip():
        asked, put = _GET.match(line), _SET.match(line)
        value = given.get(asked[1].strip('"${}'), "") if asked else ""
        if put:
            told[put[1].strip('"')] = put[2]
        process.stdin.write(f"200 result=1 ({value})\n".encode())
    await process.wait()
    return told


def facts_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for path in (folder / "journal").glob("journal-*") for line in path.open()]
    return [line for line in lines if line["kind"] == kind]


def rung(told: dict[str, str]) -> str:
    return told.get("__TB_LEG_1", "nobody").split("=")[0]


def know(folder: Path, **known: Any) -> None:
    now = time.time_ns() // 1_000_000
    counts = Changes(counters=known.pop("counters", []), histories=[])
    last = LastKnown(
        caller_key=KEY,
        suppressed=DigestTable(b"", SUPPRESSED_RECORD),
        suppressed_ms=now,
        counted_ms=now,
        owed_ms=now,
    )
    last.owed_micros = {}
    for name, value in known.items():
        setattr(last, name, value)
    write_callers(folder / "snapshot.json", last)
    write_counts(folder / "snapshot.json", last, counts)


async def test_a_suppressed_caller_is_not_rung(folder: Path) -> None:
    record = SUPPRESSED_RECORD.pack(digest_of_caller(f"+{CALLER}", KEY), 1)
    know(folder, suppressed=DigestTable(record, SUPPRESSED_RECORD))
    assert rung(await survive(folder)) == "2"
    (decided,) = facts_of(folder, "decided")
    assert {one["target_id"]: one["code"] for one in decided["rejections"]}[1] == "suppressed"
    counts = decided["decision"]["inputs"]["counts"]
    assert counts["suppressed_buyers"] == [1]
    assert [what for what, _ in counts["not_known"]] == [
        "suppression",
        "wallets",
        "caps",
        "earlier_calls",
        "turns",
    ]
    assert [one["name"] for one in facts_of(folder, "counted")] == ["decided_on_last_known"]


async def test_wallets_and_caps_count_and_so_does_what_it_rang_before(folder: Path) -> None:
    know(folder)
    numbers = [f"1614555010{number}" for number in range(3)]
    told = [await survive(folder, linkedid=f"t-1.{number}", caller=number) for number in numbers]
    assert [rung(one) for one in told] == ["1", "2", "3"]
    assert [one.target_id for one in read_rung(rung_path(folder / "journal"))] == [1, 2, 3]
    # Those that were read count as well.
    rung_path(folder / "journal").unlink()
    know(folder, owed_micros={1: 1}, counters=[("target:2:attempts:total", 1, 0)])
    assert rung(await survive(folder, linkedid="t-1.9")) == "3"


async def test_calls_at_the_same_moment_do_not_share_the_last_room(folder: Path) -> None:
    know(folder)
    told = await asyncio.gather(
        *(survive(folder, linkedid=f"t-1.{n}", caller=f"1614555010{n}") for n in range(4))
    )
    assert sorted(rung(one) for one in told) == ["1", "2", "3", "3"]


@pytest.mark.parametrize("what", ["never", "old"])
async def test_without_lists_that_count_the_caller_hears_why_and_nobody_is_rung(
    folder: Path, what: str
) -> None:
    if what == "old":
        know(folder, suppressed_ms=time.time_ns() // 1_000_000 - 25 * 3_600_000)
    told = await survive(folder)
    assert rung(told) == "nobody" and told["TB_CLOSING_PROMPT"] == "tollbridge/no-buyer"
    assert told["TB_DONE"] == "1"
    (decided,) = facts_of(folder, "decided")
    assert {one["code"] for one in decided["rejections"]} == {"not_known"}
    assert [one["name"] for one in facts_of(folder, "counted")] == ["not_sold_lists_unknown"]


async def test_when_no_more_can_be_noted_only_buyers_without_limit_are_rung(folder: Path) -> None:
    """The first buyer's wallet and the second target's cap have room."""
    know(folder)
    with rung_path(folder / "journal").open("wb") as file:
        file.truncate(RUNG_BYTES_MAXIMUM)
    assert rung(await survive(folder)) == "3"
    assert rung_path(folder / "journal").stat().st_size == RUNG_BYTES_MAXIMUM
    record = SUPPRESSED_RECORD.pack(digest_of_caller(f"+{CALLER}", KEY), 3)
    know(folder, suppressed=DigestTable(record, SUPPRESSED_RECORD))
    assert rung(await survive(folder)) == "nobody"


async def test_wallets_that_nobody_read_cover_nothing(folder: Path) -> None:
    nobody_is_suppressed(folder / "snapshot.json")
    assert rung(await survive(folder)) == "2"
