"""Commands about calls."""

from __future__ import annotations

import sys

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.node_config import layout_of
from tollbridge.output import print_json, progress, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.command()
@click.option("--to", required=True, help="The tracking number to dial.")
@click.option(
    "--from", "caller", default="+16145550123", show_default=True, help="Caller's number; empty withholds it."
)
@click.option(
    "--say", "words", multiple=True, help="Words for one of the caller's turns; may be given again."
)
@click.option(
    "--keys", multiple=True, help="Keys for one of the caller's turns, e.g. 1#; may be given again."
)
@click.option("--seconds", default=60.0, show_default=True, help="Hang up so long after the answer.")
@json_option
@pass_settings
def testcall(
    settings: Settings,
    to: str,
    caller: str,
    words: tuple[str, ...],
    keys: tuple[str, ...],
    seconds: float,
    as_json: bool,
) -> None:
    """Place a real SIP call into the running switch and print what happened."""
    from tollbridge.phone.voice import VoiceUnavailable
    from tollbridge.testcall import TestCallPlan, place_test_call

    plan = TestCallPlan(
        switch=(settings.sip_address, settings.sip_port),
        to=to,
        caller=caller,
        say=words,
        keys=keys,
        seconds=seconds,
    )
    cache = layout_of(settings).data_dir / "phone"
    if not all(one.strip() for one in words):
        raise click.ClickException("there are no words to say")
    try:
        result = with_engine(
            settings, lambda engine: place_test_call(plan, engine=engine, cache_dir=cache, progress=progress)
        )
    except (VoiceUnavailable, ValueError) as problem:
        raise click.ClickException(str(problem)) from problem
    if as_json:
        print_json(result)
    sys.exit(0 if result.reached_its_end else 1)


@cli.command()
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many, newest first."
)
@json_option
@pass_settings
def calls(settings: Settings, limit: int, as_json: bool) -> None:
    """List the newest calls."""
    from tollbridge.queries import latest_calls

    async def read(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            found = await latest_calls(connection, limit)
        if as_json:
            print_json(found)
            return
        for call in found:
            length = f"{call.connected_ms / 1000:9.3f} s" if call.connected_ms is not None else " " * 11
            end = (call.outcome or call.state).replace("_", " ")
            when = call.started_at.strftime("%F %T")
            say(
                f"{when}  {str(call.call_id)[:8]}  {call.caller or 'withheld':16} {call.dialled:16} {end:14} "
                f"{length}  {call.buyer or ''}{'  converted' if call.converted else ''}"
            )

    with_engine(settings, read)


@cli.command()
@click.argument("call_id", metavar="ID")
@json_option
@pass_settings
def call(settings: Settings, call_id: str, as_json: bool) -> None:
    """Show one call's whole way. ID is a call's id, its first letters, or Asterisk's linkedid."""
    from tollbridge.call_story.queries import read_call
    from tollbridge.call_story.story import tell
    from tollbridge.queries import find_call_ids

    async def read(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            found = await find_call_ids(connection, call_id)
        if len(found) != 1:
            raise click.ClickException("no such call" if not found else f"several calls begin with {call_id}")
        story = await read_call(engine, found[0])
        assert story is not None
        if as_json:
            print_json(story.to_json())
            return
        for line in tell(story):
            say(line)

    with_engine(settings, read)
