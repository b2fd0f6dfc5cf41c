"""The audit log, for machines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from web.api.operation import Answered, Asked, FieldProblem, Operation, Page, Problem, Query, refused
from web.audit_log.listing import PAGE_LENGTH, Cursor, Filter, read_cursor
from web.audit_log.queries import read_notes
from web.keys import EDITORS

_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class NoteItem(BaseModel):
    """One change: who, by which door, what, and how it was before and is after."""

    id: int
    at: datetime
    actor: str
    via: str = Field(description="page, api or command")
    action: str
    kind: str
    ref: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class NoteQuery(Query):
    actor: str = Field(default="", max_length=254, description="An address, or a command's name")
    kind: str = Field(default="", max_length=254)
    ref: str = Field(default="", max_length=254)
    action: str = Field(default="", max_length=254)
    since: AwareDatetime | None = Field(default=None, description="From this moment on")
    until: AwareDatetime | None = Field(default=None, description="Before this moment")
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=PAGE_LENGTH, ge=1, le=200)


async def list_notes(asked: Asked) -> Answered | Problem:
    query: NoteQuery = asked.query
    below = None
    if query.cursor is not None:
        below = read_cursor(query.cursor)
        if below is None:
            return refused(FieldProblem(field="cursor", problem="this is no cursor of this list"))
    for name, text in (
        ("actor", query.actor),
        ("kind", query.kind),
        ("ref", query.ref),
        ("action", query.action),
    ):
        if "\x00" in text:
            return refused(FieldProblem(field=name, problem="a text holds a NUL character"))
    for name, moment in (("since", query.since), ("until", query.until)):
        if moment is not None and not _EARLIEST < moment < _LATEST:
            return refused(FieldProblem(field=name, problem="that is no moment of ours"))
    wanted = Filter(
        actor=query.actor,
        kind=query.kind,
        ref=query.ref,
        action=query.action,
        since=query.since,
        until=query.until,
    )
    async with asked.engine.connect() as connection:
        notes = await read_notes(connection, wanted, below, maximum=query.limit + 1)
    page = notes[: query.limit]
    following = str(Cursor(at=page[-1].at, note_id=page[-1].note_id)) if len(notes) > query.limit else None
    items = [
        NoteItem(
            id=note.note_id,
            at=note.at,
            actor=note.actor,
            via=note.via,
            action=note.action,
            kind=note.kind,
            ref=note.ref,
            before=None if note.before is None else dict(note.before),
            after=None if note.after is None else dict(note.after),
        )
        for note in page
    ]
    return Answered(content=Page[NoteItem](items=items, next=following))


OPERATIONS = (
    Operation(
        method="GET",
        path="/audit",
        name="list_audit",
        summary="List what was changed, newest first",
        tag="audit",
        roles=EDITORS,
        handler=list_notes,
        query=NoteQuery,
        answer=Page[NoteItem],
        problems=frozenset({422}),
    ),
)
