"""Where a bid may send a caller, and where not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.dial import DialProblem, read_dial


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
        "", "911", "+442079460000", "+19005550100", "+16149760100", "+16149110100", "+1614555012", "+161455501234",
        "6145550123&PJSIP/x", "6145550123,500", "sip:a@10.0.0.1", "sip:a@127.0.0.1", "sip:a@169.254.169.254",
        "sip:a@localhost", "sip:a@pbx", "sip:a@1.2", "sip:a@buyer.example;transport=tls", "sips:a@buyer.example",
        "sip:a@buyer.example\r\nX: y", "sip:${EXTEN}@buyer.example", "tel:+16145550123", "٦١٤٥٥٥٠١٢٣",
    ],
)  # fmt: skip
def test_anything_else_is_a_problem(text: str) -> None:
    found = read_dial(text)
    assert isinstance(found, DialProblem) and found.reason


@given(st.text(max_size=30) | st.from_regex(r"\A(sip:)?[\w+@.,&$ -]{0,30}\Z"))
def test_what_is_read_is_plain(text: str) -> None:
    found = read_dial(text)
    if isinstance(found, str):
        assert found.isascii() and not set(found) & set("&,;${}()'\" \r\n")
        assert read_dial(found) == found
