"""The telephone's SDP says PCMU and keys; another's SDP tells where to send."""

from __future__ import annotations

from tollbridge.phone.sdp import describe, media_address


def test_an_offer_names_its_own_address() -> None:
    offer = describe(("127.0.0.1", 4000), 1)
    assert media_address(offer) == ("127.0.0.1", 4000)
    assert b"a=rtpmap:96 telephone-event/8000" in offer


def test_the_media_line_s_own_connection_counts() -> None:
    body = b"v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 6 RTP/AVP 0\r\nc=IN IP4 2.2.2.2\r\n"
    assert media_address(body) == ("2.2.2.2", 6)


def test_no_usable_audio_is_none() -> None:
    assert media_address(b"") is None
    assert media_address(b"c=IN IP4 1.1.1.1\r\nm=audio 0 RTP/AVP 0\r\n") is None
    assert media_address(b"c=IN IP4 1.1.1.1\r\nm=video 6 RTP/AVP 0\r\n") is None
