"""Commands about callers whom nobody took and who left a message or want to be called back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.node_config import layout_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.group()
def requests() -> None:
    """Callers whom nobody took: voice messages, and requests to be called back.

    Example: tollbridge requests list, then tollbridge requests done 7
    """


@requests.command("list")
@click.option("--all", "done_too", is_flag=True, help="Those that were seen to as well, newest first.")
@json_option
@pass_settings
def requests_list(settings: Settings, done_too: bool, as_json: bool) -> None:
    """List what nobody has seen to yet, oldest first; 1,000 at most. The audit log notes it: numbers are whole here."""
    from router.request_queries import list_requests
    from web.audit import Actor, Via
    from web.look_ups import note_export

    actor = Actor(user=None, via=Via.COMMAND, name="tollbridge requests list")

    async def read(engine: AsyncEngine) -> list[dict[str, Any]]:
        async with engine.begin() as connection:
            rows = await list_requests(connection, done_too=done_too)
            await note_export(connection, actor, "requests", "list", {"rows": len(rows)})
            return rows

    found = with_engine(settings, read)
    if as_json:
        print_json(
            [
                {
                    **row,
                    "call_id": str(row["call_id"]),
                    "created_at": row["created_at"].isoformat(),
                    "done_at": None if row["done_at"] is None else row["done_at"].isoformat(),
                }
                for row in found
            ]
        )
        return
    for row in found:
        where = f"  {row['node']}:{row['recording']}" if row["recording"] else ""
        done = "  done" if row["done_at"] else ""
        say(
            f"{row['id']:>5}  {row['created_at']:%Y-%m-%d %H:%M} UTC  {row['kind']:<9}  "
            f"{row['caller'] or 'withheld':<16}  {row['campaign'] or ''}{where}{done}"
        )
    if not found:
        say("no requests")


@requests.command("hear")
@click.argument("request_id", type=int)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_settings
def requests_hear(settings: Settings, request_id: int, file: Path) -> None:
    """Open a voice message of this node and write it into a new FILE, a WAV sound. The audit log notes it."""
    from tollbridge.hear_message import NotHeard, hear_message

    async def hear(engine: AsyncEngine) -> NotHeard | None:
        try:
            return await hear_message(engine, request_id, layout_of(settings).voicemail_dir, file)
        except OSError as problem:
            raise click.ClickException(
                f"{file} cannot be written, or the database not reached: {problem}"
            ) from problem

    refused = with_engine(settings, hear)
    if isinstance(refused, NotHeard):
        raise click.ClickException(refused.value)
    say(str(file))


@requests.command("done")
@click.argument("request_id", type=int)
@pass_settings
def requests_done(settings: Settings, request_id: int) -> None:
    """Note that somebody has seen to a request: it is not listed any more."""
    from router.request_queries import mark_done

    async def mark(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            return await mark_done(connection, request_id)

    if not with_engine(settings, mark):
        raise click.ClickException(
            f"there is no open request {request_id}: `tollbridge requests list` shows those there are"
        )
    say("done")
