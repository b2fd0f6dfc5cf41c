"""What a caller heard, judged from frames and their arrival."""

from __future__ import annotations

from tollbridge.phone.hearing import TURN_QUIET_MS, Hearing

LOUD, QUIET = b"\x80" * 160, b"\xff" * 160


def heard(pattern: str, start_ms: float = 1000) -> Hearing:
    """Hear one frame of 20 ms a letter: S sound, q quiet packet, - no packet."""
    hearing = Hearing()
    for index, letter in enumerate(pattern):
        if letter != "-":
            hearing.add(LOUD if letter == "S" else QUIET, start_ms + 20 * index)
    return hearing


def test_silent_packets_and_missing_packets_are_silence_alike() -> None:
    hearing = heard("SSqq--qqSS--S")
    assert hearing.longest_silence_ms(1000, 1260) == 120
    assert hearing.first_packet_ms == hearing.first_sound_ms == 1000


def test_silence_reaches_from_the_start_and_to_the_end() -> None:
    hearing = heard("S", start_ms=3000)
    assert hearing.longest_silence_ms(0, 3020) == 3000
    assert hearing.longest_silence_ms(2900, 9020) == 6000
    assert Hearing().longest_silence_ms(0, 700) == 700


def test_my_turn_comes_after_sound_and_600_ms_of_quiet() -> None:
    hearing = heard("qqSSSS")
    end = 1000 + 6 * 20
    assert not hearing.is_my_turn(0, end + TURN_QUIET_MS - 1)
    assert hearing.is_my_turn(0, end + TURN_QUIET_MS)
    assert not hearing.is_my_turn(end, end + TURN_QUIET_MS), (
        "what was heard before my last word gives no turn"
    )
    assert not heard("qqqq").is_my_turn(0, 9999)


def test_stretches_of_sound_join_over_short_pauses() -> None:
    hearing = heard("SS--SS" + "-" * 20 + "S")
    assert hearing.sounds() == ((1000, 1120), (1520, 1540))
    assert hearing.audio(1000, 1040) == LOUD * 2
