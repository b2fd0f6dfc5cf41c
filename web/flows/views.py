"""Flows as pages: which there are, one with its versions, what changed, and the editor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2.utils import htmlsafe_json_dumps

from ivr_flows import library, queries
from ivr_flows.definition import FLOW_BYTES_MAXIMUM, FlowError, read_flow_text
from ivr_flows.inspection import blocking
from ivr_flows.kinds import NODE_KINDS
from ivr_flows.publishing import FLOW_NAME, Published, Refused
from ivr_flows.schema import flow_schema
from web.audit import Actor
from web.flows import work
from web.flows.differences import by_node
from web.keys import EDITORS, ENGINE, MICROPHONE, PROMPTS_DIR, USER
from web.pages import render, static_url

LIBRARY = ("mortgage", "mortgage_refinance_qualify", "direct")
IMPORT_BYTES_MAXIMUM = FLOW_BYTES_MAXIMUM + 16_384
"""A file and the form around it."""
EMPTY: Mapping[str, Any] = {"format": 1, "entry": "", "nodes": {}}
VERSION_DIGITS_MAXIMUM = 9


async def show_all(request: web.Request) -> web.StreamResponse:
    return await _list(request)


async def _list(
    request: web.Request,
    *,
    typed: Mapping[str, str] | None = None,
    new_problem: str = "",
    import_problem: str = "",
) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        flows = await queries.summaries(connection)
    refused = bool(new_problem or import_problem)
    return render(
        request,
        "flows/flows.html",
        status=422 if refused else 200,
        flows=flows,
        library=LIBRARY,
        may_edit=request[USER].role in EDITORS,
        typed=typed or {},
        new_problem=new_problem,
        import_problem=import_problem,
    )


async def create(request: web.Request) -> web.StreamResponse:
    """Begin a flow: empty, or as one that comes with Tollbridge or is here already."""
    form = await request.post()
    name, begin = str(form.get("name", "")).strip(), str(form.get("begin", ""))
    definition = await _beginning(request, begin)
    problem = await _keep_new(request, name, definition)
    if problem:
        return await _list(request, typed={"name": name, "begin": begin}, new_problem=problem)
    raise web.HTTPSeeOther(f"/flows/{name}/edit")


async def _beginning(request: web.Request, begin: str) -> Mapping[str, Any]:
    if begin in LIBRARY:
        return library.load(begin)
    if begin.startswith("flow:"):
        name = begin.removeprefix("flow:")
        engine = request.app[ENGINE]
        found = await work.definition_of(engine, name, None) or await work.definition_of(
            engine, name, work.NEWEST
        )
        return found or EMPTY
    return EMPTY


async def take_in(request: web.Request) -> web.StreamResponse:
    """Import a flow's JSON, from a file or as text, as the draft of a new name."""
    try:
        form = await request.clone(client_max_size=IMPORT_BYTES_MAXIMUM).post()
    except web.HTTPRequestEntityTooLarge:
        problem = f"That is more than the {FLOW_BYTES_MAXIMUM:,} bytes a flow may have."
        return await _list(request, import_problem=problem)
    file, name, text = form.get("file"), str(form.get("name", "")).strip(), str(form.get("text", ""))
    if isinstance(file, web.FileField) and file.filename:
        source: bytes | str = file.file.read()
    else:
        source = text
    typed = {"import_name": name, "text": text}
    if not source:
        return await _list(request, typed=typed, import_problem="Choose a file, or paste a flow's JSON.")
    try:
        definition = read_flow_text(source)
    except FlowError as error:
        return await _list(request, typed=typed, import_problem=f"{error}.")
    name = name or str(definition.get("name", ""))
    problem = await _keep_new(request, name, definition)
    if problem:
        return await _list(request, typed=typed, import_problem=problem)
    raise web.HTTPSeeOther(f"/flows/{name}")


async def _keep_new(request: web.Request, name: str, definition: Mapping[str, Any]) -> str:
    """Save a flow that is not there yet; return why it cannot be."""
    engine = request.app[ENGINE]
    if FLOW_NAME.fullmatch(name) and await work.definition_of(engine, name, work.NEWEST) is not None:
        return f"There is a flow {name} already: choose another name."
    saved = await work.save(
        engine, request.app[PROMPTS_DIR], name, {**definition, "name": name}, seen=0, actor=_actor(request)
    )
    if not isinstance(saved, Refused):
        return ""
    if saved.is_changed_meanwhile:
        return f"There is a flow {name} already: choose another name."
    return f"{saved.findings[0].text}."


async def show(request: web.Request) -> web.StreamResponse:
    return await _show(request)


async def _show(
    request: web.Request, *, refused: Refused | None = None, note: str = "", done: Published | None = None
) -> web.Response:
    name = request.match_info["name"]
    copy = await work.working_copy(request.app[ENGINE], request.app[PROMPTS_DIR], name)
    if copy is None:
        raise web.HTTPNotFound
    async with request.app[ENGINE].connect() as connection:
        versions = await queries.versions_of(connection, name)
        campaigns = {one.name: one.campaigns for one in await queries.summaries(connection)}[name]
    changes = None
    if copy.revision and copy.newest_version:
        changes = await work.changes(request.app[ENGINE], name, work.NEWEST, None)
    return render(
        request,
        "flows/flow.html",
        status=422 if refused else 200,
        flow=copy,
        versions=versions,
        campaigns=campaigns,
        changed=by_node(changes or []),
        errors=len(blocking(copy.findings)),
        refused=refused,
        note=note,
        done=done,
        may_edit=request[USER].role in EDITORS,
    )


async def publish(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    note, revision = str(form.get("note", "")).strip()[:500], _number(form.get("revision"))
    done = await work.publish(
        request.app[ENGINE],
        request.app[PROMPTS_DIR],
        request.match_info["name"],
        note=note,
        seen=revision,
        actor=_actor(request),
    )
    if isinstance(done, Refused):
        return await _show(request, refused=done, note=note)
    raise web.HTTPSeeOther(_address(request))


async def roll_back(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    version = _number(form.get("version"))
    if version is None:
        raise web.HTTPNotFound
    done = await work.roll_back(
        request.app[ENGINE],
        request.app[PROMPTS_DIR],
        request.match_info["name"],
        version,
        actor=_actor(request),
    )
    if isinstance(done, Refused):
        return await _show(request, refused=done)
    raise web.HTTPSeeOther(_address(request))


async def discard(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if not await work.discard(request.app[ENGINE], name, actor=_actor(request)):
        raise web.HTTPNotFound
    left = await work.definition_of(request.app[ENGINE], name, work.NEWEST)
    raise web.HTTPSeeOther("/flows" if left is None else _address(request))


async def export(request: web.Request) -> web.StreamResponse:
    """A flow's JSON as a file: a version, the newest for 0, the draft when none is named."""
    name, version = request.match_info["name"], request.query.get("version")
    number = None if version is None else _number(version)
    found = await work.definition_of(request.app[ENGINE], name, number)
    if found is None or (version is not None and number is None):
        raise web.HTTPNotFound
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return web.Response(text=text, content_type="application/json", headers=headers)


async def show_differences(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    before, after = _number(request.query.get("before", "0")), request.query.get("after")
    after_number = _number(after) if after else None
    if before is None or (after and after_number is None):
        raise web.HTTPNotFound
    found = await work.changes(request.app[ENGINE], name, before, after_number)
    if found is None:
        raise web.HTTPNotFound
    async with request.app[ENGINE].connect() as connection:
        versions = await queries.versions_of(connection, name)
        draft = await queries.draft_of(connection, name)
    return render(
        request,
        "flows/differences.html",
        name=name,
        before=before or (versions[0].version if versions else 0),
        after=after_number,
        versions=versions,
        has_draft=draft is not None,
        changed=by_node(found),
    )


async def edit(request: web.Request) -> web.StreamResponse:
    """The editor. What it works on, it asks the API for."""
    # For the softphone: the draft is called from here.
    request[MICROPHONE] = True
    return await _canvas(request, may_edit=True)


async def look(request: web.Request) -> web.StreamResponse:
    """The editor's picture for those who may see a flow and not change it."""
    return await _canvas(request, may_edit=False)


async def _canvas(request: web.Request, *, may_edit: bool) -> web.Response:
    name = request.match_info["name"]
    async with request.app[ENGINE].connect() as connection:
        flows = await queries.summaries(connection)
    if name not in {one.name for one in flows}:
        raise web.HTTPNotFound
    kinds = [{"kind": kind, "waits": node.WAITS, "ends": node.ENDS} for kind, node in NODE_KINDS.items()]
    given = {
        "name": name,
        "user": request[USER].user_id,
        "may_edit": may_edit,
        "kinds": kinds,
        "schema": flow_schema(),
        "flows": [one.name for one in flows if one.version and one.name != name],
        "uploads": sorted(work.uploads_in(request.app[PROMPTS_DIR])),
        "softphone": static_url("build/softphone.js"),
    }
    # Not the template's own filter, which would sort the settings of every form by their names.
    return render(
        request, "flows/editor.html", name=name, may_edit=may_edit, given=htmlsafe_json_dumps(given)
    )


def _number(value: object) -> int | None:
    text = str(value or "")
    is_number = text.isascii() and text.isdigit() and len(text) <= VERSION_DIGITS_MAXIMUM
    return int(text) if is_number else None


def _actor(request: web.Request) -> Actor:
    return Actor(user=request[USER])


def _address(request: web.Request) -> str:
    return f"/flows/{quote(request.match_info['name'])}"
