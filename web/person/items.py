"""What a node holds on a telephone number, and what becomes of each thing when the person is forgotten. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from rules.masking import HIDDEN


class Kind(StrEnum):
    """The things there are, as people name them."""

    CALL = "call"
    RECORDING = "recording"
    VOICE_MESSAGE = "voice message"
    CALL_BACK = "call-back"
    WORDS = "words"
    """What was heard of answers, sent to bidders, answered by web hooks, of one call."""
    ANSWERS = "answers and tags"
    DECISION = "decision"
    CONSENT = "consent"
    MONEY = "ledger entry"
    DISPUTE = "dispute"
    RESERVATION = "reservation"
    SUPPRESSION = "suppression"
    BLOCK = "block"
    AUDIT = "audit entry"


class Fate(StrEnum):
    """What erasing does with a thing."""

    ERASED = "erased"
    MASKED = "masked"
    """The number in it goes; a keyed index stays, by which the number is found when it calls."""
    KEPT = "kept"
    WAITS = "waits"
    """It is still at work: erase again later."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing. `ref` names it in its kind; `detail` is what is exported of it."""

    kind: Kind
    ref: str
    at: datetime | None = None
    is_open: bool = False
    """A call that goes on or is not settled, a reservation that may still become a call."""
    is_billed: bool = False
    """It belongs to a call that the ledger's seal covers, or will."""
    number: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_masked(self) -> bool:
        return self.number is not None and HIDDEN in self.number


_MONEY = "the ledger's proof covers it: kept for the accounts, without the number"
REASONS: Mapping[Kind, tuple[Fate, str]] = {
    Kind.CALL: (
        Fate.ERASED,
        "the sealed number, its index and area code go; times and outcome stay, of nobody",
    ),
    Kind.RECORDING: (Fate.ERASED, "its key is destroyed, then the file goes"),
    Kind.VOICE_MESSAGE: (Fate.ERASED, "its key is destroyed, then the file goes"),
    Kind.CALL_BACK: (Fate.MASKED, "proof of the consent to be called back; it is closed"),
    Kind.WORDS: (Fate.ERASED, "what was heard, sent to bidders and answered by web hooks"),
    Kind.ANSWERS: (Fate.ERASED, "what the caller answered"),
    Kind.DECISION: (Fate.KEPT, "how the call was sold: names the caller by a keyed index alone"),
    Kind.CONSENT: (Fate.KEPT, "proof that the notice of recording was heard; names nobody"),
    Kind.MONEY: (Fate.KEPT, "the accounts must be kept; names nobody"),
    Kind.DISPUTE: (Fate.KEPT, "a claim about money and its evidence"),
    Kind.RESERVATION: (Fate.ERASED, "the sealed number and its index go; what was promised stays"),
    Kind.SUPPRESSION: (Fate.MASKED, "by its keyed index the number is still not sold: for ever"),
    Kind.BLOCK: (Fate.MASKED, "by its keyed index the number is still refused"),
    Kind.AUDIT: (Fate.KEPT, "the audit log cannot be changed: the number is masked there, or sealed"),
}
"""What becomes of each kind when nothing is in its way, and why."""


def fate_of(item: Item) -> tuple[Fate, str]:
    """Return what erasing does with a thing, and why."""
    fate, reason = REASONS[item.kind]
    if fate is Fate.MASKED and item.is_masked:
        return Fate.KEPT, reason
    if item.is_open and fate in (Fate.ERASED, Fate.MASKED):
        return Fate.WAITS, "it is still at work: erase again when the call is settled"
    if item.kind is Kind.ANSWERS and item.is_billed:
        return Fate.KEPT, _MONEY
    return fate, reason


def is_work(item: Item) -> bool:
    """Tell whether erasing would change a thing now."""
    return fate_of(item)[0] in (Fate.ERASED, Fate.MASKED)


NOT_SEARCHED: tuple[str, ...] = (
    "test calls and codes for desk phones: the house's own people typed those numbers",
    "a number that somebody wrote into a note, a reason or a name, or that another caller said",
    "what requests with an Idempotency-Key were answered: it is sealed, and goes after a day",
    "files of the nodes: Asterisk's rows for a day, the journal for seven days; then they go by themselves",
    "backups of the database and of the keys: they end as their owner set it",
)
