"""Add up points for what is known, into a tag that buyers may filter by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ivr_flows.conditions import CONDITION_SCHEMA, TagTest, facts_of_session, read_test
from ivr_flows.events import Source
from ivr_flows.nodes.fields import CheckedField, Field, ListField, ObjectField, TagField, WholeNumberField
from ivr_flows.nodes.node import Context, Node, Outcome, Session

POINTS_MAXIMUM = 1_000


@dataclass(frozen=True, kw_only=True)
class ScoreNode(Node):
    """`base` and the points of every condition that is met; what is not known gives none."""

    TITLE: ClassVar[str] = "Score"
    HELP: ClassVar[str] = "Adds up points for what the caller said."
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "tag": TagField(title="Tag", help="Where the sum is kept.", default="points"),
        "base": WholeNumberField(title="Base", default=0, least=-POINTS_MAXIMUM, most=POINTS_MAXIMUM),
        "rules": ListField(
            title="Rules",
            values=ObjectField(
                title="Rule",
                fields={
                    "when": CheckedField(title="When", reader=read_test, described=CONDITION_SCHEMA),
                    "points": WholeNumberField(title="Points", least=-POINTS_MAXIMUM, most=POINTS_MAXIMUM),
                },
            ),
            least=1,
        ),
    }

    tag: str
    base: int
    rules: tuple[Mapping[str, Any], ...]

    def enter(self, session: Session, context: Context) -> Outcome:
        facts = facts_of_session(session.tags, session.caller)
        met = [rule["points"] for rule in self.rules if self._test(rule).check(facts)]
        session, event = self._set_tag(session, self.tag, str(self.base + sum(met)), Source.FLOW)
        return Outcome(session=session, events=(event,), leave="next")

    def tags_read(self) -> frozenset[str]:
        return frozenset[str]().union(*(self._test(rule).tags for rule in self.rules))

    def _test(self, rule: Mapping[str, Any]) -> TagTest:
        test = rule["when"]
        assert isinstance(test, TagTest)
        return test
