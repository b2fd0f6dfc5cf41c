"""Split callers at random, by weight, and always the same caller the same way (A/B tests)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ivr_flows.events import Source
from ivr_flows.nodes.fields import Field, MapField, TagField, WholeNumberField
from ivr_flows.nodes.menu import CHOICE
from ivr_flows.nodes.node import Context, Node, Outcome, Session

WEIGHT_MAXIMUM = 1_000


@dataclass(frozen=True, kw_only=True)
class SplitNode(Node):
    """The arm follows from the caller's number and the node's name; from the call where the number is withheld."""

    TITLE: ClassVar[str] = "Split"
    HELP: ClassVar[str] = (
        "Sends callers different ways by weight; a caller who calls again goes the same way."
    )
    EXITS: ClassVar[tuple[str, ...]] = ()
    OWN_EXITS: ClassVar[str] = "arms"
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "arms": MapField(
            title="Arms",
            help="Name of the exit -> its weight.",
            names=CHOICE,
            names_help="a name like a or long_version",
            values=WholeNumberField(title="Weight", least=0, most=WEIGHT_MAXIMUM),
            least=2,
            most=10,
        ),
        "tag": TagField(title="Tag", help="Where the arm's name is kept.", default="variant"),
    }

    arms: Mapping[str, int]
    tag: str

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if not sum(values["arms"].values()):
            raise ValueError("'arms': one weight at least must be more than 0")

    def enter(self, session: Session, context: Context) -> Outcome:
        arm = self.arm_of(session.caller or session.id)
        session, event = self._set_tag(session, self.tag, arm, Source.FLOW)
        return Outcome(session=session, events=(event,), leave=arm)

    def arm_of(self, who: str) -> str:
        """Return the arm of a caller: a stable share of a hash, so that no arm has to be remembered."""
        digest = hashlib.sha256(f"{self.name}\n{who}".encode()).digest()
        place = int.from_bytes(digest[:8]) * sum(self.arms.values()) >> 64
        # By name: the order of a JSON object means nothing, and the database keeps none.
        for arm, weight in sorted(self.arms.items()):
            place -= weight
            if place < 0:
                return arm
        raise AssertionError("the share is less than all weights together")
