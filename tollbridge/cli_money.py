"""What the commands about money share: names, times, amounts, files, and how a refusal is told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from tollbridge.output import print_json, say

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

MAXIMUM_FILE_BYTES = 20_000_000
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Instant(click.ParamType[datetime]):
    """A moment with its zone, like 2026-12-01T00:00-05:00; a `Z` is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time like 2026-12-01T00:00-05:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone; write 2026-12-01T00:00-05:00, or a Z for UTC", param, ctx)
        return moment.astimezone(UTC)


class Dollars(click.ParamType[int]):
    """An amount like 45.00, as millionths of a dollar."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from rules.money import MoneyError, parse_dollars

        try:
            return value if isinstance(value, int) else parse_dollars(value)
        except MoneyError as error:
            self.fail(str(error), param, ctx)


def read_bytes(file: Path) -> bytes:
    """Read a file that somebody names. Raises ClickException when it cannot be, or is absurdly large."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAXIMUM_FILE_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}") from error
    if len(data) > MAXIMUM_FILE_BYTES:
        raise click.ClickException(f"{file} is larger than {MAXIMUM_FILE_BYTES} bytes; split it")
    return data


def read_json(file: Path) -> Any:
    """Read a JSON file. Raises ClickException that names line and column."""
    try:
        return json.loads(read_bytes(file).decode("utf-8-sig"))
    except (UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(f"{file} is not UTF-8 text of JSON") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise click.ClickException(f"{file}, {where}: not JSON ({error.msg})") from error


async def party_id_of(connection: AsyncConnection, party: str, name: str) -> int:
    """Return the id of a buyer or publisher. Raises ClickException when there is none of the name."""
    from billing.terms_document import Party
    from billing.terms_queries import party_named

    found = await party_named(connection, Party(party), name)
    if found is None:
        raise click.ClickException(f"there is no {party} called {name!r}; names are written exactly")
    return found


async def campaign_id_of(connection: AsyncConnection, name: str) -> int:
    """Return the id of a campaign. Raises ClickException when there is none of the name."""
    from billing.terms_queries import campaign_named

    found = await campaign_named(connection, name)
    if found is None:
        raise click.ClickException(f"there is no campaign called {name!r}; names are written exactly")
    return found


async def call_id_of(connection: AsyncConnection, text: str) -> Any:
    """Return the id of the call that `text` names. Raises ClickException when it is none or several."""
    from tollbridge.queries import find_call_ids

    found = await find_call_ids(connection, text)
    if len(found) != 1:
        raise click.ClickException("no such call" if not found else f"several calls begin with {text}")
    return found[0]


def refuse(problems: Iterable[str], summary: str, *, as_json: bool = False) -> NoReturn:
    """Tell every problem and end with status 1."""
    told = list(problems)
    if as_json:
        print_json({"refused": told})
    else:
        for problem in told:
            say(problem, colour="red", err=True)
        say(summary, err=True)
    raise SystemExit(1)
