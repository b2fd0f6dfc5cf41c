"""Commands about what is sealed, and the keys that open it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, progress, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from tollbridge.seal_anew import Count

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.group()
def secrets() -> None:
    """What is sealed in the database, and the keys that open it.

    The keys are in a file of their own (TOLLBRIDGE_SEALING_KEYS_FILE, or sealing-keys in the data directory). Without
    it what is sealed is lost: keep a copy, apart from the backups of the database.
    """


@secrets.command("check")
@json_option
@pass_settings
def secrets_check(settings: Settings, as_json: bool) -> None:
    """Open every sealed value, and name those that do not open. Exit status 1 when there are any."""
    from tollbridge.seal_anew import check_all
    from tollbridge.sealing_keys import sealing_keys_of

    ring = sealing_keys_of(settings)
    counts = with_engine(settings, lambda engine: check_all(engine, ring, _quietly), patient=True)
    if as_json:
        print_json({"columns": counts, "keys": len(ring.keys)})
    else:
        for count in counts:
            _say_checked(count)
    sys.exit(1 if any(count.lost for count in counts) else 0)


def _say_checked(count: Count) -> None:
    older = f", {count.left} of them by older keys" if count.left else ""
    if not count.lost:
        say(f"ok     {count.column}: {count.values} open{older}", colour="green")
        return
    more = f" and {count.lost_count - len(count.lost)} more" if count.lost_count > len(count.lost) else ""
    say(
        f"BROKEN {count.column}: {count.lost_count} of {count.values} do not open: rows {'; '.join(count.lost)}{more}",
        colour="red",
    )


def _quietly(_: str) -> None:
    """A check is quick: what it says at its end is enough."""


@secrets.command("rotate")
@click.option(
    "--drop-now",
    is_flag=True,
    help="Drop older keys as soon as nothing in the database needs them, not a day later.",
)
@json_option
@pass_settings
def secrets_rotate(settings: Settings, drop_now: bool, as_json: bool) -> None:
    """Seal everything by a newer key, then drop the older ones.

    \b
    Run it once: the newer key is made and everything in the database is sealed by it. Run it again a day later: the
    older keys go, if nothing is left that they sealed. It can be interrupted at any time and run again; nodes go on
    meanwhile. Where several nodes share the database it says when to copy the file of keys to the others.
    The key of the indexes (by which equal numbers are found) stays the same. Backups of before need the older file.
    """
    from tollbridge.rotate_secrets import rotate

    done = with_engine(
        settings, lambda engine: rotate(engine, settings, progress, drop_now=drop_now), patient=True
    )
    if as_json:
        print_json(done)
        return
    for count in done.columns:
        say(f"{count.column}: {count.values} values, {count.sealed} sealed again")
    if not done.older_keys and done.columns:
        say("the older keys are gone", colour="green")
    if done.next_step:
        say(done.next_step, colour="yellow")


@secrets.command("start-over")
@click.option("--lose-what-is-sealed", "confirmed", is_flag=True, help="Say that you know what is lost.")
@pass_settings
def secrets_start_over(settings: Settings, confirmed: bool) -> None:
    """Go on with new keys when the old ones are lost for good. What they sealed is lost.

    The keys are those of the file, made when there is none. Secrets of bidders and trunks are entered again; second
    factors are replaced by recovery codes or taken away by an admin. Look for the file in every backup first.
    """
    from tollbridge.sealed_database import start_over
    from tollbridge.sealing_keys import make_sealing_keys
    from web.audit import Actor, Via, write_audit

    if not confirmed:
        raise click.ClickException(
            "what is sealed would be lost for good: look for the file of keys in every backup and on every node."
            " If it is gone: tollbridge secrets start-over --lose-what-is-sealed"
        )
    ring = make_sealing_keys(settings)

    async def work(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            if not await start_over(connection, ring):
                return False
            actor = Actor(user=None, via=Via.COMMAND, name="tollbridge secrets start-over")
            await write_audit(
                connection, actor, action="start_over", kind="sealing_keys", ref=ring.keys[0].id.hex()
            )
            return True

    if with_engine(settings, work, with_any_keys=True):
        say(
            "the database goes with these keys from now on: keep a copy of the file, and restart every node with it"
        )
    else:
        say("these are the database's own keys: nothing is lost, and nothing was changed", colour="green")
