"""Two houses that both run Tollbridge: what one asks by its ping-post dialect, the other answers at /rtb."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from router.buyers.dialect import Endpoint, HttpAnswer, HttpRequest, Offered, Question
from router.buyers.question import known_of, question_for
from router.buyers.tollbridge.dialect import DIALECT
from router.buyers.tollbridge.signing import caller_hash
from tests.router.markets import a_request
from tests.sealed import number_in
from tests.web.rtb.conftest import NUMBER, OHIO, Publisher, a_caller


async def test_a_ping_with_a_hidden_caller_then_the_post(publisher: Publisher, caller: str) -> None:
    key = await publisher.key()
    endpoint = Endpoint(
        target_id=1,
        dialect="tollbridge",
        url=str(publisher.server.make_url(f"/rtb/{key}")),
        secret=key,
    )
    question = Question(
        ping_id="p-1",
        campaign="Mortgage",
        caller=None,
        caller_hash=caller_hash(key, caller),
        state="OH",
        answers=OHIO,
        hops=("north",),
        deadline_ms=500,
        now=datetime.now(UTC),
    )
    assert DIALECT.problems(endpoint) == []
    bid = DIALECT.read_bid(
        endpoint, question, await _exchange(publisher, DIALECT.make_ping(endpoint, question))
    )
    assert isinstance(bid, Offered)
    assert (bid.bid_micros, bid.minimum_connected_ms, bid.dial) == (60_000_000, 90_000, NUMBER)
    sold = replace(question, caller=caller, ping_id="p-2")
    post = DIALECT.make_post(endpoint, sold, bid.reference)
    assert post is not None
    taken = DIALECT.read_post(endpoint, sold, await _exchange(publisher, post))
    assert isinstance(taken, Offered) and taken.dial == NUMBER
    row = await publisher.row("SELECT caller_sealed, state FROM rtb_reservations")
    assert (number_in(row._mapping), row.state) == (caller, "confirmed")


@pytest.mark.parametrize(
    ("tags", "sold"),
    [
        # A caller of Ohio, guessed there: the next house guesses by the number, which is Californian.
        ({"state": "OH", "state_source": "area_code"}, False),
        ({"state": "OH", "state_source": "stated"}, True),
        # Told two states there, of which one is Ohio.
        ({"zip": "43215", "state_candidates": "CA-OH", "state_source": "disagree"}, False),
    ],
)
async def test_how_the_state_is_known_goes_along(
    publisher: Publisher, tags: dict[str, str], *, sold: bool
) -> None:
    key = await publisher.key()
    url = str(publisher.server.make_url(f"/rtb/{key}"))
    endpoint = Endpoint(target_id=1, dialect="tollbridge", url=url, secret=key, expose_caller=True)
    request = a_request(caller=f"+1415555{a_caller()[-4:]}", tags={**tags, "loan_type": "refinance"})
    known = known_of(request, own_hop="north")
    question = question_for(endpoint, known, deadline_ms=500, now=datetime.now(UTC))
    answer = await _exchange(publisher, DIALECT.make_ping(endpoint, question))
    assert isinstance(DIALECT.read_bid(endpoint, question, answer), Offered) is sold


async def _exchange(publisher: Publisher, request: HttpRequest) -> HttpAnswer:
    async with publisher.session.request(
        request.method, request.url, headers=dict(request.headers), data=request.body
    ) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return HttpAnswer(status=answer.status, headers=headers, body=await answer.read())
