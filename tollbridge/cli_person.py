"""Commands about what is held on a person's telephone number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.node_config import layout_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from web.audit import Actor
    from web.person.archive import Archive
    from web.person.items import Item

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


class _Number(click.ParamType[str]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from rules.telephone import known_number

        number = known_number(str(value))
        return number or self.fail(f"{value} is no telephone number: write it like +16145550123", param, ctx)


number_argument = click.argument("number", type=_Number())


@cli.group()
def person() -> None:
    """What is held on a person's telephone number: find it, hand it over, erase it.

    Example: tollbridge person find +16145550123
    """


@person.command("find")
@number_argument
@json_option
@pass_settings
def person_find(settings: Settings, number: str, as_json: bool) -> None:
    """List what is held on a number, and what erasing would do with each. The audit log notes it."""
    items = _found(settings, number, "find")
    if as_json:
        print_json([_as_json(item) for item in items])
    else:
        _say_items(items)


@person.command("export")
@number_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_settings
def person_export(settings: Settings, number: str, file: Path) -> None:
    """Write all that is held on a number into a new zip FILE: person.json, and the sounds of this node."""
    from web.person.archive import write_archive
    from web.person.items import Kind

    if file.exists():
        raise click.ClickException(f"{file} is there already: name a new file")
    items, layout = _found(settings, number, "export"), layout_of(settings)
    folders = {Kind.RECORDING: layout.recordings_dir, Kind.VOICE_MESSAGE: layout.voicemail_dir}

    async def write(engine: AsyncEngine) -> Archive:
        try:
            return await write_archive(engine, file, items, folders, number=number)
        except OSError as problem:
            raise click.ClickException(
                f"{file} cannot be written, or the database not reached: {problem}"
            ) from problem

    written = with_engine(settings, write)
    for name, why in written.missing.items():
        say(f"without {name}: {why}")
    say(f"{file}: {len(items)} things, {len(written.sounds)} sounds")


@person.command("erase")
@number_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_settings
def person_erase(settings: Settings, number: str, yes: bool, as_json: bool) -> None:
    """Erase what is held on a number for good, and say what must be kept and why. Safe to interrupt and repeat."""
    from web.person.items import is_work
    from web.person.person import counts_of, erase_person

    items = _found(settings, number, "erase")
    work = sum(is_work(item) for item in items)
    if not as_json:
        _say_items(items)
    if work and not yes:
        click.confirm(f"Erase {work} things for good?", abort=True, err=as_json)
    if work:
        counts = with_engine(settings, lambda engine: erase_person(engine, _actor("erase"), number))
    else:
        counts = counts_of(items)
    if as_json:
        print_json(counts)
    else:
        say(f"erased; {work} things" if work else "nothing to erase")


def _found(settings: Settings, number: str, command: str) -> list[Item]:
    from web.person.person import find_person

    action = "export" if command == "export" else "look_up"
    return with_engine(settings, lambda engine: find_person(engine, _actor(command), number, action=action))


def _actor(command: str) -> Actor:
    from web.audit import Actor, Via

    return Actor(user=None, via=Via.COMMAND, name=f"tollbridge person {command}")


def _as_json(item: Item) -> dict[str, Any]:
    from web.person.items import fate_of

    fate, reason = fate_of(item)
    at = None if item.at is None else item.at.isoformat()
    return {"kind": item.kind, "ref": item.ref, "at": at, "fate": fate, "reason": reason}


def _say_items(items: list[Item]) -> None:
    from web.person.items import NOT_SEARCHED, fate_of

    for item in items:
        fate, reason = fate_of(item)
        at = "" if item.at is None else f"{item.at:%Y-%m-%d %H:%M} UTC"
        say(f"{item.kind:<17} {at:<21} {fate:<7} {reason}  [{item.ref}]")
    if not items:
        say("nothing is held on this number")
    say("not searched:")
    for other in NOT_SEARCHED:
        say(f"  {other}")
