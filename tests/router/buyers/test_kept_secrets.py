"""What of an endpoint is secret is masked where it is shown, and in no text that is stored of an exchange."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.buyers.addresses import AddressRules
from router.buyers.dialect import Endpoint, HttpAnswer
from router.buyers.kept_secrets import (
    bound_to,
    hidden_texts,
    masked_settings,
    unmasked_settings,
    without_secrets,
)
from router.buyers.question import answer_text, request_text
from router.buyers.registry import DIALECTS, endpoint_problems
from tests.router.buyers.cases import _question

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="{}*"), min_size=8)
TEMPLATE: dict[str, Any] = {
    "ping": {
        "url": "https://b.example/{secret}?k={secret}",
        "headers": {"X-Key": "{secret}", "X-Own": "k-12345"},
        "body_format": "json",
        "body": {"state": "{state}"},
    },
    "bid": {"amount": "bid"},
}


@given(SECRETS)
def test_no_spelling_of_a_secret_is_stored_of_a_question_or_an_answer(secret: str) -> None:
    for body_format, body in (("json", {"my_key": secret}), ("form", {"my_key": secret}), ("none", None)):
        ping = {**TEMPLATE["ping"], "body_format": body_format, "body": body}
        endpoint = Endpoint(
            target_id=1,
            dialect="template",
            url="https://b.example/",
            secret=secret,
            settings={**TEMPLATE, "ping": ping},
        )
        hidden = hidden_texts(endpoint)
        request = DIALECTS["template"].make_ping(endpoint, _question(endpoint, {}, sold=False))
        assert request.headers["X-Key"] == secret, "the bidder itself has to get it"
        stored = request_text(hidden, request)
        assert not [text for text in hidden if text in stored]
        echo = HttpAnswer(status=200, headers={}, body=f"{request.url} {secret}".encode() + request.body)
        assert not [text for text in hidden if text in answer_text(hidden, echo)]


def test_a_body_never_holds_the_secret_not_even_of_an_endpoint_that_was_kept_before() -> None:
    settings = {"ping": {"body_format": "json", "body": {"k": "<{secret}>"}}, "bid": {"amount": "bid"}}
    endpoint = Endpoint(
        target_id=1,
        dialect="template",
        url="https://b.example/",
        secret="0123456789abcdef",
        settings=settings,
    )
    assert DIALECTS["template"].make_ping(endpoint, _question(endpoint, {}, sold=False)).body == b'{"k":"<>"}'
    assert endpoint_problems(endpoint, AddressRules()) == [
        "settings.ping.body: {secret} goes into a header or the address, never into a body"
    ]


JSON = st.recursive(
    st.text(max_size=5) | st.integers(), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
SETTINGS = st.dictionaries(
    st.sampled_from(["headers", "campaign_key", "api_token", "ping", "Authorization", "state"]),
    JSON,
    max_size=5,
)


@given(SETTINGS)
def test_masked_settings_that_come_back_are_what_they_were(settings: dict[str, Any]) -> None:
    assert unmasked_settings(masked_settings(settings), settings) == settings


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        ("campaign_key", True),
        ("apiToken", True),
        ("PASSWORD", True),
        ("x_auth", True),
        ("author", False),
        ("state", False),
    ],
)
def test_texts_are_masked_by_what_their_names_say(name: str, is_hidden: bool) -> None:
    assert (masked_settings({"body": {name: "value"}})["body"][name] == "***") is is_hidden


def test_one_host_is_one_host_however_it_is_written() -> None:
    def bound(url: str) -> frozenset[str]:
        return bound_to({"dialect": "ringba", "url": url, "settings": {}})

    assert bound("https://B.example/x") == bound("https://b.example:443/y?z")
    assert (
        len({bound(url) for url in ("https://b.example", "https://b.example:8443", "https://c.example")}) == 3
    )
    assert bound("https://[") != bound("https://b.example"), "what is no address is a place of its own"


def test_short_settings_do_not_eat_the_text() -> None:
    endpoint = Endpoint(target_id=1, dialect="ringba", url="", settings={"headers": {"X-A": "a"}})
    assert without_secrets(hidden_texts(endpoint), "a banana") == "a banana"
