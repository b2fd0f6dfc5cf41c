"""Several legs at once, whispers, keys and dropped calls, as Asterisk's rows tell them."""

# ruff: noqa: E501  the tables are as psql prints them

from __future__ import annotations

from agi.cel import CelRow, left_behind
from billing.call_record import Outcome, Witness, outcome_of
from tests.agi.test_cel import record_of, rows_of

TOGETHER = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CALL         |      2 | 10     | PJSIP/trunk-demo-01    | {"extra":"dialled=+18005550100 caller=+16145550123 trunk=demo"}
 CHAN_START   |     20 | 11     | Local/1@one-of-all-0;1 |
 CHAN_START   |     20 | 12     | Local/1@one-of-all-0;2 |
 CHAN_START   |     21 | 13     | Local/2@one-of-all-1;1 |
 CHAN_START   |     21 | 14     | Local/2@one-of-all-1;2 |
 CHAN_START   |     22 | 15     | PJSIP/target-12-02     |
 CHAN_START   |     23 | 16     | PJSIP/target-13-03     |
 ANSWER       |   1000 | 16     | PJSIP/target-13-03     |
 ANSWER       |   1001 | 13     | Local/2@one-of-all-1;1 |
 LEG          |   1010 | 15     | PJSIP/target-12-02     | {"extra":"attempt=1 target=12 answered= ended=1764000001010 cause=26"}
 HANGUP       |   1011 | 15     | PJSIP/target-12-02     | {"hangupcause":26}
 LEG          |   5000 | 16     | PJSIP/target-13-03     | {"extra":"attempt=2 target=13 answered=1764000001001 ended=1764000005000 cause=16"}
 HANGUP       |   5001 | 16     | PJSIP/target-13-03     | {"hangupcause":16}
 LINKEDID_END |   5010 | 10     | PJSIP/trunk-demo-01    |
"""


def test_legs_that_rang_together_have_their_own_attempts_and_the_channels_between_are_none() -> None:
    record = record_of(TOGETHER)
    assert [(leg.attempt, leg.target_id, leg.connected_ms) for leg in record.legs] == [
        (1, 12, 0),
        (2, 13, 3999),
    ]
    assert record.sold_leg is not None and record.sold_leg.target_id == 13
    assert not any(leg.alarm for leg in record.legs)


def test_legs_that_rang_together_share_the_status_of_their_dial() -> None:
    refused = TOGETHER.replace("answered=1764000001001", "answered=").replace(
        " LINKEDID_END |",
        ' DIALEND | 5005 | 10 | PJSIP/trunk-demo-01 | {"extra":"attempt=1 legs=2 status=BUSY"}\n LINKEDID_END |',
    )
    record = record_of(refused)
    assert record.dial_statuses == {1: "BUSY", 2: "BUSY"}
    assert outcome_of(record, number_known=True, found_nobody=True) is Outcome.NOT_ANSWERED


ACCEPTED = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CHAN_START   |     20 | 11     | PJSIP/target-12-02     |
 ANSWER       |   1000 | 11     | PJSIP/target-12-02     |
 WHISPER      |   1001 | 11     | PJSIP/target-12-02     | {"extra":"attempt=1"}
 ACCEPTED     |   6000 | 11     | PJSIP/target-12-02     | {"extra":"attempt=1"}
 LEG          |   9000 | 11     | PJSIP/target-12-02     | {"extra":"attempt=1 target=12 answered=1764000006000 ended=1764000009000 cause=16"}
 HANGUP       |   9001 | 11     | PJSIP/target-12-02     | {"hangupcause":16}
 LINKEDID_END |   9010 | 10     | PJSIP/trunk-demo-01    |
"""


def _without(table: str, *events: str) -> str:
    return "\n".join(line for line in table.splitlines() if not line.strip().startswith(events))


def test_the_time_before_the_key_is_neither_billed_nor_alarming() -> None:
    leg = record_of(ACCEPTED).sold_leg
    assert leg is not None and leg.connected_ms == 3000
    assert leg.disagreement_ms == 1 and not leg.alarm


def test_asterisk_died_while_they_talked_the_key_still_begins_the_bill() -> None:
    leg = record_of(_without(ACCEPTED, "LEG", "HANGUP", "LINKEDID"), died_ms=1_764_000_008_000).sold_leg
    assert leg is not None and leg.witness is Witness.LAST_WITNESS and leg.connected_ms == 2000


def test_asterisk_died_before_the_key_nobody_has_taken_it() -> None:
    cut = _without(ACCEPTED, "ACCEPTED", "LEG", "HANGUP", "LINKEDID")
    assert record_of(cut, died_ms=1_764_000_008_000).sold_leg is None


DROPPED = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CHAN_START   |     20 | 11     | PJSIP/target-12-02     |
 ANSWER       |   1000 | 11     | PJSIP/target-12-02     |
 LEG          |   9000 | 11     | PJSIP/target-12-02     | {"extra":"attempt=1 target=12 answered=1764000001000 ended=1764000009000 cause=16"}
 DROPPED      |   9002 | 10     | PJSIP/trunk-demo-01    | {"extra":"attempt=1 talked=8000"}
 CHAN_START   |   9020 | 12     | PJSIP/target-13-03     |
 ANSWER       |  10000 | 12     | PJSIP/target-13-03     |
 LEG          |  15000 | 12     | PJSIP/target-13-03     | {"extra":"attempt=2 target=13 answered=1764000010000 ended=1764000015000 cause=16"}
 LINKEDID_END |  15010 | 10     | PJSIP/trunk-demo-01    |
"""


def test_who_dropped_the_call_comes_after_who_kept_it_however_long_it_talked() -> None:
    record = record_of(DROPPED)
    assert [(leg.target_id, leg.connected_ms, leg.dropped) for leg in record.payable_legs] == [
        (13, 5000, False),
        (12, 8000, True),
    ]


def _left(extra: str) -> CelRow:
    table = f" event | ms | serial | channel | extra\n LEFT | 10 | 10 | PJSIP/trunk-demo-01 | {extra}"
    return rows_of(table)[0]


def test_a_voice_message_lies_under_our_own_name() -> None:
    left = left_behind(
        _left('{"extra":"kind=voicemail from=1764000000000 until=1764000004500 status=HANGUP"}')
    )
    assert left is not None
    assert (left.recording, left.detail) == ("a-1764000000.10.wav", {"length_ms": 4500, "status": "HANGUP"})


def test_what_is_too_short_or_not_understood_is_left_out() -> None:
    for extra in (
        "kind=voicemail from=1764000000000 until=1764000000900",
        "kind=voicemail from= until=",
        "kind=parcel",
        "",
    ):
        assert left_behind(_left(f'{{"extra":"{extra}"}}')) is None


def test_a_call_back_says_which_words_were_agreed_to() -> None:
    left = left_behind(_left('{"extra":"kind=call_back key=1 prompt=tollbridge/call-back"}'))
    assert left is not None and left.recording is None
    assert left.detail == {"key": "1", "prompt": "tollbridge/call-back"}
