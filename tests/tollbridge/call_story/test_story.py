"""What people are told of a call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from tollbridge.call_story.story import CallStory, Noted, Recorded, dollars, tell


def a_call(*, converted: bool, detail: str) -> CallStory:
    return CallStory(
        call_id=UUID(int=1),
        linkedid="a-1.0",
        dialled="+18005550100",
        caller=None,
        trunk="loopback",
        state="settled",
        outcome="sold",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        ended_at=None,
        buyer="Acme",
        target="Desk",
        licence="CA 1",
        connected_ms=1_000,
        converted=converted,
        conversion={"detail": detail},
        evidence=None,
        tags={},
        answers=(),
        decisions=(),
        legs=(),
        postings=(),
    )


def test_a_call_that_did_not_convert_says_why() -> None:
    told = list(tell(a_call(converted=False, detail="connected 1.000 s of 90 s")))
    assert "not converted" in told[0] and told[-1] == "  not converted: connected 1.000 s of 90 s"
    told = list(tell(a_call(converted=True, detail="connected 91.000 s of 90 s")))
    assert told[1:] == ["  converted: connected 91.000 s of 90 s"]


def test_a_call_says_which_terms_did_not_pay_and_what_the_margin_kept() -> None:
    judged = {
        "buyer": {"failed": [{"rule": "veteran", "reason": "veteran is no, wanted = yes"}]},
        "publisher": {"failed": [], "margin_kept_micros": 5_000_000},
    }
    call = a_call(converted=True, detail="connected 91 s of 90 s")
    told = list(tell(replace(call, conversion={**(call.conversion or {}), **judged})))
    assert told[2:] == [
        "    buyer's veteran not paid: veteran is no, wanted = yes",
        "    $5.00 of the publisher's payout was held back so that the margin stays",
    ]


def test_what_a_flow_did_and_what_was_recorded_is_told() -> None:
    story = replace(
        a_call(converted=True, detail="connected 91.000 s of 90 s"),
        noted=(
            Noted(kind="web_hook", node="hook", detail={"took_ms": 12, "given": ["tier"], "reason": ""}),
            Noted(kind="transferred", node="", detail={"number": "+16145550142", "cause": None}),
        ),
        recordings=(
            Recorded(file="1-1.wav", state="stored", start_offset_ms=5_000, length_ms=61_500, sha256="00"),
        ),
    )
    assert list(tell(story))[1:] == [
        "  web hook at hook: took_ms 12, given ['tier']",
        "  transferred: number +16145550142",
        "  recording 1-1.wav: stored, 61.5 s",
        "  converted: connected 91.000 s of 90 s",
    ]


def test_money_is_written_for_people() -> None:
    assert [dollars(85_000_000), dollars(-9_900), dollars(0)] == ["$85.00", "-$0.0099", "$0.00"]
