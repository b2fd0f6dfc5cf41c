"""One call's page: its whole way, from the number that was dialled to the postings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web

from router.replay_call import NotSupposed, Replayed, replay_call
from web.addresses import call_id_in
from web.audit import Actor
from web.call.details import details
from web.call.facts import CallFacts
from web.call.queries import read_call_facts
from web.call.seen import seen_facts
from web.call.spoken import texts_by_sound
from web.call.suppose import RULES, Outcome, read_rules, what_if
from web.call.timeline import timeline
from web.keys import EDITORS, ENGINE, USER
from web.look_ups import note_opened
from web.pages import render, wants_fragment
from web.recordings import open_link
from web.visibility import Field, viewer_of
from web.zones import zone_of

NOT_REPLAYED: Mapping[int, Replayed] = {}


async def show(request: web.Request) -> web.StreamResponse:
    call_id = _call_id(request)
    answer = await _page(request)
    if viewer_of(request[USER]).sees(Field.WHOLE_CALLER) and not wants_fragment(request):
        await note_opened(request.app[ENGINE], Actor(user=request[USER]), call_id)
    return answer


async def replay(request: web.Request) -> web.StreamResponse:
    """Make its decisions again, on the market each was made on, and show whether they are the same."""
    call_id = _call_id(request)
    again = await replay_call(request.app[ENGINE], call_id)
    return await _page(request, replayed={one.sequence: one for one in again})


async def suppose(request: web.Request) -> web.StreamResponse:
    """What if one target had not been held by some of its rules?"""
    call_id, form = _call_id(request), await request.post()
    rules = read_rules([str(value) for value in form.getall("rule", [])])
    sequence, target_id = _number(form.get("sequence")), _number(form.get("target"))
    if not rules or not target_id or not sequence:
        return await _page(request, problem="Choose a target and what should not have held it.", status=422)
    outcome = await what_if(request.app[ENGINE], call_id, sequence, target_id, rules)
    if isinstance(outcome, NotSupposed):
        told = f"That cannot be worked out: {outcome.problem}."
        return await _page(request, problem=told, status=404 if outcome.missing else 409)
    return await _page(request, supposed=(sequence, outcome))


async def recording(request: web.Request) -> web.StreamResponse:
    """A part of its recording, to those who may hear it."""
    return await open_link(request, _call_id(request), _number(request.match_info["part"]))


async def _page(
    request: web.Request,
    *,
    replayed: Mapping[int, Replayed] = NOT_REPLAYED,
    supposed: tuple[int, Outcome] | None = None,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    call_id = _call_id(request)
    facts = await read_call_facts(request.app[ENGINE], call_id)
    if facts is None:
        raise web.HTTPNotFound
    async with request.app[ENGINE].connect() as connection:
        texts = await texts_by_sound(connection, facts.call.flow_name, facts.call.flow_version)
    return render(
        request,
        "call/way.html" if wants_fragment(request) else "call/call.html",
        status=status,
        replayed=replayed,
        supposed=supposed,
        problem=problem,
        rules=RULES,
        may_act=request[USER].role in EDITORS,
        **_context(request, facts, texts),
    )


def _context(request: web.Request, facts: CallFacts, texts: Mapping[str, str]) -> dict[str, Any]:
    zone, viewer = zone_of(request), viewer_of(request[USER])
    facts = seen_facts(facts, viewer)
    return {
        "facts": facts,
        "call": facts.call,
        "viewer": viewer,
        "hears": viewer.sees(Field.RECORDINGS),
        "moments": timeline(facts, viewer, texts),
        "conversion": details(facts.call.verdict_numbers, zone),
        "evidence": details(facts.call.evidence, zone),
        "inputs": {decision.sequence: details(decision.inputs, zone) for decision in facts.decisions},
    }


def _call_id(request: web.Request) -> UUID:
    call_id = call_id_in(request.match_info["call_id"])
    if call_id is None:
        raise web.HTTPNotFound
    return call_id


def _number(value: object) -> int:
    text = value if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
