"""The page of the directory's groups: which has which role here. Admins only."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from web.authority import NotAllowed
from web.confirm.views import confirm_page
from web.directory_groups import queries
from web.directory_groups.groups import GroupRefusal, give_role, take_role
from web.keys import ENGINE
from web.oidc.directory import DIRECTORY
from web.pages import render
from web.person_fields import UserRefusal
from web.users.forms import FIELDS_OF_REFUSALS, ROLES, Typed, belonging_of, read_form
from web.users.people import PersonRefusal
from web.users.queries import read_names
from web.visitors import actor_of

SAID = {
    "given": "Saved. It counts from the next sign-in of each of its people, or when the directory is asked again.",
    "taken": "Its role is gone. Its people lose what it gave them when the directory is asked again.",
}
PAGE = "/directory-groups"


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request, Typed(), said=SAID.get(request.query.get("done", "")))


async def give(request: web.Request) -> web.StreamResponse:
    typed = read_form(await request.post())
    engine = request.app[ENGINE]
    async with engine.connect() as connection:
        belonging = await belonging_of(connection, typed)
    if isinstance(belonging, UserRefusal):
        return await _page(request, typed, refusal=belonging)
    made = await give_role(engine, actor_of(request), typed.name, belonging)
    if isinstance(made, NotAllowed):
        return await confirm_page(request, made)
    if isinstance(made, (GroupRefusal, PersonRefusal)):
        return await _page(request, typed, refusal=made)
    raise web.HTTPSeeOther(f"{PAGE}?done=given")


async def take(request: web.Request) -> web.StreamResponse:
    refusal = await take_role(request.app[ENGINE], actor_of(request), int(request.match_info["id"]))
    if isinstance(refusal, NotAllowed):
        return await confirm_page(request, refusal)
    if refusal is not None:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"{PAGE}?done=taken")


async def _page(
    request: web.Request,
    typed: Typed,
    *,
    refusal: GroupRefusal | PersonRefusal | UserRefusal | None = None,
    said: str | None = None,
) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        groups = await queries.read_groups(connection)
        buyers, publishers = await read_names(connection)
    directory = request.app[DIRECTORY]
    return render(
        request,
        "directory_groups/groups.html",
        status=200 if refusal is None else 422,
        groups=groups,
        typed=typed,
        problems=_problems_of(refusal),
        said=said,
        roles=ROLES,
        buyers=buyers,
        publishers=publishers,
        minutes=directory and int(directory.config.confirmed_for.total_seconds() // 60),
        claim=directory and directory.config.groups_claim,
    )


def _problems_of(refusal: GroupRefusal | PersonRefusal | UserRefusal | None) -> Mapping[str, str]:
    """Return what to say beside which field."""
    if refusal is None:
        return {}
    field = "name" if isinstance(refusal, GroupRefusal) else FIELDS_OF_REFUSALS.get(refusal, "role")
    return {field: refusal.value}
