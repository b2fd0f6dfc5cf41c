"""The API of every resource: list, make, read, change, delete, undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from web.api.cursor import read_cursor, write_cursor
from web.api.operation import (
    Answered,
    Asked,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    not_found,
)
from web.keys import EDITORS
from web.resources import queries
from web.resources.catalogue import RESOURCES
from web.resources.edit import Done, change, create, etag_of, remove, undo
from web.resources.fields import Kind
from web.resources.resource import Resource

PAGE_LENGTH = 50


RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class ListQuery(Query):
    q: str = Field(default="", max_length=200, description="Only rows that contain this text")
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=PAGE_LENGTH, ge=1, le=200)


BAD_CURSOR = FieldProblem(field="cursor", problem="this is no cursor of this list: take `next` of a page")


def query_of(resource: Resource) -> type[ListQuery]:
    """Return what the list of a resource may be narrowed by."""
    found: dict[str, Any] = {}
    for name in resource.filters:
        one = resource.field(name)
        is_id = one.shown.kind == Kind.REFERENCE
        kind: Any = RowId if is_id else Literal[tuple(one.shown.options)]
        found[name] = (kind | None, Field(default=None, description=one.shown.label))
    if not found:
        return ListQuery
    return create_model(f"{resource.form.__name__.removesuffix('Form')}Query", __base__=ListQuery, **found)


def operations_of(resource: Resource) -> Sequence[Operation]:
    """Return the operations of one resource."""
    one, path = resource.one.replace(" ", "_"), f"/{resource.name}"
    item = f"{path}/{{id}}"
    item_type: Any = resource.item
    common: dict[str, Any] = {"tag": resource.name}
    found = [
        Operation(
            method="GET",
            path=path,
            name=f"list_{resource.name.replace('-', '_')}",
            summary=f"List {resource.many}",
            handler=_list(resource),
            roles=resource.readers,
            query=query_of(resource),
            answer=Page[item_type],
            **common,
        ),
        Operation(
            method="GET",
            path=item,
            name=f"get_{one}",
            summary=f"Read one {resource.one}; its ETag is for changes",
            handler=_get(resource),
            roles=resource.readers,
            answer=item_type,
            **common,
        ),
        Operation(
            method="POST",
            path=path,
            name=f"create_{one}",
            summary=f"Make a {resource.one}",
            handler=_create(resource),
            roles=resource.editors,
            body=resource.form,
            answer=item_type,
            status=201,
            description=resource.about,
            **common,
        ),
        Operation(
            method="PUT",
            path=item,
            name=f"change_{one}",
            summary=f"Change a {resource.one}",
            handler=_change(resource),
            roles=resource.editors,
            body=resource.form,
            answer=item_type,
            takes_etag=True,
            problems=frozenset({409}),
            **common,
        ),
    ]
    return [*found, _deletion(resource, item, f"delete_{one}")] if resource.can_delete else found


def _deletion(resource: Resource, path: str, name: str) -> Operation:
    return Operation(
        method="DELETE",
        path=path,
        name=name,
        summary=f"Delete a {resource.one} that nothing refers to",
        tag=resource.name,
        handler=_delete(resource),
        roles=resource.editors,
        status=204,
        takes_etag=True,
        problems=frozenset({409}),
    )


def _shown(resource: Resource, done: Done, status: int | None = None) -> Answered:
    content = {"id": done.row_id, **resource.without_secrets(done.values)}
    headers = {"Location": f"/api/v1/{resource.name}/{done.row_id}"} if status == 201 else {}
    return Answered(content=content, status=status, etag=done.etag, headers=headers)


def _list(resource: Resource) -> Any:
    async def handle(asked: Asked) -> Answered | Problem:
        query: ListQuery = asked.query
        after = None
        if query.cursor is not None:
            after = read_cursor(query.cursor, (str, int))
            if after is None:
                return Problem(status=400, title="Cannot be right", fields=(BAD_CURSOR,))
        if "\x00" in query.q:
            return Problem(status=400, title="Cannot be right", detail="a text holds a NUL character")
        async with asked.engine.connect() as connection:
            rows = await queries.list_rows(
                connection,
                resource,
                search=query.q,
                after=after,  # type: ignore[arg-type]
                where={
                    name: value for name in resource.filters if (value := getattr(query, name)) is not None
                },
                limit=query.limit + 1,
            )
        shown, more = rows[: query.limit], len(rows) > query.limit
        items = [{"id": row["id"], **resource.without_secrets(resource.values_of(row))} for row in shown]
        following = write_cursor([shown[-1]["sort_text"], shown[-1]["id"]]) if more else None
        return Answered(content={"items": items, "next": following})

    return handle


def _get(resource: Resource) -> Any:
    async def handle(asked: Asked) -> Answered | Problem:
        async with asked.engine.connect() as connection:
            row = await queries.row_of(connection, resource, asked.path["id"])
        if row is None:
            return not_found(resource.one)
        values = resource.values_of(row)
        content = {"id": row["id"], **resource.without_secrets(values)}
        return Answered(content=content, etag=etag_of(values))

    return handle


def _create(resource: Resource) -> Any:
    async def handle(asked: Asked) -> Answered | Problem:
        done = await create(asked.engine, resource, asked.actor, asked.body)
        return done if isinstance(done, Problem) else _shown(resource, done, 201)

    return handle


def _change(resource: Resource) -> Any:
    async def handle(asked: Asked) -> Answered | Problem:
        done = await change(
            asked.engine, resource, asked.actor, asked.path["id"], asked.body, seen=asked.if_match
        )
        return done if isinstance(done, Problem) else _shown(resource, done)

    return handle


def _delete(resource: Resource) -> Any:
    async def handle(asked: Asked) -> Answered | Problem:
        done = await remove(asked.engine, resource, asked.actor, asked.path["id"], seen=asked.if_match)
        return done if isinstance(done, Problem) else Answered()

    return handle


_BY_NAME = {resource.name: resource for resource in RESOURCES}


async def _undo(asked: Asked) -> Answered | Problem:
    resource = _BY_NAME.get(asked.path["resource"])
    if resource is None or asked.user.role not in resource.editors:
        return not_found("change")
    done = await undo(asked.engine, resource, asked.actor, asked.path["change_id"])
    return done if isinstance(done, Problem) else Answered()


UNDO = Operation(
    method="POST",
    path="/changes/{resource}/{change_id}/undo",
    name="undo_change",
    summary="Put back what a change of the audit log changed, if nobody has changed it since",
    tag="changes",
    handler=_undo,
    roles=EDITORS,
    path_types={"resource": str},
    status=204,
    problems=frozenset({412}),
)

OPERATIONS: Sequence[Operation] = (
    *(operation for resource in RESOURCES for operation in operations_of(resource)),
    UNDO,
)
