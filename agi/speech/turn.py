"""One turn of talk: a question is put, the caller answers by voice or keys, or does not. Pure; the shell
passes in the time.

All times are milliseconds since the prompt started.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agi.speech.endpointer import Endpointer, EndpointEvent
from agi.speech.question import Ending, Heard, Outcome, Question
from agi.speech.recogniser import FRAME_SAMPLES, Recognition, Samples, Utterance, Verdict

_AUDIO_GONE_MS = 100
"""A caller whose audio stops for this long (silence suppression, a lost path) is silent, not frozen in
mid-word.
"""
_LONGEST_DECODE_MS = 5000
"""An engine that takes longer is broken: the caller is asked again."""


@dataclass(frozen=True, kw_only=True)
class Decode:
    """A wish to recognise `utterance`. `final` is False for an early trial after a short pause: the caller may go on
    talking. `ended_frame` is the end of the speech in it.
    """

    utterance: Utterance
    final: bool
    number: int
    ended_frame: int


class Turn:
    """Feed it what happens; it is over when `heard` is set. `prompt_playing` tells whether the prompt should go on,
    `prompt_held` that it should wait a moment: somebody may be about to speak.
    """

    def __init__(self, question: Question, engine: str, endpointer: Endpointer | None = None) -> None:
        self.heard: Heard | None = None
        self.prompt_playing = bool(question.prompts)
        self._question = question
        self._engine = engine
        self._endpointer = endpointer or Endpointer()
        self._prompt_ended_ms = 0
        self._digits = ""
        self._last_key_ms = 0
        self._last_audio_ms = 0
        self._speech_started_ms: int | None = None
        self._speech_ended_ms: int | None = None
        self._fed = 0
        self._decodes = 0
        self._awaited: int | None = None
        self._awaited_since_ms = 0
        self._ending = Ending.END_OF_SPEECH
        self._trial: Decode | None = None
        self._ahead: Decode | None = None
        self._ahead_answer: Recognition | None = None
        self._settled: Decode | None = None
        self._settled_answer: Recognition | None = None

    @property
    def prompt_held(self) -> bool:
        return self._endpointer.stirring and self._may_interrupt()

    def prompt_ended(self, at_ms: int) -> None:
        if self.prompt_playing:
            self.prompt_playing = False
            self._prompt_ended_ms = at_ms

    def on_audio(self, frame: Samples, at_ms: int, echo_db: float | None = None) -> Decode | None:
        """One frame of the caller. `echo_db`: how loud an echo of the prompt may be now."""
        self._last_audio_ms = at_ms
        return self._listen(frame, at_ms, echo_db)

    def on_key(self, key: str, at_ms: int) -> None:
        question = self._question
        instant = key in question.instant_keys and not self._digits
        if self.heard or not (question.keys_maximum or instant) or not self._may_interrupt():
            return
        self.prompt_ended(at_ms)
        self._last_key_ms = at_ms
        if key == question.keys_end and not instant:
            self._finish(Outcome.KEYS, Ending.KEYS_END, at_ms)
            return
        self._digits += key
        if instant or len(self._digits) >= question.keys_maximum:
            self._finish(Outcome.KEYS, Ending.KEYS_COMPLETE, at_ms)

    def on_hangup(self, at_ms: int) -> None:
        self._finish(Outcome.HANGUP, Ending.HANGUP, at_ms)

    def on_stop(self, at_ms: int) -> None:
        """Whoever asked takes the question back."""
        self._finish(Outcome.HANGUP, Ending.STOPPED, at_ms)

    def wants(self, decode: Decode) -> bool:
        """False when the answer to this Decode would be passed over: speech, keys or an end have overtaken it."""
        if self.heard or self._digits:
            return False
        return decode.number == self._awaited or self._is_of_now(decode)

    def on_recognition(
        self, decode: Decode, recognition: Recognition, at_ms: int, *, idle: bool = False
    ) -> Decode | None:
        """The answer to a Decode; late answers and those overtaken by speech or keys are passed over.

        `idle`: the engine has nothing else to do; then what will be due when the caller has settled may be returned, to
        be decoded ahead.
        """
        if not self.wants(decode):
            return None
        if decode.number == self._awaited:
            self._finish_with(recognition, self._ending, at_ms)
        elif recognition.sure:
            self._finish_with(recognition, Ending.SURE, at_ms)
        elif decode is self._settled:
            self._take_settled(recognition, at_ms)
        elif decode is self._ahead:
            self._ahead_answer = recognition
        elif idle and decode is self._trial and self._settled_frame() != decode.ended_frame:
            self._ahead, self._ahead_answer = self._decode(final=True), None
            return self._ahead
        return None

    def _settled_frame(self) -> int | None:
        return self._settled.ended_frame if self._settled is not None else None

    def _take_settled(self, recognition: Recognition, at_ms: int) -> None:
        """Finish with it as soon as the silence is long enough for such an answer. One that may go on, or is none, has
        more time: "washington" may become "washington d c". A whole answer that is asked back is asked back at once.
        """
        self._settled_answer = recognition
        whole = recognition.complete and recognition.verdict is not Verdict.REJECTED
        if whole or (recognition.verdict is Verdict.ACCEPTED and self._endpointer.quiet):
            self._finish_with(recognition, Ending.END_OF_SPEECH, at_ms)

    def on_tick(self, at_ms: int) -> Decode | None:
        """Call it every 20 ms: time-outs, and silence in place of audio that does not come."""
        if self.heard:
            return None
        if self._digits:
            if at_ms - self._last_key_ms >= self._question.key_gap_seconds * 1000:
                self._finish(Outcome.KEYS, Ending.KEYS_TIMEOUT, at_ms)
            return None
        if self._awaited is not None:
            if at_ms - self._awaited_since_ms > _LONGEST_DECODE_MS:
                self._finish(Outcome.REJECTED, self._ending, at_ms)
            return None
        if at_ms >= self._question.maximum_seconds * 1000:
            return self._out_of_time(at_ms)
        if self._endpointer.speaking and at_ms - self._last_audio_ms > _AUDIO_GONE_MS:
            return self._listen(np.zeros(FRAME_SAMPLES, np.int16), at_ms, None)
        if self._settled_answer is not None and self._settled is not None and self._is_of_now(self._settled):
            self._take_settled(self._settled_answer, at_ms)
        elif self._is_silent(at_ms):
            self._finish(Outcome.SILENCE, Ending.SILENCE, at_ms)
        return None

    def _may_interrupt(self) -> bool:
        return self._question.interruptible or not self.prompt_playing

    def _is_silent(self, at_ms: int) -> bool:
        if self.prompt_playing or self._endpointer.speaking:
            return False
        return at_ms - self._prompt_ended_ms >= self._question.silence_seconds * 1000

    def _listen(self, frame: Samples, at_ms: int, echo_db: float | None) -> Decode | None:
        if self.heard or self._digits or self._awaited is not None or not self._may_interrupt():
            return None
        self._fed += 1
        event = self._endpointer.feed(frame, echo_db)
        if event is None:
            return None
        if event is EndpointEvent.STARTED:
            self._speech_started_ms = at_ms - 20 * (self._fed - self._endpointer.speech_started_frame)
            self.prompt_ended(at_ms)
            return None
        self._speech_ended_ms = at_ms - 20 * (self._fed - self._endpointer.speech_ended_frame)
        if event is EndpointEvent.PAUSED:
            self._trial = self._decode(final=False)
            return self._trial
        if event is EndpointEvent.SETTLED:
            return self._settle(at_ms)
        ending = Ending.TOO_LONG if self._endpointer.cut_off else Ending.END_OF_SPEECH
        return self._end_of_speech(ending, at_ms)

    def _settle(self, at_ms: int) -> Decode | None:
        """More audio would change nothing: take what was decoded ahead, or have it decoded."""
        self._settled_answer = None
        ahead = self._ahead
        if ahead is None or ahead.ended_frame != self._endpointer.speech_ended_frame:
            self._settled = self._decode(final=True)
            return self._settled
        self._settled = ahead
        if self._ahead_answer is not None:
            self._take_settled(self._ahead_answer, at_ms)
        return None

    def _is_of_now(self, decode: Decode) -> bool:
        """True while nothing was said since."""
        return self._endpointer.speaking and self._endpointer.speech_ended_frame == decode.ended_frame

    def _end_of_speech(self, ending: Ending, at_ms: int) -> Decode | None:
        """Finish with the answer to the settled speech when there is one, else wait for it, else ask for it."""
        settled = self._settled
        known = settled is not None and settled.ended_frame == self._endpointer.speech_ended_frame
        if known and self._settled_answer is not None:
            self._finish_with(self._settled_answer, ending, at_ms)
            return None
        decode = self._decode(final=True) if settled is None or not known else settled
        self._awaited, self._awaited_since_ms, self._ending = decode.number, at_ms, ending
        return None if decode is settled else decode

    def _decode(self, *, final: bool) -> Decode:
        self._decodes += 1
        ended_frame, trial = self._endpointer.speech_ended_frame, self._trial
        # More silence tells nothing new. An engine knows again what it is handed again, and need not hear it twice.
        known = trial is not None and trial.ended_frame == ended_frame
        return Decode(
            utterance=trial.utterance if trial is not None and known else self._endpointer.utterance(),
            final=final,
            number=self._decodes,
            ended_frame=ended_frame,
        )

    def _out_of_time(self, at_ms: int) -> Decode | None:
        if self._endpointer.speaking:
            self._speech_ended_ms = at_ms
            return self._end_of_speech(Ending.OUT_OF_TIME, at_ms)
        self._finish(Outcome.SILENCE, Ending.OUT_OF_TIME, at_ms)
        return None

    def _finish_with(self, recognition: Recognition, ending: Ending, at_ms: int) -> None:
        self._finish(Outcome(recognition.verdict), ending, at_ms)
        if self.heard is not None:
            self.heard = replace(
                self.heard,
                value=recognition.value,
                text=recognition.text,
                confidence=recognition.confidence,
                alternatives=tuple((each.value, each.confidence) for each in recognition.alternatives),
                engine=recognition.engine,
            )

    def _finish(self, outcome: Outcome, ending: Ending, at_ms: int) -> None:
        if self.heard is None:
            self.prompt_ended(at_ms)
            self.heard = Heard(
                outcome=outcome,
                ended=ending,
                digits=self._digits,
                engine=self._engine,
                speech_started_ms=self._speech_started_ms,
                speech_ended_ms=self._speech_ended_ms,
                result_ms=at_ms,
            )
