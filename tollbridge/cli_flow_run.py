"""`tollbridge flow run`: plays a flow in a terminal; whoever types is the caller."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbridge.cli_flow import flow, read_flow_file
from tollbridge.output import say

if TYPE_CHECKING:
    from ivr_flows.case_file import Caller
    from ivr_flows.definition import Flow
    from ivr_flows.engine import Step
    from ivr_flows.events import Event, Wait
    from ivr_flows.resumes import Resume

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


@flow.command("run")
@click.argument("source", metavar="FILE")
@click.option("--caller", default="", help="The caller's number, like +16145550123; withheld unless given.")
@click.option("--at", "at", help="When the call comes in, like 2026-11-24T15:00:00-05:00; now unless given.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag that comes with the call.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the call as a case file.",
)
@click.option("--about", default="A call played by hand.", help="What the case file is about.")
@click.option("--json", "as_json", is_flag=True, help="Print the case file on stdout, and nothing else.")
def flow_run(
    source: str,
    caller: str,
    at: str | None,
    tags: tuple[str, ...],
    save: Path | None,
    about: str,
    as_json: bool,
) -> None:
    """Play a flow: type what the caller says or presses, and see what comes of it.

    FILE is a flow's JSON, or the name of one that comes with Tollbridge. Sub-flows are looked for beside the file,
    then among those that come with Tollbridge. Lines may also be piped in; when they end, the caller hangs up.

    \b
    Example:
      tollbridge flow run mortgage --caller +16145550123
      printf '%s\\n' refinance Ohio yes | tollbridge flow run mortgage.json --save case.json
    """
    from ivr_flows.case_file import to_json

    definition = _definition(source)
    played = _parsed(source, definition)
    who = _caller(caller, at, tags)
    if save is not None:
        _refuse_unwritable(save)
    resumes, steps = _play(played, who, quiet=as_json)
    case = to_json(definition, who, resumes, steps, about=about)
    if save is not None:
        save.write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"written to {save}", err=True)
    if as_json:
        click.echo(json.dumps(case))


def _refuse_unwritable(save: Path) -> None:
    """Raise ClickException when a file cannot be made there: better before the call is typed than after."""
    folder = save.absolute().parent
    if not folder.is_dir():
        raise click.ClickException(f"--save {save}: there is no folder {folder}: make it, or name another")
    if not save.exists() and not os.access(folder, os.W_OK | os.X_OK):
        raise click.ClickException(f"--save {save}: you may not write into the folder {folder}: name another")


def _definition(source: str) -> dict[str, Any]:
    """Return the flow of a file or of the library, with its sub-flows in it. Raises ClickException."""
    return _with_sub_flows(_file_or_library(source), Path(source).parent, (Path(source).stem,))


def _with_sub_flows(definition: dict[str, Any], folder: Path, way: tuple[str, ...]) -> dict[str, Any]:
    from ivr_flows.pinning import pin, sub_flows_wanted

    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for name in sorted(sub_flows_wanted(definition)):
        if name in way:
            raise click.ClickException(f"the flow goes into itself ({' → '.join((*way, name))})")
        beside = folder / f"{name}.json"
        inner = _file_or_library(str(beside) if beside.is_file() else name)
        found[name] = (1, _with_sub_flows(inner, folder, (*way, name)))
    return pin(definition, found)


def _file_or_library(source: str) -> dict[str, Any]:
    from ivr_flows import library

    if Path(source).is_file():
        return read_flow_file(Path(source))
    try:
        if source.replace("_", "").replace("-", "").isalnum():
            return library.load(source)
    except FileNotFoundError:
        pass
    raise click.ClickException(f"there is no file {source}, and no flow of that name comes with Tollbridge")


def _parsed(source: str, definition: dict[str, Any]) -> Flow:
    from ivr_flows.definition import FlowError, parse_flow

    try:
        return parse_flow(definition)
    except FlowError as error:
        for problem in error.problems:
            say(str(problem), colour="red", err=True)
        raise click.ClickException(f"{source} cannot be played: {len(error.problems)} problems") from error


def _caller(number: str, at: str | None, tags: tuple[str, ...]) -> Caller:
    from ivr_flows.case_file import Caller
    from rules.places import states_of_area_code
    from rules.telephone import NumberError, number_or_withheld

    try:
        now = datetime.now(UTC) if at is None else datetime.fromisoformat(at)
        e164 = number_or_withheld(number)
    except NumberError as problem:
        raise click.ClickException(f"--caller {number}: {problem}") from problem
    except ValueError as problem:
        raise click.ClickException(f"--at {at}: not a time like 2026-11-24T15:00:00-05:00") from problem
    told = dict(tag.partition("=")[::2] for tag in tags)
    at_utc = now if now.tzinfo else now.replace(tzinfo=UTC)
    return Caller(number=e164, states=states_of_area_code(e164), at=at_utc, tags=told)


def _play(played: Flow, who: Caller, *, quiet: bool) -> tuple[list[Resume], list[Step]]:
    from ivr_flows.case_file import STEPS_MAXIMUM, begin, go_on

    resumes: list[Resume] = []
    steps = [begin(played, who)]
    while len(steps) < STEPS_MAXIMUM:
        step = steps[-1]
        if not quiet:
            _show(step, steps[-2].session.tags if len(steps) > 1 else who.tags)
        if step.wait is None:
            break
        resume = _answer(step.wait, quiet=quiet)
        if resume is None:
            break
        resumes.append(resume)
        steps.append(go_on(played, who, step, resume))
    return resumes, steps


def _answer(wait: Wait, *, quiet: bool) -> Resume | None:
    """Return what was typed, read as an answer; None when there are no more lines. A notice is always heard."""
    from ivr_flows.events import NoticeWait
    from ivr_flows.resumes import NoticePlayed
    from ivr_flows.typed_answer import help_for, read_typed

    if isinstance(wait, NoticeWait):
        return NoticePlayed(complete=True)
    typing = sys.stdin.isatty() and not quiet
    while True:
        if typing:
            say(f"  ({help_for(wait)})", colour="cyan")
        line = sys.stdin.readline()
        if not line:
            say("the caller hung up", err=True)
            return None
        if not typing and not quiet:
            say(f"> {line.rstrip()}")
        try:
            return read_typed(wait, line)
        except ValueError as problem:
            say(str(problem), colour="red", err=True)


def _show(step: Step, tags_before: Mapping[str, str]) -> None:
    from ivr_flows.case_file import told

    for event in step.events:
        say(_event_line(event))
    for tag, value in step.session.tags.items():
        if tags_before.get(tag) != value:
            say(f"  {tag} = {value}", colour="green")
    if step.wait is not None:
        asked = told(step.wait)
        prompts = " ".join(asked.get("prompts", ()))
        more = {k: v for k, v in asked.items() if k in ("grammar", "number", "url", "body", "seconds")}
        rest = f"  {more}" if more else ""
        say(f"[{step.session.node}] {asked['kind'].removesuffix('Wait').lower()}: {prompts}{rest}".rstrip())
    elif step.session.ended:
        say("the flow has ended")


def _event_line(event: Event) -> str:
    from ivr_flows.case_file import told

    shown = told(event)
    kind = shown.pop("kind")
    if "prompts" in shown:
        return f"{kind}: {' '.join(shown['prompts'])}"
    return f"{kind}: {', '.join(f'{name} {value}' for name, value in shown.items())}".rstrip(": ")
