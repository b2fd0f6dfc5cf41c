"""Everything that is known of one call, as values. Pure.

The decision's JSON is read with patience: what an older or newer router does not write is simply not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from router.explain import describe_not_known


@dataclass(frozen=True, kw_only=True)
class Call:
    id: UUID
    linkedid: str
    node: str
    trunk: str | None
    carrier: str | None
    dialled: str
    caller: str | None
    campaign: str | None
    publisher: str | None
    flow_name: str | None
    flow_version: int | None
    tags: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None
    state: str
    outcome: str | None
    buyer: str | None
    target: str | None
    connected_ms: int | None
    converted: bool | None
    conversion: Mapping[str, Any] | None
    evidence: Mapping[str, Any] | None
    settled_at: datetime | None

    @property
    def verdict(self) -> str:
        """Which rule paid or which term failed, as billing's code; empty before settlement."""
        return str((self.conversion or {}).get("verdict") or "")

    @property
    def verdict_detail(self) -> str:
        return str((self.conversion or {}).get("detail") or "")

    @property
    def terms_not_met(self) -> tuple[tuple[str, str, str], ...]:
        """Every rule or bonus that did not pay, as (whose terms, its name, the reason with its numbers)."""
        return tuple(
            (whose, str(failed.get("rule", "")), str(failed.get("reason", "")))
            for whose in ("buyer", "publisher")
            for failed in _dicts(_dict((self.conversion or {}).get(whose)).get("failed"))
        )

    @property
    def paid_by(self) -> tuple[tuple[str, str, int], ...]:
        """The rules that paid, as (whose terms, name with bonuses, amount in micros)."""
        judged = [(whose, _dict((self.conversion or {}).get(whose))) for whose in ("buyer", "publisher")]
        return tuple(
            (
                whose,
                " + ".join([str(one["rule"]), *map(str, one.get("bonuses") or [])]),
                int(one["amount_micros"]),
            )
            for whose, one in judged
            if one.get("paid") and one.get("rule") and isinstance(one.get("amount_micros"), int)
        )

    @property
    def duplicate_of(self) -> UUID | None:
        """The earlier call of the same caller that was billed instead of this one."""
        try:
            return UUID(str((self.conversion or {}).get("duplicate_of")))
        except ValueError:
            return None

    @property
    def verdict_numbers(self) -> Mapping[str, Any]:
        """What the verdict stands on, but for what is said in words already."""
        said = ("verdict", "detail", "duplicate_of", "buyer", "publisher")
        return {
            key: value
            for key, value in (self.conversion or {}).items()
            if key not in said and value is not None
        }

    @property
    def duration_ms(self) -> int | None:
        """From the caller's arrival to the end."""
        if self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) // timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the caller said. Its sound is not kept: only a recording of the whole call is."""

    sequence: int
    node: str
    tag: str
    value: str | None
    source: str
    heard: str
    confidence: float | None
    engine: str | None
    answered_at: datetime


@dataclass(frozen=True, kw_only=True)
class Rejection:
    sequence: int
    target_id: int
    target: str
    buyer: str
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    sequence: int
    decided_by: str
    decided_at: datetime
    target: str | None
    buyer: str | None
    duration_us: int
    decision: Mapping[str, Any]
    rejections: tuple[Rejection, ...]

    @property
    def problem(self) -> str:
        return str(self.decision.get("problem") or "")

    @property
    def not_known(self) -> str:
        """What the database was not asked for, for people; empty when it answered."""
        try:
            return describe_not_known(self.decision["inputs"]["counts"].get("not_known", ()))
        except (KeyError, TypeError, ValueError, AttributeError):  # one of an older form
            return ""

    @property
    def ring_timeout_seconds(self) -> int | None:
        seconds = self._chosen.get("ring_timeout_seconds")
        return seconds if isinstance(seconds, int) else None

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences that allowed it, as people say them."""
        licences = self._chosen.get("licences")
        if not isinstance(licences, list):
            return ()
        return tuple(_licence_words(licence) for licence in licences if isinstance(licence, dict))

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What the router knew when it decided."""
        inputs = self.decision.get("inputs")
        return inputs if isinstance(inputs, dict) else {}

    @property
    def _chosen(self) -> Mapping[str, Any]:
        chosen = self.decision.get("chosen")
        return chosen if isinstance(chosen, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Leg:
    attempt: int
    target: str | None
    buyer: str | None
    answered_ms: int | None
    ended_ms: int
    connected_ms: int
    cause: int | None


@dataclass(frozen=True, kw_only=True)
class Happened:
    """Something the flow did, or that was done to the call (agi writes them)."""

    at: datetime
    kind: str
    node: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bid:
    """One question to a bidder and what came of it. `arrived_us` counts from `sent_at`; None: nothing came."""

    attempt: int
    kind: str
    target_id: int
    target: str | None
    buyer: str | None
    outcome: str
    bid_micros: int | None
    worth_micros: int | None
    sent_at: datetime
    arrived_us: int | None
    detail: str
    cost_micros: int


@dataclass(frozen=True, kw_only=True)
class RecordingPart:
    """One part of a call's recording. Only a stored one can be played."""

    part: int
    node: str
    file: str
    state: str
    consent_node: str
    started_at: datetime
    length_ms: int | None

    @property
    def is_playable(self) -> bool:
        return self.state == "stored"


@dataclass(frozen=True, kw_only=True)
class Command:
    """What somebody of the house ordered for the call. `problem`: why it was not done."""

    kind: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class Posting:
    account: str
    amount_micros: int


@dataclass(frozen=True, kw_only=True)
class Transaction:
    id: int
    kind: str
    posted_at: datetime
    corrects_id: int | None
    postings: tuple[Posting, ...]

    @property
    def sum_micros(self) -> int:
        """Zero, always; shown so that it can be seen."""
        return sum(posting.amount_micros for posting in self.postings)


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    call: Call
    answers: tuple[Answer, ...]
    decisions: tuple[Decision, ...]
    legs: tuple[Leg, ...]
    transactions: tuple[Transaction, ...]
    happened: tuple[Happened, ...] = ()
    bids: tuple[Bid, ...] = ()
    recordings: tuple[RecordingPart, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def revenue_micros(self) -> int:
        """What the buyer owes us."""
        return -self._total("revenue")

    @property
    def payout_micros(self) -> int:
        """What we owe the publisher."""
        return self._total("payout")

    @property
    def carrier_cost_micros(self) -> int:
        return self._total("carrier_cost")

    @property
    def ping_cost_micros(self) -> int:
        """What asking bidders for this call cost."""
        return self._total("ping_cost")

    @property
    def margin_micros(self) -> int:
        return self.revenue_micros - self.payout_micros - self.carrier_cost_micros - self.ping_cost_micros

    def _total(self, account: str) -> int:
        return sum(
            posting.amount_micros
            for transaction in self.transactions
            for posting in transaction.postings
            if posting.account == account
        )


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _licence_words(licence: Mapping[str, Any]) -> str:
    parts: Sequence[str] = [str(licence[key]) for key in ("state", "product") if licence.get(key)]
    return ", ".join([f"NMLS {licence.get('nmls_id', '?')}", *parts]).replace("_", " ")
