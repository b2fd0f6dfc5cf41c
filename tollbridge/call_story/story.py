"""What is known of one call, and how it is told to people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Answer:
    tag: str
    value: str | None
    source: str
    heard: str
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A target that was not rung in one decision, and why."""

    target: str
    buyer: str
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Decided:
    sequence: int
    decided_by: str
    target: str | None
    duration_us: int
    passed: tuple[Passed, ...]
    not_known: str = ""
    """What the database was not asked for, and how old what it went by was; empty when it answered."""


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
class Posting:
    account: str
    amount_micros: int


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What the flow did beside asking: a web hook, a transfer, a notice heard, a fault."""

    kind: str
    node: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recording: recording, stored, refused, missing or erased. `start_offset_ms` counts from the call's start."""

    file: str
    state: str
    start_offset_ms: int | None
    length_ms: int | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class CallStory:
    """A call as stored. Times are UTC; money is millionths of a dollar; `licence` is "STATE NMLS"."""

    call_id: UUID
    linkedid: str
    dialled: str
    caller: str | None
    trunk: str | None
    state: str
    outcome: str | None
    started_at: datetime
    ended_at: datetime | None
    buyer: str | None
    target: str | None
    licence: str | None
    connected_ms: int | None
    converted: bool | None
    conversion: Mapping[str, Any] | None
    evidence: Mapping[str, Any] | None
    tags: Mapping[str, str]
    answers: tuple[Answer, ...]
    decisions: tuple[Decided, ...]
    legs: tuple[Leg, ...]
    postings: tuple[Posting, ...]
    noted: tuple[Noted, ...] = ()
    recordings: tuple[Recorded, ...] = ()

    @property
    def is_settled(self) -> bool:
        return self.state == "settled"

    def posted_micros(self, account: str) -> int:
        """Return the sum of this call's postings on one account."""
        return sum(posting.amount_micros for posting in self.postings if posting.account == account)

    @property
    def revenue_micros(self) -> int:
        """What the buyer owes for the call."""
        return -self.posted_micros("revenue")

    @property
    def payout_micros(self) -> int:
        """What we owe the publisher for the call."""
        return self.posted_micros("payout")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = asdict(self)
        plain["call_id"] = str(self.call_id)
        for name in ("started_at", "ended_at"):
            plain[name] = plain[name].isoformat() if plain[name] else None
        return plain


def dollars(micros: int) -> str:
    """Write millionths of a dollar for people: $85.00, and as many digits as there are."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), 1_000_000)
    digits = f"{rest:06d}"
    return f"{sign}${whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def tell(story: CallStory) -> Iterator[str]:
    """Yield the call's way, a line each."""
    yield f"call {story.call_id} from {story.caller or 'a withheld number'} to {story.dialled}: {_end(story)}"
    for answer in story.answers:
        sure = "" if answer.confidence is None else f", {answer.confidence:.0%} sure"
        heard = f' ("{answer.heard}"{sure})' if answer.heard else ""
        yield f"  {answer.tag}: {answer.value or 'not known'}, from {answer.source}{heard}"
    yield from map(_tell_noted, story.noted)
    for decision in story.decisions:
        yield from _tell_decision(decision)
    for leg in story.legs:
        length = f"talked {leg.connected_ms / 1000:.3f} s" if leg.answered_ms else "did not answer"
        yield f"  leg {leg.attempt}: {leg.buyer} / {leg.target} {length} (cause {leg.cause})"
    for recorded in story.recordings:
        length = "" if recorded.length_ms is None else f", {recorded.length_ms / 1000:.1f} s"
        yield f"  recording {recorded.file}: {recorded.state}{length}"
    if story.is_settled and story.conversion:
        converted = "converted" if story.converted else "not converted"
        if not story.converted and story.conversion.get("verdict") == "converted":
            converted = "credited since, converted"
        yield f"  {converted}: {story.conversion.get('detail', '')}"
        yield from _tell_terms("buyer", story.conversion.get("buyer"))
        yield from _tell_terms("publisher", story.conversion.get("publisher"))
    for posting in story.postings:
        yield f"  {dollars(posting.amount_micros):>12}  {posting.account}"


def _tell_noted(noted: Noted) -> str:
    what = noted.kind.replace("_", " ") + (f" at {noted.node}" if noted.node else "")
    return f"  {what}: " + ", ".join(
        f"{name} {value}" for name, value in noted.detail.items() if value not in ("", [], None)
    )


def _tell_terms(whose: str, judged: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what of a contract was not met, each rule with its numbers, and what the margin took off."""
    if not judged:
        return
    for failed in judged.get("failed", ()):
        yield f"    {whose}'s {failed['rule']} not paid: {failed['reason']}"
    kept = judged.get("margin_kept_micros")
    if kept:
        yield f"    {dollars(kept)} of the {whose}'s payout was held back so that the margin stays"


def _tell_decision(decision: Decided) -> Iterator[str]:
    chosen = decision.target or "nobody"
    took = f"{decision.duration_us / 1000:.1f} ms"
    yield f"  decision {decision.sequence} by {decision.decided_by}: {chosen} ({took})"
    if decision.not_known:
        yield f"    {decision.not_known}"
    for passed in decision.passed:
        yield f"    not {passed.buyer} / {passed.target}: {passed.code} ({passed.detail})"


def _end(story: CallStory) -> str:
    if not story.is_settled:
        return story.state.replace("_", " ")
    sold = f" to {story.buyer}" if story.buyer else ""
    length = f", {story.connected_ms / 1000:.3f} s" if story.connected_ms else ""
    billed = ", converted" if story.converted else ", not converted"
    return f"{(story.outcome or 'ended').replace('_', ' ')}{sold}{length}{billed if story.buyer else ''}"
