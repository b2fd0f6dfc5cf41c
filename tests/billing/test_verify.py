"""`ledger verify` finds what somebody with all rights did to the tables behind our back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.journal_queries import Told, insert_answers, set_tags
from billing.call_record import CallRecord
from billing.dispute_calls import DisputeOpened, decide_dispute, open_dispute
from billing.disputes import Reason
from billing.ledger import Posting
from billing.ledger_queries import post
from billing.seal import Sealer
from billing.verify import Problem, verify_ledger
from store.call_id import call_id_of
from tests.billing.test_settle_call import START_MS, a_call, settled
from tests.market import Market, make_market
from tests.postgres import as_owner
from tests.sealed import hex_of
from tests.sealing import seal, seal_all, sealer_at, trust_in


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return sealer_at(tmp_path)


@pytest.fixture
async def market(engine: AsyncEngine, sealer: Sealer) -> Market:
    """A market with six settled calls, sealed in batches of two."""
    market = await make_market(engine)
    for serial in range(6):
        call = a_call(market, serial=serial, start_ms=START_MS + serial * 1000)
        await settled(engine, call)
        await witnessed(engine, call)
        await answered(engine, call)
    await seal_all(engine, sealer, 2)
    return market


async def witnessed(engine: AsyncEngine, record: CallRecord, event: str = "ANSWER") -> None:
    """Write a decision about a call and rows of Asterisk's, as its readers do."""
    values = {"id": call_id_of(record.linkedid), "linkedid": record.linkedid, "event": event}
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO decisions (call_id, sequence, decided_by, decided_at, duration_us, decision) SELECT"
            " :id, count(*), 'router', now(), 1, jsonb_build_object('chosen', 1) FROM decisions WHERE call_id = :id",
            "INSERT INTO cel_rows (node, file, position, event, event_us, uniqueid, linkedid, channel, extra) SELECT"
            " 'a', 'f', 1 + count(*), :event, 5, 'u', :linkedid, 'PJSIP/x', '' FROM cel_rows",
            "INSERT INTO cel_rows (node, file, position, event, event_us, uniqueid, linkedid, channel, extra) SELECT"
            " 'a', 'f', 1 + count(*), 'HANGUP', 9, 'u', :linkedid, 'PJSIP/x', '' FROM cel_rows",
        ):
            await connection.execute(text(statement), values)


async def test_rows_that_come_after_the_seal_change_nothing(
    engine: AsyncEngine, sealer: Sealer, market: Market
) -> None:
    """A late row of Asterisk's, and a decision whose journal lay on a full disk."""
    await witnessed(engine, a_call(market, serial=0), "LATE")
    found = await verify_ledger(engine, trust_in(sealer))
    assert found.findings == ()


async def answered(engine: AsyncEngine, record: CallRecord, *tags: str) -> None:
    """Write answers and tags of a call, as the reader of the journal does."""
    said = dict.fromkeys(tags or ("homeowner",), "yes" if not tags else "no")
    common = {"value": "yes", "source": "keys", "heard": "", "confidence": None, "engine": None}
    told = [
        Told(
            call_id=call_id_of(record.linkedid),
            at_ms=START_MS,
            said={"sequence": len(tag), "node": "ask", "tag": tag, "tags": said, **common},
        )
        for tag in said
    ]
    async with engine.begin() as connection:
        await insert_answers(connection, told)
        await set_tags(connection, told)


async def do(engine: AsyncEngine, *statements: str) -> None:
    """With the application's own rights."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE calls SET caller_index = sha256('another')",
        "UPDATE calls SET caller_sealed = (SELECT caller_sealed FROM other)",
        "UPDATE calls SET caller_sealed = caller_sealed || '\\x00'",
        "UPDATE calls SET caller_sealed = NULL",
        "UPDATE calls SET dialled = '+15550000000'",
        "UPDATE calls SET started_at = started_at - interval '1 day'",
        "UPDATE calls SET ended_at = ended_at + interval '1 microsecond'",
        "UPDATE calls SET tags = '{}'",
        "UPDATE calls SET tags = jsonb_build_object('homeowner', 'no')",
        "UPDATE calls SET tags = '[]'",
        "UPDATE calls SET flow_name = 'other'",
        "UPDATE calls SET flow_version = 77",
        "UPDATE calls SET tracking_number_id = NULL",
        "UPDATE answers SET value = 'no'",
        "UPDATE answers SET tag = 'other'",
        "DELETE FROM answers",
    ],
)
async def test_what_the_application_changes_of_a_settled_call_is_found(
    engine: AsyncEngine, sealer: Sealer, change: str
) -> None:
    sealed_another = f"(VALUES ({hex_of('+15550000000')})) AS other (caller_sealed, caller_index)"
    await do(engine, change.replace("FROM other", f"FROM {sealed_another}"))
    found = await verify_ledger(engine, trust_in(sealer))
    assert [finding.problem for finding in found.findings] == [Problem.EVIDENCE_CHANGED] * 6


@pytest.mark.usefixtures("market")
async def test_a_caller_that_is_erased_is_counted_and_is_no_finding(
    engine: AsyncEngine, sealer: Sealer
) -> None:
    await do(
        engine,
        "UPDATE calls SET caller_sealed = NULL, caller_index = NULL WHERE id IN (SELECT id FROM calls LIMIT 2)",
    )
    found = await verify_ledger(engine, trust_in(sealer))
    assert (found.findings, found.erased_callers) == ((), 2)
    assert found.warnings == ("of 2 calls the caller was erased after they were sealed",)


async def test_a_caller_of_a_call_without_number_is_found(engine: AsyncEngine, sealer: Sealer) -> None:
    await settled(engine, replace(a_call(await make_market(engine)), caller=None))
    await seal_all(engine, sealer)
    assert (await verify_ledger(engine, trust_in(sealer))).findings == ()
    await do(engine, f"UPDATE calls SET (caller_sealed, caller_index) = ({hex_of('+15550000000')})")
    (finding,) = (await verify_ledger(engine, trust_in(sealer))).findings
    assert "its caller is another than was sealed" in finding.detail


async def test_answers_and_tags_that_come_after_the_seal_add_and_change_nothing(
    engine: AsyncEngine, sealer: Sealer, market: Market
) -> None:
    await answered(engine, a_call(market, serial=0), "roof", "homeowner")
    assert (await verify_ledger(engine, trust_in(sealer))).findings == ()
    async with engine.connect() as connection:
        tags = (await connection.execute(text("SELECT tags FROM calls WHERE tags ? 'roof'"))).scalar_one()
    assert tags == {"homeowner": "yes", "roof": "no"}


async def test_evidence_that_is_there_before_the_sealer_counts_for_nothing(
    engine: AsyncEngine, sealer: Sealer
) -> None:
    """Written with the application's rights, covering nothing: it neither stops the sealer nor takes its place."""
    await settled(engine, a_call(await make_market(engine)))
    await do(
        engine,
        "INSERT INTO ledger_evidence (transaction_id, salt, attempts, sequences, last_cel_row_id, digest)"
        " SELECT id, '', '{}', '{}', 0, sha256('') FROM ledger_transactions",
    )
    await seal_all(engine, sealer)
    (finding,) = (await verify_ledger(engine, trust_in(sealer))).findings
    assert "a row of evidence was written that is not the sealer's" in finding.detail
    await do(engine, "UPDATE legs SET ended_ms = ended_ms + 1")
    assert len((await verify_ledger(engine, trust_in(sealer))).findings) == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("UPDATE disputes SET reason = 'other'", "its reason"),
        ("UPDATE disputes SET note = 'other'", "its note"),
        ("UPDATE disputes SET answer = 'other'", "its answer"),
        ("UPDATE disputes SET price_micros = 1", "its price"),
        ("UPDATE disputes SET state = 'refused'", "its state"),
        ("UPDATE disputes SET credit_micros = credit_micros + 1", "its credit"),
        ("UPDATE disputes SET claw_back_micros = claw_back_micros + 1", "its claw-back"),
        ("UPDATE disputes SET decision_id = NULL, state = 'open'", "its answer"),
        ("DELETE FROM disputes", "it is not there"),
    ],
)
async def test_a_dispute_is_what_its_transactions_say(
    engine: AsyncEngine, sealer: Sealer, change: str, word: str
) -> None:
    record = a_call(await make_market(engine))
    await settled(engine, record)
    now = dt.datetime.fromtimestamp(START_MS / 1000 + 3600, dt.UTC)
    async with engine.begin() as connection:
        made = await open_dispute(
            connection, call_id_of(record.linkedid), reason=Reason.SPAM, note="a robot", now=now
        )
        assert isinstance(made, DisputeOpened)
    await seal_all(engine, sealer)
    assert (await verify_ledger(engine, trust_in(sealer))).findings == ()
    async with engine.begin() as connection:
        await decide_dispute(connection, made.dispute_id, credit_micros=None, answer="heard it", now=now)
    await seal_all(engine, sealer)
    assert (await verify_ledger(engine, trust_in(sealer))).findings == ()
    await do(engine, change)
    found = (await verify_ledger(engine, trust_in(sealer))).findings
    of_disputes = [one.detail for one in found if one.problem is Problem.DISPUTE_NOT_AS_POSTED]
    assert of_disputes and word in of_disputes[0]


async def tamper(engine: AsyncEngine, *statements: str) -> None:
    """Do as a superuser can: with all triggers and foreign keys off."""
    async with as_owner(engine) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await connection.execute(text(statement))


async def problems(engine: AsyncEngine) -> set[Problem]:
    return {finding.problem for finding in (await verify_ledger(engine)).findings}


@pytest.mark.usefixtures("market")
async def test_an_honest_ledger_holds(engine: AsyncEngine, sealer: Sealer) -> None:
    verification = await verify_ledger(engine, trust_in(sealer))
    assert (verification.findings, verification.batches, verification.transactions) == ((), 3, 6)
    assert await seal(engine, sealer, 2) == 0


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (
            # Both sides moved by the same amount: it balances, only the seal knows.
            [
                "UPDATE ledger_postings SET amount_micros = amount_micros - 1"
                " WHERE transaction_id = 3 AND account = 'carrier_cost'",
                "UPDATE ledger_postings SET amount_micros = amount_micros + 1"
                " WHERE transaction_id = 3 AND account = 'carrier:Carrier:payable'",
            ],
            Problem.BATCH_CHANGED,
        ),
        (["UPDATE ledger_transactions SET detail = '{}' WHERE id = 1"], Problem.BATCH_CHANGED),
        (
            ["UPDATE ledger_sealed_transactions SET position = 1 - position + 10 WHERE batch = 1"],
            Problem.BATCH_CHANGED,
        ),
        (["DELETE FROM ledger_transactions WHERE id = 4"], Problem.TRANSACTION_MISSING),
        (["DELETE FROM ledger_sealed_transactions WHERE transaction_id = 4"], Problem.TRANSACTION_MISSING),
        (["DELETE FROM ledger_seals WHERE batch = 2"], Problem.CHAIN_BROKEN),
        (["UPDATE ledger_seals SET batch = 9 WHERE batch = 2"], Problem.CHAIN_BROKEN),
        (["UPDATE ledger_seals SET previous_root = root WHERE batch = 2"], Problem.CHAIN_BROKEN),
        (["UPDATE ledger_postings SET amount_micros = 1 WHERE account = 'revenue'"], Problem.UNBALANCED),
        (["DELETE FROM ledger_transactions"], Problem.NOT_SETTLED_ONCE),
        (["UPDATE calls SET state = 'ended'"], Problem.NOT_SETTLED_ONCE),
        (
            ["UPDATE calls SET conversion = jsonb_set(conversion, '{price_micros}', '1') WHERE converted"],
            Problem.NOT_AS_SETTLED,
        ),
        (["UPDATE legs SET answered_ms = NULL"], Problem.CHARGED_WITHOUT_LEG),
        (["UPDATE legs SET ended_ms = ended_ms + 1"], Problem.EVIDENCE_CHANGED),
        (["DELETE FROM legs WHERE call_id IN (SELECT id FROM calls LIMIT 1)"], Problem.EVIDENCE_CHANGED),
        (["UPDATE cel_rows SET event_us = event_us + 1 WHERE event = 'ANSWER'"], Problem.EVIDENCE_CHANGED),
        (["DELETE FROM cel_rows WHERE event = 'HANGUP'"], Problem.EVIDENCE_CHANGED),
        (["UPDATE decisions SET decision = decision || '{\"a\": 1}'"], Problem.EVIDENCE_CHANGED),
        (["UPDATE decisions SET decided_by = 'survival'"], Problem.EVIDENCE_CHANGED),
        (['UPDATE calls SET conversion = conversion || \'{"detail": ""}\''], Problem.EVIDENCE_CHANGED),
        (["UPDATE calls SET evidence = evidence || '{\"alarm\": true}'"], Problem.EVIDENCE_CHANGED),
        (["UPDATE calls SET buyer_id = NULL"], Problem.EVIDENCE_CHANGED),
        (["UPDATE ledger_evidence SET digest = '\\x00'"], Problem.BATCH_CHANGED),
        (["DELETE FROM ledger_evidence"], Problem.BATCH_CHANGED),
        (
            ["UPDATE ledger_evidence SET attempts = '{}', digest = sha256('') WHERE transaction_id = 1"],
            Problem.BATCH_CHANGED,
        ),
        (
            ["UPDATE calls SET conversion = jsonb_set(conversion, '{verdict}', '\"not_connected\"')"],
            Problem.ANSWERED_WITHOUT_EFFECT,
        ),
        (["UPDATE wallets SET owed_micros = owed_micros - 1"], Problem.WALLET_OUT_OF_STEP),
        (["UPDATE wallets SET held_micros = 1"], Problem.WALLET_OUT_OF_STEP),
        (
            ["UPDATE sealed_balances SET amount_micros = 1 WHERE account = 'payout'"],
            Problem.BALANCE_OUT_OF_STEP,
        ),
        (["DELETE FROM sealed_balances WHERE account = 'revenue'"], Problem.BALANCE_OUT_OF_STEP),
    ],
)
async def test_tampering_is_found(engine: AsyncEngine, statements: list[str], problem: Problem) -> None:
    await tamper(engine, *statements)
    assert problem in await problems(engine)


@pytest.mark.usefixtures("market")
async def test_an_answered_call_that_ended_long_ago_must_be_settled(engine: AsyncEngine) -> None:
    await tamper(
        engine,
        "DELETE FROM ledger_transactions WHERE id = 1",
        "DELETE FROM ledger_postings WHERE transaction_id = 1",
        "UPDATE calls SET state = 'ended' WHERE id NOT IN (SELECT call_id FROM ledger_transactions)",
    )
    assert Problem.NOT_SETTLED_ONCE in await problems(engine)


async def test_what_is_committed_late_is_sealed_in_a_later_batch(engine: AsyncEngine, sealer: Sealer) -> None:
    postings = (Posting(account="a", amount_micros=1), Posting(account="b", amount_micros=-1))
    async with engine.connect() as slow:
        await post(slow, call_id=None, kind="test", postings=postings, detail={})
        async with engine.begin() as quick:
            await post(quick, call_id=None, kind="test", postings=postings, detail={})
        assert await seal(engine, sealer, 10) == 1
        await slow.commit()
    assert (await verify_ledger(engine)).unsealed == 1
    assert await seal(engine, sealer, 10) == 1
    verification = await verify_ledger(engine)
    assert (verification.holds, verification.unsealed, verification.batches) == (True, 0, 2)


@pytest.mark.parametrize(
    ("adding", "waiting"),
    [
        (
            "INSERT INTO ledger_transactions (kind, posted_at) VALUES ('adjustment:x', '9999-01-01')",
            "unsealed_transactions",
        ),
        (
            "INSERT INTO audit_log (actor, via, action, kind, ref, at) VALUES ('x', 'x', 'x', 'x', '1', '9999-01-01')",
            "unsealed_notes",
        ),
    ],
)
async def test_a_row_that_says_it_comes_later_is_not_hidden_by_that(
    engine: AsyncEngine, sealer: Sealer, adding: str, waiting: str
) -> None:
    """Taken off the list of what waits, as the application may, it is never sealed."""
    async with as_owner(engine) as connection:
        await connection.execute(text(adding))
    async with engine.begin() as connection:
        await connection.execute(text(f"DELETE FROM {waiting}"))
    await seal_all(engine, sealer)
    assert await problems(engine) == {Problem.NOT_SEALED}
