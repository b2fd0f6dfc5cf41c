"""What is typed at a terminal, read as a caller's answer."""

from __future__ import annotations

import pytest

from ivr_flows.events import (
    AskWait,
    Command,
    HoldWait,
    NoticeWait,
    RouteWait,
    TransferWait,
    VoicemailWait,
    WebhookWait,
)
from ivr_flows.resumes import (
    Heard,
    HeardOutcome,
    HoldOver,
    MessageLeft,
    NoticePlayed,
    Routed,
    TransferOutcome,
    Transferred,
    WebhookAnswered,
)
from ivr_flows.typed_answer import help_for, read_typed

ASK = AskWait(prompts=(), grammar="loan_type", keys_maximum=4, silence_seconds=3, maximum_seconds=8)
HOOK = WebhookWait(url="https://example.com/", body={}, fields=("score",), timeout_seconds=1)


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        ("", Heard(outcome=HeardOutcome.SILENCE)),
        ("12#", Heard(outcome=HeardOutcome.KEYS, digits="12")),
        ("123456", Heard(outcome=HeardOutcome.KEYS, digits="1234")),
        ("Refinance.", Heard(outcome=HeardOutcome.ACCEPTED, value="refinance", text="Refinance.", confidence=1.0)),
        ("? refinance", Heard(outcome=HeardOutcome.UNSURE, value="refinance", text="refinance", confidence=0.5)),
        ("a banana", Heard(outcome=HeardOutcome.REJECTED, text="a banana")),
        ("operator", Heard(outcome=HeardOutcome.ACCEPTED, value="operator", text="operator", confidence=1.0,
                           command=Command.OPERATOR)),
    ],
)  # fmt: skip
def test_words_and_keys(line: str, heard: Heard) -> None:
    assert read_typed(ASK, line) == heard


def test_every_other_wait() -> None:
    transfer = TransferWait(number="+16145550100", ring_seconds=20)
    hold = HoldWait(prompts=(), seconds=20, keys="1")
    voicemail = VoicemailWait(prompts=(), maximum_seconds=60, silence_seconds=4)
    assert read_typed(NoticeWait(prompts=()), "") == NoticePlayed(complete=True)
    assert read_typed(RouteWait(), "no") == Routed(found=False)
    assert read_typed(transfer, "busy") == Transferred(outcome=TransferOutcome.BUSY)
    assert read_typed(transfer, "") == Transferred(outcome=TransferOutcome.ANSWERED)
    assert read_typed(hold, "1") == HoldOver(digits="1") and read_typed(hold, "2") == HoldOver()
    assert read_typed(voicemail, "") == MessageLeft(seconds=0)
    assert read_typed(HOOK, '{"score": 7, "x": 1}') == WebhookAnswered(values={"score": "7"})
    for wait in (ASK, NoticeWait(prompts=()), RouteWait(), transfer, hold, voicemail, HOOK):
        assert help_for(wait)


@pytest.mark.parametrize("line", ["{", "[]"])
def test_an_answer_of_a_webhook_that_is_none_is_told(line: str) -> None:
    with pytest.raises(ValueError, match="that is no JSON"):
        read_typed(HOOK, line)
