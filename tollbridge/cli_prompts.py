"""Commands about what callers hear: rendered texts and uploaded sounds."""

from __future__ import annotations

from pathlib import Path

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.faults import CannotRun
from tollbridge.node_config import kept_prompts_dir, layout_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@cli.group()
def prompts() -> None:
    """What callers hear: texts spoken by piper, and sounds of your own.

    A running node renders the texts of every flow it publishes by itself. A flow plays a sound of yours by the prompt
    `upload:NAME`.
    """


@prompts.command("render")
@json_option
@pass_settings
def prompts_render(settings: Settings, as_json: bool) -> None:
    """Render what published flows and the market say and is not there yet.

    Example: tollbridge prompts render
    """
    from agi.speech.prompts import PromptError
    from tollbridge.prompts import known_prompts, render_kept

    folder = layout_of(settings).prompts_dir
    missing = [one for one in with_engine(settings, lambda db: known_prompts(db, folder)) if not one.is_there]
    texts = [one.prompt for one in missing if not one.is_upload]
    try:
        render_kept(folder, texts, kept=kept_prompts_dir(settings))
    except PromptError as error:
        raise CannotRun(str(error)) from error
    if as_json:
        print_json({"rendered": texts, "missing_uploads": [one.prompt for one in missing if one.is_upload]})
        return
    say(f"{len(texts)} texts rendered to {folder}")
    _tell_missing_uploads([one.prompt for one in missing if one.is_upload])


@prompts.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="What flows call it; the file's own name unless given.")
@json_option
@pass_settings
def prompts_add(settings: Settings, file: Path, name: str | None, as_json: bool) -> None:
    """Take in a sound: WAV, MP3, FLAC or Ogg Vorbis, at most five minutes; brought to one level, in 8 and 16 kHz.

    Example: tollbridge prompts add welcome.mp3 --name welcome
    """
    from agi.speech.prompts import PromptError
    from agi.speech.uploads import add_upload

    try:
        added = add_upload(layout_of(settings).prompts_dir, file, name or file.stem.lower())
    except PromptError as error:
        raise CannotRun(str(error)) from error
    if as_json:
        print_json(added)
    else:
        say(f"{added.seconds:.1f} s; a flow plays it by the prompt `upload:{added.name}`")


@prompts.command("list")
@json_option
@pass_settings
def prompts_list(settings: Settings, as_json: bool) -> None:
    """List every prompt: how long it is, the first digits of its SHA-256, what it says.

    Example: tollbridge prompts list --json
    """
    from tollbridge.prompts import known_prompts

    folder = layout_of(settings).prompts_dir
    found = with_engine(settings, lambda db: known_prompts(db, folder))
    if as_json:
        print_json(found)
        return
    for one in found:
        what = f"{one.seconds:5.1f} s  {one.digest[:12]}" if one.is_there else "      missing        "
        say(f"{what}  {one.prompt}", colour=None if one.is_there else "red")


@prompts.command("check")
@json_option
@pass_settings
def prompts_check(settings: Settings, as_json: bool) -> None:
    """Say which prompts a caller would not hear; exit status 1 when there is one.

    Example: tollbridge prompts check
    """
    from tollbridge.prompts import known_prompts

    folder = layout_of(settings).prompts_dir
    found = with_engine(settings, lambda db: known_prompts(db, folder))
    missing = [one for one in found if not one.is_there]
    if as_json:
        print_json({"prompts": len(found), "missing": [one.prompt for one in missing]})
    elif not missing:
        say(f"all {len(found)} prompts are there", colour="green")
    else:
        for one in missing:
            if not one.is_upload:
                say(f"not rendered: {one.prompt}", colour="red")
        if any(not one.is_upload for one in missing):
            say("`tollbridge prompts render` makes them")
        _tell_missing_uploads([one.prompt for one in missing if one.is_upload])
    if missing:
        raise SystemExit(1)


def _tell_missing_uploads(prompts: list[str]) -> None:
    for prompt in prompts:
        name = prompt.removeprefix("upload:")
        say(
            f"{prompt} is played by a flow and missing: tollbridge prompts add FILE --name {name}",
            colour="red",
        )
