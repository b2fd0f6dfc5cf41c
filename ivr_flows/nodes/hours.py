"""Go by the hour: a schedule of rules/schedule.py on the wall clock of its own zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ivr_flows.nodes.fields import CheckedField, Field
from ivr_flows.nodes.node import Context, Node, Outcome, Session
from rules.schedule import Schedule, ScheduleError, parse_schedule

SCHEDULE_SCHEMA = {
    "type": "object",
    "required": ["time_zone", "ranges"],
    "properties": {
        "time_zone": {"type": "string", "title": "Time zone", "examples": ["America/New_York"]},
        "ranges": {"type": "array", "title": "Open"},
        "breaks": {"type": "array", "title": "Breaks"},
        "closed_days": {"type": "array", "title": "Closed days", "items": {"type": "string"}},
    },
    "x-form": "schedule",
}


def _read_schedule(value: object) -> Schedule:
    if isinstance(value, Mapping) and "holidays" in value:
        raise ScheduleError(["holidays: a flow holds no calendar, list the days under closed_days"])
    return parse_schedule(value)


@dataclass(frozen=True, kw_only=True)
class HoursNode(Node):
    """Leaves by `open` or `closed`. Holidays are listed day by day (`closed_days`): a flow holds no calendar."""

    TITLE: ClassVar[str] = "Hours"
    HELP: ClassVar[str] = "Goes by opening hours."
    EXITS: ClassVar[tuple[str, ...]] = ("open", "closed")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "schedule": CheckedField(title="Opening hours", reader=_read_schedule, described=SCHEDULE_SCHEMA),
    }

    schedule: Schedule

    def enter(self, session: Session, context: Context) -> Outcome:
        return Outcome(session=session, leave="open" if self.schedule.is_open(context.now) else "closed")
