"""What people do with flows in the web, for the pages, the editor and the API alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ivr_flows import publishing, queries
from ivr_flows.case_file import Caller
from ivr_flows.definition import TOP_LEVEL, FlowError, parse_flow
from ivr_flows.differences import Difference
from ivr_flows.inspection import Finding
from ivr_flows.pinning import in_order, pin
from ivr_flows.publishing import Published, Refused, Saved, unpinned
from ivr_flows.spoken_text import fixed_pieces
from ivr_flows.trial import Trial, play
from rules.places import states_of_area_code
from rules.prompt_names import UPLOADS_FOLDER, prompt_file
from rules.telephone import NumberError, number_or_withheld
from web.audit import Actor, write_audit

NEWEST = 0


@dataclass(frozen=True, kw_only=True)
class WorkingCopy:
    """A flow as the editor begins with it: its draft, or the newest version when it has none (revision 0)."""

    name: str
    definition: Mapping[str, Any]
    revision: int
    based_on: int
    changed_at: datetime | None
    changed_by: str
    newest_version: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One piece of a prompt. `address` is '' while it is not rendered yet."""

    text: str
    address: str


def uploads_in(folder: Path) -> frozenset[str]:
    """Return the names of the sounds that were uploaded on this node."""
    return frozenset(path.stem for path in (folder / UPLOADS_FOLDER).glob("*.wav"))


def as_written(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as people write it: name and entry first, then the nodes in the order callers meet them."""
    plain = unpinned(definition)
    shown = {key: plain[key] for key in TOP_LEVEL if key in plain}
    rest = {key: value for key, value in plain.items() if key not in shown}
    nodes = {"nodes": in_order(plain)} if isinstance(plain.get("nodes"), Mapping) else {}
    return {**shown, **nodes, **rest}


async def working_copy(engine: AsyncEngine, folder: Path, name: str) -> WorkingCopy | None:
    """Return what the editor begins with; None when there is no such flow."""
    async with engine.connect() as connection:
        draft = await queries.draft_of(connection, name)
        published = await queries.newest_versions(connection)
        rules = await queries.dialling_rules(connection)
    newest = published.get(name)
    if draft is None and newest is None:
        return None
    definition = draft.definition if draft is not None else newest.definition if newest is not None else {}
    newest_version = newest.version if newest is not None else 0
    return WorkingCopy(
        name=name,
        definition=as_written(definition),
        revision=draft.revision if draft is not None else 0,
        based_on=draft.based_on if draft is not None else newest_version,
        changed_at=draft.changed_at if draft is not None else None,
        changed_by=draft.changed_by if draft is not None else "",
        newest_version=newest_version,
        findings=tuple(publishing.check(name, unpinned(definition), published, uploads_in(folder), rules)),
    )


async def save(
    engine: AsyncEngine, folder: Path, name: str, definition: Mapping[str, Any], *, seen: int, actor: Actor
) -> Saved | Refused:
    """Keep a draft. `seen` is the revision it was begun from (0: there was none)."""
    return await publishing.save_draft(
        engine, name, definition, by=actor.label, seen_revision=seen, uploads=uploads_in(folder)
    )


async def check(engine: AsyncEngine, folder: Path, name: str, definition: Mapping[str, Any]) -> list[Finding]:
    """Return what publishing would say."""
    return await publishing.check_flow(engine, name, definition, uploads=uploads_in(folder))


async def publish(
    engine: AsyncEngine, folder: Path, name: str, *, note: str, seen: int | None, actor: Actor
) -> Published | Refused:
    """Publish a draft, and note who did it."""

    async def witness(connection: AsyncConnection, version: int) -> None:
        await write_audit(
            connection,
            actor,
            action="publish",
            kind="flows",
            ref=name,
            after={"version": version, "note": note},
        )

    return await publishing.publish(
        engine,
        name,
        by=actor.label,
        note=note,
        uploads=uploads_in(folder),
        seen_revision=seen,
        witness=witness,
    )


async def roll_back(
    engine: AsyncEngine, folder: Path, name: str, version: int, *, actor: Actor
) -> Published | Refused:
    """Publish an old version anew, and note who did it."""

    async def witness(connection: AsyncConnection, number: int) -> None:
        after = {"version": number, "as": version}
        await write_audit(connection, actor, action="roll_back", kind="flows", ref=name, after=after)

    return await publishing.roll_back(
        engine, name, version, by=actor.label, uploads=uploads_in(folder), witness=witness
    )


async def discard(engine: AsyncEngine, name: str, *, actor: Actor) -> bool:
    """Throw a draft away, its definition kept in the audit log; False when there was none."""
    async with engine.begin() as connection:
        await queries.lock_flow(connection, name)
        draft = await queries.draft_of(connection, name)
        if draft is None:
            return False
        await queries.delete_draft(connection, name)
        before = {"revision": draft.revision, "definition": draft.definition}
        await write_audit(connection, actor, action="discard_draft", kind="flows", ref=name, before=before)
    return True


async def definition_of(engine: AsyncEngine, name: str, version: int | None) -> Mapping[str, Any] | None:
    """Return a version's definition as people write it; the newest for 0, the draft's for None."""
    async with engine.connect() as connection:
        found = (
            await queries.draft_of(connection, name)
            if version is None
            else await queries.published_version(connection, name, version or None)
        )
    return None if found is None else as_written(found.definition)


async def changes(engine: AsyncEngine, name: str, before: int, after: int | None) -> list[Difference] | None:
    """Return what changed between two versions; None when one of them is not there."""
    found = await publishing.changes(engine, name, before, after)
    return None if isinstance(found, Refused) else found


async def try_out(
    engine: AsyncEngine,
    definition: Mapping[str, Any],
    *,
    number: str,
    at: datetime | None,
    tags: Mapping[str, str],
    lines: list[str],
) -> Trial:
    """Play a call by hand. Raises FlowError, NumberError."""
    async with engine.connect() as connection:
        published = await queries.newest_versions(connection)
    pinned = pin(definition, {one.name: (one.version, one.definition) for one in published.values()})
    e164 = number_or_withheld(number)
    moment = at if at is not None and at.tzinfo is not None else datetime.now(UTC)
    caller = Caller(at=moment, number=e164, states=states_of_area_code(e164), tags=tags)
    # A long flow's answers are read again at every line: elsewhere, so that no page waits for it.
    return await asyncio.to_thread(lambda: play(parse_flow(pinned), caller, lines))


def sounds_of(folder: Path, text: str) -> list[Sound]:
    """Return the fixed pieces of a prompt and where each is to be heard."""
    found = ((piece, prompt_file(piece)) for piece in fixed_pieces(text))
    return [
        Sound(text=piece, address=f"/prompts/sound/{file}" if (folder / file).is_file() else "")
        for piece, file in found
    ]


__all__ = [
    "NEWEST",
    "FlowError",
    "NumberError",
    "Sound",
    "WorkingCopy",
    "as_written",
    "changes",
    "check",
    "definition_of",
    "discard",
    "publish",
    "roll_back",
    "save",
    "sounds_of",
    "try_out",
    "uploads_in",
    "working_copy",
]
