"""The command that lays our calls beside a carrier's."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import FILE, Instant, read_bytes, refuse
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.command()
@click.option(
    "--cdr", type=FILE, required=True, help="The carrier's CSV: started_at,caller,dialled,seconds,cost."
)
@click.option("--from", "from_", type=Instant(), required=True, help="The first moment.")
@click.option("--to", "until", type=Instant(), required=True, help="The moment after the last.")
@click.option("--carrier", default="", help="Only calls of this carrier's trunks.")
@click.option(
    "--within",
    default=30,
    show_default=True,
    type=click.IntRange(0, 3600),
    help="Seconds apart two clocks may be.",
)
@json_option
@pass_settings
def reconcile(
    settings: Settings,
    cdr: Path,
    from_: datetime,
    until: datetime,
    carrier: str,
    within: int,
    as_json: bool,
) -> None:
    """Compare our calls, Asterisk's and the carrier's: counts, seconds, money, and every difference.

    Exit status 1 when something differs. Example: tollbridge reconcile --cdr november.csv --from 2026-11-01T00:00Z
    --to 2026-12-01T00:00Z
    """
    from billing.reconcile import CdrError, OurCall, read_cdr
    from billing.reconcile import reconcile as compare
    from billing.reconcile_queries import answered_calls
    from rules.money import format_dollars

    try:
        theirs = read_cdr(read_bytes(cdr))
    except CdrError as error:
        refuse(error.problems, f"{len(error.problems)} problems in {cdr}", as_json=as_json)

    async def read(engine: AsyncEngine) -> list[OurCall]:
        async with engine.connect() as connection:
            return await answered_calls(connection, from_=from_, until=until, carrier=carrier)

    result = compare(with_engine(settings, read), theirs, timedelta(seconds=within))
    if as_json:
        print_json(result)
    else:
        for finding in result.findings:
            say(
                f"{finding.difference.value.replace('_', ' ')}: {finding.call}: {finding.detail}",
                colour="yellow",
            )
        for name, sums in (("ours", result.ours), ("Asterisk", result.asterisk), ("carrier", result.carrier)):
            money = "" if sums.cost_micros is None else f", {format_dollars(sums.cost_micros)}"
            say(f"{name:9} {sums.calls} calls, {sums.seconds} s{money}")
        say(f"{len(result.findings)} differences")
    sys.exit(1 if result.findings else 0)
