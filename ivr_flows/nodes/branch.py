"""Go one way or another by what is known: conditions of rules/condition.py over the tags, the first that is met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ivr_flows.conditions import CONDITION_SCHEMA, TagTest, facts_of_session, read_test
from ivr_flows.nodes.fields import CheckedField, Field, ListField, ObjectField, TextField
from ivr_flows.nodes.node import Context, Node, Outcome, Session

ELSE = "else"


@dataclass(frozen=True, kw_only=True)
class BranchNode(Node):
    """Arms are tried in order; what is not known meets none, and leaves by `else`."""

    TITLE: ClassVar[str] = "Branch"
    HELP: ClassVar[str] = "Goes by the first condition that is met."
    EXITS: ClassVar[tuple[str, ...]] = (ELSE,)
    OWN_EXITS: ClassVar[str] = "arms"
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "arms": ListField(
            title="Arms",
            values=ObjectField(
                title="Arm",
                fields={
                    "exit": TextField(title="Exit", maximum=40),
                    "when": CheckedField(title="When", reader=read_test, described=CONDITION_SCHEMA),
                },
            ),
            least=1,
        ),
    }

    arms: tuple[Mapping[str, Any], ...]

    @classmethod
    def own_exits(cls, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(arm["exit"] for arm in values["arms"])

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        names = cls.own_exits(values)
        doubled = next((name for name in names if names.count(name) > 1 or name == ELSE), None)
        if doubled is not None:
            raise ValueError(f"'arms': the exit {doubled!r} is taken twice")

    def enter(self, session: Session, context: Context) -> Outcome:
        facts = facts_of_session(session.tags, session.caller)
        met = (arm["exit"] for arm in self.arms if self._test(arm).check(facts))
        return Outcome(session=session, leave=next(met, ELSE))

    def tags_read(self) -> frozenset[str]:
        return frozenset[str]().union(*(self._test(arm).tags for arm in self.arms))

    def _test(self, arm: Mapping[str, Any]) -> TagTest:
        test = arm["when"]
        assert isinstance(test, TagTest)
        return test
