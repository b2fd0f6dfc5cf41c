"""Commands about decisions: why a call went where it went, and that it would go there again."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.command("explain")
@click.argument("call")
@pass_settings
def explain_command(settings: Settings, call: str) -> None:
    """Tell how each decision of CALL (its id, or Asterisk's linkedid) was made."""
    from router.replay_call import explain_call

    lines = with_engine(settings, lambda engine: explain_call(engine, _id_of(call)))
    if not lines:
        raise click.ClickException(f"no decision is stored for call {call}")
    for line in lines:
        say(line)


@cli.command("replay")
@click.argument("call")
@json_option
@pass_settings
def replay_command(settings: Settings, call: str, as_json: bool) -> None:
    """Make each decision of CALL again, on the market it was made on; exit 1 when one comes out otherwise."""
    from router.replay_call import replay_call

    replayed = with_engine(settings, lambda engine: replay_call(engine, _id_of(call)))
    if not replayed:
        raise click.ClickException(f"no decision is stored for call {call}")
    if as_json:
        print_json([asdict(one) for one in replayed])
    else:
        for one in replayed:
            verdict = "the same, byte for byte" if one.equal else one.detail
            say(f"attempt {one.sequence}: {verdict}", colour=None if one.equal else "red")
    if not all(one.equal for one in replayed):
        raise SystemExit(1)


def _id_of(call: str) -> UUID:
    from store.call_id import call_id_of

    try:
        return UUID(call)
    except ValueError:
        return call_id_of(call)
