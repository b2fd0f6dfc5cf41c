from __future__ import annotations

import pytest

from rules.sip_uri import sip_uri_problem


@pytest.mark.parametrize(
    "uri", ["sip:desk@127.0.0.1", "sip:desk@127.0.0.1:5080", "sip:+16145550123@sbc-1.lender.example:5061"]
)
def test_an_address_we_can_ring_is_fine(uri: str) -> None:
    assert sip_uri_problem(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "desk@127.0.0.1",
        "sips:desk@lender.example",
        "sip:lender.example",
        "sip:desk@lender.example;transport=tcp",
        "sip:desk@lender.example:0",
        "sip:desk@lender.example:65536",
        "sip:desk@-lender.example",
        "sip:desk@lender..example",
        "sip:desk@lender.example\n[evil]",
        "sip:desk@lender.example\n",
        "sip:${EXTEN}@lender.example",
        "sip:a&b@lender.example",
        "sip:desk@" + "a" * 300,
    ],
)
def test_anything_else_is_refused_with_a_reason(uri: str) -> None:
    assert sip_uri_problem(uri)
