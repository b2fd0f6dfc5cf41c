"""Commands about terms."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import FILE, Instant, campaign_id_of, party_id_of, read_json, refuse
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

_party = click.option(
    "--for", "party", type=click.Choice(["buyer", "publisher"]), default="buyer", show_default=True
)


@cli.group()
def terms() -> None:
    """What buyers pay and publishers earn, by campaign and time.

    Terms are a JSON file: rules of which the first that is met pays, bonuses, tiers, a rounding. For example:

    \b
    {"currency": "USD", "time_zone": "America/New_York", "rounding": {"to": "0.01", "mode": "half_up"},
     "rules": [{"name": "long call", "minimum_connected_seconds": 90, "price": "45.00",
                "when": {"fact": "state", "in": ["OH", "MI"]}}],
     "bonuses": [{"name": "veteran", "when": {"fact": "veteran", "=": true}, "price": "5.00"}]}
    """


@terms.command("show")
@_party
@click.option("--name", help="Only this buyer's or publisher's.")
@click.option("--campaign", help="Only this campaign's.")
@json_option
@pass_settings
def terms_show(settings: Settings, party: str, name: str | None, campaign: str | None, as_json: bool) -> None:
    """List every version, newest first. Example: tollbridge terms show --name "Acme Loans"."""
    from billing.terms_document import Party
    from billing.terms_queries import terms_versions

    async def read(engine: AsyncEngine) -> list[dict[str, Any]]:
        async with engine.connect() as connection:
            rows = await terms_versions(connection, Party(party), name=name, campaign=campaign)
        return [dict(row._mapping) for row in rows]

    found = with_engine(settings, read)
    if as_json:
        print_json(found)
        return
    if not found:
        say("there are no such terms")
    for row in found:
        say(f"{row['party']}, {row['campaign']}: from {row['goes_live_at']:%F %T} UTC{_state(row)}")
        for line in _lines(row):
            say(f"  {line}")


def _state(row: dict[str, Any]) -> str:
    return "" if row["live"] else " (to come)"


def _lines(row: dict[str, Any]) -> list[str]:
    import json

    from rules.money import format_dollars

    if row["document"] is not None:
        return json.dumps(row["document"], indent=1, ensure_ascii=False).splitlines()
    if "payout_micros" in row:
        return [f"{format_dollars(row['payout_micros'])} for a call that converted"]
    seconds = row["minimum_connected_ms"] / 1000
    return [f"{format_dollars(row['price_micros'])} for a call connected {seconds:g} s"]


@terms.command("check")
@click.argument("file", type=FILE)
@_party
@json_option
def terms_check(file: Path, party: str, as_json: bool) -> None:
    """Say what is wrong with a file of terms, without saving it. Exit status 1 when something is."""
    from billing.check_terms import checked_terms
    from billing.read_terms import TermsError
    from billing.terms_document import Party

    try:
        checked_terms(read_json(file), Party(party))
    except TermsError as error:
        refuse(error.problems, f"{len(error.problems)} problems in {file}", as_json=as_json)
    if as_json:
        print_json({"refused": []})
    else:
        say(f"{file} can be saved")


@terms.command("set")
@click.argument("file", type=FILE)
@_party
@click.option("--name", required=True, help="The buyer's or publisher's name.")
@click.option("--campaign", required=True, help="The campaign's name.")
@click.option(
    "--from", "goes_live_at", type=Instant(), required=True, help="When they go live; never in the past."
)
@json_option
@pass_settings
def terms_set(
    settings: Settings,
    file: Path,
    party: str,
    name: str,
    campaign: str,
    goes_live_at: datetime,
    as_json: bool,
) -> None:
    """Save a new version of terms.

    Example: tollbridge terms set acme.json --name "Acme Loans" --campaign mortgage --from 2026-12-01T00:00-05:00
    """
    from billing.save_terms import TermsRefused, TermsSaved, save_terms
    from billing.terms_document import Party

    document = read_json(file)

    async def save(engine: AsyncEngine) -> TermsSaved | TermsRefused:
        async with engine.begin() as connection:
            return await save_terms(
                connection,
                party=Party(party),
                party_id=await party_id_of(connection, party, name),
                campaign_id=await campaign_id_of(connection, campaign),
                document=document,
                goes_live_at=goes_live_at,
                now=datetime.now(UTC),
            )

    done = with_engine(settings, save)
    if isinstance(done, TermsRefused):
        refuse(done.problems, f"{len(done.problems)} problems; nothing was saved", as_json=as_json)
    if as_json:
        print_json(done)
    else:
        say(f"saved; calls that start from {done.goes_live_at:%F %T} UTC on are judged by them")
