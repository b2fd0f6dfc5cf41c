"""Proves the ledger: the chain holds, every transaction balances, every settled call has its one effect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import verify_queries as queries
from billing.ledger import FIRST_ROOT, seal_root
from billing.ledger_queries import StoredSeal, seals
from billing.verify_cash import cash_findings

MAXIMUM_FINDINGS = 100
UNSEALED_AFTER_SECONDS = 60


class Problem(StrEnum):
    """What can be wrong with a ledger."""

    CHAIN_BROKEN = "chain_broken"
    BATCH_CHANGED = "batch_changed"
    TRANSACTION_MISSING = "transaction_missing"
    NOT_SEALED = "not_sealed"
    UNBALANCED = "unbalanced"
    NOT_SETTLED_ONCE = "not_settled_once"
    NOT_AS_SETTLED = "not_as_settled"
    CHARGED_WITHOUT_LEG = "charged_without_leg"
    ANSWERED_WITHOUT_EFFECT = "answered_without_effect"
    WALLET_OUT_OF_STEP = "wallet_out_of_step"
    BALANCE_OUT_OF_STEP = "balance_out_of_step"
    # What billing.verify_cash finds.
    INVOICE_NOT_AS_POSTED = "invoice_not_as_posted"
    INVOICE_NOT_AS_PAID = "invoice_not_as_paid"
    STRAY_CASH = "stray_cash"
    PAYMENT_RECORDED_TWICE = "payment_recorded_twice"
    PAID_TOO_MUCH = "paid_too_much"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    problem: Problem
    detail: str
    batch: int | None = None
    transaction_id: int | None = None
    call_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at and what was found; `findings` holds the first MAXIMUM_FINDINGS."""

    batches: int
    transactions: int
    unsealed: int
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return not self.findings


async def verify_ledger(engine: AsyncEngine) -> Verification:
    """Read the whole ledger, in one consistent view and bounded memory.

    The chain is followed on one connection and all else is looked at on another, which sees the same.
    Raises what the database raises when it cannot be read.
    """
    async with engine.connect() as one, engine.connect() as another:
        connection = await one.execution_options(isolation_level="REPEATABLE READ")
        beside = await another.execution_options(isolation_level="REPEATABLE READ")
        await queries.take_snapshot(beside, await queries.export_snapshot(connection))
        looking = asyncio.create_task(_other_findings(beside))
        try:
            chain = await _follow_chain(connection)
            # Who has nothing more to ask must not be found idle for minutes.
            await connection.rollback()
            others = await looking
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    return replace(chain, findings=(*chain.findings, *others)[:MAXIMUM_FINDINGS])


async def _follow_chain(connection: AsyncConnection) -> Verification:
    """Hash every batch anew, from the first to the last."""
    await queries.allow_long_reads(connection)
    findings: list[Finding] = []
    batches = transactions = 0
    previous_batch, previous_root = 0, FIRST_ROOT
    async for seal in seals(connection):
        findings += _judge_seal(seal, previous_batch, previous_root)
        previous_batch, previous_root = seal.batch, seal.root
        batches, transactions = batches + 1, transactions + len(seal.leaves)
        if len(findings) >= MAXIMUM_FINDINGS:
            break
    unsealed = await queries.unsealed_count(connection, older_than_seconds=0)
    return Verification(
        batches=batches, transactions=transactions + unsealed, unsealed=unsealed, findings=tuple(findings)
    )


def _judge_seal(seal: StoredSeal, previous_batch: int, previous_root: bytes) -> list[Finding]:
    findings = []
    if seal.batch != previous_batch + 1 or seal.previous_root != previous_root:
        detail = f"batch {seal.batch} does not follow batch {previous_batch}"
        findings.append(Finding(problem=Problem.CHAIN_BROKEN, batch=seal.batch, detail=detail))
    there = len(seal.leaves)
    if there != seal.transaction_count:
        detail = f"batch {seal.batch}: {seal.transaction_count} transactions were sealed, {there} are there"
        findings.append(Finding(problem=Problem.TRANSACTION_MISSING, batch=seal.batch, detail=detail))
    elif seal_root(seal.batch, seal.previous_root, seal.leaves) != seal.root:
        ids = f"{seal.first_id}..{seal.last_id}"
        detail = f"a transaction of batch {seal.batch} (ids {ids}) is not what was sealed"
        findings.append(Finding(problem=Problem.BATCH_CHANGED, batch=seal.batch, detail=detail))
    return findings


async def _other_findings(connection: AsyncConnection) -> list[Finding]:
    await queries.allow_long_reads(connection)
    findings = []
    for row in await queries.unbalanced_transactions(connection, MAXIMUM_FINDINGS):
        detail = f"transaction {row.transaction_id} is out of balance by {row.difference} micros"
        findings.append(Finding(problem=Problem.UNBALANCED, transaction_id=row.transaction_id, detail=detail))
    for row in await queries.calls_not_settled_once(connection, MAXIMUM_FINDINGS):
        detail = f"call {row.id} is {row.state} and has {row.settlements} settlements"
        findings.append(Finding(problem=Problem.NOT_SETTLED_ONCE, call_id=row.id, detail=detail))
    for row in await queries.calls_not_as_settled(connection, MAXIMUM_FINDINGS):
        said = f"price {row.price} and payout {row.payout} micros"
        detail = f"call {row.id} says {said}, its postings say {row.posted} and {row.paid_out}"
        findings.append(Finding(problem=Problem.NOT_AS_SETTLED, call_id=row.id, detail=detail))
    findings += await _leg_findings(connection)
    for row in await queries.wallets_out_of_step(connection, MAXIMUM_FINDINGS):
        detail = f"buyer {row.buyer_id}: wallet says {row.kept} owed and {row.held_kept} held,"
        detail += f" the books say {row.posted} and {row.held}"
        findings.append(Finding(problem=Problem.WALLET_OUT_OF_STEP, detail=detail))
    for row in await queries.exposures_out_of_step(connection, MAXIMUM_FINDINGS):
        detail = f"buyer {row.buyer_id}: wallet says {row.kept} micros disputed, the books say {row.posted},"
        detail += f" its open disputes {row.live}"
        findings.append(Finding(problem=Problem.WALLET_OUT_OF_STEP, detail=detail))
    for row in await queries.balances_out_of_step(connection, MAXIMUM_FINDINGS):
        detail = f"{row.account}: its kept balance is {row.kept} micros, what is sealed comes to {row.posted}"
        findings.append(Finding(problem=Problem.BALANCE_OUT_OF_STEP, detail=detail))
    findings += [
        Finding(problem=Problem(one.problem.value), detail=one.detail, transaction_id=one.transaction_id)
        for one in await cash_findings(connection, MAXIMUM_FINDINGS)
    ]
    late = await queries.unsealed_count(connection, older_than_seconds=UNSEALED_AFTER_SECONDS)
    if late:
        detail = f"{late} transactions older than {UNSEALED_AFTER_SECONDS} s are not sealed"
        findings.append(Finding(problem=Problem.NOT_SEALED, detail=detail))
    return findings


async def _leg_findings(connection: AsyncConnection) -> list[Finding]:
    """Every answered leg has its one effect, and no buyer is charged without one."""
    findings = []
    for row in await queries.charges_without_leg(connection, MAXIMUM_FINDINGS):
        detail = f"call {row.call_id} charges {row.account}, none of whose legs was answered"
        findings.append(Finding(problem=Problem.CHARGED_WITHOUT_LEG, call_id=row.call_id, detail=detail))
    for row in await queries.answered_without_effect(connection, MAXIMUM_FINDINGS):
        detail = f"leg {row.attempt} of call {row.call_id} was answered and has no effect"
        findings.append(Finding(problem=Problem.ANSWERED_WITHOUT_EFFECT, call_id=row.call_id, detail=detail))
    return findings
