"""What is asked of reports: a period, dimensions, filters, and how much room there is. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from billing.rollup import KEPT, MAXIMUM_DAYS, Dimension

DEFAULT_ROWS = 50
MAXIMUM_ROWS = 5_000
OTHERS = "\x00others"
"""The key of the row that sums what a report has no room for."""
IDS = frozenset(KEPT) - {Dimension.STATE, Dimension.LOAN_TYPE, Dimension.SOURCE}
"""The dimensions whose values are ids."""


class ReportError(ValueError):
    """A question that no report answers; says why."""


@dataclass(frozen=True, kw_only=True)
class ReportQuery:
    """What is asked: calls that started in [start, end), told apart by none, one or two dimensions."""

    start: dt.datetime
    end: dt.datetime
    by: tuple[Dimension, ...] = ()
    zone: ZoneInfo
    """On whose clock hours and days are."""
    rows: int = DEFAULT_ROWS
    """At most; the rest is summed as `others`. The largest come first: by revenue, then by calls."""
    where: Mapping[Dimension, str] = field(default_factory=dict)
    """Only calls of these values: ids or codes, as the keys of rows are."""
    weighed: int | None = None
    """By two dimensions rows are looked for among so many values of each, the largest; time's are all weighed.

    None: among all, however long it takes to tell the largest of 2,000 buyers times 90 days.
    """

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ReportError("the period ends before it begins")
        if self.end - self.start > dt.timedelta(days=MAXIMUM_DAYS):
            raise ReportError(f"a period is at most {MAXIMUM_DAYS} days")
        if len(self.by) > 2 or len(set(self.by)) != len(self.by):
            raise ReportError("a report is by one dimension or by two that differ")
        if not 1 <= self.rows <= MAXIMUM_ROWS:
            raise ReportError(f"a report has 1 to {MAXIMUM_ROWS} rows")
        if self.weighed is not None and not 1 <= self.weighed <= MAXIMUM_ROWS:
            raise ReportError(f"1 to {MAXIMUM_ROWS} values of a dimension are weighed")
        if any(one.of_time for one in self.where):
            raise ReportError("the time of the calls is the period, not a filter")
        if any(not _is_id(value) for one, value in self.where.items() if one in IDS):
            raise ReportError("a publisher, campaign, buyer, target or number is given by its id")

    @property
    def kept(self) -> tuple[Dimension, ...]:
        """The dimensions but those of time that it is told apart or filtered by, in the order of KEPT."""
        return tuple(one for one in KEPT if one in self.by or one in self.where)

    @property
    def narrowed(self) -> tuple[Dimension, ...]:
        """The dimensions of whose values only the largest are weighed."""
        many = len(self.by) == 2 and self.weighed is not None and self.has_sums
        return tuple(one for one in self.by if many and not one.of_time)

    @property
    def has_sums(self) -> bool:
        """Sums are kept by two dimensions at most, by one beside hours and days; what is told apart more is counted."""
        return len(self.kept) <= (1 if self.by_time else 2)

    @property
    def by_time(self) -> bool:
        return any(one.of_time for one in self.by)


def earlier(query: ReportQuery) -> ReportQuery:
    """Return the same question of the period of the same length just before, on the zone's own clock."""
    start, end = (moment.astimezone(query.zone).replace(tzinfo=None) for moment in (query.start, query.end))
    before = (start - (end - start)).replace(tzinfo=query.zone).astimezone(dt.UTC)
    return replace(query, start=before, end=query.start, rows=MAXIMUM_ROWS, weighed=None)


def _is_id(value: str) -> bool:
    return value == "" or (value.isascii() and value.isdigit() and int(value) < 2**63)
