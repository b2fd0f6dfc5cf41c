"""Ring a fixed number: a help desk, an office. Not a sale; the number is checked when the flow is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ivr_flows.events import TransferWait
from ivr_flows.nodes.fields import CheckedField, Field, SecondsField
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from ivr_flows.resumes import Resume, TransferOutcome, Transferred
from rules.telephone import NumberProblem, read_number


def _read_number(value: object) -> str:
    """Which numbers may be rung is the house's to say, and is asked when the flow is published and when it rings."""
    read = read_number(value) if isinstance(value, str) else None
    if isinstance(read, str):
        return read
    raise ValueError(read.reason if isinstance(read, NumberProblem) else "not a telephone number")


@dataclass(frozen=True, kw_only=True)
class TransferNode(Node):
    """Leaves by `failed` when nobody answered; else the flow has ended with that conversation."""

    TITLE: ClassVar[str] = "Transfer"
    HELP: ClassVar[str] = "Rings a fixed number."
    EXITS: ClassVar[tuple[str, ...]] = ("failed",)
    ENDS: ClassVar[bool] = True
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "number": CheckedField(
            title="Number",
            help="Of the fifty states or DC; others only where an admin lists them under Numbers abroad.",
            reader=_read_number,
            described={"type": "string", "maxLength": 40, "examples": ["+16145550123"], "x-form": "phone"},
        ),
        "ring_seconds": SecondsField(title="Ring for", default=25, least=5, most=60),
    }

    number: str
    ring_seconds: float

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, wait=TransferWait(number=self.number, ring_seconds=self.ring_seconds))

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, Transferred):
            raise self._refuse(resume, "Transferred")
        if resume.outcome is TransferOutcome.ANSWERED:
            return Outcome(session=replace(session, ended=True))
        return Outcome(session=session, leave="failed")
