"""Where an answer starts and ends."""

from __future__ import annotations

import numpy as np
import pytest

from agi.speech.endpointer import Endpointer, EndpointEvent
from tests.agi.speech.conftest import Speak
from tests.agi.speech.telephone import Samples, frames, on_the_line, quiet_line

Event = tuple[EndpointEvent, float]


def events_of(samples: Samples, echo_db: float | None = None) -> list[Event]:
    """Each event with the second of the line's audio at which it came."""
    endpointer = Endpointer()
    found = []
    for number, frame in enumerate(frames(samples), start=1):
        event = endpointer.feed(frame, echo_db)
        if event is not None:
            found.append((event, number * 0.02))
    return found


def times_of(event: EndpointEvent, events: list[Event]) -> list[float]:
    return [seconds for each, seconds in events if each is event]


def test_a_word_starts_pauses_and_ends(say: Speak) -> None:
    word = say("california")
    word_ends = 0.5 + len(word) / 8000
    events = events_of(on_the_line(word))
    assert [event for event, _ in events] == [
        EndpointEvent.STARTED,
        EndpointEvent.PAUSED,
        EndpointEvent.SETTLED,
        EndpointEvent.ENDED,
    ]
    started, paused, _, ended = (seconds for _, seconds in events)
    assert 0.5 < started < 0.8
    assert paused - 0.2 == pytest.approx(ended - 0.6, abs=0.021)
    assert word_ends - 0.3 < ended - 0.6 < word_ends + 0.1


def test_a_breath_inside_an_answer_does_not_end_it(say: Speak) -> None:
    pause = np.zeros(int(0.35 * 8000), np.int16)
    events = events_of(on_the_line(np.concatenate([say("yes"), pause, say("california")])))
    assert len(times_of(EndpointEvent.ENDED, events)) == 1
    assert len(times_of(EndpointEvent.PAUSED, events)) == 2


def test_two_answers_far_apart_are_two(say: Speak) -> None:
    events = events_of(np.concatenate([on_the_line(say("yes")), on_the_line(say("no"))]))
    assert len(times_of(EndpointEvent.ENDED, events)) == 2


def test_the_cut_holds_the_word_and_some_silence(say: Speak) -> None:
    word = say("refinance")
    endpointer = Endpointer()
    for frame in frames(on_the_line(word)):
        if endpointer.feed(frame) is EndpointEvent.ENDED:
            break
    utterance = endpointer.utterance()
    assert utterance.speech_seconds == pytest.approx(len(word) / 8000, abs=0.25)
    assert len(utterance.samples) / 8000 == pytest.approx(utterance.speech_seconds + 0.7, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 15.0, 150.0, 500.0])
def test_a_line_without_speech_gives_nothing(level: float) -> None:
    hiss = np.random.default_rng(3).standard_normal(8000 * 5) * level
    assert events_of(hiss.astype(np.int16)) == []


@pytest.mark.parametrize(
    ("sentence", "least_seconds"), [("sixty two", 0.3), ("nine, one, seven, zero, two", 2.4)]
)
def test_a_soft_answer_is_heard_whole_in_noise(say: Speak, sentence: str, least_seconds: float) -> None:
    """webrtcvad takes soft words in noise for noise: the whole of "sixty two", the ends of a ZIP code."""
    answer = say(sentence).astype(np.float64)
    level = np.sqrt(np.mean(answer[np.abs(answer) > 300] ** 2))
    line = on_the_line((answer * 1000 / level).astype(np.int16))
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal(len(line)) * 120
        endpointer = Endpointer()
        events = [endpointer.feed(frame) for frame in frames((line + noise).astype(np.int16))]
        assert events.count(EndpointEvent.ENDED) == 1
        assert (endpointer.speech_ended_frame - endpointer.speech_started_frame) * 0.02 >= least_seconds


def test_a_click_is_no_speech() -> None:
    line = quiet_line(2.0).copy()
    line[8000:8080] = 20000
    assert events_of(line) == []


def test_an_echo_of_the_prompt_is_no_speech(say: Speak) -> None:
    faint = (say("california") * 0.12).astype(np.int16)
    assert events_of(on_the_line(faint)) != []
    assert events_of(on_the_line(faint), echo_db=58.0) == []
    assert events_of(on_the_line(say("california")), echo_db=58.0) != []


def test_lost_packets_do_not_cut_a_word(say: Speak) -> None:
    line = on_the_line(say("california")).copy()
    for number in range(30, len(line) // 160, 12):
        line[number * 160 : (number + 1) * 160] = 0
    assert len(times_of(EndpointEvent.ENDED, events_of(line))) == 1


def test_someone_who_never_stops_is_cut_off(say: Speak) -> None:
    endless = np.concatenate([say("I want to buy a house")] * 12)
    endpointer = Endpointer()
    for frame in frames(on_the_line(endless)):
        if endpointer.feed(frame) is EndpointEvent.ENDED:
            break
    # Piper breathes where it likes: the cut falls on the limit, the pauses before it differ.
    assert 7.0 < endpointer.utterance().speech_seconds <= 8.1
