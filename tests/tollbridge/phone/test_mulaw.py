"""Mu-law keeps what was said."""

from __future__ import annotations

import array

from hypothesis import given
from hypothesis import strategies as st

from tollbridge.phone import mulaw
from tollbridge.phone.voice import tone


@given(st.integers(-32768, 32767))
def test_a_sample_comes_back_within_its_step(sample: int) -> None:
    linear = array.array("h", [sample]).tobytes()
    again = array.array("h", mulaw.decode(mulaw.encode(linear)))[0]
    assert abs(again - max(min(sample, 32124), -32124)) <= max(8, abs(sample) / 16)


def test_codes_survive_a_round_trip() -> None:
    # 0x7f is negative zero: it comes back as 0xff.
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert mulaw.encode(mulaw.decode(codes)) == codes


def test_levels_tell_a_tone_from_silence() -> None:
    assert mulaw.level(bytes([mulaw.SILENCE]) * 160) == 0
    assert mulaw.level(tone(440, 0.1, peak=8000)) > 4000
    assert mulaw.level(b"") == 0
