"""What is in use and known of the caller while a decision is made: values that can be stored and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from router.domain.plan import Plan, PlannedCap


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierCall:
    """What the same caller did before: one row for each target that was offered the call."""

    call_id: str
    campaign_id: int
    buyer_id: int
    target_id: int
    started_at: datetime
    connected: bool
    converted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the database knows of the caller and of the buyers' purses."""

    suppressed_buyers: frozenset[int] = frozenset()
    """Buyers with this caller in their book of business."""
    earlier_calls: tuple[EarlierCall, ...] = ()
    """Newest first, within the campaign's duplicate window."""
    wallet_micros: Mapping[int, int] = field(default_factory=dict)
    """What may still be spent, by buyer id; one that is not named has no limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Where a round-robin or weighted stage stands (distribution.by_turn)."""

    turn: int = 0
    reached: int = 0
    passes: Mapping[int, int] = field(default_factory=dict)
    """By target id; one that is not named has had no call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What became of a target's calls so far."""

    last_offered_ms: int = 0
    connected: int = 0
    converted: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FullCaps:
    """Which caps of a plan have no room left, of those that say so by their number alone."""

    plan: Plan
    caps: tuple[PlannedCap, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotKnown:
    """What the database was not asked, because it did not answer: the decision went by the last reading."""

    what: str
    """suppression, wallets, caps, earlier_calls or turns (last_known)."""
    age_ms: int | None
    """How old that reading was; None: there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What is in use while the decision is made, as the database saw it. What is not named is nought."""

    concurrency: Mapping[int, int] = field(default_factory=dict)
    """Calls a target has now, by target id: of Target.concurrency_cap."""
    used: Mapping[str, int] = field(default_factory=dict)
    """Of every other cap, by Cap.key, in the period that `now` falls into; of spacing, the last call's epoch ms."""
    turns: Mapping[int, Turn] = field(default_factory=dict)
    """By stage id."""
    history: Mapping[int, History] = field(default_factory=dict)
    """By target id."""
    facts: Facts = Facts()
    not_known: tuple[NotKnown, ...] = ()
    """Empty when the database answered."""
    not_sold: str = ""
    """Why nobody may have the call, because what binds is not known; for people, empty when it is."""
    full: FullCaps | None = field(default=None, init=False, compare=False, repr=False)
    """What these very numbers fill, where whoever made them keeps that at hand (live_counts). Not copied by replace."""

    def to_json(self) -> dict[str, Any]:
        facts = self.facts
        return {
            "concurrency": _by_text(self.concurrency),
            "used": dict(self.used),
            "turns": {
                str(stage): [turn.turn, turn.reached, _by_text(turn.passes)]
                for stage, turn in self.turns.items()
            },
            "history": {
                str(target): [one.last_offered_ms, one.connected, one.converted]
                for target, one in self.history.items()
            },
            "suppressed_buyers": sorted(facts.suppressed_buyers),
            "wallet_micros": _by_text(facts.wallet_micros),
            "earlier_calls": [
                [
                    call.call_id,
                    call.campaign_id,
                    call.buyer_id,
                    call.target_id,
                    spell_instant(call.started_at),
                    call.connected,
                    call.converted,
                ]
                for call in facts.earlier_calls
            ],
            # Decisions that were stored before there was such a thing stay as they are.
            **({"not_known": [[one.what, one.age_ms] for one in self.not_known]} if self.not_known else {}),
            **({"not_sold": self.not_sold} if self.not_sold else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Counts:
        """Read what to_json wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            concurrency=_by_number(value["concurrency"]),
            used=dict(value["used"]),
            turns={
                int(stage): Turn(turn=turn, reached=reached, passes=_by_number(passes))
                for stage, (turn, reached, passes) in value["turns"].items()
            },
            history={
                int(target): History(last_offered_ms=last, connected=connected, converted=converted)
                for target, (last, connected, converted) in value["history"].items()
            },
            facts=Facts(
                suppressed_buyers=frozenset(value["suppressed_buyers"]),
                wallet_micros=_by_number(value["wallet_micros"]),
                earlier_calls=tuple(_earlier_call(row) for row in value["earlier_calls"]),
            ),
            not_known=tuple(
                NotKnown(what=what, age_ms=age_ms) for what, age_ms in value.get("not_known", ())
            ),
            not_sold=value.get("not_sold", ""),
        )


def _by_text(by_number: Mapping[int, int]) -> dict[str, int]:
    return {str(number): value for number, value in by_number.items()}


def _by_number(by_text: Mapping[str, int]) -> dict[int, int]:
    return {int(text): value for text, value in by_text.items()}


def _earlier_call(row: Sequence[Any]) -> EarlierCall:
    call_id, campaign_id, buyer_id, target_id, started_at, connected, converted = row
    return EarlierCall(
        call_id=call_id,
        campaign_id=campaign_id,
        buyer_id=buyer_id,
        target_id=target_id,
        started_at=datetime.fromisoformat(started_at),
        connected=connected,
        converted=converted,
    )


def spell_instant(instant: datetime) -> str:
    """Write an instant in the one spelling that decisions use."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
