"""Commands about returned calls and sales reported late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import Dollars, call_id_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.group()
def dispute() -> None:
    """Calls that buyers return."""


@dispute.command("open")
@click.argument("call")
@click.option(
    "--reason",
    required=True,
    help="wrong_number, not_qualified, duplicate, no_consent, spam, …",
)
@click.option("--note", default="")
@json_option
@pass_settings
def dispute_open(settings: Settings, call: str, reason: str, note: str, as_json: bool) -> None:
    """Return a call for its buyer, within the buyer's limits. Its price stays owed until the dispute is decided."""
    from billing.dispute_calls import open_dispute
    from billing.disputes import Reason

    if reason not in tuple(Reason):
        raise click.ClickException(f"{reason!r} is not one of {', '.join(Reason)}")

    async def work(connection: AsyncConnection) -> Any:
        call_id = await call_id_of(connection, call)
        return await open_dispute(
            connection, call_id, reason=Reason(reason), note=note, now=datetime.now(UTC)
        )

    done = _in_one_transaction(settings, work)
    if as_json:
        print_json(done)
    else:
        say(f"dispute {done.dispute_id} is open")


@dispute.command("decide")
@click.argument("dispute_id", type=int, metavar="ID")
@click.option("--accept", "way", flag_value="accept", help="Credit the whole price.")
@click.option("--refuse", "way", flag_value="refuse", help="Credit nothing.")
@click.option("--credit", type=Dollars(), help="Credit so much of the price.")
@click.option("--claw-back", type=Dollars(), help="Take so much back from the publisher; else its share.")
@click.option("--answer", default="", help="What the buyer is told.")
@json_option
@pass_settings
def dispute_decide(
    settings: Settings,
    dispute_id: int,
    way: str | None,
    credit: int | None,
    claw_back: int | None,
    answer: str,
    as_json: bool,
) -> None:
    """Decide a dispute. Example: tollbridge dispute decide 12 --credit 20 --answer "half the call was noise" """
    from billing.dispute_calls import decide_dispute
    from rules.money import format_dollars

    if (way is None) == (credit is None):
        raise click.ClickException("give one of --accept, --refuse and --credit")
    amount = {"accept": None, "refuse": 0}.get(way or "", credit)

    async def work(connection: AsyncConnection) -> Any:
        return await decide_dispute(
            connection,
            dispute_id,
            credit_micros=amount,
            claw_back_micros=claw_back,
            answer=answer,
            now=datetime.now(UTC),
        )

    done = _in_one_transaction(settings, work)
    if as_json:
        print_json(done)
    else:
        say(
            f"{done.state.value}: {format_dollars(done.credit_micros)} credited,"
            f" {format_dollars(done.claw_back_micros)} clawed back"
        )


@dispute.command("reopen")
@click.argument("dispute_id", type=int, metavar="ID")
@click.option("--note", required=True, help="Why it is looked at again.")
@json_option
@pass_settings
def dispute_reopen(settings: Settings, dispute_id: int, note: str, as_json: bool) -> None:
    """Open a refused dispute again. A buyer cannot: a refused call stays refused."""
    from billing.dispute_calls import reopen_dispute

    async def work(connection: AsyncConnection) -> Any:
        return await reopen_dispute(connection, dispute_id, note=note, now=datetime.now(UTC))

    done = _in_one_transaction(settings, work)
    if as_json:
        print_json(done)
    else:
        say(f"dispute {done.dispute_id} is open")


@dispute.command("exposure")
@json_option
@pass_settings
def dispute_exposure(settings: Settings, as_json: bool) -> None:
    """List what each buyer disputes and nobody has decided, the largest first."""
    from billing.dispute_queries import Exposure, read_exposures
    from rules.money import format_dollars

    async def read(engine: AsyncEngine) -> list[Exposure]:
        async with engine.connect() as connection:
            return await read_exposures(connection)

    found = with_engine(settings, read)
    if as_json:
        print_json(found)
        return
    for one in found:
        lowered = format_dollars(one.lowers_credit_micros)
        say(
            f"{one.buyer}: {one.open_count} of {one.open_maximum} open, {format_dollars(one.disputed_micros)}"
            f" disputed, credit lowered by {lowered}"
        )


@dispute.command("list")
@click.option("--state", type=click.Choice(["open", "accepted", "partly", "refused"]))
@json_option
@pass_settings
def dispute_list(settings: Settings, state: str | None, as_json: bool) -> None:
    """List disputes, newest first."""
    from billing.dispute_queries import list_disputes
    from rules.money import format_dollars

    async def read(engine: AsyncEngine) -> list[dict[str, Any]]:
        async with engine.connect() as connection:
            return [dict(row._mapping) for row in await list_disputes(connection, state, 1000)]

    found = with_engine(settings, read)
    if as_json:
        print_json(found)
        return
    for row in found:
        price = format_dollars(row["price_micros"])
        say(f"{row['id']}  {row['state']:9} {row['buyer']}  call {row['call_id']}  {price}  {row['reason']}")


@cli.command("sale")
@click.argument("call")
@click.option(
    "--key", required=True, help="The reporter's key: again with another amount it is a correction."
)
@click.option(
    "--price", type=Dollars(), help="What the buyer owes for it; else what its terms say. 0 withdraws."
)
@click.option("--payout", type=Dollars(), help="What the publisher earns with it; else what its terms say.")
@json_option
@pass_settings
def sale(
    settings: Settings, call: str, key: str, price: int | None, payout: int | None, as_json: bool
) -> None:
    """Report a sale that came of a call days ago. Example: tollbridge sale 5f1c --key loan-991"""
    from rules.money import format_dollars
    from web.audit import Actor, Via
    from web.money.sales import record_sale

    async def work(connection: AsyncConnection) -> Any:
        return await record_sale(
            connection,
            Actor(user=None, via=Via.COMMAND, name="tollbridge sale"),
            await call_id_of(connection, call),
            key=key,
            now=datetime.now(UTC),
            price_micros=price,
            payout_micros=payout,
            by_house=True,
        )

    done = _in_one_transaction(settings, work)
    if as_json:
        print_json(done)
    else:
        known = "" if done.new else "; it was reported before"
        if done.publisher_owes_micros:
            owes = format_dollars(done.publisher_owes_micros)
            known = f"; the publisher was paid before and owes {owes} now"
        say(f"{format_dollars(done.price_micros)} owed, {format_dollars(done.payout_micros)} earned{known}")


def _in_one_transaction(settings: Settings, work: Any) -> Any:
    """Do it and commit. Raises ClickException when it was refused."""
    from billing.dispute_calls import DisputeRefused
    from billing.sales import SaleRefused

    async def inside(engine: AsyncEngine) -> Any:
        async with engine.begin() as connection:
            return await work(connection)

    done = with_engine(settings, inside)
    if isinstance(done, DisputeRefused | SaleRefused):
        raise click.ClickException(done.reason)
    return done
