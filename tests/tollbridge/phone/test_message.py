"""SIP messages are read and written byte for byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollbridge.phone.message import SipMessage, build, parse, tag_of, uri_of


def test_what_is_built_is_read_back() -> None:
    message = SipMessage(
        start="BYE sip:a@b SIP/2.0", headers=(("Via", "x"), ("CSeq", "2 BYE")), body=b"hello"
    )
    again = parse(build(message))
    assert again is not None
    assert again.method == "BYE" and again.header("cseq") == "2 BYE" and again.body == b"hello"
    assert again.header("content-length") == "5"


def test_compact_names_and_folded_lines_are_understood() -> None:
    message = parse(
        b"SIP/2.0 180 Ringing\r\nv: one\r\nv: two\r\nt: <sip:x>\r\n ;tag=7\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    assert message is not None
    assert message.status == 180 and message.reason == "Ringing" and message.method == "INVITE"
    assert message.all("Via") == ("one", "two")
    assert tag_of(message.header("To")) == "7"


def test_bytes_that_are_no_text_survive() -> None:
    hostile = SipMessage(start="INVITE sip:\udcff@h SIP/2.0", headers=(("X", "\udc80"),))
    assert b"\xff@h" in build(hostile) and b"X: \x80" in build(hostile)


def test_addresses_give_their_uri() -> None:
    assert uri_of('"Name" <sip:a@b;lr>;tag=1') == "sip:a@b;lr"
    assert uri_of("sip:a@b;expires=3") == "sip:a@b"


@given(st.binary(max_size=400))
def test_garbage_is_refused_not_raised(datagram: bytes) -> None:
    message = parse(datagram)
    assert message is None or message.start
