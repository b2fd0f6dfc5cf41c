"""A call's story as the rows Asterisk wrote, pasted as the table psql prints, and the record that must come of it.

To make a test of a real call: SELECT event, event_us, uniqueid, channel, extra FROM cel_rows WHERE linkedid = '…' ORDER BY id
"""

# ruff: noqa: E501  the tables are as psql prints them

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.cel import CelRow, RefusedLine, call_record, parse_line, user_fields
from billing.call_record import CallRecord, Outcome, Witness, outcome_of
from rules.telephone import known_number

LINKEDID = "a-1764000000.10"


def rows_of(table: str) -> list[CelRow]:
    """Read a psql table; times are milliseconds after 1764000000.000."""
    lines = [line for line in table.strip().splitlines() if "|" in line]
    rows = []
    for line in lines[1:]:
        event, at_ms, serial, channel, extra = (cell.strip() for cell in line.split("|", 4))
        event_us = round((1_764_000_000_000 + float(at_ms)) * 1000)
        uniqueid = f"a-1764000000.{serial}"
        rows.append(
            CelRow(
                event=event,
                event_us=event_us,
                uniqueid=uniqueid,
                linkedid=LINKEDID,
                channel=channel,
                extra=extra,
            )
        )
    return rows


def record_of(table: str, *, died_ms: int | None = None) -> CallRecord:
    record = call_record(rows_of(table), died_ms=died_ms)
    assert record is not None
    return record


SOLD = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CALL         |      2 | 10     | PJSIP/trunk-demo-01    | {"extra":"dialled=+18005550100 caller=+16145550123 trunk=demo"}
 ANSWER       |     11 | 10     | PJSIP/trunk-demo-01    |
 STEP         |   4000 | 10     | PJSIP/trunk-demo-01    | {"extra":"step=inbound-call status=SUCCESS done=1"}
 CHAN_START   |   4002 | 11     | PJSIP/target-12-02     |
 ANSWER       | 6000.4 | 11     | PJSIP/target-12-02     |
 BRIDGE_ENTER |   6001 | 11     | PJSIP/target-12-02     | {"bridge_id":"x"}
 BRIDGE_ENTER |   6001 | 10     | PJSIP/trunk-demo-01    | {"bridge_id":"x"}
 LEG          |  12200 | 11     | PJSIP/target-12-02     | {"extra":"attempt=1 target=12 answered=1764000006000 ended=1764000012200 cause=16"}
 HANGUP       |  12203 | 11     | PJSIP/target-12-02     | {"hangupcause":16,"hangupsource":"","dialstatus":""}
 CHAN_END     |  12203 | 11     | PJSIP/target-12-02     |
 DIALEND      |  12204 | 10     | PJSIP/trunk-demo-01    | {"extra":"attempt=1 status=ANSWER"}
 HANGUP       |  12205 | 10     | PJSIP/trunk-demo-01    | {"hangupcause":16,"hangupsource":"","dialstatus":"ANSWER"}
 CHAN_END     |  12205 | 10     | PJSIP/trunk-demo-01    |
 LINKEDID_END |  12206 | 10     | PJSIP/trunk-demo-01    |
"""


def test_a_sold_call_is_billed_by_the_legs_own_handler() -> None:
    record = record_of(SOLD)
    assert (record.dialled, record.caller, record.trunk_name) == ("+18005550100", "+16145550123", "demo")
    assert (record.started_ms, record.carrier_ms, record.complete) == (1_764_000_000_000, 12_195, True)
    leg = record.sold_leg
    assert leg is not None
    assert (leg.attempt, leg.target_id, leg.connected_ms, leg.cause) == (1, 12, 6_200, 16)
    assert (leg.witness, leg.channel_connected_ms, leg.disagreement_ms) == (Witness.LEG, 6_202, 2)
    assert not leg.alarm


def test_a_call_that_was_never_answered_is_none_of_the_carriers() -> None:
    lines = [line for line in SOLD.splitlines() if "ANSWER " not in line and "target-12" not in line]
    record = record_of("\n".join(lines))
    assert (record.carrier_ms, record.complete) == (None, True)


def test_a_real_call_sold_after_a_frozen_service() -> None:
    """Recorded from Asterisk 22.10.1: the AGI step ran into its watchdog, survival chose the target."""
    lines = (Path(__file__).parent / "recorded" / "sold_after_a_frozen_service.csv").read_bytes().splitlines()
    rows = [row for row in map(parse_line, lines) if isinstance(row, CelRow)]
    assert len(rows) == len(lines) == 16
    record = call_record(rows)
    assert record is not None
    leg = record.sold_leg
    assert leg is not None
    assert (record.caller, record.dialled, record.complete) == ("+16145554207", "+18000147966", True)
    assert (leg.target_id, leg.connected_ms, leg.disagreement_ms, leg.cause) == (1, 1_512, 0, 16)


def test_doubled_rows_change_nothing() -> None:
    rows = rows_of(SOLD)
    assert call_record([row for row in rows for _ in range(2)]) == call_record(rows)


def test_a_leg_whose_handler_did_not_run_is_billed_by_its_channel() -> None:
    record = record_of("\n".join(line for line in SOLD.splitlines() if not line.startswith(" LEG")))
    leg = record.sold_leg
    assert leg is not None
    assert (leg.attempt, leg.target_id, leg.connected_ms, leg.cause) == (1, 12, 6_203, 16)
    assert (leg.witness, leg.disagreement_ms) == (Witness.CHANNEL, None)


@pytest.mark.parametrize(("ended", "alarm"), [("1764000013202", False), ("1764000013203", True)])
def test_two_witnesses_a_second_apart_raise_an_alarm(ended: str, alarm: bool) -> None:
    leg = record_of(SOLD.replace("ended=1764000012200", f"ended={ended}")).sold_leg
    assert leg is not None
    assert leg.alarm is alarm


def test_a_clock_that_ran_backwards_bills_nothing_and_raises_an_alarm() -> None:
    leg = record_of(SOLD.replace("ended=1764000012200", "ended=1764000002200")).sold_leg
    assert leg is not None
    assert (leg.connected_ms, leg.alarm) == (0, True)


def test_a_busy_buyer_and_then_one_who_answers() -> None:
    record = record_of("""
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CALL         |      2 | 10     | PJSIP/trunk-demo-01    | {"extra":"dialled=+18005550100 caller= trunk=demo"}
 CHAN_START   |   1000 | 11     | PJSIP/target-7-02      |
 LEG          |   1100 | 11     | PJSIP/target-7-02      | {"extra":"attempt=1 target=7 answered= ended=1764000001100 cause=17"}
 HANGUP       |   1101 | 11     | PJSIP/target-7-02      | {"hangupcause":17}
 DIALEND      |   1102 | 10     | PJSIP/trunk-demo-01    | {"extra":"attempt=1 status=BUSY"}
 CHAN_START   |   1200 | 12     | PJSIP/target-8-03      |
 ANSWER       |   2000 | 12     | PJSIP/target-8-03      |
 LEG          |   5000 | 12     | PJSIP/target-8-03      | {"extra":"attempt=2 target=8 answered=1764000002000 ended=1764000005000 cause=16"}
 HANGUP       |   5001 | 12     | PJSIP/target-8-03      | {"hangupcause":16}
 LINKEDID_END |   5002 | 10     | PJSIP/trunk-demo-01    |
""")
    assert [(leg.attempt, leg.target_id, leg.connected_ms, leg.cause) for leg in record.legs] == [
        (1, 7, 0, 17),
        (2, 8, 3_000, 16),
    ]
    assert record.caller is None
    assert outcome_of(record, number_known=True, found_nobody=False) is Outcome.SOLD


DIED_BRIDGED = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CALL         |      2 | 10     | PJSIP/trunk-demo-01    | {"extra":"dialled=+18005550100 caller=+16145550123 trunk=demo"}
 CHAN_START   |   4002 | 11     | PJSIP/target-12-02     |
 ANSWER       |   6000 | 11     | PJSIP/target-12-02     |
 BRIDGE_ENTER |   6001 | 11     | PJSIP/target-12-02     |
"""


def test_a_call_whose_asterisk_died_ends_at_the_last_heartbeat() -> None:
    record = record_of(DIED_BRIDGED, died_ms=1_764_000_066_500)
    leg = record.sold_leg
    assert leg is not None
    assert (leg.connected_ms, leg.witness) == (60_500, Witness.LAST_WITNESS)
    assert (record.complete, record.ended_ms) == (False, 1_764_000_066_500)


def test_without_a_heartbeat_its_last_row_is_the_last_witness() -> None:
    leg = record_of(DIED_BRIDGED).sold_leg
    assert leg is not None
    assert leg.connected_ms == 1


@pytest.mark.parametrize(
    ("table", "found_nobody", "outcome"),
    [
        ("CALL | 2 | 10 | PJSIP/trunk-demo-01 |", False, Outcome.ABANDONED),
        ("CALL | 2 | 10 | PJSIP/trunk-demo-01 |", True, Outcome.NO_BUYER),
        ("CHAN_START | 2 | 11 | PJSIP/target-7-02 |", False, Outcome.ABANDONED),
        ("CHAN_START | 2 | 11 | PJSIP/target-7-02 |", True, Outcome.NOT_ANSWERED),
        ('DIALEND | 2 | 10 | x | {"extra":"attempt=1 status=CHANUNAVAIL"}', False, Outcome.NOT_ANSWERED),
    ],
    ids=["in the IVR", "nobody to ring", "while the buyer rang", "all refused", "no channel at all"],
)
def test_outcomes_of_calls_nobody_answered(table: str, found_nobody: bool, outcome: Outcome) -> None:
    record = record_of(f"event | ms\n{table}\nLINKEDID_END | 9 | 10 | PJSIP/trunk-demo-01 |")
    assert outcome_of(record, number_known=True, found_nobody=found_nobody) is outcome
    assert outcome_of(record, number_known=False, found_nobody=False) is Outcome.UNKNOWN_NUMBER


def test_no_rows_are_no_call() -> None:
    assert call_record([]) is None


LINE = '"CALL","1764000000.123456","a-1.1","a-1.1","PJSIP/trunk-demo-01","CELGenUserEvent","","",'


def test_a_line_with_quotes_commas_and_newlines_inside() -> None:
    row = parse_line((LINE + '"{""extra"":""caller=+1 name=a\\nb,\\""c""}"').encode())
    assert isinstance(row, CelRow)
    assert row.event_us == 1_764_000_000_123_456
    assert user_fields(row)["caller"] == "+1"


def test_nul_and_broken_utf_8_cannot_reach_the_database() -> None:
    row = parse_line(LINE.encode() + b'"\x00\xff"')
    assert isinstance(row, CelRow)
    assert row.extra == "\N{REPLACEMENT CHARACTER}" * 2


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        LINE.removesuffix(",").encode(),
        LINE.encode() + b'"unclosed',
        LINE.encode() + b'"","",""',
        LINE.replace("1764000000.123456", "1764000000").encode() + b'""',
        LINE.replace("1764000000.123456", "99999999999999.000000").encode() + b'""',
        LINE.replace('"a-1.1"', '"a b"').encode() + b'""',
        LINE.encode() + b'"' + b"x" * 70_000 + b'"',
    ],
)
def test_what_is_no_row_is_refused_with_a_reason(line: bytes) -> None:
    refused = parse_line(line)
    assert isinstance(refused, RefusedLine)
    assert refused.problem


@given(st.binary(max_size=300))
def test_no_line_makes_the_reader_fall(data: bytes) -> None:
    for line in (data, LINE.encode() + b'"' + data + b'"'):
        row = parse_line(line)
        if isinstance(row, CelRow):
            user_fields(row)
            call_record([row])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+16145550123", "+16145550123"),
        ("6145550123", "+16145550123"),
        ("16145550123", "+16145550123"),
        ("", None),
        ("anonymous", None),
        ("+1", None),
        ("5550123", None),
    ],
)
def test_caller_numbers(text: str, number: str | None) -> None:
    assert known_number(text) == number
