"""What the phones find beside the decoder."""

from __future__ import annotations

from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.overhearing import CODE_WEIGHT, LAST_CODE_WEIGHT, OVERHEARD
from agi.speech.weighing import LAST_PHONE_WEIGHT, NOTHING, Hearing
from tests.agi.speech.conftest import Speak
from tests.agi.speech.phones import heard_surely
from tests.agi.speech.telephone import on_the_line, utterance_in


def _hearing(engine: MoonshineEngine, said: str) -> Hearing:
    return Hearing(written="", phones=heard_surely(*engine._pronunciation.phones(said)))


def test_codes_are_listened_for_from_the_first_hearing_on(moonshine: MoonshineEngine) -> None:
    automaton = moonshine._automaton("zip", {})
    hearings = [_hearing(moonshine, f"three three one three {figure}") for figure in ("five", "nine")]
    first = moonshine._overhearing.of(automaton, hearings[:1])
    assert first.phone_weight == CODE_WEIGHT
    assert (
        len(first.found) == OVERHEARD and max(first.found, key=lambda code: first.found[code].fit) == "33135"
    )
    both = moonshine._overhearing.of(automaton, hearings, last=True)
    assert both.phone_weight == LAST_CODE_WEIGHT and {"33135", "33139"} <= set(both.found)
    assert both.found["33135"].fit < first.found["33135"].fit


def test_values_of_a_list_are_listened_for_at_last(moonshine: MoonshineEngine) -> None:
    state, yes_no = moonshine._automaton("state", {}), moonshine._automaton("yes_no", {})
    hearings = [_hearing(moonshine, "delaware")]
    assert moonshine._overhearing.of(state, hearings) == NOTHING
    at_last = moonshine._overhearing.of(state, hearings, last=True)
    assert (
        len(at_last.found) == OVERHEARD
        and max(at_last.found, key=lambda code: at_last.found[code].fit) == "DE"
    )
    few = moonshine._overhearing.of(yes_no, hearings, last=True)
    assert not few.found and few.phone_weight == LAST_PHONE_WEIGHT


def test_a_code_that_the_search_lost_is_found_by_its_phones(moonshine: MoonshineEngine, say: Speak) -> None:
    sound = moonshine.hear(utterance_in(on_the_line(say("nine, one, seven, zero, two"))), "zip")
    (answers,) = sound.answers.values()
    found = moonshine.find(sound, "zip")
    assert found is not None and found.value == "91702"
    lost = answers.pop("91702")
    again = moonshine.find(sound, "zip")
    assert again is not None and again.value == "91702"
    assert again.evidence.answer < lost.log_probability
