"""Proves the ledger: the chains hold, every transaction balances, every settled call has its one effect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import verify_queries as queries
from billing.findings import MAXIMUM_FINDINGS, Finding, Problem
from billing.seal_queries import AUDIT, LEDGER
from billing.seal_signatures import SignedSeal
from billing.sealed_callers import changed_callers
from billing.verify_cash import cash_findings
from billing.verify_chain import Trust, follow_chain
from billing.verify_claims import claim_findings

UNSEALED_AFTER_SECONDS = 60
NOTHING_KNOWN = Trust()


@dataclass(frozen=True, kw_only=True)
class NewestRoot:
    """The last seal of a chain. Noted elsewhere, it shows at any later time that nothing before it was changed."""

    chain: str
    batch: int
    root: str

    def __str__(self) -> str:
        """As `--expect` takes it."""
        named = "" if self.chain == LEDGER.name else f"{self.chain}:"
        return f"{named}{self.batch}:{self.root}"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at and what was found; `findings` holds the first MAXIMUM_FINDINGS."""

    batches: int
    transactions: int
    unsealed: int
    findings: tuple[Finding, ...]
    notes: int = 0
    """Of the audit log."""
    erased_callers: int = 0
    """Calls whose caller was sealed and is not there any more: as after a lawful erasure, and no finding."""
    signatures_checked: bool = False
    roots_checked: bool = False
    """Whether there were written roots to compare with."""
    roots: tuple[NewestRoot, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.findings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What `holds` does not say, because nothing was known to compare with; and what was erased."""
        said = {
            "signatures were not checked: whether the whole chain was made new is not known": self.signatures_checked,
            "no signed roots are written down here: whether the newest batches were cut off is not known": (
                self.roots_checked
            ),
            f"of {self.erased_callers} calls the caller was erased after they were sealed": not self.erased_callers,
        }
        return tuple(warning for warning, fine in said.items() if not fine)


async def verify_ledger(engine: AsyncEngine, trust: Trust = NOTHING_KNOWN) -> Verification:
    """Read the whole ledger and the audit log, in one consistent view and bounded memory.

    The chains are followed on one connection and all else is looked at on another, which sees the same.
    Raises OSError when a file of roots cannot be read, and what the database raises.
    """
    files = trust.sizes()
    async with engine.connect() as one, engine.connect() as another:
        connection = await one.execution_options(isolation_level="REPEATABLE READ")
        beside = await another.execution_options(isolation_level="REPEATABLE READ")
        await queries.take_snapshot(beside, await queries.export_snapshot(connection))
        looking = asyncio.create_task(_other_findings(beside))
        try:
            chains = await _follow_chains(connection, trust, files)
            # Who has nothing more to ask must not be found idle for minutes.
            await connection.rollback()
            others = await looking
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    return replace(chains, findings=(*chains.findings, *others)[:MAXIMUM_FINDINGS])


async def _follow_chains(
    connection: AsyncConnection, trust: Trust, files: Mapping[str, Sequence[tuple[Path, int]]]
) -> Verification:
    await queries.allow_long_reads(connection)
    ledger, audit = [
        await follow_chain(connection, chain, trust, files.get(chain.name, ())) for chain in (LEDGER, AUDIT)
    ]
    unsealed = await queries.unsealed_count(connection, LEDGER, older_than_seconds=0)
    return Verification(
        batches=ledger.batches,
        transactions=ledger.entries + unsealed,
        unsealed=unsealed,
        erased_callers=await queries.erased_callers(connection),
        signatures_checked=trust.known_keys is not None,
        roots_checked=any(files.values()),
        findings=(*ledger.findings, *audit.findings),
        notes=audit.entries + await queries.unsealed_count(connection, AUDIT, older_than_seconds=0),
        roots=tuple(_root(one.newest) for one in (ledger, audit) if one.newest is not None),
    )


def _root(signed: SignedSeal) -> NewestRoot:
    return NewestRoot(chain=signed.seal.chain, batch=signed.seal.batch, root=signed.seal.root.hex())


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
    for row in await queries.calls_of_changed_evidence(connection, MAXIMUM_FINDINGS):
        detail = f"call {row.call_id}: {_changed(row.stray)}"
        findings.append(Finding(problem=Problem.EVIDENCE_CHANGED, call_id=row.call_id, detail=detail))
    for call_id, problem in await changed_callers(connection, MAXIMUM_FINDINGS):
        detail = f"call {call_id}: {problem}"
        findings.append(Finding(problem=Problem.EVIDENCE_CHANGED, call_id=call_id, detail=detail))
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
    findings += await claim_findings(connection, MAXIMUM_FINDINGS)
    findings += await cash_findings(connection, MAXIMUM_FINDINGS)
    for chain, what in ((LEDGER, "transactions"), (AUDIT, "notes of the audit log")):
        late = await queries.unsealed_count(connection, chain, older_than_seconds=UNSEALED_AFTER_SECONDS)
        if late:
            detail = f"{late} {what} older than {UNSEALED_AFTER_SECONDS} s are not sealed"
            findings.append(Finding(problem=Problem.NOT_SEALED, detail=detail))
    return findings


def _changed(stray: bool) -> str:
    if stray:
        return "a row of evidence was written that is not the sealer's; it counts for nothing"
    what = "conversion, times, numbers, flow, tags, answers, legs, decisions or Asterisk's rows"
    return f"its {what} are not what was sealed"


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
