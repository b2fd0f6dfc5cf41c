"""What the operations on flows do: a request in, an answer or a problem out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from ivr_flows import queries
from ivr_flows.case_file import told
from ivr_flows.inspection import Finding, Severity
from ivr_flows.publishing import FLOW_NAME, Published, Refused, Saved
from ivr_flows.schema import flow_schema
from ivr_flows.trial import Trial, Turn
from web.api.operation import (
    Answered,
    Asked,
    FieldProblem,
    Page,
    Problem,
    changed_meanwhile,
    conflict,
    not_found,
    refused,
)
from web.flows import work
from web.flows.shapes import (
    CheckBody,
    DifferenceQuery,
    DifferenceShown,
    DraftBody,
    DraftShown,
    FindingShown,
    FlowDetails,
    FlowShown,
    NewFlow,
    PassedShown,
    PublishBody,
    PublishedShown,
    RollBackBody,
    SavedShown,
    SoundBody,
    SoundShown,
    TrialShown,
    TryBody,
    TurnShown,
    VersionDefinition,
    VersionShown,
)
from web.keys import PROMPTS_DIR


def findings_shown(findings: Iterable[Finding]) -> list[FindingShown]:
    return [
        FindingShown(severity=str(one.severity), code=one.code, node=one.node, text=one.text)
        for one in findings
    ]


async def list_flows(asked: Asked) -> Answered:
    async with asked.engine.connect() as connection:
        found = await queries.summaries(connection)
    return Answered(content=Page[FlowShown](items=[FlowShown(**asdict(one)) for one in found]))


async def show_flow(asked: Asked) -> Answered | Problem:
    name = asked.path["name"]
    async with asked.engine.connect() as connection:
        versions = await queries.versions_of(connection, name)
        draft = await queries.draft_of(connection, name)
    if not versions and draft is None:
        return not_found("flow")
    shown = [
        VersionShown(
            version=one.version,
            published_at=one.published_at,
            published_by=one.published_by,
            note=one.note,
        )
        for one in versions
    ]
    revision = None if draft is None else draft.revision
    return Answered(content=FlowDetails(name=name, versions=shown, draft_revision=revision))


async def show_version(asked: Asked) -> Answered | Problem:
    name, version = asked.path["name"], asked.path["version"]
    # The number is a column of 32 bits.
    found = await work.definition_of(asked.engine, name, version) if version < 2**31 else None
    if found is None:
        return not_found("version")
    return Answered(content=VersionDefinition(name=name, version=version, definition=dict(found)))


async def show_draft(asked: Asked) -> Answered | Problem:
    found = await work.working_copy(asked.engine, asked.request.app[PROMPTS_DIR], asked.path["name"])
    if found is None:
        return not_found("flow")
    shown = DraftShown(
        name=found.name,
        definition=dict(found.definition),
        revision=found.revision,
        based_on=found.based_on,
        changed_at=found.changed_at,
        changed_by=found.changed_by,
        newest_version=found.newest_version,
        findings=findings_shown(found.findings),
    )
    return Answered(content=shown, etag=etag_of(found.revision))


async def add_flow(asked: Asked) -> Answered | Problem:
    body: NewFlow = asked.body
    name = body.name or str(body.definition.get("name", ""))
    async with asked.engine.connect() as connection:
        newest = await queries.published_version(connection, name) if FLOW_NAME.fullmatch(name) else None
    if newest is not None:
        return conflict(f"there is a flow {name!r} already: save its draft instead")
    saved = await _save(asked, name, body.definition, seen=0)
    if isinstance(saved, Refused):
        if saved.is_changed_meanwhile:
            return conflict(f"there is a flow {name!r} already: save its draft instead")
        return _refusal(saved)
    return Answered(content=_saved_shown(saved), etag=etag_of(saved.revision))


async def save_draft(asked: Asked) -> Answered | Problem:
    body: DraftBody = asked.body
    seen = revision_of(asked.if_match or "")
    if seen is None:
        return changed_meanwhile("draft")
    saved = await _save(asked, asked.path["name"], body.definition, seen=seen)
    if isinstance(saved, Refused):
        return changed_meanwhile("draft") if saved.is_changed_meanwhile else _refusal(saved)
    return Answered(content=_saved_shown(saved), etag=etag_of(saved.revision))


async def _save(asked: Asked, name: str, definition: dict[str, object], *, seen: int) -> Saved | Refused:
    folder = asked.request.app[PROMPTS_DIR]
    return await work.save(asked.engine, folder, name, definition, seen=seen, actor=asked.actor)


async def discard_draft(asked: Asked) -> Answered | Problem:
    gone = await work.discard(asked.engine, asked.path["name"], actor=asked.actor)
    return Answered() if gone else not_found("draft")


async def check_flow(asked: Asked) -> Answered:
    body: CheckBody = asked.body
    folder = asked.request.app[PROMPTS_DIR]
    found = await work.check(asked.engine, folder, body.name, body.definition)
    return Answered(content=findings_shown(found))


async def publish_flow(asked: Asked) -> Answered | Problem:
    body: PublishBody = asked.body
    done = await work.publish(
        asked.engine,
        asked.request.app[PROMPTS_DIR],
        asked.path["name"],
        note=body.note,
        seen=body.revision,
        actor=asked.actor,
    )
    return _published(done)


async def roll_back_flow(asked: Asked) -> Answered | Problem:
    body: RollBackBody = asked.body
    folder = asked.request.app[PROMPTS_DIR]
    done = await work.roll_back(asked.engine, folder, asked.path["name"], body.version, actor=asked.actor)
    return _published(done)


async def show_differences(asked: Asked) -> Answered | Problem:
    query: DifferenceQuery = asked.query
    found = await work.changes(asked.engine, asked.path["name"], query.before, query.after)
    if found is None:
        return not_found("version")
    return Answered(
        content=[
            DifferenceShown(change=str(one.change), place=one.place, before=one.before, after=one.after)
            for one in found
        ]
    )


async def try_flow(asked: Asked) -> Answered | Problem:
    body: TryBody = asked.body
    try:
        trial = await work.try_out(
            asked.engine,
            body.definition,
            number=body.caller,
            at=body.at,
            tags=body.tags,
            lines=body.lines,
        )
    except work.NumberError as problem:
        return refused(FieldProblem(field="caller", problem=str(problem)))
    except work.FlowError as error:
        problems = [
            Finding(severity=Severity.ERROR, code="invalid", node=one.node, text=one.text)
            for one in error.problems
        ]
        return Answered(content=TrialShown(turns=[], problem="", findings=findings_shown(problems)))
    return Answered(content=_trial_shown(trial))


async def show_sounds(asked: Asked) -> Answered:
    body: SoundBody = asked.body
    found = work.sounds_of(asked.request.app[PROMPTS_DIR], body.text)
    return Answered(content=[SoundShown(text=one.text, address=one.address) for one in found])


async def show_schema(asked: Asked) -> Answered:
    return Answered(content=flow_schema())


def etag_of(revision: int) -> str:
    return f'"{revision}"'


def revision_of(etag: str) -> int | None:
    """Return the revision an If-Match names, None when it cannot be one of ours."""
    bare = etag.strip().removeprefix("W/").strip('"')
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 10 else None


def _saved_shown(saved: Saved) -> SavedShown:
    return SavedShown(name=saved.name, revision=saved.revision, findings=findings_shown(saved.findings))


def _published(done: Published | Refused) -> Answered | Problem:
    if isinstance(done, Refused):
        return conflict(str(done.findings[0].text)) if done.is_changed_meanwhile else _refusal(done)
    return Answered(
        content=PublishedShown(name=done.name, version=done.version, findings=findings_shown(done.findings))
    )


def _refusal(done: Refused) -> Problem:
    fields = [FieldProblem(field=_field_of(one), problem=one.text) for one in done.findings]
    return refused(*fields[:50], detail=done.findings[0].text)


def _field_of(finding: Finding) -> str:
    return f"nodes.{finding.node}" if finding.node else ""


def _trial_shown(trial: Trial) -> TrialShown:
    return TrialShown(turns=[_turn_shown(turn) for turn in trial.turns], problem=trial.problem, findings=[])


def _turn_shown(turn: Turn) -> TurnShown:
    step = turn.step
    return TurnShown(
        line=turn.line,
        events=[told(event) for event in step.events],
        way=[PassedShown(node=one.node, exit=one.exit) for one in step.way],
        node="/".join((*step.session.stack, step.session.node)),
        tags=dict(step.session.tags),
        wait=None if step.wait is None else told(step.wait),
        help=turn.help,
        ended=step.session.ended,
    )
