"""A flow's transfer, as Asterisk's rows tell it: a conversation, but nobody's leg."""

# ruff: noqa: E501  the tables are as psql prints them

from __future__ import annotations

from dataclasses import replace

import pytest

from agi.cel import Transfer, transfer_of
from billing.call_record import Outcome, outcome_of
from tests.agi.test_cel import record_of, rows_of

TRANSFERRED = """
 event        |    ms  | serial | channel                | extra
 CHAN_START   |      0 | 10     | PJSIP/trunk-demo-01    |
 CALL         |      2 | 10     | PJSIP/trunk-demo-01    | {"extra":"dialled=+18005550100 caller=+16145550123 trunk=demo"}
 CHAN_START   |     20 | 11     | PJSIP/transfer-02      |
 ANSWER       |   1000 | 11     | PJSIP/transfer-02      |
 TRANSFER     |   5000 | 11     | PJSIP/transfer-02      | {"extra":"number=+16145550142 answered=1764000001000 ended=1764000005000 cause=16"}
 HANGUP       |   5001 | 11     | PJSIP/transfer-02      | {"hangupcause":16}
 LINKEDID_END |   5010 | 10     | PJSIP/trunk-demo-01    |
"""


def test_a_transferred_call_is_no_sale() -> None:
    record = record_of(TRANSFERRED)
    assert record.legs == () and record.sold_leg is None
    assert outcome_of(record, number_known=True, found_nobody=False) is Outcome.TRANSFERRED
    told = next(transfer_of(row) for row in rows_of(TRANSFERRED) if row.event == "TRANSFER")
    assert told == Transfer(
        number="+16145550142", answered_ms=1_764_000_001_000, ended_ms=1_764_000_005_000, cause=16
    )


def test_a_desk_that_did_not_answer_is_no_transfer() -> None:
    record = record_of(TRANSFERRED.replace("answered=1764000001000", "answered="))
    assert outcome_of(record, number_known=True, found_nobody=False) is Outcome.ABANDONED


@pytest.mark.parametrize("extra", ["", "number=+1", "ended=x", "ended=99999999999999999999"])
def test_a_row_that_does_not_say_enough_is_left_out(extra: str) -> None:
    (row,) = (row for row in rows_of(TRANSFERRED) if row.event == "TRANSFER")
    assert transfer_of(replace(row, extra=extra)) is None
