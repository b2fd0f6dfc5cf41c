"""The commands about profit and loss."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import Instant
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from billing.export_report import Names
    from billing.report_calls import Place
    from billing.report_query import ReportQuery
    from billing.reports import Report
    from billing.rollup import Dimension

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

T = TypeVar("T")
_BY = ("publisher", "campaign", "buyer", "target", "number", "state", "loan_type", "source", "hour", "day")
_MONEY = ("revenue", "payout", "carrier_cost", "ping_cost", "platform_fee", "profit")
_FIGURES = (
    *("calls", "connected", "converted", "credited", "billable_rate", "average_seconds", "duplicates"),
    "refused",
)
_SHOWN = (
    *("calls", "connected", "converted", "credited", "billable_rate", "average_seconds", "revenue", "payout"),
    *("carrier_cost", "ping_cost", "profit", "margin"),
)


class Zone(click.ParamType[ZoneInfo]):
    """The name of a time zone, like America/New_York."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        try:
            return value if isinstance(value, ZoneInfo) else ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"there is no time zone {value!r}; one is America/New_York", param, ctx)


class Period(click.ParamType[datetime]):
    """A day (its midnight on the report's zone) or a moment with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d")
        except ValueError:
            return Instant().convert(value, param, ctx)


def _period_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--zone", type=Zone(), default="UTC", show_default=True, help="Whose days and hours."),
        click.option("--to", "until", type=Period(), help="The day after the last, or a moment; else now."),
        click.option(
            "--from", "from_", type=Period(), help="First day (2026-11-01) or moment; else 30 days."
        ),
    ):
        command = option(command)
    return command


def _moments(from_: datetime | None, until: datetime | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    end = now if until is None else _moment(until, zone)
    midnight = end.astimezone(zone).replace(hour=0, minute=0, second=0, tzinfo=None) - timedelta(days=30)
    return (_moment(midnight if from_ is None else from_, zone), end)


def _moment(value: datetime, zone: ZoneInfo) -> datetime:
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


@cli.group()
def reports() -> None:
    """Profit and loss: by publisher, campaign, buyer, state and more, in any zone."""


@reports.command("show")
@click.option("--by", "by", multiple=True, type=click.Choice(_BY), help="Once or twice; without: the total.")
@_period_options
@click.option("--compare", is_flag=True, help="Beside the period of the same length just before.")
@click.option("--rows", default=50, show_default=True, help="At most; the rest is one row, `others`.")
@click.option("--figure", type=click.Choice([*_FIGURES, *_MONEY, "margin"]), help="Pivot of this figure.")
@json_option
@pass_settings
def reports_show(
    settings: Settings,
    by: tuple[str, ...],
    from_: datetime | None,
    until: datetime | None,
    zone: ZoneInfo,
    compare: bool,
    rows: int,
    figure: str | None,
    as_json: bool,
) -> None:
    """Show figures. Example: tollbridge reports show --by publisher --by state --from 2026-11-01 --zone
    America/New_York --compare
    """
    from billing.export_report import rows_to_json

    if figure is not None and len(by) != 2:
        raise click.ClickException("a pivot is by two dimensions: give --by twice")
    query = _query(by, from_, until, zone, rows)
    found, before, names = _answer(settings, query, compare=compare)
    if as_json:
        print_json(
            {
                "from": query.start,
                "to": query.end,
                "zone": zone.key,
                "rows": rows_to_json(found, names, before),
                "total": found.total.to_json(),
                "total_before": before and before.total.to_json(),
                "groups": found.groups,
            }
        )
    elif figure is not None:
        _say_pivot(found, names, figure)
    else:
        _say_table(found, names, before)


@reports.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--by", "by", multiple=True, type=click.Choice(_BY))
@_period_options
@click.option("--compare", is_flag=True, help="Columns of the period just before as well.")
@click.option("--rows", default=5000, show_default=True)
@pass_settings
def reports_export(
    settings: Settings,
    file: Path,
    by: tuple[str, ...],
    from_: datetime | None,
    until: datetime | None,
    zone: ZoneInfo,
    compare: bool,
    rows: int,
) -> None:
    """Write figures to FILE, a .csv or .xlsx. Example: tollbridge reports export november.xlsx --by buyer --by day"""
    from billing.export_report import to_csv, to_xlsx

    if file.suffix not in (".csv", ".xlsx"):
        raise click.ClickException(f"{file} is neither .csv nor .xlsx")
    found, before, names = _answer(settings, _query(by, from_, until, zone, rows), compare=compare)
    if file.suffix == ".csv":
        file.write_text(to_csv(found, names, before), newline="")
    else:
        file.write_bytes(to_xlsx(found, names, before))
    say(f"{len(found.rows)} rows and a total are in {file}")


@reports.command("calls")
@click.option(
    "--of", "of", multiple=True, metavar="DIMENSION=VALUE", help="Like state=OH or buyer=3 (its id)."
)
@_period_options
@click.option("--after", default="", help="Where the page before ended, as it was told.")
@json_option
@pass_settings
def reports_calls(
    settings: Settings,
    of: tuple[str, ...],
    from_: datetime | None,
    until: datetime | None,
    zone: ZoneInfo,
    after: str,
    as_json: bool,
) -> None:
    """List the calls behind a figure, newest first, 50 at a time. Example: tollbridge reports calls --of state=OH"""
    from billing.report_calls import calls_behind
    from billing.report_query import ReportError
    from rules.money import format_dollars

    where, place = _where(of), _place(after)
    start, end = _moments(from_, until, zone)

    async def read(engine: AsyncEngine) -> tuple[Any, Any]:
        async with engine.connect() as connection:
            return await calls_behind(connection, start=start, end=end, where=where, after=place)

    try:
        found, last = with_engine(settings, read)
    except ReportError as error:
        raise click.ClickException(str(error)) from error
    next_page = "" if last is None else f"{last.at.isoformat()},{last.transaction_id}"
    if as_json:
        print_json({"calls": found, "next": next_page})
        return
    for call in found:
        when = call.started_at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
        money = f"{format_dollars(call.revenue_micros)} - {format_dollars(call.payout_micros)}"
        say(
            f"{when}  {call.caller or 'withheld':15} {call.outcome or '':12} {call.connected_ms / 1000:8.1f} s"
            f"  {money}  {call.call_id}"
        )
    say(f"more: --after {next_page}" if next_page else f"{len(found)} calls")


@reports.command("compare")
@json_option
@pass_settings
def reports_compare(settings: Settings, as_json: bool) -> None:
    """Compare the sums that reports read with the ledger. Exit status 1 when any differs; `rebuild` cures it."""
    from billing.rollups_queries import compare

    drifts = _in_transaction(settings, compare)
    if as_json:
        print_json({"drifts": drifts})
    else:
        for drift in drifts:
            say(f"{drift.where}: kept {drift.kept}, right is {drift.right}", colour="yellow")
        say(
            "reports are what the ledger says"
            if not drifts
            else f"{len(drifts)} differences (at most 100 shown)"
        )
    sys.exit(1 if drifts else 0)


@reports.command("rebuild")
@json_option
@pass_settings
def reports_rebuild(settings: Settings, as_json: bool) -> None:
    """Make the sums that reports read anew from the ledger; calls settle and reports work meanwhile."""
    from billing.rollups_queries import rebuild

    facts = _in_transaction(settings, rebuild)
    if as_json:
        print_json({"facts": facts})
    else:
        say(f"made anew from {facts} facts of the ledger")


def _in_transaction(settings: Settings, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def inside(engine: AsyncEngine) -> T:
        async with engine.begin() as connection:
            return await work(connection)

    return with_engine(settings, inside, patient=True)


def _query(
    by: Sequence[str], from_: datetime | None, until: datetime | None, zone: ZoneInfo, rows: int
) -> ReportQuery:
    from billing.report_query import ReportError, ReportQuery
    from billing.rollup import Dimension

    start, end = _moments(from_, until, zone)
    try:
        return ReportQuery(start=start, end=end, by=tuple(map(Dimension, by)), zone=zone, rows=rows)
    except ReportError as error:
        raise click.ClickException(str(error)) from error


def _answer(settings: Settings, query: ReportQuery, *, compare: bool) -> tuple[Report, Report | None, Names]:
    from billing.report_query import earlier
    from billing.reports import names_of, report

    async def read(engine: AsyncEngine) -> tuple[Report, Report | None, Names]:
        async with engine.connect() as connection:
            found = await report(connection, query)
            before = await report(connection, earlier(query)) if compare else None
            return found, before, await names_of(connection, query.by, found.rows)

    return with_engine(settings, read)


def _where(of: Sequence[str]) -> dict[Dimension, str]:
    from billing.rollup import Dimension

    where = {}
    for said in of:
        name, equals, value = said.partition("=")
        if not equals or name not in _BY:
            raise click.ClickException(f"{said!r} is not like state=OH; there are {', '.join(_BY)}")
        if Dimension(name) in tuple(Dimension)[:5] and not (value.isdecimal() and len(value) < 19):
            raise click.ClickException(f"{said!r}: a {name} is told by its id, which --json shows")
        where[Dimension(name)] = value
    return where


def _place(after: str) -> Place | None:
    from billing.report_calls import Place

    if not after:
        return None
    moment, _, number = after.partition(",")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not 0 <= int(number) < 2**63:
            raise ValueError(after)
        return Place(at=at, transaction_id=int(number))
    except ValueError:
        raise click.ClickException("--after takes what the page before told") from None


def _say_table(found: Report, names: Names, before: Report | None) -> None:
    from billing.export_report import head_of, table_of

    head = head_of(found, compared=before is not None)
    keys = len(found.query.by)
    shown = [
        place
        for place, name in enumerate(head)
        if place < keys or name in _SHOWN or (before and name in ("calls_before", "profit_before"))
    ]
    rows = [[head[place].replace("_", " ") for place in shown]]
    rows += [[_text(head[place], row[place]) for place in shown] for row in table_of(found, names, before)]
    _say_rows(rows, keys)
    if found.groups > len(found.rows):
        say(f"{found.groups} rows in all; --rows shows more")


def _say_pivot(found: Report, names: Names, figure: str) -> None:
    from billing.export_report import matrix_of

    across, down = matrix_of(found, names, figure)
    rows = [[figure.replace("_", " "), *across]]
    rows += [[name, *(_text(figure, cell) for cell in cells)] for name, cells in down]
    _say_rows(rows, 1)


def _text(name: str, value: Any) -> str:
    column = name.removesuffix("_before")
    if value is None:
        return "-"
    if column in _MONEY:
        return f"{value:,.2f}"
    if column in ("billable_rate", "margin"):
        return f"{value:.1%}"
    return f"{value:.1f}" if isinstance(value, float) else _printable(str(value))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)[:40]


def _say_rows(rows: Sequence[Sequence[str]], left: int) -> None:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())
