"""SIPp's log is read as the buyer's own account."""

from __future__ import annotations

from datetime import UTC, datetime

from tollbridge.phone.sipp_log import read_legs

DASHES = "-" * 47


def entry(time: str, how: str, start: str, cseq: str) -> str:
    lines = (
        f"{DASHES} 2026-11-24 {time}",
        f"UDP message {how} :",
        "",
        start,
        "Call-ID: one",
        f"CSeq: {cseq}",
        "From: <sip:1@x>;tag=a",
        "",
        "",
    )
    return "\n".join(lines)


LOG = (
    entry("08:50:36.001000", "received [649] bytes", "INVITE sip:b@h SIP/2.0", "1 INVITE")
    + entry("08:50:36.002000", "sent (300 bytes)", "SIP/2.0 180 Ringing", "1 INVITE")
    + entry("08:50:37.000000", "sent (300 bytes)", "SIP/2.0 200 OK", "1 INVITE")
    + entry("08:50:37.500000", "sent (300 bytes)", "SIP/2.0 200 OK", "1 INVITE")
    + entry("08:50:37.501000", "received [300] bytes", "ACK sip:b@h SIP/2.0", "1 ACK")
    + entry("08:50:39.250500", "received [300] bytes", "BYE sip:b@h SIP/2.0", "2 BYE")
    + entry("08:50:39.250600", "sent (300 bytes)", "SIP/2.0 200 OK", "2 BYE")
)


def test_a_conversation_lasts_from_the_first_200_to_bye() -> None:
    (leg,) = read_legs(LOG)
    assert leg.connected_ms is not None and round(leg.connected_ms, 3) == 2250.5
    assert leg.answered_ms == datetime(2026, 11, 24, 8, 50, 37, tzinfo=UTC).timestamp() * 1000
    assert leg.ringing_ms is not None and leg.status == 200 and leg.bye_sent_ms is None


def test_an_unfinished_log_is_read_as_far_as_it_goes() -> None:
    (leg,) = read_legs(LOG[: LOG.index("BYE sip")])
    assert leg.answered_ms is not None and leg.connected_ms is None
    assert read_legs("") == ()
