"""Commands about publishers who ask for a bid before they send a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.ping_limits import USUAL_LIMITS, PingLimits
from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

Command = Callable[..., Any]


@cli.group()
def rtb() -> None:
    """Publishers who ask for a bid before they send a call."""


@rtb.group()
def keys() -> None:
    """Keys by which publishers ask, at /rtb/KEY of the web address."""


_LIMITS = (
    ("--open", "open_most", USUAL_LIMITS.open_most, "Open reservations of the publisher at most."),
    (
        "--room-share",
        "room_share_percent",
        USUAL_LIMITS.room_share_percent,
        "Percent of a target's room and of a buyer's money that they may hold.",
    ),
    (
        "--pings-per-call",
        "pings_per_call",
        USUAL_LIMITS.pings_per_call,
        "Pings that held room for each call that came, over 7 days.",
    ),
)


def _limit_options(*, shown: bool) -> Callable[[Command], Command]:
    """Options for what a key's pings may hold; `shown` with their defaults, else left as they are."""

    def add(command: Command) -> Command:
        for option, name, usual, what in reversed(_LIMITS):
            default = usual if shown else None
            command = click.option(option, name, type=int, default=default, show_default=shown, help=what)(
                command
            )
        return command

    return add


@keys.command("add")
@click.option("--publisher", required=True, help="The publisher's name.")
@click.option("--campaign", required=True, help="The campaign's name.")
@click.option("--dialect", default="tollbridge", show_default=True, help="tollbridge, ringba or retreaver.")
@click.option("--rate", default=600, show_default=True, help="Pings a minute.")
@click.option(
    "--share", type=float, help="Percent of the revenue that is bid; else what the publisher's terms pay."
)
@click.option("--seconds", type=int, help="How long a bid stands.  [default: 60]")
@_limit_options(shown=True)
@click.option("--name", default="", help="For people.")
@json_option
@pass_settings
def keys_add(
    settings: Settings,
    /,
    publisher: str,
    campaign: str,
    dialect: str,
    rate: int,
    share: float | None,
    seconds: int | None,
    name: str,
    as_json: bool,
    **limits: int,
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
        limits=PingLimits(**limits),
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

    async def read(engine: AsyncEngine) -> list[dict[str, Any]]:
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
        limits = PingLimits.of_settings(row["settings"])
        warned = f", too few since {row['warned_at']:%Y-%m-%d %H:%M}" if row["warned_at"] else ""
        say(
            f"      {limits.open_most} open, {limits.room_share_percent} % of room,"
            f" {limits.pings_per_call} pings a call; in 7 days {row['pings_called']} calls"
            f" on {row['pings_won']} pings{warned}"
        )
    if not found:
        say("no keys")


@keys.command("limit")
@click.argument("key_id", type=int)
@_limit_options(shown=False)
@pass_settings
def keys_limit(settings: Settings, /, key_id: int, **limits: int | None) -> None:
    """Change what a key's pings may hold, from the next ping on."""
    from sqlalchemy.exc import NoResultFound

    from web.rtb import queries
    from web.rtb.publisher_keys import limits_refusal

    async def change(engine: AsyncEngine) -> str:
        async with engine.begin() as connection:
            try:
                before = await queries.read_limits(connection, key_id)
            except NoResultFound:
                return f"there is no key {key_id}"
            after = replace(before, **{name: value for name, value in limits.items() if value is not None})
            refusal = limits_refusal(after)
            if refusal is None:
                await queries.write_limits(connection, key_id, after)
            return "" if refusal is None else str(refusal.value)

    problem = with_engine(settings, change)
    if problem:
        raise click.ClickException(problem)
    say("changed")


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
