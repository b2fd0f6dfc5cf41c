"""Terms for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from billing.check_terms import checked_terms
from billing.read_terms import TermsError, parse_terms
from billing.save_terms import TermsRefused
from billing.terms_document import Party
from web.api.cursor import read_cursor, write_cursor
from web.api.operation import (
    Answered,
    Asked,
    FieldProblem,
    Operation,
    Page,
    Problem,
    conflict,
    not_found,
    refused,
)
from web.keys import EDITORS, HOUSE
from web.plans.queries import campaign_of
from web.terms import queries
from web.terms.queries import Version
from web.terms.reading import reading
from web.terms.shapes import (
    NewTerms,
    TermsMade,
    TermsPutBack,
    TermsQuery,
    TermsShown,
    TermsTried,
    TermsWithdrawn,
    TryTerms,
)
from web.terms.withdraw import PutBack, Withdrawn, WithdrawRefusal, put_back, withdraw
from web.terms.work import save_version, try_terms

BAD_CURSOR = FieldProblem(field="cursor", problem="this is no cursor of this list: take `next` of a page")


def words_of(version: Version, party: Party) -> list[str]:
    """Return a stored version in words; what no longer reads says so."""
    if version.document is None:
        plain = version.plain(party)
        return reading(plain.contract(None) if party is Party.BUYER else plain.contract)  # type: ignore[operator,arg-type]
    try:
        return reading(parse_terms(version.document, party))
    except TermsError as error:
        return [f"These terms cannot be read any more: {error}"]


def _problems(problems: Sequence[str]) -> Problem:
    """Return what is wrong with terms, by the place in the document: rules[0].price is document.rules.0.price."""
    fields = []
    for problem in problems:
        place, _, reason = problem.partition(": ")
        path = place.replace("[", ".").replace("]", "")
        name = {"from": "goes_live_at", "party": "party_id"}.get(path, f"document.{path}")
        fields.append(FieldProblem(field=name, problem=reason or problem))
    return refused(*fields)


async def _list(asked: Asked) -> Answered | Problem:
    query: TermsQuery = asked.query
    party, before = Party(query.party), None
    if query.cursor is not None:
        before = read_cursor(query.cursor, (int,))
        if before is None:
            return Problem(status=400, title="Cannot be right", fields=(BAD_CURSOR,))
    async with asked.engine.connect() as connection:
        if await campaign_of(connection, asked.path["id"]) is None:
            return not_found("campaign")
        found = await queries.versions_of(
            connection,
            party,
            asked.path["id"],
            now=asked.now,
            limit=query.limit + 1,
            party_id=query.party_id,
            before_id=None if before is None else int(before[0]),
        )
    shown, more = found[: query.limit], len(found) > query.limit
    items = [
        TermsShown(
            id=one.id,
            party=query.party,
            party_id=one.party_id,
            name=one.name,
            goes_live_at=one.goes_live_at,
            state=one.state,
            amount_micros=one.amount_micros,
            minimum_connected_ms=one.minimum_connected_ms,
            document=None if one.document is None else dict(one.document),
            reading=words_of(one, party),
        )
        for one in shown
    ]
    following = write_cursor([shown[-1].id]) if more else None
    return Answered(content=Page[TermsShown](items=items, next=following))


async def _create(asked: Asked) -> Answered | Problem:
    body: NewTerms = asked.body
    async with asked.engine.connect() as connection:
        if await campaign_of(connection, asked.path["id"]) is None:
            return not_found("campaign")
    party = Party(body.party)
    done = await save_version(
        asked.engine,
        asked.actor,
        party=party,
        party_id=body.party_id,
        campaign_id=asked.path["id"],
        document=body.document,
        goes_live_at=body.goes_live_at,
        now=asked.now,
    )
    if isinstance(done, TermsRefused):
        return _problems(done.problems)
    made = TermsMade(
        id=done.terms_id,
        party=body.party,
        goes_live_at=done.goes_live_at,
        reading=reading(parse_terms(body.document, party)),
    )
    return Answered(content=made)


async def _try(asked: Asked) -> Answered | Problem:
    body: TryTerms = asked.body
    try:
        document = checked_terms(body.document, Party(body.party))
    except TermsError as error:
        return _problems(error.problems)
    async with asked.engine.connect() as connection:
        found = await try_terms(connection, document, body.party_id, body.call_id)
    return not_found("call") if found is None else Answered(content=TermsTried(**asdict(found)))


def _refused_withdrawal(refusal: WithdrawRefusal | None) -> Problem:
    return not_found("version of terms") if refusal is None else conflict(refusal.value)


def _party_of(asked: Asked) -> Party | None:
    return next((one for one in Party if one.value == asked.path["party"]), None)


async def _withdraw(asked: Asked) -> Answered | Problem:
    party = _party_of(asked)
    if party is None:
        return _refused_withdrawal(None)
    done = await withdraw(
        asked.engine,
        asked.actor,
        party=party,
        campaign_id=asked.path["id"],
        terms_id=asked.path["terms_id"],
        now=asked.now,
    )
    if not isinstance(done, Withdrawn):
        return _refused_withdrawal(done)
    return Answered(content=TermsWithdrawn(change_id=done.audit_id))


async def _put_back(asked: Asked) -> Answered | Problem:
    party = _party_of(asked)
    if party is None:
        return _refused_withdrawal(None)
    done = await put_back(
        asked.engine,
        asked.actor,
        party=party,
        campaign_id=asked.path["id"],
        terms_id=asked.path["terms_id"],
        audit_id=asked.path["change_id"],
        now=asked.now,
    )
    if not isinstance(done, PutBack):
        return _refused_withdrawal(done)
    return Answered(content=TermsPutBack(id=done.terms_id))


OPERATIONS = (
    Operation(
        method="DELETE",
        path="/campaigns/{id}/terms/{party}/{terms_id}",
        name="withdraw_terms",
        summary="Withdraw terms that are yet to go live",
        description="`party` is buyer or publisher. What is live, or was, stays: calls were judged by it.",
        tag="terms",
        handler=_withdraw,
        roles=EDITORS,
        path_types={"party": str},
        answer=TermsWithdrawn,
        problems=frozenset({409}),
    ),
    Operation(
        method="POST",
        path="/campaigns/{id}/terms/{party}/{terms_id}/put-back/{change_id}",
        name="put_back_terms",
        summary="Put withdrawn terms back, as a version of a new id",
        tag="terms",
        handler=_put_back,
        roles=EDITORS,
        path_types={"party": str},
        answer=TermsPutBack,
    ),
    Operation(
        method="GET",
        path="/campaigns/{id}/terms",
        name="list_terms",
        summary="List the versions of terms of a campaign, the one saved last first",
        tag="terms",
        handler=_list,
        roles=HOUSE,
        query=TermsQuery,
        answer=Page[TermsShown],
    ),
    Operation(
        method="POST",
        path="/campaigns/{id}/terms",
        name="save_terms",
        summary="Save terms that go live now or later",
        tag="terms",
        handler=_create,
        roles=EDITORS,
        body=NewTerms,
        answer=TermsMade,
        status=201,
    ),
    Operation(
        method="POST",
        path="/terms/try",
        name="try_terms",
        summary="Say what a call would have come to by some terms",
        tag="terms",
        handler=_try,
        roles=HOUSE,
        body=TryTerms,
        answer=TermsTried,
        problems=frozenset({404}),
    ),
)
