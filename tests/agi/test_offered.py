"""What the dialplan is told to ring, and what becomes of a caller whom nobody takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.channel import SAFE_VALUE
from agi.offered import dial_text, leg_text, treatment_variables
from router.domain.decision import Offer
from rules.dialling import HOME_ONLY
from rules.no_buyer import NoBuyer
from rules.prompt_names import prompt_name

OWN = "sip:desk@203.0.113.9:5062"
DIAL_STRING = re.compile(
    r"PJSIP/(target-12|target-12/sip:[A-Za-z0-9+_.-]+@[A-Za-z0-9.-]+(:[0-9]+)?|\+1[0-9]{10}@target-12-out)"
)


def offer(**changes: object) -> Offer:
    values: dict[str, object] = {"target_id": 12, "buyer_id": 3, "ring_timeout_seconds": 20, "licences": ()}
    return Offer(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dial", "rung"),
    [
        (None, "PJSIP/target-12"),
        ("+16145550142", "PJSIP/+16145550142@target-12-out"),
        ("sip:call-7@pbx.buyer.example", "PJSIP/target-12/sip:call-7@pbx.buyer.example"),
        ("sip:call-7@203.0.113.9:5070", "PJSIP/target-12/sip:call-7@203.0.113.9:5070"),
        ("sip:call-7@10.1.2.3", "PJSIP/target-12"),
        ("sip:call-7@169.254.169.254", "PJSIP/target-12"),
        ("+19005550100", "PJSIP/target-12"),
        ("+442071838750", "PJSIP/target-12"),
        ("Local/1@inbound", "PJSIP/target-12"),
        ("sip:a@b.example&PJSIP/c", "PJSIP/target-12"),
        ("", "PJSIP/target-12"),
    ],
)
def test_a_bids_address_is_rung_only_when_it_is_one(dial: str | None, rung: str) -> None:
    assert dial_text(offer(dial=dial), OWN, HOME_ONLY) == rung


def test_a_house_of_ones_own_may_be_rung_by_its_own_bidder() -> None:
    assert (
        dial_text(offer(dial="sip:x@10.1.2.3:5070"), "sip:desk@10.1.2.3", HOME_ONLY)
        == "PJSIP/target-12/sip:x@10.1.2.3:5070"
    )


@given(st.text(max_size=60) | st.from_regex(r"sip:[^ ]{1,20}@[^ ]{1,20}", fullmatch=True))
def test_whatever_a_bid_says_the_dialplan_reads_one_channel(dial: str) -> None:
    assert DIAL_STRING.fullmatch(dial_text(offer(dial=dial), OWN, HOME_ONLY))


def test_a_leg_is_told_in_one_safe_word() -> None:
    told = offer(press_to_accept=True, whisper_text="Hello.", recovery_seconds=4, dial="sip:a@b.example:5070")
    leg = leg_text(told, OWN, HOME_ONLY, lambda _: True)
    assert SAFE_VALUE.match(leg)
    target, where, seconds, press, recovery_ms, whisper = leg.split("=")
    assert (target, where, seconds) == ("12", "PJSIP/target-12/sip:a@b.example:5070", "20")
    assert (press, recovery_ms, whisper) == ("1", "4000", f"prompts/{prompt_name('Hello.')}")
    assert leg_text(told, OWN, HOME_ONLY, lambda _: False).endswith("=1=4000="), (
        "a whisper that is not rendered is left out"
    )


def test_a_text_that_is_not_rendered_gives_way_to_the_houses_own() -> None:
    due = NoBuyer(treatment="voicemail", text="Speak.")
    assert treatment_variables(due, lambda _: True)["TB_CLOSING_PROMPT"] == f"prompts/{prompt_name('Speak.')}"
    assert treatment_variables(due, lambda _: False)["TB_CLOSING_PROMPT"] == "tollbridge/voicemail"
