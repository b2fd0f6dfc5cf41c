"""Commands about publishers who ask for a bid before they send a call."""

from __future__ import annotations

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.group()
def rtb() -> None:
    """Publishers who ask for a bid before they send a call."""


@rtb.group()
def keys() -> None:
    """Keys by which publishers ask, at /rtb/KEY of the web address."""


@keys.command("add")
@click.option("--publisher", required=True, help="The publisher's name.")
@click.option("--campaign", required=True, help="The campaign's name.")
@click.option("--dialect", default="tollbridge", show_default=True, help="tollbridge, ringba or retreaver.")
@click.option("--rate", default=600, show_default=True, help="Pings a minute.")
@click.option(
    "--share", type=float, help="Percent of the revenue that is bid; else what the publisher's terms pay."
)
@click.option("--seconds", type=int, help="How long a bid stands.  [default: 60]")
@click.option("--name", default="", help="For people.")
@json_option
@pass_settings
def keys_add(
    settings: Settings,
    publisher: str,
    campaign: str,
    dialect: str,
    rate: int,
    share: float | None,
    seconds: int | None,
    name: str,
    as_json: bool,
) -> None:
    """Make a key and show it, once."""
    from web.rtb.publisher_keys import KeyMade, KeyWanted, add_key

    wanted = KeyWanted(
        publisher=publisher,
        campaign=campaign,
        dialect=dialect,
        rate_per_minute=rate,
        name=name,
        share_percent=share,
        reservation_seconds=seconds,
    )
    made = with_engine(settings, lambda engine: add_key(engine, wanted))
    if not isinstance(made, KeyMade):
        raise click.ClickException(str(made))
    if as_json:
        print_json({"id": made.id, "key": made.key})
        return
    say(f"key {made.id}: {made.key}")
    say("It is not shown again. Pings go to /rtb/KEY at the address of the web pages.")


@keys.command("list")
@json_option
@pass_settings
def keys_list(settings: Settings, as_json: bool) -> None:
    """List all keys, without the keys themselves."""
    from web.rtb import queries

    async def read(engine: AsyncEngine) -> list[dict[str, object]]:
        async with engine.connect() as connection:
            return await queries.list_keys(connection)

    found = with_engine(settings, read)
    if as_json:
        print_json(found)
        return
    for row in found:
        state = "" if row["enabled"] else "  revoked"
        say(
            f"{row['id']:>4}  {row['dialect']:<10}  {row['rate_per_minute']}/min  "
            f"{row['publisher']} / {row['campaign']}  {row['name']}{state}"
        )
    if not found:
        say("no keys")


@keys.command("revoke")
@click.argument("key_id", type=int)
@pass_settings
def keys_revoke(settings: Settings, key_id: int) -> None:
    """Make a key useless, for good. Bids that were made still stand."""
    from web.rtb import queries

    async def revoke(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            return await queries.revoke_key(connection, key_id)

    if not with_engine(settings, revoke):
        raise click.ClickException(f"there is no key {key_id}, or it is revoked already")
    say("revoked")
