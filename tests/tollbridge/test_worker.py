"""The worker on real files and a real PostgreSQL: every call settled once, whatever is killed, torn or down."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.verify import verify_ledger
from router.domain.caps import Claim, concurrency_key
from router.domain.last_known import Rung
from router.last_known_file import append_rung, rung_path
from store.call_id import call_id_of
from store.hourly_counters import name_of_hour
from tests.asterisk_files import (
    START_MS,
    CallStory,
    NodeFiles,
    cel_line,
    cel_lines,
    journal_lines,
    with_clock,
)
from tests.market import PAYOUT, PRICE, Market, make_market
from tests.postgres import as_owner, execute
from tests.sealing import sealer_at, trust_in
from tollbridge.worker import Worker, WorkerConfig, run_worker

SOLD = "settled sold"


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    return NodeFiles(tmp_path)


@pytest.fixture
async def market(engine: AsyncEngine) -> Market:
    return await make_market(engine)


@pytest.fixture
def config(files: NodeFiles, database_url: str, tmp_path: Path) -> WorkerConfig:
    return WorkerConfig(
        node="a",
        database_url=database_url,
        cel_file=files.cel,
        journal_dir=files.journal,
        recordings_dir=tmp_path / "recordings",
        snapshot_file=tmp_path / "market.json",
        alive_file=tmp_path / "worker.alive",
        sealer=sealer_at(tmp_path / "roots"),
    )


@pytest.fixture
def worker(engine: AsyncEngine, config: WorkerConfig) -> Worker:
    return Worker(engine, config)


async def test_a_sold_call_is_settled_from_the_two_files(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(target_id=market.targets[0], connected_ms=100_000)
    files.write_call(story, market)
    await worker.read_and_settle()
    call = await _call(engine, story)
    assert (call["state"], call["outcome"], call["converted"]) == ("settled", "sold", True)
    assert (call["connected_ms"], call["buyer_id"]) == (100_000, market.buyers[0])
    assert call["conversion"]["detail"] == "connected 100 s of 90 s"
    assert call["evidence"] == {
        "complete": True,
        "carrier_ms": 107_995,
        "witness": "leg",
        "alarm": False,
        "attempt": 1,
        "answered_ms": story.answered_ms,
        "ended_ms": story.ended_ms,
        "channel_connected_ms": 100_002,
        "disagreement_ms": 2,
    }
    # 107.995 s of the trunk from its answer on: 108 started seconds, whole sixes, at 0.006 $ a minute.
    assert await _balances(engine) == {
        f"buyer:{market.buyers[0]}:receivable": PRICE,
        "revenue": -PRICE,
        "payout": PAYOUT,
        f"publisher:{market.publisher}:payable": -PAYOUT,
        "carrier_cost": 10_800,
        "carrier:Carrier:payable": -10_800,
    }


@pytest.mark.parametrize("ended", [False, True], ids=["talking", "over"])
async def test_a_call_rung_without_the_database_counts_in_caps_once_it_answers(
    engine: AsyncEngine,
    worker: Worker,
    files: NodeFiles,
    market: Market,
    ended: bool,
) -> None:
    story = CallStory(target_id=market.targets[0], connected_ms=100_000)
    conversions, at_once = "target:1:conversions:total", concurrency_key(market.targets[0])
    claims = [(conversions, "conversions"), (at_once, "concurrency")]
    rung = Rung(
        at_ms=START_MS,
        call_id=str(call_id_of(story.linkedid)),
        attempt=1,
        target_id=market.targets[0],
        buyer_id=market.buyers[0],
        campaign_id=market.campaign,
        caller=None,
        claims=tuple(Claim(key=key, kind=kind, amount=1, at_most=0, period_start=0) for key, kind in claims),
        hold_micros=None,
    )
    append_rung(rung_path(files.journal), [rung])
    lines = cel_lines(story)
    files.write_journal(*journal_lines(story, market))
    files.write_cel(*(lines if ended else lines[:4]))
    await worker.read_and_settle()
    await execute_sweep(worker)
    used = dict(await _rows(engine, "SELECT key, used FROM cap_counters"))
    assert used == {conversions: 1, at_once: 0 if ended else 1}
    # What is taken counts on until the agi process has read it; here none runs.
    assert [one.suffix for one in files.journal.glob("rung*")] == [".taken"]


async def execute_sweep(worker: Worker) -> None:
    worker._next_sweep = 0.0
    await worker.read_and_settle()


@pytest.mark.parametrize(("connected_ms", "by_ms"), [(50_000, 60_000), (100_000, -60_000)])
async def test_a_clock_set_in_mid_call_crosses_no_minimum(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market, connected_ms: int, by_ms: int
) -> None:
    """Of 90 s. By the wall clock the short call takes 110 s, and the long one 40 s."""
    story = CallStory(target_id=market.targets[0], connected_ms=connected_ms)
    files.write_journal(*journal_lines(story, market))
    files.write_cel(*with_clock(cel_lines(story), set_after=5, by_ms=by_ms))
    await worker.read_and_settle()
    call = await _call(engine, story)
    assert (call["connected_ms"], call["converted"]) == (connected_ms, connected_ms >= 90_000)
    assert (call["evidence"]["alarm"], call["evidence"]["leg_clock_stepped_ms"]) == (True, by_ms)
    assert call["evidence"]["carrier_ms"] == connected_ms + 7_995
    assert (call["evidence"]["channel_connected_ms"], call["evidence"]["disagreement_ms"]) == (
        connected_ms + 2,
        2,
    )
    legs = await _rows(engine, "SELECT connected_ms FROM legs")
    assert [row.connected_ms for row in legs] == [connected_ms]


async def test_half_a_line_waits_for_its_other_half(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(target_id=market.targets[0])
    whole = "".join(cel_lines(story))
    files.write_journal(*journal_lines(story, market))
    files.write_cel(whole[:-30])
    await worker.read_and_settle()
    assert (await _call(engine, story))["state"] == "in_progress"
    files.write_cel(whole[-30:])
    await worker.read_and_settle()
    assert (await _call(engine, story))["state"] == "settled"


async def test_a_poisoned_line_is_kept_and_the_next_one_is_read(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(target_id=market.targets[0])
    poison = [
        b'"CALL","1.2\n',
        b"\xff\xfe\x00garbage\n",
        cel_line("LEG", START_MS, "a-1.1", "a-1.1", extra="attempt=1 ended=99").encode(),
    ]
    files.write_cel(*poison, *cel_lines(story))
    bad_fact = {"kind": "answered", "linkedid": story.linkedid, "at_ms": START_MS, "sequence": 2**40}
    files.write_journal(
        b"{torn",
        b'{"kind":"counted","linkedid":"","at_ms":1,"name":"stray_invite","count":3}\n',
        json.dumps({**bad_fact, "node": "n", "tag": "t", "source": "keys"}) + "\n",
        '{"kind":"tagged","linkedid":"x","at_ms":1,"tags":{"a":"\\u0000\\ud800"}}\n',
        "[1]\n",
        *journal_lines(story, market),
    )
    await worker.read_and_settle()
    assert (await _call(engine, story))["state"] == "settled"
    counters = dict(await _rows(engine, "SELECT name, value FROM counters"))
    assert counters == {"cel_lines_refused": 2, "journal_lines_refused": 2, "stray_invite": 3}
    assert len(await _rows(engine, "SELECT 1 FROM refused_lines")) == 4


async def test_what_nodes_count_is_counted_by_the_hour_for_a_day(
    engine: AsyncEngine, worker: Worker, files: NodeFiles
) -> None:
    now = datetime.now(UTC)
    old = name_of_hour("stray_invite", now - timedelta(hours=30))
    await _run(engine, f"INSERT INTO counters (node, name, value) VALUES ('{worker._node}', '{old}', 5)")
    fact = {"kind": "counted", "linkedid": "", "name": "stray_invite"}
    for ago in (0, 0, 3, 40):
        files.write_journal(
            json.dumps({**fact, "at_ms": int((now - timedelta(hours=ago)).timestamp() * 1000)}) + "\n"
        )
    await worker.read_and_settle()
    assert dict(await _rows(engine, "SELECT name, value FROM counters")) == {
        "stray_invite": 4,
        name_of_hour("stray_invite", now): 2,
        name_of_hour("stray_invite", now - timedelta(hours=3)): 1,
    }


async def test_reading_everything_again_changes_nothing(
    engine: AsyncEngine, config: WorkerConfig, files: NodeFiles, market: Market
) -> None:
    for serial in (1, 2):
        files.write_call(CallStory(serial=serial, caller="", target_id=market.targets[0]), market)
    await Worker(engine, config).read_and_settle()
    before = await _balances(engine)
    await _run(engine, "UPDATE file_positions SET position = 0")
    await _run(engine, "UPDATE calls SET state = 'ended' WHERE false")
    await Worker(engine, config).read_and_settle()
    assert await _balances(engine) == before
    assert len(await _rows(engine, "SELECT 1 FROM ledger_transactions")) == 2


async def test_a_decision_of_survival_about_the_same_attempt_is_kept(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(target_id=market.targets[0])
    decided = json.loads(journal_lines(story, market)[1])
    again = decided | {"decided_by": "survival", "at_ms": decided["at_ms"] + 3_000}
    files.write_journal(*(json.dumps(line) + "\n" for line in (decided, again, decided)))
    await worker.read_and_settle()
    rows = await _rows(engine, "SELECT sequence, decided_by FROM decisions ORDER BY sequence")
    assert [tuple(row) for row in rows] == [(1, "router"), (2, "survival")]
    assert len(await _rows(engine, "SELECT 1 FROM rejections")) == 2


async def test_answers_of_yesterday_are_forgotten_whoever_asked(engine: AsyncEngine, worker: Worker) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO users (email, password_hash, role) VALUES ('ada@example.com', '', 'admin')")
        )
        await connection.execute(
            text(
                "INSERT INTO api_answers (user_id, key, request_digest, created_at)"
                " SELECT id, key, '', now() - age FROM users,"
                " (VALUES ('old', interval '25 hours'), ('new', interval '1 hour')) AS answers (key, age)"
            )
        )
    await worker.tidy()
    async with engine.connect() as connection:
        kept = (await connection.execute(text("SELECT key FROM api_answers"))).scalars().all()
    assert kept == ["new"]


async def test_a_renamed_file_is_read_to_its_end_and_dropped(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi.cel_reader.ROTATE_ABOVE_BYTES", 100)
    first, second = (CallStory(serial=n, caller="", target_id=market.targets[0]) for n in (1, 2))
    files.write_journal(*journal_lines(first, market), *journal_lines(second, market))
    files.write_cel(*cel_lines(first), *cel_lines(second)[:4])
    await worker.read_and_settle()
    await worker.tidy()
    assert not files.cel.exists()
    files.write_cel(*cel_lines(second)[4:])
    renamed = next(files.cel.parent.glob("Master.csv.*"))
    os.utime(renamed, (0, 0))
    await worker.read_and_settle()
    await worker.tidy()
    assert not renamed.exists()
    assert (await _call(engine, first))["state"] == (await _call(engine, second))["state"] == "settled"


@pytest.mark.parametrize("hours_ago", [1, 25])
async def test_rows_of_yesterday_are_not_kept_in_the_file(
    worker: Worker, files: NodeFiles, market: Market, hours_ago: int
) -> None:
    """They name callers: once they are stored the file is renamed, and dropped like any that was."""
    start_ms = int(time.time() * 1000) - hours_ago * 3_600_000
    files.write_call(CallStory(start_ms=start_ms, target_id=market.targets[0]), market)
    await worker.read_and_settle()
    await worker.tidy()
    assert files.cel.exists() is (hours_ago < 24)
    for renamed in files.cel.parent.glob("Master.csv.*"):
        os.utime(renamed, (0, 0))
    await worker.tidy()
    assert len(list(files.cel.parent.glob("Master.csv*"))) == (1 if hours_ago < 24 else 0)


async def test_a_journal_of_last_month_is_dropped_when_it_is_read(
    worker: Worker, files: NodeFiles, market: Market
) -> None:
    old = files.journal / "journal-20260101.jsonl"
    old.write_text("".join(journal_lines(CallStory(target_id=market.targets[0]), market)))
    await worker.tidy()
    assert old.exists(), "it has not been read yet"
    await worker.read_and_settle()
    await worker.tidy()
    assert list(files.journal.iterdir()) == []


async def test_counts_of_periods_long_past_are_forgotten(engine: AsyncEngine, worker: Worker) -> None:
    """A publisher, a campaign and a day with a loss are a row, and so is each period of a price by tiers."""
    losses, month = "publisher:1:campaign:1:promise_loss", "buyer:1:campaign:1:month"
    async with engine.begin() as connection:
        insertion = (
            "INSERT INTO tier_counts VALUES (:key, (now() AT TIME ZONE 'UTC')::date - CAST(:days AS int), 5)"
        )
        rows = [{"key": key, "days": days} for key in (losses, month) for days in (0, 35, 59, 62)]
        await connection.execute(text(insertion), rows)
    await worker.tidy()
    left = await _rows(engine, "SELECT key, count(*) FROM tier_counts GROUP BY key")
    assert dict(left) == {losses: 3, month: 3}


async def test_a_call_of_an_asterisk_that_died_ends_at_its_last_witness(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(target_id=market.targets[0])
    lines = cel_lines(story)
    files.write_cel(*lines[:6])
    last_alive_ms = story.answered_ms + 95_300
    files.write_journal(*journal_lines(story, market), _alive(START_MS - 60_000, last_alive_ms))
    await worker.read_and_settle()
    assert (await _call(engine, story))["state"] == "in_progress"
    files.write_journal(_alive(last_alive_ms + 5_000, last_alive_ms + 6_000))
    await _settled(engine, worker.read_and_settle, story)
    call = await _call(engine, story)
    assert (call["outcome"], call["connected_ms"], call["converted"]) == ("sold", 95_300, True)
    assert (call["evidence"]["witness"], call["evidence"]["complete"]) == ("last_witness", False)


async def test_a_call_that_cannot_be_settled_is_pushed_back_and_the_others_are_settled(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    poisoned, good = (CallStory(serial=n, caller="", target_id=market.targets[0]) for n in (1, 2))
    files.write_call(poisoned, market)
    files.write_call(good, market)
    poison = "ALTER TABLE calls ADD CONSTRAINT poison CHECK (linkedid NOT LIKE '%.1' OR outcome IS NULL)"
    async with as_owner(engine) as connection:
        await connection.execute(text(poison))
    await worker.read_and_settle()
    call = await _call(engine, poisoned)
    assert (call["state"], call["settle_failures"]) == ("ended", 1)
    assert (await _call(engine, good))["state"] == "settled"
    async with as_owner(engine) as connection:
        await connection.execute(text("ALTER TABLE calls DROP CONSTRAINT poison"))
    await _run(engine, "UPDATE calls SET settle_after = now()")
    await _settled(engine, worker.read_and_settle, poisoned)


async def test_a_call_asterisk_never_told_of_is_closed_unbilled(
    engine: AsyncEngine, worker: Worker, files: NodeFiles, market: Market
) -> None:
    story = CallStory(start_ms=START_MS - 25 * 3_600_000, target_id=market.targets[0])
    files.write_journal(*journal_lines(story, market))
    await worker.read_and_settle()
    call = await _call(engine, story)
    assert (call["state"], call["outcome"], call["converted"]) == ("settled", "abandoned", False)


async def test_an_unknown_number_is_a_stored_call(
    engine: AsyncEngine, worker: Worker, files: NodeFiles
) -> None:
    story = CallStory(dialled="+18005559999")
    lines = cel_lines(story)
    files.write_cel(*lines[:2], *lines[-3:])
    await worker.read_and_settle()
    call = await _call(engine, story)
    assert (call["state"], call["outcome"]) == ("settled", "unknown_number")
    assert call["dialled"] == "+18005559999"


async def test_worker_waits_for_a_database_that_went_away(
    engine: AsyncEngine,
    config: WorkerConfig,
    files: NodeFiles,
    market: Market,
    database_url: str,
    postgres_url: str,
) -> None:
    name = database_url.rsplit("/", maxsplit=1)[-1].split("?", maxsplit=1)[0]
    stop = asyncio.Event()
    running = asyncio.create_task(run_worker(config, stop))
    try:
        before = CallStory(serial=1, caller="", target_id=market.targets[0])
        files.write_call(before, market)
        await _until(lambda: _is_settled(engine, before))
        await asyncio.to_thread(execute, postgres_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(
            execute,
            postgres_url,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        during = CallStory(serial=2, caller="", target_id=market.targets[0])
        files.write_call(during, market)
        await asyncio.sleep(1.2)
        assert not running.done()
        assert time.time() - config.alive_file.stat().st_mtime < 2
        await asyncio.to_thread(execute, postgres_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await _until(lambda: _is_settled(engine, during))
    finally:
        stop.set()
        await running


async def test_kill_9_at_any_point_loses_and_doubles_nothing(
    engine: AsyncEngine, config: WorkerConfig, files: NodeFiles, market: Market
) -> None:
    moments = random.Random(7)
    stories = [CallStory(serial=n, caller="", target_id=market.targets[n % 2]) for n in range(500)]
    for story in stories:
        files.write_call(story, market)

    async def settled() -> int:
        return len(await _rows(engine, "SELECT 1 FROM ledger_transactions"))

    # A few while it reads, then a few while it settles.
    for longest_seconds in (0.0, 0.1, 0.3):
        await _run_and_kill(config, partial(_after, longest_seconds * moments.random()))
    for threshold in (1, 70, 170):

        async def reached(threshold: int = threshold) -> bool:
            return await settled() >= threshold

        await _run_and_kill(config, reached)
        assert await settled() < len(stories), "the kill came too late to prove anything"
    worker = Worker(engine, config)
    await worker.read_and_settle()
    await worker.seal()
    assert (await _balances(engine))["revenue"] == -PRICE * len(stories)
    assert len(await _rows(engine, "SELECT 1 FROM cel_rows")) == sum(len(cel_lines(s)) for s in stories)
    assert config.sealer is not None
    verification = await verify_ledger(engine, trust_in(config.sealer))
    assert verification.holds, verification.findings
    assert verification.unsealed == 0
    assert verification.transactions == len(stories)


async def _after(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True


async def _run_and_kill(config: WorkerConfig, moment: Callable[[], Awaitable[bool]]) -> None:
    child = _worker_process(config)
    try:
        await _until(config.alive_file.exists, 60)
        await _until(moment, 60)
    finally:
        child.kill()
        child.wait()
    config.alive_file.unlink()


def _worker_process(config: WorkerConfig) -> subprocess.Popen[bytes]:
    code = (
        "import asyncio, sys; from pathlib import Path; from tollbridge.worker import *\n"
        "from tests.keys import use_keys_of_tests; use_keys_of_tests()\n"
        "node, url, cel, journal, alive = sys.argv[1:]\n"
        "asyncio.run(run_worker(WorkerConfig(node=node, database_url=url, cel_file=Path(cel),"
        " journal_dir=Path(journal), recordings_dir=Path(alive).parent,"
        " snapshot_file=Path(alive).with_name('market.json'), alive_file=Path(alive))))"
    )
    arguments = [config.node, config.database_url, config.cel_file, config.journal_dir, config.alive_file]
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def _alive(started_ms: int, alive_ms: int) -> str:
    body = {"kind": "asterisk_alive", "linkedid": "", "at_ms": alive_ms}
    return json.dumps({**body, "started_ms": started_ms, "alive_ms": alive_ms}) + "\n"


async def _call(engine: AsyncEngine, story: CallStory) -> dict[str, Any]:
    async with engine.connect() as connection:
        query = text("SELECT * FROM calls WHERE id = :id")
        found = await connection.execute(query, {"id": call_id_of(story.linkedid)})
        return dict(found.mappings().one())


async def _is_settled(engine: AsyncEngine, story: CallStory) -> bool:
    try:
        return bool((await _call(engine, story))["state"] == "settled")
    except Exception:
        return False


async def _settled(engine: AsyncEngine, step: Callable[[], Awaitable[None]], story: CallStory) -> None:
    async def stepped() -> bool:
        await step()
        return await _is_settled(engine, story)

    await _until(stepped)


async def _until(met: Callable[[], Awaitable[bool] | bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while True:
            answer = met()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


async def _balances(engine: AsyncEngine) -> dict[str, int]:
    rows = await _rows(
        engine, "SELECT account, sum(amount_micros)::bigint FROM ledger_postings GROUP BY account"
    )
    return dict(rows)


async def _rows(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))
