"""What the bench's telephones say of what they sent."""

from __future__ import annotations

import pytest

from tests.bench.speech_station import TimedOutgoing, sent_seconds

FRAME = bytes(160)


def test_only_audio_that_left_before_the_result_was_sent() -> None:
    left = [1000.0, 1020.0, 1040.0, 1060.0]
    assert sent_seconds((FRAME,) * 4, left, 1045.0) == pytest.approx(0.06)
    assert sent_seconds((FRAME,) * 9, left, 2000.0) == pytest.approx(0.08)
    assert sent_seconds((FRAME,) * 9, [], 2000.0) == 0


def test_packets_that_the_line_loses_were_not_sent() -> None:
    assert sent_seconds((FRAME, None, FRAME), [1000.0, 1020.0, 1040.0], 1045.0) == pytest.approx(0.04)


def test_a_moment_of_the_line_is_known_when_its_packet_has_left() -> None:
    outgoing = TimedOutgoing(1)
    outgoing.send((FRAME, None, FRAME))
    outgoing.tick()
    outgoing.tick()
    first, lost = outgoing.sent_ms
    assert outgoing.moment_ms(0.005) == pytest.approx(first - 15)
    assert outgoing.moment_ms(0.039) == pytest.approx(lost - 1)
    assert outgoing.moment_ms(0.04) is None
    outgoing.drop_rest()
    outgoing.tick()
    assert outgoing.moment_ms(0.04) is None
