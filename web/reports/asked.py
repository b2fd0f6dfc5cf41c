"""What an address asks of the reports, as a question of billing.reports. Pure, and bounded whatever it holds."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from billing.export_report import COLUMNS, MONEY_COLUMNS, RATE_COLUMNS
from billing.report_calls import Place
from billing.report_query import DEFAULT_ROWS, MAXIMUM_ROWS, ReportError, ReportQuery
from billing.rollup import KEPT, Dimension
from web.portal.figures import midnight
from web.portal.listing import read_day

DIMENSIONS: Mapping[Dimension, str] = {
    Dimension.PUBLISHER: "Publisher",
    Dimension.CAMPAIGN: "Campaign",
    Dimension.BUYER: "Buyer",
    Dimension.TARGET: "Target",
    Dimension.NUMBER: "Number",
    Dimension.STATE: "State",
    Dimension.LOAN_TYPE: "Loan",
    Dimension.SOURCE: "Source",
    Dimension.DAY: "Day",
    Dimension.HOUR: "Hour",
}
FIGURES: tuple[str, ...] = COLUMNS
DEFAULT_FIGURE = "revenue"
LAST_DAYS = 30
VALUE_CHARACTERS_MAXIMUM = 100
_ID = re.compile(r"[0-9]{0,18}", re.ASCII)
# A report has hundreds of addresses, nearly all of the same few words.
_quoted = lru_cache(maxsize=4096)(quote_plus)
_TEXTS = (Dimension.STATE, Dimension.LOAN_TYPE, Dimension.SOURCE)


@dataclass(frozen=True, kw_only=True)
class ReportAsked:
    """A report as an address says it. Days are the visitor's, both counted."""

    first: dt.date
    last: dt.date
    by: tuple[Dimension, ...] = (Dimension.PUBLISHER,)
    figure: str = DEFAULT_FIGURE
    compare: bool = False
    table: str = "rows"
    """rows, or pivot: one figure, the second dimension across."""
    where: Mapping[Dimension, str] = field(default_factory=dict)

    def query(self, *, page: str = "", **more: str) -> str:
        """Return this as the query of an address, `?` included. `more` replaces or adds."""
        fields: dict[str, str] = {
            "by": self.by[0].value if self.by else "",
            "then": self.by[1].value if len(self.by) > 1 else "",
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "figure": self.figure,
            "compare": "yes" if self.compare else "",
            "table": self.table if self.table != "rows" else "",
            **{f"only_{one.value}": value or "-" for one, value in self.where.items()},
            **more,
        }
        return "?" + "&".join(f"{name}={_quoted(value)}" for name, value in fields.items() if value)

    def only(self, dimension: Dimension, value: str) -> ReportAsked:
        return replace(self, where={**self.where, dimension: value})

    def without(self, dimension: Dimension) -> ReportAsked:
        return replace(self, where={one: value for one, value in self.where.items() if one != dimension})

    @property
    def is_pivot(self) -> bool:
        return self.table == "pivot" and len(self.by) == 2

    def question(
        self, zone: ZoneInfo, *, rows: int = DEFAULT_ROWS, weighed: int | None = None
    ) -> ReportQuery:
        """Return the question. Raises ReportError when no report answers it.

        Of all but days alone only the largest `rows` are asked for, the rest as one.
        """
        return ReportQuery(
            start=midnight(self.first, zone),
            end=midnight(self.last + dt.timedelta(days=1), zone),
            by=self.by,
            zone=zone,
            rows=MAXIMUM_ROWS if self.by == (Dimension.DAY,) else rows,
            where=self.where,
            weighed=weighed,
        )


def read_asked(query: Mapping[str, str], today: dt.date) -> ReportAsked:
    """Read an address; what makes no sense is left out. Raises ReportError for a period that ends before it begins."""
    last = read_day(query.get("to", "")) or today
    first = read_day(query.get("from", "")) or last - dt.timedelta(days=LAST_DAYS - 1)
    if first > last:
        raise ReportError("the first day is after the last one")
    figure = query.get("figure", "")
    return ReportAsked(
        first=first,
        last=last,
        by=_by(query),
        figure=figure if figure in FIGURES else DEFAULT_FIGURE,
        compare=query.get("compare") == "yes",
        table="pivot" if query.get("table") == "pivot" else "rows",
        where=_where(query),
    )


def _by(query: Mapping[str, str]) -> tuple[Dimension, ...]:
    if "by" not in query:
        return (Dimension.PUBLISHER,)
    named = (query.get("by", ""), query.get("then", ""))
    return tuple(dict.fromkeys(Dimension(name) for name in named if name in tuple(Dimension)))


def _where(query: Mapping[str, str]) -> dict[Dimension, str]:
    found = {}
    for one in KEPT:
        value = query.get(f"only_{one.value}", "")
        # A dash stands for calls that have none.
        if value and (one in _TEXTS or value == "-" or _ID.fullmatch(value)):
            found[one] = "" if value == "-" else value.replace("\x00", "")[:VALUE_CHARACTERS_MAXIMUM]
    return found


def kind_of(figure: str) -> str:
    """Return how a figure is written: money, rate, seconds or count."""
    if figure in MONEY_COLUMNS:
        return "money"
    if figure in RATE_COLUMNS:
        return "rate"
    return "seconds" if figure == "average_seconds" else "count"


def read_place(text: str) -> Place | None:
    """Read where a page of calls ended; what is no such place is the beginning."""
    at, _, number = text.partition(",")
    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError:
        return None
    if moment.tzinfo is None or not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    return Place(at=moment, transaction_id=int(number))
