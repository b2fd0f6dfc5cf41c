"""Commands about callers that are not sold, or not to everybody."""

from __future__ import annotations

from pathlib import Path

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

MAXIMUM_FILE_BYTES = 64_000_000


@cli.group()
def callers() -> None:
    """Callers that are not sold, or not to everybody."""


@callers.command("block")
@click.argument("kind", type=click.Choice(["number", "prefix", "anonymous"]))
@click.argument("value", default="")
@click.option("--campaign", help="Only in this campaign.")
@click.option("--reason", default="")
@pass_settings
def callers_block(settings: Settings, kind: str, value: str, campaign: str | None, reason: str) -> None:
    """Block a number (+16145550123), a prefix (+1900) or anonymous callers."""
    from router.caller_lists import block_caller

    refused = with_engine(
        settings, lambda engine: block_caller(engine, kind, value, campaign=campaign, reason=reason)
    )
    if refused is not None:
        raise click.ClickException("; ".join(refused.problems))
    say("blocked")


@callers.command("unblock")
@click.argument("rule_id", type=int)
@pass_settings
def callers_unblock(settings: Settings, rule_id: int) -> None:
    """Drop a rule, by the number that `blocked` shows."""
    from router.caller_lists import unblock_caller

    if not with_engine(settings, lambda engine: unblock_caller(engine, rule_id)):
        raise click.ClickException(f"there is no rule {rule_id}")
    say("dropped")


@callers.command("blocked")
@json_option
@pass_settings
def callers_blocked(settings: Settings, as_json: bool) -> None:
    """List who is blocked."""
    from router.caller_lists import list_blocked

    rules = with_engine(settings, list_blocked)
    if as_json:
        print_json(rules)
        return
    for rule in rules:
        where = rule["campaign"] or "every campaign"
        say(f"{rule['id']:>6}  {rule['kind']:<9}  {rule['value']:<16}  {where}  {rule['reason']}".rstrip())


@callers.command("suppress")
@click.argument("buyer")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", default="")
@json_option
@pass_settings
def callers_suppress(settings: Settings, buyer: str, file: Path, reason: str, as_json: bool) -> None:
    """Put the numbers of a file, one a line, into a buyer's book of business: all of them or none."""
    from router.caller_lists import ListRefused, suppress_callers

    try:
        with file.open("rb") as opened:
            lines = opened.read(MAXIMUM_FILE_BYTES).decode(errors="replace").splitlines()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}") from error
    done = with_engine(settings, lambda engine: suppress_callers(engine, buyer, lines, reason=reason))
    if as_json:
        print_json(done)
    elif isinstance(done, ListRefused):
        for problem in done.problems:
            say(problem, colour="red", err=True)
        say(f"nothing was taken from {file}", err=True)
    else:
        say(f"{done.added} added, {done.known} known before")
    if isinstance(done, ListRefused):
        raise SystemExit(1)
