"""Where a bid may send a caller, and where not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.dial import DialProblem, dial_problem, read_dial
from rules.dialling import HOME_ONLY, Destination, DiallingRules


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("+16145550123", "+16145550123"),
        ("16145550123", "+16145550123"),
        ("(614) 555-0123", "+16145550123"),
        ("sip:desk7@calls.buyer.example:5070", "sip:desk7@calls.buyer.example:5070"),
        ("SIP:desk7@8.8.8.8", "sip:desk7@8.8.8.8"),
    ],
)
def test_numbers_and_plain_sip_addresses_are_read(text: str, read: str) -> None:
    assert read_dial(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "911", "+1614555012", "+161455501234", "+266696687", "anonymous", "1212555012362",
        "6145550123&PJSIP/x", "6145550123,500", "sip:a@10.0.0.1", "sip:a@127.0.0.1", "sip:a@169.254.169.254",
        "sip:a@localhost", "sip:a@pbx", "sip:a@1.2", "sip:a@buyer.example;transport=tls", "sips:a@buyer.example",
        "sip:a@buyer.example\r\nX: y", "sip:${EXTEN}@buyer.example", "tel:+16145550123", "٦١٤٥٥٥٠١٢٣",
    ],
)  # fmt: skip
def test_anything_else_is_a_problem(text: str) -> None:
    found = read_dial(text)
    assert isinstance(found, DialProblem) and found.reason


JAMAICA = Destination(
    prefix="+1876555",
    name="Back office",
    cost_per_minute_micros=250_000,
    target_minutes_per_day=120,
    target_micros_per_day=100_000_000,
    trunk_minutes_per_day=480,
    trunk_micros_per_day=400_000_000,
)


@pytest.mark.parametrize(
    "place",
    [
        *(f"+1{area}5550100" for area in ("876", "809", "849", "242", "268", "473", "664", "721", "767", "868")),
        "+15005550100", "+17005550100", "+19005550100", "+16149760100", "+16149110100", "+442079460000",
        "+17875550100", "+14165550100", "sip:+18765550100@carrier.example", "sip:18765550100@carrier.example",
        "sip:01118765550100@carrier.example", "sip:+68221234@carrier.example", "sip:0068221234@carrier.example",
        "sip:011442079460000@carrier.example", "sip:441212345678@carrier.example",
    ],
)  # fmt: skip
def test_only_numbers_of_the_states_are_rung_unless_they_are_listed(place: str) -> None:
    assert isinstance(read_dial(place), str)
    assert dial_problem(place, HOME_ONLY)
    listed = DiallingRules(destinations=(JAMAICA, replace(JAMAICA, prefix="+44")))
    allowed = (
        place in ("+18765550100", "+442079460000") or "18765550100@" in place or "442079460000@" in place
    )
    assert (dial_problem(place, listed) is None) is allowed


@pytest.mark.parametrize(
    "place",
    ["+16145550123", "+18005550123", "+12025550123", "+18085550123", "sip:desk7@buyer.example",
     "sip:7001@buyer.example", "sip:+16145550123@buyer.example"],
)  # fmt: skip
def test_numbers_of_the_states_and_toll_free_ones_are_rung(place: str) -> None:
    assert dial_problem(place, HOME_ONLY) is None


@given(st.text(max_size=30) | st.from_regex(r"\A(sip:)?[\w+@.,&$ -]{0,30}\Z"))
def test_what_is_read_is_plain(text: str) -> None:
    found = read_dial(text)
    if isinstance(found, str):
        assert found.isascii() and not set(found) & set("&,;${}()'\" \r\n")
        assert read_dial(found) == found
