"""AudioSocket frames: any cut gives the same frames, and no input does harm."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.speech.audiosocket import (
    HANGUP_BYTES,
    KEYS,
    MAXIMUM_PAYLOAD_BYTES,
    Frame,
    FrameDecoder,
    FrameKind,
    MalformedFrame,
    encode,
    encode_audio,
    identity,
)

audio_frames = st.binary(max_size=320).map(
    lambda half: Frame(kind=FrameKind.AUDIO, payload=half + half)  # an even number of bytes
)
key_frames = st.sampled_from(sorted(KEYS)).map(lambda key: Frame(kind=FrameKind.DTMF, payload=key.encode()))
uuid_frames = st.uuids().map(lambda number: Frame(kind=FrameKind.UUID, payload=number.bytes))
any_frames = st.one_of(audio_frames, key_frames, uuid_frames, st.just(Frame(kind=FrameKind.HANGUP)))


@settings(deadline=None)
@given(st.lists(any_frames, max_size=12), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[Frame], data: st.DataObject
) -> None:
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder()
    received: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert received == sent


@settings(deadline=None)
@given(st.binary(max_size=4096))
def test_garbage_gives_frames_or_a_refusal_and_nothing_else(data: bytes) -> None:
    decoder = FrameDecoder()
    try:
        for frame in decoder.feed(data):
            assert len(frame.payload) <= MAXIMUM_PAYLOAD_BYTES
    except MalformedFrame:
        pass


@pytest.mark.parametrize(
    "hostile",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff",
        b"\x01\x00\x04abcd",
        b"\x03\x00\x01\x00",
        b"\x03\x00\x02 1",
        b"\x10\x00\x03abc",
        b"\x42\x00\x00",
    ],
)
def test_what_asterisk_never_sends_is_refused(hostile: bytes) -> None:
    with pytest.raises(MalformedFrame):
        FrameDecoder().feed(hostile)


def test_a_huge_length_is_refused_before_its_payload_arrives() -> None:
    with pytest.raises(MalformedFrame):
        FrameDecoder().feed(bytes((FrameKind.AUDIO,)) + (MAXIMUM_PAYLOAD_BYTES + 1).to_bytes(2, "big"))


def test_the_wire_format_is_the_one_asterisk_documents() -> None:
    number = uuid.uuid4()
    assert encode(Frame(kind=FrameKind.UUID, payload=number.bytes)) == b"\x01\x00\x10" + number.bytes
    assert encode_audio(bytes(320)) == b"\x10\x01\x40" + bytes(320)
    assert HANGUP_BYTES == b"\x00\x00\x00"
    assert identity(FrameDecoder().feed(b"\x01\x00\x10" + number.bytes)[0]) == number
