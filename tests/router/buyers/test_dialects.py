"""Every case file of every dialect, found by scan, and what no dialect may do whatever it is sent."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.buyers.addresses import AddressRules
from router.buyers.dialect import Endpoint, HttpAnswer, Offered, Refused, Unreadable
from router.buyers.registry import DIALECTS, endpoint_problems
from router.domain.auction import MAXIMUM_BID_MICROS
from tests.router.buyers.cases import FOLDER, KINDS, NOW, case_files, outcome_of, read_case
from tests.router.buyers.cases import _question as a_question

FILES = [(name, path) for name in DIALECTS for kind in KINDS for path in case_files(name, kind)]
NAMES = [f"{name}-{path.parent.name}-{path.stem}" for name, path in FILES]


@pytest.mark.parametrize(("name", "path"), FILES, ids=NAMES)
def test_the_case_comes_out_as_its_file_says(name: str, path: Path) -> None:
    case = read_case(path)
    assert case["story"]
    before = deepcopy(case)
    assert json.loads(json.dumps(outcome_of(name, case))) == case
    assert case == before
    endpoint = Endpoint(
        **{"target_id": 1, "dialect": name, "url": "https://buyer.example/bids", **case["endpoint"]}
    )
    assert endpoint_problems(endpoint, AddressRules()) == []


def test_every_dialect_has_exemplary_and_supplemental_cases_and_is_listed() -> None:
    for name in DIALECTS:
        assert all(case_files(name, kind) for kind in KINDS), name
    folders = {path.name for path in FOLDER.iterdir() if (path / "dialect.py").exists()}
    assert folders == set(DIALECTS)


def _endpoint(name: str) -> Endpoint:
    case = read_case(case_files(name, "exemplary")[0])
    return Endpoint(
        **{"target_id": 1, "dialect": name, "url": "https://buyer.example/bids", **case["endpoint"]}
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "bidAmount", "bidTerms", "phoneNumber", "expireInSeconds", "bidExpireEpoch", "bidId", "status", "uuid", "bid",
    "retreaver_payout", "retreaver_seconds", "expires_at", "inbound_number", "result", "price", "ping_id", "duration",
    "expires_in", "number", "accepted",
)  # fmt: skip
LIKELY = st.sampled_from(
    ["reserved", "success", "1e99999999", "-1", "45.00", "9" * 40, 10**400, -3, 45, True, "∞"]
)
ANSWERS = st.dictionaries(st.sampled_from(KEYS), LIKELY | JSON_VALUES, max_size=8)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "tollbridge"])
@given(value=ANSWERS | JSON_VALUES, status=st.sampled_from([200, 204, 302, 404, 500]))
def test_any_json_is_a_sound_bid_a_refusal_or_unreadable(name: str, value: Any, status: int) -> None:
    _sound(name, HttpAnswer(status=status, headers={}, body=json.dumps(value).encode()))


@pytest.mark.parametrize("name", list(DIALECTS))
@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_refusal_or_unreadable(name: str, body: bytes) -> None:
    _sound(name, HttpAnswer(status=200, headers={}, body=body))


def _sound(name: str, answer: HttpAnswer) -> None:
    endpoint = _endpoint(name)
    try:
        found = DIALECTS[name].read_bid(endpoint, a_question(endpoint, {}, sold=False), answer)
    except Unreadable:
        return
    if isinstance(found, Refused):
        assert found.detail
        return
    assert isinstance(found, Offered)
    assert 0 < found.bid_micros <= MAXIMUM_BID_MICROS
    assert found.expires_at is None or found.expires_at > NOW
    assert found.dial is None or found.dial.startswith(("+1", "sip:"))


TEMPLATE: dict[str, Any] = {
    "ping": {"body_format": "json", "body": {"state": "{state}"}},
    "bid": {"amount": "bid.amount"},
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ping": None}, "settings.ping: must be an object"),
        ({"extra": 1}, "settings.extra: not one of"),
        ({"ping": {"method": "DELETE"}}, "settings.ping.method: not one of GET, POST, PUT"),
        (
            {"ping": {"url": "https://{state}.example/"}},
            "settings.ping.url: a placeholder cannot stand in the host",
        ),
        ({"ping": {"url": "http://buyer.example/"}}, "settings.ping.url: must begin with https://"),
        (
            {"ping": {"url": "https://169.254.169.254/"}},
            "settings.ping.url: 169.254.169.254 is not a public address",
        ),
        (
            {"ping": {"body_format": "json", "body": {"a": ["{what}"]}}},
            "settings.ping.body: {what} is none of",
        ),
        ({"ping": {"body_format": "yaml"}}, "settings.ping.body_format: not one of"),
        ({"ping": {"headers": {"Host": "x"}}}, "settings.ping.headers.Host: not a header that can be set"),
        (
            {"ping": {"headers": {"X-A": "a\r\nX-B: b"}}},
            "settings.ping.headers.X-A: must be one line of plain text",
        ),
        ({"bid": {}}, "settings.bid.amount: missing"),
        ({"bid": {"amount": "bid..amount"}}, "settings.bid.amount: 'bid..amount' is not a place"),
        ({"bid": {"format": "xml", "amount": "//amount"}}, "settings.bid.amount: '//amount' is not a place"),
        ({"bid": {"amount": "a", "unit": "euros"}}, "settings.bid.unit: not one of"),
        ({"post": {}}, "settings.posted: a post needs a way to read its answer, and the reverse"),
    ],
)
def test_a_template_that_cannot_be_right_is_refused_with_its_place(
    changes: dict[str, Any], problem: str
) -> None:
    endpoint = Endpoint(
        target_id=1, dialect="template", url="https://buyer.example/", settings={**TEMPLATE, **changes}
    )
    found = endpoint_problems(endpoint, AddressRules())
    assert any(one.startswith(problem) for one in found), found


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ({"dialect": "telex"}, "dialect: 'telex' is not one of"),
        ({"url": "ftp://buyer.example/"}, "url: must begin with https://"),
        ({"url": "https://user:word@buyer.example/"}, "url: must not hold a user or a password"),
        ({"secret": "short"}, "secret: shorter than 16 characters"),
        ({"dialect": "ringba", "settings": {"method": "PUT"}}, "settings.method: not one of POST, GET"),
        ({"dialect": "leadspedia_like"}, "settings.campaign_id: must be text"),
        ({"cost_micros": -1}, "cost_micros: negative"),
    ],
)
def test_an_endpoint_that_cannot_be_right_is_refused_with_its_place(
    endpoint: dict[str, Any], problem: str
) -> None:
    right = {
        "target_id": 1,
        "dialect": "tollbridge",
        "url": "https://buyer.example/",
        "secret": "0123456789abcdef",
    }
    found = endpoint_problems(Endpoint(**{**right, **endpoint}), AddressRules())
    assert any(one.startswith(problem) for one in found), found
