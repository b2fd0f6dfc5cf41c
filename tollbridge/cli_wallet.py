"""Commands about buyers' wallets, payments and adjustments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import FILE, Dollars, call_id_of, party_id_of, read_bytes, refuse
from tollbridge.output import print_json, progress, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

_write = click.option("--write", is_flag=True, help="Do it; without this only say what would be done.")
_key = click.option("--key", required=True, help="Your own reference: the same key is posted once.")


@cli.group()
def wallet() -> None:
    """What buyers paid in advance, and what they may spend."""


@wallet.command("show")
@json_option
@pass_settings
def wallet_show(settings: Settings, as_json: bool) -> None:
    """List every buyer's balance, credit, and what calls under way hold."""
    from billing.wallet_queries import Wallet, all_wallets
    from rules.money import format_dollars

    async def read(engine: AsyncEngine) -> list[Wallet]:
        async with engine.connect() as connection:
            return await all_wallets(connection)

    found = with_engine(settings, read)
    if as_json:
        print_json([{"available_micros": one.state.available_micros, "wallet": one} for one in found])
        return
    for one in found:
        state = one.state
        if state.available_micros is None:
            left = "pays by invoice, without a limit"
        else:
            left = f"{format_dollars(state.available_micros)} to spend"
        held = f", {format_dollars(state.held_micros)} held" if state.held_micros else ""
        paused = "  PAUSED" if state.should_pause else "  low" if state.should_be_low else ""
        kind = "prepaid" if one.prepaid else "invoiced"
        say(f"{one.buyer}: {kind}, balance {format_dollars(state.balance_micros)}, {left}{held}{paused}")


@wallet.command("limits")
@click.argument("buyer")
@click.option("--prepaid/--invoiced", default=None, help="Whether calls are paid from the wallet.")
@click.option("--credit", type=Dollars(), help="What may be owed beyond the wallet; 0 for none.")
@click.option("--low", type=Dollars(), help="Tell the buyer when less than this is left.")
@pass_settings
def wallet_limits(
    settings: Settings, buyer: str, prepaid: bool | None, credit: int | None, low: int | None
) -> None:
    """Say how a buyer pays. Example: tollbridge wallet limits "Acme Loans" --prepaid --credit 0 --low 200"""
    from billing.wallet_queries import set_limits

    said = {
        name: value
        for name, value in (
            ("prepaid", prepaid),
            ("credit_limit_micros", credit),
            ("low_balance_micros", low),
        )
        if value is not None
    }
    if any(value < 0 for value in (credit or 0, low or 0)):
        raise click.ClickException("limits are not negative")
    if not said:
        raise click.ClickException("nothing to change: give --prepaid, --credit or --low")
    if prepaid and credit is None:
        raise click.ClickException("a prepaid buyer needs --credit, 0 for none")

    async def change(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await set_limits(connection, await party_id_of(connection, "buyer", buyer), said)

    with_engine(settings, change)
    say("changed")


def _payment(settings: Settings, direction: str, name: str, amount: int, key: str, note: str) -> None:
    from billing.payments import Direction, Payment, party_of
    from billing.post_once import Posted
    from billing.record_payment import PaymentRefused, record_payment

    if amount <= 0:
        raise click.ClickException("an amount is above zero")
    way = Direction(direction)

    async def record(engine: AsyncEngine) -> Posted | PaymentRefused:
        async with engine.begin() as connection:
            party_id = await party_id_of(connection, party_of(way).value, name)
            payment = Payment(direction=way, party_id=party_id, amount_micros=amount, key=key, note=note)
            return await record_payment(connection, payment)

    _tell(with_engine(settings, record), key)


def _tell(posted: Any, key: str) -> None:
    from billing.post_adjustment import AdjustmentRefused
    from billing.post_once import KeyTaken
    from billing.record_payment import PaymentRefused

    if isinstance(posted, PaymentRefused | AdjustmentRefused):
        raise click.ClickException(posted.reason)
    if isinstance(posted, KeyTaken):
        raise click.ClickException(
            f"{key!r} was posted before with other amounts, or for a call (transaction {posted.transaction_id});"
            " use another key"
        )
    known = "" if posted.new else "; it was there before, and nothing was written"
    say(f"transaction {posted.transaction_id}{known}")


@wallet.command("topup")
@click.argument("buyer")
@click.argument("amount", type=Dollars())
@_key
@click.option("--note", default="")
@pass_settings
def wallet_topup(settings: Settings, buyer: str, amount: int, key: str, note: str) -> None:
    """Record money that a buyer paid. Example: tollbridge wallet topup "Acme Loans" 500 --key wire-8812"""
    _payment(settings, "topup", buyer, amount, key, note)


@wallet.command("refund")
@click.argument("buyer")
@click.argument("amount", type=Dollars())
@_key
@click.option("--note", default="")
@pass_settings
def wallet_refund(settings: Settings, buyer: str, amount: int, key: str, note: str) -> None:
    """Record money that a buyer got back."""
    _payment(settings, "refund", buyer, amount, key, note)


@wallet.command("payout")
@click.argument("publisher")
@click.argument("amount", type=Dollars())
@_key
@click.option("--note", default="")
@pass_settings
def wallet_payout(settings: Settings, publisher: str, amount: int, key: str, note: str) -> None:
    """Record money that a publisher was paid."""
    _payment(settings, "payout", publisher, amount, key, note)


def _stripe(settings: Settings) -> Any:
    """Return the payment provider. Raises ClickException when it is not set up."""
    from billing.stripe_provider import StripeProvider

    key, secret = (
        settings.stripe_api_key.get_secret_value(),
        settings.stripe_webhook_secret.get_secret_value(),
    )
    if not key or not secret:
        raise click.ClickException("set TOLLBRIDGE_STRIPE_API_KEY and TOLLBRIDGE_STRIPE_WEBHOOK_SECRET")
    try:
        return StripeProvider(api_key=key, webhook_secret=secret, live=settings.stripe_live)
    except ValueError as problem:
        raise click.ClickException(f"{problem}; TOLLBRIDGE_STRIPE_LIVE says which is meant") from problem


@wallet.command("ask")
@click.argument("buyer")
@click.argument("amount", type=Dollars())
@_key
@json_option
@pass_settings
def wallet_ask(settings: Settings, buyer: str, amount: int, key: str, as_json: bool) -> None:
    """Ask Stripe for a top-up. What it answers goes to the page on which the buyer pays."""
    from billing.payment_provider import ProviderRefused

    provider = _stripe(settings)

    async def find(engine: AsyncEngine) -> int:
        async with engine.connect() as connection:
            return await party_id_of(connection, "buyer", buyer)

    asked = provider.ask_for_top_up(buyer_id=with_engine(settings, find), amount_micros=amount, key=key)
    if isinstance(asked, ProviderRefused):
        raise click.ClickException(asked.reason)
    if as_json:
        print_json(asked)
    else:
        say(f"{asked.reference} waits for the buyer: {asked.client_secret}")


@wallet.command("event")
@click.argument("file", type=FILE)
@click.option("--signature", required=True, help="The Stripe-Signature header that came with it.")
@pass_settings
def wallet_event(settings: Settings, file: Path, signature: str) -> None:
    """Record what Stripe sent, exactly as it came: payments, refunds and chargebacks, each once."""
    from billing.payments import Payment, ReversedPayment
    from billing.post_once import Posted
    from billing.record_payment import PaymentRefused, record_payment
    from billing.reverse_payment import reverse_payment

    said = _stripe(settings).read_event(read_bytes(file), signature)
    if not isinstance(said, Payment | ReversedPayment):
        raise click.ClickException(said.reason)

    async def record(engine: AsyncEngine) -> Posted | PaymentRefused:
        async with engine.begin() as connection:
            if isinstance(said, Payment):
                return await record_payment(connection, said)
            done = await reverse_payment(connection, said)
            return done if isinstance(done, PaymentRefused) else done[0]

    _tell(with_engine(settings, record), said.key)


@wallet.command("import")
@click.argument("file", type=FILE)
@_write
@json_option
@pass_settings
def wallet_import(settings: Settings, file: Path, write: bool, as_json: bool) -> None:
    """Record a CSV file of payments, up to 100,000 rows; when one is wrong, nothing is recorded.

    Columns: party (buyer: paid us; publisher: was paid), name, amount, key; and, if you like, note. Without --write
    it only says what would be done. Rows are posted some hundred at a time: an import that breaks off goes on when it
    is run again, for a key is posted once.
    """
    _import(settings, file, "payments", write, as_json)


def _import(settings: Settings, file: Path, kind: str, write: bool, as_json: bool) -> None:
    from billing.money_import import FileKind, Imported, ImportRefused, import_money
    from rules.money import format_dollars

    async def work(engine: AsyncEngine) -> Imported | ImportRefused:
        return await import_money(engine, opened, FileKind(kind), write=write, progress=progress)

    try:
        with file.open("rb") as opened:
            done = with_engine(settings, work)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}") from error
    if isinstance(done, ImportRefused):
        taken = f"the first {done.posted} rows were" if done.posted else "nothing was"
        refuse(done.problems, f"{len(done.problems)} problems; {taken} taken from {file}", as_json=as_json)
    if as_json:
        print_json(done)
        return
    would = "posted" if done.written else "would be posted (again with --write)"
    say(
        f"{done.new} {would}, {done.known} known as they are: buyers {format_dollars(done.to_buyers_micros)},"
        f" publishers {format_dollars(done.to_publishers_micros)}"
    )


@cli.group()
def adjust() -> None:
    """Corrections by hand: new transactions beside what calls came to."""


@adjust.command("post")
@click.argument("party", type=click.Choice(["buyer", "publisher"]))
@click.argument("name")
@click.argument("amount", type=Dollars())
@_key
@click.option("--reason", required=True)
@click.option("--call", help="The call it is about.")
@pass_settings
def adjust_post(
    settings: Settings, party: str, name: str, amount: int, key: str, reason: str, call: str | None
) -> None:
    """Give a party AMOUNT, or take it back when it is negative.

    Example: tollbridge adjust post buyer "Acme Loans" 45 --key ticket-71 --reason "echo on the line"; a negative
    amount comes after --, as in: tollbridge adjust post --key t-72 --reason fraud -- publisher Ads -30
    """
    from billing.adjustments import Adjustment
    from billing.money_queries import is_prepaid
    from billing.post_adjustment import AdjustmentRefused, post_adjustment
    from billing.post_once import KeyTaken, Posted
    from billing.terms_document import Party

    if amount == 0:
        raise click.ClickException("an adjustment of nothing")

    async def post(engine: AsyncEngine) -> Posted | KeyTaken | AdjustmentRefused:
        async with engine.begin() as connection:
            party_id = await party_id_of(connection, party, name)
            adjustment = Adjustment(
                party=Party(party),
                party_id=party_id,
                amount_micros=amount,
                key=key,
                reason=reason,
                call_id=await call_id_of(connection, call) if call else None,
                prepaid=party == "buyer" and await is_prepaid(connection, party_id),
            )
            return await post_adjustment(connection, adjustment)

    _tell(with_engine(settings, post), key)


@adjust.command("import")
@click.argument("file", type=FILE)
@_write
@json_option
@pass_settings
def adjust_import(settings: Settings, file: Path, write: bool, as_json: bool) -> None:
    """Post a CSV file of adjustments, up to 100,000 rows; when one is wrong, nothing is posted.

    Columns: party, name, amount (negative takes back), key; and, if you like, note, call. Without --write it only says
    what would be done.
    """
    _import(settings, file, "adjustments", write, as_json)
