"""Commands about flows: what callers hear and are asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.node_config import layout_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from ivr_flows.inspection import Finding
    from ivr_flows.publishing import Refused
    from ivr_flows.queries import PublishedVersion

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

BY = "command line"
_file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@cli.group()
def flow() -> None:
    """Flows: what callers hear, what they are asked, and where that leads.

    A flow is edited as a draft and published as a version; new callers meet the newest version, calls in progress
    keep theirs.

    \b
    Example:
      tollbridge flow export mortgage > mortgage.json
      tollbridge flow run mortgage.json --caller +16145550123
      tollbridge flow import mortgage.json --publish
    """


@flow.command("list")
@json_option
@pass_settings
def flow_list(settings: Settings, as_json: bool) -> None:
    """List the flows, their versions and drafts."""
    from ivr_flows.queries import summaries

    found = with_engine(settings, lambda engine: _reading(engine, summaries))
    if as_json:
        print_json(found)
        return
    for one in found:
        version = f"version {one.version}" if one.version else "never published"
        draft = "" if one.draft_revision is None else f"  draft of {one.draft_changed_at:%Y-%m-%d %H:%M}"
        used = ", ".join(one.campaigns) or "no campaign"
        say(f"{one.name:<30}  {version:<16}  {used}{draft}")
    if not found:
        say("no flows: `tollbridge flow import FILE --publish` brings one in", err=True)


@flow.command("show")
@click.argument("name")
@json_option
@pass_settings
def flow_show(settings: Settings, name: str, as_json: bool) -> None:
    """Show a flow's versions, and what is wrong with its draft."""
    from ivr_flows.queries import draft_of, versions_of

    versions = with_engine(settings, lambda engine: _reading(engine, versions_of, name))
    draft = with_engine(settings, lambda engine: _reading(engine, draft_of, name))
    if not versions and draft is None:
        raise click.ClickException(_unknown(name))
    findings = [] if draft is None else _check(settings, name, draft.definition)
    if as_json:
        kept = [{**_row(one), "nodes": len(one.definition.get("nodes", {}))} for one in versions]
        print_json({"name": name, "versions": kept, "draft": draft, "findings": findings})
        return
    if draft is not None:
        say(f"draft    revision {draft.revision}, from version {draft.based_on}")
        _tell(findings)
    for one in versions:
        nodes = len(one.definition.get("nodes", {}))
        say(f"{one.version:>7}  {one.published_at:%Y-%m-%d %H:%M}  {nodes:>3} nodes  {one.note}".rstrip())


@flow.command("check")
@click.argument("source", metavar="FILE|NAME")
@json_option
@pass_settings
def flow_check(settings: Settings, source: str, as_json: bool) -> None:
    """Say what is wrong with a flow: a file, or the draft of that name. Errors block publishing, warnings do not.

    A file is checked without a database unless it has sub-flows. Exit status 1 when there are errors.
    """
    from ivr_flows.inspection import blocking
    from ivr_flows.pinning import sub_flows_wanted
    from ivr_flows.publishing import findings_of
    from ivr_flows.queries import draft_of

    path = Path(source)
    if path.is_file():
        definition: Mapping[str, Any] = read_flow_file(path)
        alone = not sub_flows_wanted(definition)
        name = str(definition.get("name") or path.stem)
        findings = (
            findings_of(definition, _uploads(settings)) if alone else _check(settings, name, definition)
        )
    else:
        draft = with_engine(settings, lambda engine: _reading(engine, draft_of, source))
        if draft is None:
            raise click.ClickException(f"there is no file and no draft called {source!r}")
        findings = _check(settings, source, draft.definition)
    if as_json:
        print_json(findings)
    else:
        _tell(findings)
        say(f"errors: {len(blocking(findings))}, warnings: {len(findings) - len(blocking(findings))}")
    if blocking(findings):
        raise SystemExit(1)


@flow.command("import")
@_file_argument
@click.option("--name", help="The flow's name; the one in the file unless given.")
@click.option("--publish", "publish_too", is_flag=True, help="Publish it at once.")
@click.option("--note", default="", help="What the version is for.")
@json_option
@pass_settings
def flow_import(
    settings: Settings, file: Path, name: str | None, publish_too: bool, note: str, as_json: bool
) -> None:
    """Take a flow's JSON as the draft of its name, over the draft that is there.

    \b
    Example:
      tollbridge flow import mortgage.json --publish --note "asks for the ZIP code first"
    """
    from ivr_flows.publishing import Refused, save_draft

    definition = read_flow_file(file)
    wanted = name or str(definition.get("name") or file.stem)
    uploads = _uploads(settings)
    saved = with_engine(
        settings, lambda engine: save_draft(engine, wanted, definition, by=BY, uploads=uploads)
    )
    if isinstance(saved, Refused):
        _refuse(saved, as_json)
    elif publish_too:
        _publish(settings, wanted, note, as_json)
    elif as_json:
        print_json(saved)
    else:
        _tell(saved.findings)
        say(f"{wanted}: draft saved; `tollbridge flow publish {wanted}` lets callers meet it")


@flow.command("export")
@click.argument("name")
@click.option("--version", type=int, help="A published version; the newest unless given.")
@click.option("--draft", "of_draft", is_flag=True, help="The draft.")
@pass_settings
def flow_export(settings: Settings, name: str, version: int | None, of_draft: bool) -> None:
    """Print a flow's JSON, as `import` takes it, without the sub-flows that publishing put in."""
    from ivr_flows.publishing import unpinned

    print_definition(unpinned(_definition(settings, name, None if of_draft else (version or 0))))


@flow.command("publish")
@click.argument("name")
@click.option("--note", default="", help="What the version is for.")
@json_option
@pass_settings
def flow_publish(settings: Settings, name: str, note: str, as_json: bool) -> None:
    """Publish a flow's draft: new callers meet it, calls in progress keep their version."""
    _publish(settings, name, note, as_json)


@flow.command("rollback")
@click.argument("name")
@click.argument("version", type=int)
@json_option
@pass_settings
def flow_rollback(settings: Settings, name: str, version: int, as_json: bool) -> None:
    """Go back: publish an old version anew, exactly as it was.

    \b
    Example:
      tollbridge flow rollback mortgage 3
    """
    from ivr_flows.publishing import Refused, roll_back

    uploads = _uploads(settings)
    done = with_engine(settings, lambda engine: roll_back(engine, name, version, by=BY, uploads=uploads))
    if isinstance(done, Refused):
        _refuse(done, as_json)
    elif as_json:
        print_json(done)
    else:
        say(f"{name}: version {done.version} is version {version} again")


@flow.command("diff")
@click.argument("name")
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@json_option
@pass_settings
def flow_diff(settings: Settings, name: str, before: int | None, after: int | None, as_json: bool) -> None:
    """Say what changed between two versions; without AFTER between BEFORE (or the newest) and the draft."""
    from ivr_flows.publishing import Refused, changes

    found = with_engine(settings, lambda engine: changes(engine, name, before or 0, after))
    if isinstance(found, Refused):
        raise click.ClickException(found.findings[0].text)
    if as_json:
        print_json(found)
        return
    for one in found:
        say(str(one), colour={"+": "green", "-": "red"}.get(str(one)[0]))
    if not found:
        say("no difference")


@flow.command("schema")
@click.option("--kind", help="Only the settings of one node kind.")
def flow_schema_command(kind: str | None) -> None:
    """Print the JSON Schema of a flow's definition."""
    from ivr_flows.kinds import NODE_KINDS
    from ivr_flows.schema import flow_schema, node_schema

    if kind is not None and kind not in NODE_KINDS:
        raise click.ClickException(f"unknown kind {kind!r}; known: {', '.join(NODE_KINDS)}")
    click.echo(json.dumps(flow_schema() if kind is None else node_schema(kind), indent=2))


def read_flow_file(file: Path) -> dict[str, Any]:
    """Return the definition in a file. Raises ClickException with a sentence."""
    from ivr_flows.definition import FLOW_BYTES_MAXIMUM, FlowError, read_flow_text

    try:
        with file.open("rb") as opened:
            return read_flow_text(opened.read(FLOW_BYTES_MAXIMUM + 1))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}") from error
    except FlowError as error:
        raise click.ClickException(f"{file}: {error}") from error


def print_definition(definition: Mapping[str, Any]) -> None:
    """Print a flow as people write it: name and entry first, then the nodes in the order callers meet them."""
    from ivr_flows.definition import TOP_LEVEL
    from ivr_flows.pinning import in_order

    shown = {key: definition[key] for key in TOP_LEVEL if key in definition}
    click.echo(json.dumps({**shown, "nodes": in_order(definition)}, indent=2, ensure_ascii=False))


async def _reading(engine: Any, query: Any, *arguments: Any) -> Any:
    async with engine.connect() as connection:
        return await query(connection, *arguments)


def _definition(settings: Settings, name: str, version: int | None) -> Mapping[str, Any]:
    """Return a version's definition; the newest for 0, the draft's for None. Raises ClickException."""
    from ivr_flows.queries import draft_of, published_version

    if version is None:
        found = with_engine(settings, lambda engine: _reading(engine, draft_of, name))
        missing = f"the flow {name!r} has no draft"
    else:
        found = with_engine(
            settings, lambda engine: _reading(engine, published_version, name, version or None)
        )
        missing = f"the flow {name!r} has no published version{f' {version}' if version else ''}"
    if found is None:
        raise click.ClickException(f"{missing}: `tollbridge flow list` shows what there is")
    definition: Mapping[str, Any] = found.definition
    return definition


def _check(settings: Settings, name: str, definition: Mapping[str, Any]) -> list[Finding]:
    from ivr_flows.publishing import check_flow

    uploads = _uploads(settings)
    return with_engine(settings, lambda engine: check_flow(engine, name, definition, uploads=uploads))


def _publish(settings: Settings, name: str, note: str, as_json: bool) -> None:
    from ivr_flows.publishing import Refused, publish

    uploads = _uploads(settings)
    done = with_engine(settings, lambda engine: publish(engine, name, by=BY, note=note, uploads=uploads))
    if isinstance(done, Refused):
        _refuse(done, as_json)
    elif as_json:
        print_json(done)
    else:
        _tell(done.findings)
        say(f"{name}: version {done.version} is published; its prompts are rendered within seconds")


def _uploads(settings: Settings) -> frozenset[str]:
    """Return the names of the sounds that were uploaded on this node."""
    from rules.prompt_names import UPLOADS_FOLDER

    folder = layout_of(settings).prompts_dir / UPLOADS_FOLDER
    return frozenset(path.stem for path in folder.glob("*.wav"))


def _tell(findings: Iterable[Finding]) -> None:
    for finding in findings:
        say(str(finding), colour="red" if finding.severity == "error" else "yellow", err=True)


def _refuse(refused: Refused, as_json: bool) -> None:
    """Say why nothing was done, and leave with status 1."""
    if as_json:
        print_json(refused)
    else:
        _tell(refused.findings)
        say("nothing was done", err=True)
    raise SystemExit(1)


def _row(one: PublishedVersion) -> dict[str, Any]:
    return {
        "version": one.version,
        "published_at": one.published_at,
        "published_by": one.published_by,
        "note": one.note,
    }


def _unknown(name: str) -> str:
    return f"there is no flow called {name!r}: `tollbridge flow list` shows what there is"
