"""Terms of a campaign: versions with their go-live, a form for a new one, and what a call would have paid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from billing.check_terms import checked_terms
from billing.read_terms import TermsError
from billing.save_terms import TermsRefused
from billing.terms_document import Party, TermsDocument
from web.api.cursor import read_cursor, write_cursor
from web.audit import Actor
from web.keys import EDITORS, ENGINE, HOUSE, USER
from web.middleware import only
from web.pages import render
from web.plans.queries import CampaignRow, campaign_of
from web.terms import queries
from web.terms.api import words_of
from web.terms.document_form import FIELDS, document_of, placed, texts_of
from web.terms.queries import Version
from web.terms.reading import reading
from web.terms.withdraw import PutBack, Withdrawn, WithdrawRefusal, put_back, withdraw
from web.terms.work import Trial, party_named, save_version, try_terms

PAGE_LENGTH = 30
TEXT_CHARACTERS_MAXIMUM = 50_000
SEARCH_CHARACTERS_MAXIMUM = 200
_CALL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_WITHDRAWN = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
VERSION = "{party}/{terms_id:[0-9]{1,18}}"
_ABOUT = ("party_name", "goes_live", "day", "time", "call")


def routes() -> Sequence[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    path = "/campaigns/{id:[0-9]{1,18}}/terms"
    return [
        web.get(path, reads(show)),
        web.get(f"{path}/new", edits(begin)),
        web.post(f"{path}/new", edits(submit)),
        web.post(f"{path}/{VERSION}/withdraw", edits(submit_withdrawal)),
        web.post(f"{path}/{VERSION}/put-back/{{change_id:[0-9]{{1,18}}}}", edits(submit_return)),
    ]


async def _campaign(request: web.Request) -> CampaignRow:
    async with request.app[ENGINE].connect() as connection:
        campaign = await campaign_of(connection, int(request.match_info["id"]))
    if campaign is None:
        raise web.HTTPNotFound
    return campaign


def _party(text: str | None) -> Party:
    return Party.PUBLISHER if text == Party.PUBLISHER else Party.BUYER


async def show(request: web.Request) -> web.StreamResponse:
    campaign, party = await _campaign(request), _party(request.query.get("party"))
    search = request.query.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS_MAXIMUM]
    after = read_cursor(request.query.get("after", ""), (int,))
    async with request.app[ENGINE].connect() as connection:
        found = await queries.versions_of(
            connection,
            party,
            campaign.id,
            now=datetime.now(UTC),
            limit=PAGE_LENGTH + 1,
            search=search,
            before_id=None if after is None else int(after[0]),
        )
    shown = found[:PAGE_LENGTH]
    return render(
        request,
        "terms/terms.html",
        campaign=campaign,
        campaign_zone=ZoneInfo(campaign.time_zone),
        party=party.value,
        versions=[(one, words_of(one, party)) for one in shown],
        search=search,
        following=write_cursor([shown[-1].id]) if len(found) > PAGE_LENGTH else None,
        at_top=after is None,
        may_edit=request[USER].role in EDITORS,
        saved=request.query.get("saved", ""),
        withdrawn=_withdrawn(request),
        back="back" in request.query,
    )


def _withdrawn(request: web.Request) -> str:
    """Return the way to put back what has just been withdrawn: version and note."""
    found = _WITHDRAWN.fullmatch(request.query.get("withdrawn", ""))
    return f"{found[1]}/put-back/{found[2]}" if found else ""


def _version(request: web.Request) -> tuple[Party, int]:
    party = next((one for one in Party if one.value == request.match_info["party"]), None)
    if party is None:
        raise web.HTTPNotFound
    return party, int(request.match_info["terms_id"])


async def submit_withdrawal(request: web.Request) -> web.StreamResponse:
    campaign, (party, terms_id) = await _campaign(request), _version(request)
    done = await withdraw(
        request.app[ENGINE],
        Actor(user=request[USER]),
        party=party,
        campaign_id=campaign.id,
        terms_id=terms_id,
        now=datetime.now(UTC),
    )
    if not isinstance(done, Withdrawn):
        return _not_done(request, done, "They cannot be withdrawn")
    raise web.HTTPSeeOther(
        f"/campaigns/{campaign.id}/terms?party={party.value}&withdrawn={terms_id}-{done.audit_id}"
    )


async def submit_return(request: web.Request) -> web.StreamResponse:
    campaign, (party, terms_id) = await _campaign(request), _version(request)
    done = await put_back(
        request.app[ENGINE],
        Actor(user=request[USER]),
        party=party,
        campaign_id=campaign.id,
        terms_id=terms_id,
        audit_id=int(request.match_info["change_id"]),
        now=datetime.now(UTC),
    )
    if not isinstance(done, PutBack):
        return _not_done(request, done, "They cannot be put back")
    raise web.HTTPSeeOther(f"/campaigns/{campaign.id}/terms?party={party.value}&back=1")


def _not_done(request: web.Request, refusal: WithdrawRefusal | None, title: str) -> web.StreamResponse:
    if refusal is None:
        raise web.HTTPNotFound
    explanation = f"{refusal.value[0].upper()}{refusal.value[1:]}."
    return render(request, "web/error.html", status=409, title=title, explanation=explanation)


async def begin(request: web.Request) -> web.StreamResponse:
    """Show the form, filled in with the newest version of whom the address names."""
    campaign, party = await _campaign(request), _party(request.query.get("party"))
    party_id = request.query.get("party_id", "")
    name, texts = "", _blank(campaign)
    if party_id.isascii() and party_id.isdigit() and len(party_id) <= 18:
        async with request.app[ENGINE].connect() as connection:
            name = await queries.party_name(connection, party, int(party_id)) or ""
            versions = await queries.versions_of(
                connection, party, campaign.id, now=datetime.now(UTC), limit=1, party_id=int(party_id)
            )
        if versions:
            texts = _texts_of(versions[0], party, campaign)
    about = {**dict.fromkeys(_ABOUT, ""), "party_name": name, "goes_live": "now"}
    return await _form(request, campaign, party, _Typed(texts={**texts, **about}))


def _blank(campaign: CampaignRow) -> dict[str, str]:
    return {**dict.fromkeys(FIELDS, ""), "period": "month", "time_zone": campaign.time_zone}


def _texts_of(version: Version, party: Party, campaign: CampaignRow) -> dict[str, str]:
    if version.document is not None:
        return texts_of(version.document, party)
    whole, rest = divmod(version.amount_micros, 1_000_000)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    seconds = f"{version.minimum_connected_ms / 1000:g}" if version.minimum_connected_ms else ""
    return {**_blank(campaign), "price": f"{whole}.{digits}", "minimum_seconds": seconds}


@dataclass(frozen=True, kw_only=True)
class _Typed:
    """What stands on the form, and what came of it."""

    texts: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    meaning: Sequence[str] = ()
    trial: Trial | None = None


async def submit(request: web.Request) -> web.StreamResponse:
    """Save the terms, or say what they mean, or try them on a call: by the button that was pressed."""
    campaign, posted = await _campaign(request), await request.post()
    party = _party(str(posted.get("party") or ""))
    texts = {
        name: str(posted.get(name) or "")
        .replace("\r\n", "\n")
        .replace("\x00", "")
        .strip()[:TEXT_CHARACTERS_MAXIMUM]
        for name in (*FIELDS, *_ABOUT)
    }
    document, problems = document_of(texts, party)
    read: TermsDocument | None = None
    if not problems:
        try:
            read = checked_terms(document, party)
        except TermsError as error:
            problems = placed(error.problems, texts)
    if read is None:
        return await _form(request, campaign, party, _Typed(texts=texts, problems=problems))
    async with request.app[ENGINE].connect() as connection:
        party_id = await party_named(connection, party, texts["party_name"])
    typed = _Typed(texts=texts, meaning=reading(read))
    if posted.get("do") == "try" or (posted.get("do") != "save" and texts["call"]):
        return await _try(request, campaign, party, typed, read, party_id)
    if posted.get("do") != "save":
        # Enter in any field comes here as well: nothing is saved by a key that was meant for less.
        return await _form(request, campaign, party, typed)
    return await _save(request, campaign, party, typed, document, party_id)


async def _try(
    request: web.Request,
    campaign: CampaignRow,
    party: Party,
    typed: _Typed,
    read: TermsDocument,
    party_id: int | None,
) -> web.StreamResponse:
    found, trial = _CALL.search(typed.texts["call"]), None
    problem = "paste a call's address, such as /calls/…: it is on the page of the call"
    if found is not None:
        async with request.app[ENGINE].connect() as connection:
            trial = await try_terms(connection, read, party_id, UUID(found[0]))
        problem = "there is no such call"
    problems = {} if trial is not None else {"call": problem}
    return await _form(
        request,
        campaign,
        party,
        _Typed(texts=typed.texts, problems=problems, meaning=typed.meaning, trial=trial),
    )


async def _save(
    request: web.Request,
    campaign: CampaignRow,
    party: Party,
    typed: _Typed,
    document: Mapping[str, Any],
    party_id: int | None,
) -> web.StreamResponse:
    problems: dict[str, str] = {}
    if party_id is None:
        problems["party_name"] = f"there is no {party.value} of this name: choose one of those suggested"
    goes_live_at = _goes_live_at(typed.texts, campaign, problems)
    if problems or party_id is None:
        return await _form(
            request, campaign, party, _Typed(texts=typed.texts, problems=problems, meaning=typed.meaning)
        )
    done = await save_version(
        request.app[ENGINE],
        Actor(user=request[USER]),
        party=party,
        party_id=party_id,
        campaign_id=campaign.id,
        document=document,
        goes_live_at=goes_live_at,
        now=datetime.now(UTC),
    )
    if isinstance(done, TermsRefused):
        placed_problems = placed(done.problems, typed.texts)
        return await _form(
            request,
            campaign,
            party,
            _Typed(texts=typed.texts, problems=placed_problems, meaning=typed.meaning),
        )
    raise web.HTTPSeeOther(f"/campaigns/{campaign.id}/terms?party={party.value}&saved=1")


def _goes_live_at(
    texts: Mapping[str, str], campaign: CampaignRow, problems: dict[str, str]
) -> datetime | None:
    """Return when the terms go live by the campaign's clock; None for now."""
    if texts["goes_live"] != "later":
        return None
    try:
        day, clock = date.fromisoformat(texts["day"]), time.fromisoformat(texts["time"] or "00:00")
    except ValueError:
        problems["goes_live"] = "write a day such as 2026-12-01, and a time such as 00:00"
        return None
    return datetime.combine(day, clock.replace(tzinfo=None), ZoneInfo(campaign.time_zone))


async def _form(request: web.Request, campaign: CampaignRow, party: Party, typed: _Typed) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        names = await queries.party_names(connection, party)
    return render(
        request,
        "terms/new.html",
        status=422 if typed.problems else 200,
        campaign=campaign,
        party=party.value,
        texts=typed.texts,
        problems=typed.problems,
        meaning=typed.meaning,
        trial=typed.trial,
        names=names,
    )
