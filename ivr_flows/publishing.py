"""Drafts, versions and going back: what an admin does with flows, each in one transaction. Refusals are values.

A published version never changes and holds its sub-flows, so that a call in progress keeps what it began with. Going
back publishes an old version anew: the newest version is always the one that callers meet.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ivr_flows import queries
from ivr_flows.definition import FORMAT_VERSION, FlowError, parse_flow, unkeepable
from ivr_flows.differences import Difference, differences
from ivr_flows.inspection import Finding, Severity, blocking, inspect, refused_transfers, tags_known
from ivr_flows.pinning import pin, sub_flows_wanted
from rules.dialling import DiallingRules

FLOW_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
NOTE_MAXIMUM = 500
CHANGED_MEANWHILE = "changed_meanwhile"

Witness: TypeAlias = Callable[[AsyncConnection, int], Awaitable[object]]
"""Told of a new version within the transaction that publishes it: writes down who did it, or all of it is undone."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why nothing was done, with the place of each reason."""

    findings: tuple[Finding, ...]

    @property
    def is_changed_meanwhile(self) -> bool:
        return any(finding.code == CHANGED_MEANWHILE for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A draft was saved. `findings` is what publishing would say of it now."""

    name: str
    revision: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version is what new callers meet from now on. `findings` are warnings only."""

    name: str
    version: int
    findings: tuple[Finding, ...]


async def save_draft(
    engine: AsyncEngine,
    name: str,
    definition: Mapping[str, Any],
    *,
    by: str = "",
    seen_revision: int | None = None,
    uploads: Iterable[str] = (),
) -> Saved | Refused:
    """Keep a flow at work on, broken as it may be.

    `seen_revision` is the revision it was begun from (0: none): somebody else's newer draft is not overwritten. None
    overwrites.
    """
    problem = _name_problem(name) or unkeepable(definition)
    if problem:
        return _refused(problem)
    async with engine.begin() as connection:
        await queries.lock_flow(connection, name)
        draft = await queries.draft_of(connection, name)
        there = 0 if draft is None else draft.revision
        if seen_revision is not None and seen_revision != there:
            return _changed_meanwhile(draft)
        newest = await queries.published_version(connection, name)
        based_on = draft.based_on if draft else (newest.version if newest else 0)
        kept = unpinned(definition)
        revision = await queries.put_draft(connection, name, kept, based_on=based_on, by=by)
        published = await queries.newest_versions(connection)
        rules = await queries.dialling_rules(connection)
    return Saved(name=name, revision=revision, findings=tuple(check(name, kept, published, uploads, rules)))


async def check_flow(
    engine: AsyncEngine, name: str, definition: Mapping[str, Any], *, uploads: Iterable[str] = ()
) -> list[Finding]:
    """Return what publishing `definition` as `name` would say, without doing anything."""
    async with engine.connect() as connection:
        published = await queries.newest_versions(connection)
        rules = await queries.dialling_rules(connection)
    return check(name, definition, published, uploads, rules)


async def publish(
    engine: AsyncEngine,
    name: str,
    *,
    by: str = "",
    note: str = "",
    uploads: Iterable[str] = (),
    seen_revision: int | None = None,
    witness: Witness | None = None,
) -> Published | Refused:
    """Publish a flow's draft as its next version. Errors refuse it, warnings do not.

    `seen_revision` is the draft that was looked at: one that somebody changed since is not published. None publishes
    what is there.
    """
    async with engine.begin() as connection:
        await queries.lock_flow(connection, name)
        draft = await queries.draft_of(connection, name)
        if draft is None:
            return _refused(f"the flow {name!r} has no draft: import or edit it first")
        if seen_revision is not None and seen_revision != draft.revision:
            return _changed_meanwhile(draft)
        published = await queries.newest_versions(connection)
        rules = await queries.dialling_rules(connection)
        findings = check(name, draft.definition, published, uploads, rules)
        if blocking(findings):
            return Refused(findings=tuple(findings))
        pinned = pin(draft.definition, _pins(published))
        newest = published.get(name)
        if newest is not None and not differences(newest.definition, pinned):
            return _refused(f"the draft is what version {newest.version} is already: nothing to publish")
        version = await queries.highest_version(connection, name) + 1
        await queries.add_version(connection, name, version, pinned, by=by, note=note[:NOTE_MAXIMUM])
        await queries.rebase_draft(connection, name, version)
        if witness is not None:
            await witness(connection, version)
    return Published(name=name, version=version, findings=tuple(findings))


async def roll_back(
    engine: AsyncEngine,
    name: str,
    version: int,
    *,
    by: str = "",
    uploads: Iterable[str] = (),
    witness: Witness | None = None,
) -> Published | Refused:
    """Publish an old version anew, exactly as it was, its sub-flows included."""
    async with engine.begin() as connection:
        await queries.lock_flow(connection, name)
        old = await queries.published_version(connection, name, version)
        newest = await queries.published_version(connection, name)
        if old is None or newest is None:
            return _refused(
                f"the flow {name!r} has no published version {version}: `tollbridge flow show` lists them"
            )
        if newest.version == version:
            return _refused(f"version {version} is what callers meet already")
        findings = findings_of(old.definition, uploads, await queries.dialling_rules(connection))
        if blocking(findings):
            return Refused(findings=tuple(findings))
        number = await queries.highest_version(connection, name) + 1
        note = f"back to version {version}"
        await queries.add_version(connection, name, number, old.definition, by=by, note=note)
        if witness is not None:
            await witness(connection, number)
    return Published(name=name, version=number, findings=tuple(findings))


async def changes(
    engine: AsyncEngine, name: str, before: int, after: int | None
) -> list[Difference] | Refused:
    """Return what changed between two versions (0: the newest), or up to the draft (None) as it would be published."""
    async with engine.connect() as connection:
        old = await _settled(connection, name, before)
        new = await _settled(connection, name, after)
    if old is None or new is None:
        version = before if old is None else after
        missing = "draft" if version is None else f"published version{f' {version}' if version else ''}"
        return _refused(f"the flow {name!r} has no {missing}: `tollbridge flow list` shows what there is")
    return differences(old, new)


async def _settled(connection: AsyncConnection, name: str, version: int | None) -> Mapping[str, Any] | None:
    """Return a definition with its sub-flows in it."""
    if version is not None:
        found = await queries.published_version(connection, name, version or None)
        return None if found is None else found.definition
    draft = await queries.draft_of(connection, name)
    return None if draft is None else pin(draft.definition, _pins(await queries.newest_versions(connection)))


def check(
    name: str,
    definition: Mapping[str, Any],
    published: Mapping[str, queries.PublishedVersion],
    uploads: Iterable[str],
    rules: DiallingRules,
) -> list[Finding]:
    """Return what is wrong with a flow that shall be published beside those that are."""
    round_trip = _way_to_itself(name, definition, published)
    if round_trip:
        text = f"the flow goes into itself ({' → '.join(round_trip)}): take one of these sub-flows out"
        return [Finding(severity=Severity.ERROR, code="cyclic", node="", text=text)]
    return findings_of(pin(definition, _pins(published)), uploads, rules)


async def tags_of_flows(connection: AsyncConnection) -> frozenset[str]:
    """Return the tags that published flows set, or say they are given: a filter or a term may ask for them."""
    tags: frozenset[str] = frozenset()
    for one in (await queries.newest_versions(connection)).values():
        try:
            tags |= tags_known(parse_flow(one.definition))
        except FlowError:  # written by an older version of ours; publishing it again says what is wrong
            continue
    return tags


async def transfers_not_rung(connection: AsyncConnection) -> list[str]:
    """Return the transfers of published flows that ring nobody: the number is not, or not any more, rung."""
    rules = await queries.dialling_rules(connection)
    found = []
    for name, one in (await queries.newest_versions(connection)).items():
        try:
            refused = refused_transfers(parse_flow(one.definition), rules)
        except FlowError:
            continue
        found += [f"flow {name}: {finding}" for finding in refused]
    return found


def findings_of(
    definition: Mapping[str, Any], uploads: Iterable[str] = (), rules: DiallingRules | None = None
) -> list[Finding]:
    """Return what is wrong with a definition; all that keeps it from being read are errors.

    Without `rules` it is not said which numbers are rung.
    """
    try:
        flow = parse_flow(definition)
        refused = () if rules is None else refused_transfers(flow, rules)
        return [*refused, *inspect(flow, uploads)]
    except FlowError as error:
        return [
            Finding(severity=Severity.ERROR, code="invalid", node=problem.node, text=problem.text)
            for problem in error.problems
        ]


def unpinned(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as people edit it: without the sub-flows that publishing put in."""
    plain = {key: value for key, value in definition.items() if key != "subflows"}
    return {"format": FORMAT_VERSION, **plain}


def _pins(published: Mapping[str, queries.PublishedVersion]) -> dict[str, tuple[int, Mapping[str, Any]]]:
    return {name: (one.version, one.definition) for name, one in published.items()}


def _way_to_itself(
    name: str, definition: Mapping[str, Any], published: Mapping[str, queries.PublishedVersion]
) -> tuple[str, ...]:
    """Return the names along which a flow leads into itself, () when it does not."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for way in ways:
        last = way[-1]
        inner = definition if last == name else published[last].definition
        for wanted in sorted(sub_flows_wanted(inner)):
            if wanted == name:
                return (*way, name)
            if wanted in published and wanted not in seen:
                seen.add(wanted)
                ways.append((*way, wanted))
    return ()


def _name_problem(name: str) -> str:
    if FLOW_NAME.fullmatch(name):
        return ""
    return f"{name!r:.80} is no flow's name: a-z first, then a-z, 0-9, _ and -, at most 60"


def _changed_meanwhile(draft: queries.Draft | None) -> Refused:
    """`code` tells it from other refusals: what was typed is right, and somebody else's work is there."""
    who = f" by {draft.changed_by}" if draft is not None and draft.changed_by else ""
    there = 0 if draft is None else draft.revision
    text = (
        f"the draft was changed{who} meanwhile (revision {there}): load it again, or save under another name"
    )
    return _refused(text, code=CHANGED_MEANWHILE)


def _refused(text: str, *, code: str = "refused") -> Refused:
    return Refused(findings=(Finding(severity=Severity.ERROR, code=code, node="", text=text),))
