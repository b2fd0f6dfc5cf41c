"""What is needed to end a call in a browser's place."""

from __future__ import annotations

import pytest

from web.softphone.dialog import CALLS_MAXIMUM, Dialogs


def answered(
    call_id: str = "a1", *, cseq: str = "2 INVITE", contact: str = "<sip:10.0.0.1:5060;transport=ws>"
) -> str:
    lines = (
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/WS x.invalid;branch=z9hG4bK1",
        f"Call-ID: {call_id}",
        "f: <sip:softphone@tollbridge.invalid>;tag=mine",
        "To: <sip:123456789012@tollbridge.invalid>;tag=theirs",
        f"CSeq: {cseq}",
        f"Contact: {contact}",
        "",
        "v=0",
    )
    return "\r\n".join(lines)


def request(method: str, cseq: int, call_id: str = "a1") -> str:
    return f"{method} sip:x SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\r\n"


def test_a_call_that_goes_on_is_ended_once_with_the_next_number() -> None:
    dialogs = Dialogs()
    dialogs.heard_from_switch(answered())
    dialogs.heard_from_browser(request("INFO", 5))
    (bye,) = dialogs.farewells("x")
    assert bye.startswith("BYE sip:10.0.0.1:5060;transport=ws SIP/2.0\r\n") and bye.endswith("\r\n\r\n")
    for line in ("CSeq: 6 BYE", "Call-ID: a1", "From: <sip:softphone@tollbridge.invalid>;tag=mine"):
        assert f"\r\n{line}\r\n" in bye
    assert "tag=theirs" in bye and dialogs.farewells("y") == []


@pytest.mark.parametrize("side", ["heard_from_browser", "heard_from_switch"])
def test_a_call_that_was_ended_needs_no_farewell(side: str) -> None:
    dialogs = Dialogs()
    dialogs.heard_from_switch(answered())
    getattr(dialogs, side)(request("BYE", 9))
    assert dialogs.farewells("x") == []


def test_a_long_message_full_of_blanks_is_read_like_any_other() -> None:
    """Such a text once kept the pages waiting for 5 s."""
    dialogs = Dialogs()
    dialogs.heard_from_switch(answered())
    blanks = "f: a" + " " * 31_000 + "b\r\n"
    dialogs.heard_from_browser("INFO sip:x SIP/2.0\r\n" + blanks + "CALL-ID : a1 \r\nCSeq:5 INFO\r\n\r\n")
    (bye,) = dialogs.farewells("x")
    assert "CSeq: 6 BYE" in bye


def test_an_endless_sequence_number_is_none() -> None:
    dialogs = Dialogs()
    dialogs.heard_from_switch(answered(cseq="9" * 5000 + " INVITE"))
    assert dialogs.farewells("x") == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "SIP/2.0 200 OK",
        answered(cseq="2 BYE"),
        answered(cseq="x INVITE"),
        answered(contact="<http://x>"),
        "\r\n" * 99,
    ],
)
def test_what_is_no_answer_to_a_call_is_none(message: str) -> None:
    dialogs = Dialogs()
    dialogs.heard_from_switch(message)
    dialogs.heard_from_browser(message)
    assert dialogs.farewells("x") == []


def test_what_is_remembered_has_an_end() -> None:
    dialogs = Dialogs()
    for number in range(100):
        dialogs.heard_from_switch(answered(f"call-{number}"))
    assert len(dialogs.farewells("x")) == CALLS_MAXIMUM
