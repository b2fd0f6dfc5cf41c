"""Commands about invoices and statements."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.cli_money import FILE, party_id_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

_OUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_named = click.argument("invoice_name", metavar="NUMBER")


class Month(click.ParamType[date]):
    """A month like 2026-11."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(f"{value}-01")
        except ValueError:
            self.fail(f"{value!r} is not a month like 2026-11", param, ctx)


@cli.group()
def invoice() -> None:
    """Invoices to buyers, statements to publishers. NUMBER is a number like INV-2026-000042, or a draft's id."""


@invoice.command("make")
@click.argument("name")
@click.option("--for", "party", type=click.Choice(["buyer", "publisher"]), default="buyer", show_default=True)
@click.option("--month", type=Month(), required=True, help="Like 2026-11, in the party's own time zone.")
@json_option
@pass_settings
def invoice_make(settings: Settings, name: str, party: str, month: date, as_json: bool) -> None:
    """Draft an invoice or statement of a month. Example: tollbridge invoice make "Acme Loans" --month 2026-11"""
    from datetime import timedelta

    from billing.make_invoice import make_invoice
    from billing.terms_document import Party

    last = (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)

    async def work(connection: AsyncConnection) -> Any:
        party_id = await party_id_of(connection, party, name)
        return await make_invoice(connection, Party(party), party_id, month, last)

    _tell(_done(settings, work), as_json)


@invoice.command("issue")
@_named
@json_option
@pass_settings
def invoice_issue(settings: Settings, invoice_name: str, as_json: bool) -> None:
    """Give a draft its number. From then on only a credit note takes it back."""
    from billing.make_invoice import issue_invoice

    _change(settings, invoice_name, issue_invoice, as_json)


@invoice.command("pay")
@_named
@click.option("--key", default="", help="The reference of the wire, check or payout; each is recorded once.")
@click.option("--from-wallet", is_flag=True, help="Pay with what the buyer paid in advance.")
@json_option
@pass_settings
def invoice_pay(settings: Settings, invoice_name: str, key: str, from_wallet: bool, as_json: bool) -> None:
    """Record that an invoice was paid, or a statement paid out.

    Example: tollbridge invoice pay INV-2026-000042 --key wire-8812
    """
    from functools import partial

    from billing.pay_invoice import pay_invoice

    _change(settings, invoice_name, partial(pay_invoice, key=key, from_wallet=from_wallet), as_json)


@invoice.command("void")
@_named
@json_option
@pass_settings
def invoice_void(settings: Settings, invoice_name: str, as_json: bool) -> None:
    """Take an invoice back by a credit note; its calls may be invoiced again."""
    from billing.make_invoice import void_invoice

    _change(settings, invoice_name, void_invoice, as_json)


@invoice.command("list")
@json_option
@pass_settings
def invoice_list(settings: Settings, as_json: bool) -> None:
    """List the newest invoices and statements."""
    from billing.invoice_queries import list_invoices
    from rules.money import format_dollars

    async def read(engine: AsyncEngine) -> list[dict[str, Any]]:
        async with engine.connect() as connection:
            return [dict(row._mapping) for row in await list_invoices(connection, 1000)]

    found = with_engine(settings, read)
    if as_json:
        print_json(found)
        return
    for row in found:
        number = row["number"] or f"draft {row['id']}"
        total = format_dollars(row["total_micros"])
        say(
            f"{number:18} {row['kind'].replace('_', ' '):12} {row['state']:7} {total:>14}  {row['party_name']}"
        )


@invoice.command("show")
@_named
@json_option
@pass_settings
def invoice_show(settings: Settings, invoice_name: str, as_json: bool) -> None:
    """Show an invoice. With --json it holds everything to check it by (`tollbridge invoice check`)."""
    from billing.invoice_document import invoice_document

    if as_json:
        print_json(_read(settings, invoice_name, invoice_document))
        return
    made = _read(settings, invoice_name)
    _tell(made, as_json=False)
    from rules.money import format_dollars

    for line in made.lines:
        say(f"  {line.position:5}  {format_dollars(line.amount_micros):>12}  {line.description}")


@invoice.command("csv")
@_named
@click.option("--out", type=_OUT, help="Where to; else stdout.")
@pass_settings
def invoice_csv(settings: Settings, invoice_name: str, out: Path | None) -> None:
    """Write an invoice's lines for a spreadsheet."""
    from billing.export_invoice import to_csv

    text = to_csv(_read(settings, invoice_name))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8", newline="")


@invoice.command("pdf")
@_named
@click.option("--out", type=_OUT, required=True, help="The file to write.")
@pass_settings
def invoice_pdf(settings: Settings, invoice_name: str, out: Path) -> None:
    """Write an invoice as a PDF. Example: tollbridge invoice pdf INV-2026-000042 --out november.pdf"""
    from billing.export_invoice import to_pdf

    out.write_bytes(to_pdf(_read(settings, invoice_name)))
    say(f"{out} is written")


@invoice.command("check")
@click.argument("file", type=FILE)
@click.argument("public_keys", nargs=-1)
def invoice_check(file: Path, public_keys: tuple[str, ...]) -> None:
    """Recompute an invoice (`invoice show --json`) from its lines and terms. Exit status 1 when something differs.

    With public keys (`ledger key`) each line must be proved by a root that one of them signed.
    `tollbridge invoice script` prints the program that does it: one file that a buyer runs without Tollbridge.
    """
    from billing.check_invoice import main

    sys.exit(main([str(file), *public_keys]))


@invoice.command("script")
def invoice_script() -> None:
    """Print the program that checks an invoice. Example: tollbridge invoice script > check_invoice.py"""
    from billing import check_invoice

    click.echo(Path(check_invoice.__file__).read_text(encoding="utf-8"), nl=False)


def _change(settings: Settings, name: str, change: Any, as_json: bool) -> None:
    async def work(connection: AsyncConnection) -> Any:
        return await change(connection, await _id_of(connection, name), datetime.now(UTC))

    _tell(_done(settings, work), as_json)


def _done(settings: Settings, work: Any) -> Any:
    """Do it and commit. Raises ClickException when it was refused."""
    from billing.make_invoice import InvoiceRefused

    async def inside(engine: AsyncEngine) -> Any:
        async with engine.begin() as connection:
            return await work(connection)

    done = with_engine(settings, inside)
    if isinstance(done, InvoiceRefused):
        raise click.ClickException(done.reason)
    return done


async def _id_of(connection: AsyncConnection, name: str) -> int:
    from billing.invoice_queries import invoice_id_of

    found = await invoice_id_of(connection, name)
    if found is None:
        raise click.ClickException(f"there is no invoice {name!r}; `tollbridge invoice list` shows them")
    return found


def _read(settings: Settings, name: str, make: Any = None) -> Any:
    """Return an invoice, or what `make` makes of it."""
    from billing.invoice_queries import read_invoice

    async def read(engine: AsyncEngine) -> Any:
        async with engine.connect() as connection:
            made = await read_invoice(connection, await _id_of(connection, name))
            assert made is not None
            return made if make is None else await make(connection, made)

    return with_engine(settings, read)


def _tell(made: Any, as_json: bool) -> None:
    from billing.make_invoice import total_text

    if as_json:
        print_json(
            {"id": made.id, "number": made.number, "state": made.state, "total_micros": made.total_micros}
        )
        return
    which = made.title if made.number else f"{made.kind.value} draft {made.id}"
    say(
        f"{which} for {made.party_name}, {made.first_day} to {made.last_day}: {len(made.lines)} lines,"
        f" {total_text(made)}, {made.state.value}"
    )
