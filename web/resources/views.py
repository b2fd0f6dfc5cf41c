"""The pages of every resource: list, form, save, delete, undo."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BaseModel, ValidationError

from web.api.cursor import read_cursor, write_cursor
from web.api.operation import Problem
from web.api.shell import field_problems, has_unstorable
from web.audit import Actor
from web.etags import ETAGS
from web.formats import number
from web.keys import ENGINE, USER
from web.look_ups import note_search
from web.middleware import only
from web.pages import render
from web.resources import queries
from web.resources.catalogue import RESOURCES
from web.resources.edit import change, create, remove, undo
from web.resources.fields import (
    Kind,
    meaning_of,
    reference_in,
    text_of,
    typed_text_of,
    value_of_typed,
    values_of_texts,
)
from web.resources.references import (
    labels_of,
    offer_of,
    offers_of,
    suggestions,
    understood,
)
from web.resources.resource import Preset, Resource
from web.resources.texts import known_zones
from web.visibility import Viewer, viewer_of

PAGE_LENGTH = 50
HISTORY_LENGTH = 10
SEARCH_CHARACTERS_MAXIMUM = 200
UNSTORABLE = "a text in it holds a character that cannot be stored"


def routes() -> Sequence[web.RouteDef]:
    """Return the pages of all resources, with who may use them."""
    found: list[web.RouteDef] = []
    for resource in RESOURCES:
        reads, edits, path = only(*resource.readers), only(*resource.editors), f"/{resource.name}"
        found += [
            web.get(path, reads(_list(resource))),
            web.get(f"{path}/suggestions", reads(_suggest(resource))),
            web.get(f"{path}/new", edits(_new(resource))),
            web.post(f"{path}/new", edits(_make(resource))),
            web.get(f"{path}/{{id:[0-9]{{1,18}}}}", reads(_show(resource))),
            web.post(f"{path}/{{id:[0-9]{{1,18}}}}", edits(_save(resource))),
            web.post(f"{path}/{{id:[0-9]{{1,18}}}}/delete", edits(_delete(resource))),
            web.post(f"{path}/undo/{{audit_id:[0-9]{{1,18}}}}", edits(_undo(resource))),
        ]
    return found


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _list(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request[USER])
        search = request.query.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS_MAXIMUM]
        search = "" if resource.hides_from(viewer) else search
        where = _narrowed_by(request, resource)
        if resource.numbers and "after" not in request.query:
            await note_search(request.app[ENGINE], Actor(user=request[USER]), resource.name, search)
        after = read_cursor(request.query.get("after", ""), (str, int))
        async with request.app[ENGINE].connect() as connection:
            rows = await queries.list_rows(
                connection,
                resource,
                search=search,
                after=after,  # type: ignore[arg-type]
                where=where,
                limit=PAGE_LENGTH + 1,
            )
            shown = rows[:PAGE_LENGTH]
            values = [(row["id"], resource.seen_by(viewer, resource.values_of(row))) for row in shown]
            labels = await labels_of(connection, resource, [of_row for _, of_row in values])
            cells = await resource.computed(connection, shown) if resource.computed and shown else {}
            offers = {
                one.name: await offer_of(connection, one, where.get(one.name))
                for name in resource.filters
                if (one := resource.field(name)).shown.kind == Kind.REFERENCE
            }
        following = None
        if len(rows) > PAGE_LENGTH:
            cursor = write_cursor([shown[-1]["sort_text"], shown[-1]["id"]])
            following = urlencode({**({"q": search} if search else {}), **where, "after": cursor})
        return render(
            request,
            "resources/list.html",
            resource=resource,
            rows=values,
            labels=labels,
            cells=cells,
            search=search,
            may_search=bool(resource.search) and not resource.hides_from(viewer),
            offers=offers,
            where=where,
            following=following,
            at_top=after is None,
            may_edit=request[USER].role in resource.editors,
            gone=request.query.get("gone", ""),
        )

    return handle


def _narrowed_by(request: web.Request, resource: Resource) -> dict[str, int | str]:
    """Return what a list is narrowed by; what cannot be is left aside."""
    found: dict[str, int | str] = {}
    for name in resource.filters:
        text, shown = request.query.get(name, ""), resource.field(name).shown
        if shown.kind == Kind.REFERENCE:
            row_id = reference_in(text)
            if row_id is not None:
                found[name] = row_id
        elif text in shown.options:
            found[name] = text
    return found


def _suggest(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        # The field that asks is sent under its own name, whatever it is.
        typed = next(iter(request.query.values()), "").replace("\x00", "").strip()
        if resource.hides_from(viewer_of(request[USER])):
            return render(request, "resources/suggestions.html", suggestions=[])
        async with request.app[ENGINE].connect() as connection:
            found = await suggestions(connection, resource, typed[:SEARCH_CHARACTERS_MAXIMUM])
        return render(request, "resources/suggestions.html", suggestions=found)

    return handle


def _new(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        preset = resource.presets.get(request.query.get("preset", ""))
        begun = {**_defaults(resource), **resource.defaults, **(preset.values if preset else {})}
        for name in resource.form.model_fields:
            if _is_id(request.query.get(name)):
                begun[name] = int(request.query[name])
        texts = {one.name: text_of(one, begun.get(one.name)) for one in resource.fields}
        return await _form(request, resource, texts=texts, preset=preset)

    return handle


def _make(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        form = await _posted(request, resource)
        if not isinstance(form, BaseModel):
            return await _form(request, resource, texts=form[0], problems=form[1], status=422)
        done = await create(request.app[ENGINE], resource, Actor(user=request[USER]), form)
        if isinstance(done, Problem):
            texts = await _typed(request, resource)
            return await _form(request, resource, texts=texts, refusal=done, status=422)
        raise web.HTTPSeeOther(f"/{resource.name}/{done.row_id}?saved={done.audit_id}")

    return handle


def _show(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        row_id = int(request.match_info["id"])
        async with request.app[ENGINE].connect() as connection:
            row = await queries.row_of(connection, resource, row_id)
        if row is None:
            raise web.HTTPNotFound
        values = resource.values_of(row)
        texts = _texts(resource, values, viewer_of(request[USER]))
        return await _form(request, resource, texts=texts, row_id=row_id, values=values)

    return handle


def _save(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        row_id = int(request.match_info["id"])
        form = await _posted(request, resource)
        posted = await request.post()
        seen = str(posted.get("etag") or "")
        if not isinstance(form, BaseModel):
            return await _form(
                request, resource, texts=form[0], problems=form[1], status=422, row_id=row_id, etag=seen
            )
        unchanged = request.app[ETAGS].read(seen, resource.name, row_id)
        done = await change(
            request.app[ENGINE], resource, Actor(user=request[USER]), row_id, form, seen=unchanged
        )
        if isinstance(done, Problem):
            if done.status == 404:
                raise web.HTTPNotFound
            texts = await _typed(request, resource)
            return await _form(
                request, resource, texts=texts, refusal=done, status=done.status, row_id=row_id, etag=seen
            )
        raise web.HTTPSeeOther(f"/{resource.name}/{row_id}?saved={done.audit_id}")

    return handle


def _delete(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        row_id = int(request.match_info["id"])
        posted = await request.post()
        done = await remove(
            request.app[ENGINE],
            resource,
            Actor(user=request[USER]),
            row_id,
            seen=request.app[ETAGS].read(str(posted.get("etag") or ""), resource.name, row_id),
        )
        if not isinstance(done, Problem):
            raise web.HTTPSeeOther(f"/{resource.name}?gone={done.audit_id}")
        async with request.app[ENGINE].connect() as connection:
            row = await queries.row_of(connection, resource, row_id)
        if row is None:
            raise web.HTTPNotFound
        values = resource.values_of(row)
        texts = _texts(resource, values, viewer_of(request[USER]))
        return await _form(
            request, resource, texts=texts, refusal=done, status=done.status, row_id=row_id, values=values
        )

    return handle


def _undo(resource: Resource) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        audit_id = int(request.match_info["audit_id"])
        done = await undo(request.app[ENGINE], resource, Actor(user=request[USER]), audit_id)
        if isinstance(done, Problem):
            return render(
                request,
                "web/error.html",
                status=done.status,
                title="It cannot be put back",
                explanation=done.detail
                or "; ".join(f"{found.field}: {found.problem}" for found in done.fields)
                or "It was changed again since.",
            )
        async with request.app[ENGINE].connect() as connection:
            row = await queries.row_of(connection, resource, done.row_id)
        raise web.HTTPSeeOther(
            f"/{resource.name}" + (f"/{done.row_id}?back=1" if row is not None else "?back=1")
        )

    return handle


def _texts(resource: Resource, values: Mapping[str, Any], viewer: Viewer) -> Mapping[str, Any]:
    """Return what stands in the form of a row: of secrets nothing, or what stands for them."""
    shown = values if resource.hide is None else resource.hide(values)
    if resource.hides_from(viewer):
        shown = resource.seen_by(viewer, values)
    return {one.name: text_of(one, shown.get(one.name)) for one in resource.fields}


async def _posted(
    request: web.Request, resource: Resource
) -> BaseModel | tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the checked form, or (what was typed, what is wrong with it by field)."""
    async with request.app[ENGINE].connect() as connection:
        posted = await understood(connection, resource, await request.post())
    values, problems = values_of_texts(resource.fields, posted)
    problems |= {name: UNSTORABLE for name, value in values.items() if has_unstorable(value)}
    if not problems:
        try:
            return resource.form.model_validate_json(json.dumps(values))
        except ValidationError as error:
            found = field_problems(error)
            problems = {problem.field.split(".")[0]: problem.problem for problem in reversed(found)}
    return await _typed(request, resource), problems


async def _typed(request: web.Request, resource: Resource) -> Mapping[str, Any]:
    posted = await request.post()
    return {one.name: typed_text_of(one, posted) for one in resource.fields}


async def _form(
    request: web.Request,
    resource: Resource,
    *,
    texts: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    refusal: Problem | None = None,
    status: int = 200,
    row_id: int | None = None,
    values: Mapping[str, Any] | None = None,
    etag: str | None = None,
    preset: Preset | None = None,
) -> web.Response:
    found = dict(problems or {})
    general = [] if refusal is None or not refusal.detail else [refusal.detail]
    for problem in () if refusal is None else refusal.fields:
        name = problem.field.split(".")[0]
        if any(one.name == name for one in resource.fields):
            found.setdefault(name, problem.problem)
        else:
            general.append(problem.problem)
    viewer = viewer_of(request[USER])
    seen = resource.seen_by(viewer, values) if values and resource.hides_from(viewer) else values
    async with request.app[ENGINE].connect() as connection:
        offers = await offers_of(connection, resource, texts)
        chosen = {} if resource.choices is None else await resource.choices(connection)
        extra = await resource.more(connection, row_id) if resource.more and row_id else {}
        history = (
            await queries.history_of(connection, resource, row_id, HISTORY_LENGTH)
            if row_id is not None
            else []
        )
    return render(
        request,
        "resources/form.html",
        status=status,
        resource=resource,
        row_id=row_id,
        title=_title(resource, seen or texts),
        preset=preset,
        texts=texts,
        problems=found,
        general=general,
        options={**chosen, **{name: offer.options for name, offer in offers.items()}},
        spelled={name: offer.spelled for name, offer in offers.items()},
        meanings=_meanings(resource, texts if seen is None else seen, typed=seen is None),
        etag=request.app[ETAGS].name(resource.name, row_id or 0, values or {}) if etag is None else etag,
        may_edit=request[USER].role in resource.editors,
        saved=request.query.get("saved", ""),
        back=request.query.get("back", ""),
        history=history,
        extra=extra,
        all_zones=known_zones() if any(one.shown.kind in _ZONED for one in resource.fields) else (),
    )


def _title(resource: Resource, values: Mapping[str, Any]) -> str:
    text = str(values.get(resource.label) or f"New {resource.one}")
    return number(text) if resource.field(resource.label).shown.kind == Kind.TELEPHONE else text


_ZONED = (Kind.ZONE, Kind.SCHEDULE)


def _defaults(resource: Resource) -> dict[str, Any]:
    fields = resource.form.model_fields
    return {
        name: info.get_default(call_default_factory=True)
        for name, info in fields.items()
        if not info.is_required()
    }


def _meanings(resource: Resource, values: Mapping[str, Any], *, typed: bool) -> Mapping[str, str]:
    """Return what values mean in words, of the fields that say so; `typed`: they are texts of the form."""
    found = {}
    for one in resource.fields:
        if one.shown.reads is not None:
            value = values.get(one.name)
            if typed:
                value = value_of_typed(one, value)
            found[one.name] = meaning_of(one, value)
    return found


def _is_id(text: str | None) -> bool:
    return bool(text) and str(text).isascii() and str(text).isdigit() and len(str(text)) <= 18
