"""Making, changing, deleting and putting back rows of a resource, each in one transaction with its audit note.

Pages and the API both come here. Refusals are values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.key_ring import NotSealedByUs
from web.api.operation import FieldProblem, Problem, changed_meanwhile, conflict, not_found, refused
from web.audit import Actor, write_audit
from web.etags import Unchanged
from web.resources import queries
from web.resources.fields import Kind
from web.resources.kept_secrets import problem_of_move
from web.resources.resource import Resource

UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION, CHECK_VIOLATION = "23505", "23503", "23514"
KEEP_SECRET = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was done: the row as it is now, and the note by which it can be undone."""

    row_id: int
    values: Mapping[str, Any]
    audit_id: int


async def create(
    engine: AsyncEngine, resource: Resource, actor: Actor, form: BaseModel, *, row_id: int | None = None
) -> Done | Problem:
    """Make a row; with `row_id`, the one that bore it before it was deleted."""
    try:
        async with engine.begin() as connection:
            problems = await _problems(connection, resource, form, None)
            if problems:
                return refused(*problems)
            columns = resource.columns_of(form)
            if resource.keep is not None:
                columns = resource.keep(columns, {})
            again = {} if row_id is None else {resource.key: row_id}
            made_id = await queries.insert_row(connection, resource, {**columns, **again})
            if resource.save is not None:
                await resource.save(connection, made_id, form)
            return await _note(connection, resource, actor, "create", made_id, before=None)
    except IntegrityError as error:
        return _told(resource, error)


async def change(
    engine: AsyncEngine,
    resource: Resource,
    actor: Actor,
    row_id: int,
    form: BaseModel,
    *,
    seen: Unchanged | None,
) -> Done | Problem:
    """Change a row.

    `seen` knows what was read: another's change meanwhile is not overwritten. None overwrites.
    """
    try:
        async with engine.begin() as connection:
            row = await queries.row_of(connection, resource, row_id, lock=True)
            if row is None:
                return not_found(resource.one)
            before = resource.values_of(row)
            if seen is not None and not seen(before):
                return changed_meanwhile(resource.one)
            if (moved := problem_of_move(resource, actor, before, form.model_dump())) is not None:
                return moved
            problems = await _problems(connection, resource, form, row_id)
            if problems:
                return refused(*problems)
            columns = resource.columns_of(form)
            if resource.keep is not None:
                columns = resource.keep(columns, before)
            kept = {name for name in resource.secrets if columns.get(name) is KEEP_SECRET}
            await queries.update_row(
                connection,
                resource,
                row_id,
                {name: value for name, value in columns.items() if name not in kept},
            )
            if resource.save is not None:
                await resource.save(connection, row_id, form)
            return await _note(connection, resource, actor, "change", row_id, before=before)
    except IntegrityError as error:
        return _told(resource, error)


async def remove(
    engine: AsyncEngine, resource: Resource, actor: Actor, row_id: int, *, seen: Unchanged | None
) -> Done | Problem:
    """Delete a row that nothing else refers to."""
    if not resource.can_delete:
        return conflict(f"a {resource.one} is not deleted: what happened with it must stay explainable")
    try:
        async with engine.begin() as connection:
            row = await queries.row_of(connection, resource, row_id, lock=True)
            if row is None:
                return not_found(resource.one)
            before = resource.values_of(row)
            if seen is not None and not seen(before):
                return changed_meanwhile(resource.one)
            if resource.save is not None:
                await resource.save(connection, row_id, None)
            await queries.delete_row(connection, resource, row_id)
            audit_id = await write_audit(
                connection,
                actor,
                action="delete",
                kind=resource.name,
                ref=row_id,
                before=resource.noted(before),
            )
            return Done(row_id=row_id, values=before, audit_id=audit_id)
    except IntegrityError as error:
        return _told(resource, error)


async def undo(engine: AsyncEngine, resource: Resource, actor: Actor, audit_id: int) -> Done | Problem:
    """Put a row back to what it was before a change, when nobody has changed it since."""
    async with engine.connect() as connection:
        note = await queries.audit_of(connection, audit_id)
        if note is None or note["kind"] != resource.name or not str(note["ref"]).isdigit():
            return not_found("change")
        row = await queries.row_of(connection, resource, int(note["ref"]))
    row_id = int(note["ref"])
    try:
        after = resource.remembered(note["after"])
        if note["action"] == "create" and row is not None:
            return await remove(engine, resource, actor, row_id, seen=_as_left(resource, after))
        form = _form_before(resource, note["before"])
    except NotSealedByUs:
        return conflict("the number that was there cannot be opened any more: its keys were put away")
    if isinstance(form, Problem):
        return form
    if row is None:
        return await create(engine, resource, actor, form, row_id=row_id)
    return await change(engine, resource, actor, row_id, form, seen=_as_left(resource, after))


def _form_before(resource: Resource, noted: Mapping[str, Any] | None) -> BaseModel | Problem:
    """Return the form of a row as a note says it was. Raises NotSealedByUs."""
    before = resource.remembered(noted)
    if before is None:
        return conflict("there is nothing to go back to")
    values = {name: value for name, value in before.items() if name not in resource.secrets}
    try:
        return resource.form.model_validate_json(json.dumps(values))
    except ValidationError:
        return conflict("what was there before would be refused today")


def _as_left(resource: Resource, after: Mapping[str, Any] | None) -> Unchanged:
    """Return the check whether a row still is as a change left it, as far as the note of the change tells."""

    def is_unchanged(values: Any) -> bool:
        return bool(json.loads(json.dumps(resource.without_secrets(values), default=str)) == after)

    return is_unchanged


async def _problems(
    connection: AsyncConnection, resource: Resource, form: BaseModel, row_id: int | None
) -> tuple[FieldProblem, ...]:
    if resource.check is None:
        return ()
    return tuple(await resource.check(connection, form, row_id))


async def _note(
    connection: AsyncConnection,
    resource: Resource,
    actor: Actor,
    action: str,
    row_id: int,
    *,
    before: Mapping[str, Any] | None,
) -> Done:
    row = await queries.row_of(connection, resource, row_id)
    assert row is not None
    after = resource.values_of(row)
    was, now = None if before is None else resource.noted(before), resource.noted(after)
    if before is not None and was is not None:
        # The same number is sealed otherwise each time: what did not change is noted alike.
        now |= {name: was[name] for name in resource.numbers if before[name] == after[name]}
    audit_id = await write_audit(
        connection, actor, action=action, kind=resource.name, ref=row_id, before=was, after=now
    )
    return Done(row_id=row_id, values=after, audit_id=audit_id)


def _told(resource: Resource, error: IntegrityError) -> Problem:
    """Say what PostgreSQL refused, in words. Raises the error when it is none of those that a form can cause."""
    code = str(getattr(error.orig, "sqlstate", ""))
    cause = getattr(error.orig, "__cause__", None)
    detail = str(getattr(cause, "detail", "") or "")
    # Key (name, "other")=(…) already exists.
    names = [name.strip(' "') for name in detail.partition("Key (")[2].partition(")")[0].split(",")]
    if code == UNIQUE_VIOLATION:
        problem = f"another {resource.one} has this already"
        return refused(FieldProblem(field=_place(resource, names), problem=problem))
    if code == FOREIGN_KEY_VIOLATION:
        if "still referenced" in detail:
            return conflict(f"other things refer to this {resource.one}: it cannot go while they do")
        return refused(FieldProblem(field=_place(resource, names), problem="there is no such row any more"))
    if code == CHECK_VIOLATION:
        name = str(getattr(cause, "constraint_name", "")).removeprefix(f"ck_{resource.table.name}_")
        place, problem = resource.constraints.get(name, (name, "this cannot be stored"))
        known = place in resource.form.model_fields
        return refused(FieldProblem(field=place if known else "", problem=problem))
    raise error


def _place(resource: Resource, names: Sequence[str]) -> str:
    """Return the field by which people would mend it: what they typed rather than what they chose."""
    fields = [one for one in resource.fields if one.name in names]
    typed = [one for one in fields if one.shown.kind not in (Kind.REFERENCE, Kind.CHOICE)]
    return next((one.name for one in (*typed, *fields)), "")
