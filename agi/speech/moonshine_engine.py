"""The embedded recogniser: moonshine tiny-en with its decoder held to the question's grammar. Nothing to
download.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from agi.speech.answer_priors import AnswerPriors
from agi.speech.command_ear import CommandEar, CommandHeard
from agi.speech.constrained_search import Answer, ConstrainedSearch, FreeText, joined_answers
from agi.speech.decision_rule import (
    LEAST_PHONE_FIT,
    DecisionRule,
    Evidence,
    load_decision_rule,
    logistic,
    margin_of,
    probabilities,
)
from agi.speech.model_audio import at_model_rate
from agi.speech.moonshine_model import DecoderState, Floats, MoonshineModel
from agi.speech.overhearing import Overhearing
from agi.speech.phone_head import PhoneHead, PhonesHeard
from agi.speech.pronunciation import Pronunciation, sound_distance
from agi.speech.recogniser import (
    NO_SYNONYMS,
    SAMPLE_RATE,
    Hypothesis,
    Recognition,
    Synonyms,
    Utterance,
    Verdict,
    best_alternatives,
    nothing_heard,
)
from agi.speech.token_automaton import TokenAutomaton
from agi.speech.weighing import SETTLED_FIT, Hearing, Overheard, Weighed, Weighing
from ivr_flows.grammars import (
    GRAMMARS,
    Grammar,
    grammar_with,
    may_go_on,
    read_answer,
    read_command,
)

MAXIMUM_AUTOMATA = 64
"""Grammars with a flow's own phrases that are kept ready."""
COMMAND_CONFIDENCE = 0.6
"""Mean probability of a token from which a command written by itself is acted on."""
_FASTER, _SLOWER = 1.1, 0.9
"""Unclear speech is heard again a little faster, and when it is still unclear once more a little slower: weighing.py
tells what that brings. With the high tones raised in place of the slower one, or silence around it, fewer are right.
"""
_HOPELESS, _LONG_SECONDS = 0.05, 1.5
"""What is so unlikely an answer, and so long, is not heard again: a sixth of the processor of all questions. Nearly all
such answers are those in noise or with somebody else talking (agi/speech/data/README.md).
"""
_MINIMUM_SAMPLES = 1600
_KEPT_SOUNDS = 6
"""An early trial and the decode that settles it bring the same sound within 0.2 s: it is heard once. Some MB each."""
_WARM_UP_SECONDS = 1.0

_Key = tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """An utterance as the model heard it, whatever was asked."""

    start: DecoderState
    free: FreeText
    speech_seconds: float
    phones: PhonesHeard
    again: tuple[Callable[[], DecoderState], ...]
    """Hear it again, each in another way; none: once is enough."""
    answers: dict[_Key, dict[str, Answer]]
    """What the first hearing was found to be, by grammar."""
    behind: Callable[[], CommandHeard | None]
    """The command that it may be although the free text is another."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The best value of a grammar for a sound, with what speaks for it."""

    value: str
    text: str
    evidence: Evidence
    shares: Mapping[str, float]


class MoonshineEngine:
    """A Recogniser. Loading takes half a second and 170 MB; raises FileNotFoundError when a package is
    missing.
    """

    name = "moonshine-tiny-en"

    def __init__(self, rule: DecisionRule | None = None, head: PhoneHead | None = None) -> None:
        self._rule = rule or load_decision_rule()
        self._model = MoonshineModel()
        self._search = ConstrainedSearch(self._model)
        self._pronunciation = Pronunciation()
        priors = AnswerPriors(self._model, self._search.ends)
        self._weighing = Weighing(self._model.tokens, self._pronunciation, priors)
        self._overhearing = Overhearing(self._pronunciation, self._weighing)
        self._head = head or PhoneHead()
        self._ear = CommandEar(self._search, self._model.tokens, self._pronunciation)
        self._automata: OrderedDict[_Key, TokenAutomaton] = OrderedDict()
        self._sounds: OrderedDict[tuple[bytes, float], Sound] = OrderedDict()
        self.grammars = frozenset(GRAMMARS)
        for name in sorted(self.grammars):
            self.prepare(name)
        # The first run of a network allocates its memory: better now than in the first call.
        self.recognise(
            Utterance(samples=np.ones(SAMPLE_RATE, np.int16), speech_seconds=_WARM_UP_SECONDS), "yes_no"
        )

    def prepare(self, grammar: str, synonyms: Synonyms = NO_SYNONYMS) -> None:
        self._automaton(grammar, synonyms)

    def recognise(
        self, utterance: Utterance, grammar: str, synonyms: Synonyms = NO_SYNONYMS, *, final: bool = True
    ) -> Recognition:
        if len(utterance.samples) < _MINIMUM_SAMPLES:
            return nothing_heard(self.name)
        automaton = self._automaton(grammar, synonyms)
        sound = self.hear(utterance, grammar, synonyms, twice=final)
        written = read_command(automaton.grammar, sound.free.text)
        if written is not None:
            confidence = math.exp(sound.free.log_probability / sound.free.steps)
            clear = confidence >= COMMAND_CONFIDENCE
            return self._command(written, sound, utterance, confidence, clear=clear, sure=clear)
        finding = self.find(sound, grammar, synonyms)
        command = self.command_behind(sound, automaton.grammar, finding)
        if command is not None:
            return self._command(
                command.command, sound, utterance, 1 - command.distance, clear=True, sure=False
            )
        if finding is None:
            return nothing_heard(self.name, sound.free.text)
        return self._judged(automaton.grammar, utterance, sound.free.text, finding)

    def hear(
        self, utterance: Utterance, grammar: str, synonyms: Synonyms = NO_SYNONYMS, *, twice: bool = True
    ) -> Sound:
        """Run the model over an utterance of at least 0.2 s, without a grammar and beside it with this one. `twice`:
        again where the first time leaves it unclear.
        """
        sound = self._heard_once(utterance, grammar, synonyms)
        return replace(sound, again=self._other_hearings(utterance)) if twice else sound

    def _heard_once(self, utterance: Utterance, grammar: str, synonyms: Synonyms) -> Sound:
        key = (utterance.samples.tobytes(), utterance.speech_seconds)
        if key not in self._sounds:
            start = self._run(at_model_rate(utterance.samples))
            answers, free = self._search.answers_and_free_text(start, self._automaton(grammar, synonyms))
            self._sounds[key] = Sound(
                start=start,
                free=free,
                phones=self._head.hear(start.frames),
                speech_seconds=utterance.speech_seconds,
                again=(),
                answers={_key(grammar, synonyms): answers},
                behind=cache(lambda: self._ear.listen(start, free)),
            )
            if len(self._sounds) > _KEPT_SOUNDS:
                self._sounds.popitem(last=False)
        return self._sounds[key]

    def _other_hearings(self, utterance: Utterance) -> tuple[Callable[[], DecoderState], ...]:
        samples = utterance.samples
        faster = cache(lambda: self._run(at_model_rate(samples, _FASTER)))
        return faster, cache(lambda: self._run(at_model_rate(samples, _SLOWER)))

    def _run(self, audio: Floats) -> DecoderState:
        return self._model.begin(self._model.listen(audio))

    def find(self, sound: Sound, grammar: str, synonyms: Synonyms = NO_SYNONYMS) -> Finding | None:
        """Return the best value of the grammar; None when nothing of it fits at all."""
        automaton = self._automaton(grammar, synonyms)
        key = _key(grammar, synonyms)
        if key not in sound.answers:
            sound.answers[key] = self._search.answers(sound.start, automaton)
        answers, hearings = sound.answers[key], [Hearing(written=sound.free.text, phones=sound.phones)]
        weighed = self._weighed(answers, hearings, automaton)
        found = self._finding(sound, automaton, answers, hearings, weighed)
        if _is_settled(weighed) or not sound.again or self._is_hopeless(automaton.grammar, found):
            return found
        answers, weighed = self._heard_again(sound, answers, hearings, automaton)
        return self._finding(sound, automaton, answers, hearings, weighed)

    def _weighed(
        self, answers: Mapping[str, Answer], hearings: Sequence[Hearing], automaton: TokenAutomaton
    ) -> Weighed | None:
        return self._weighed_with(answers, hearings, self._overhearing.of(automaton, hearings))

    def _weighed_with(
        self, answers: Mapping[str, Answer], hearings: Sequence[Hearing], overheard: Overheard
    ) -> Weighed | None:
        """None when nothing fits at all."""
        return self._weighing.weighed(answers, hearings, overheard) if answers or overheard.found else None

    def _finding(
        self,
        sound: Sound,
        automaton: TokenAutomaton,
        answers: Mapping[str, Answer],
        hearings: Sequence[Hearing],
        weighed: Weighed | None,
    ) -> Finding | None:
        if weighed is None:
            return None
        answer, text = weighed.answer, self._model.tokens.text(weighed.answer.tokens)
        phones = self._pronunciation.phones(text)
        evidence = Evidence(
            answer=answer.log_probability,
            answer_tokens=len(answer.tokens),
            answer_phones=len(phones),
            free=sound.free.log_probability,
            free_steps=sound.free.steps,
            margin=margin_of(weighed.scores),
            sound_distance=sound_distance(phones, self._pronunciation.phones(sound.free.text)),
            speech_seconds=sound.speech_seconds,
            agreement=agreement_of(automaton.grammar, weighed.best, sound.free.text),
            phone_fit=self._phone_fit(weighed, automaton, hearings),
        )
        shares = probabilities(weighed.scores)
        return Finding(value=weighed.best, text=text, evidence=evidence, shares=shares)

    def _is_hopeless(self, grammar: Grammar, found: Finding | None) -> bool:
        """Say whether so much was said that it would be an answer by now if it were one. What the phones say plainly
        may become one.
        """
        if found is None or found.evidence.speech_seconds < _LONG_SECONDS:
            return False
        if found.evidence.phone_fit > SETTLED_FIT:
            return False
        return logistic(self._rule.logit(grammar.name, found.evidence)) < _HOPELESS

    def _phone_fit(self, weighed: Weighed, automaton: TokenAutomaton, hearings: Sequence[Hearing]) -> float:
        """Of the text that was found, or of another way to say the same: the model writes "Yes." for a "yep"."""
        if weighed.fit_a_phone >= LEAST_PHONE_FIT:
            return weighed.fit_a_phone
        others = automaton.ways.get(weighed.best, ())
        return max(weighed.fit_a_phone, self._weighing.best_fit_a_phone(others, hearings))

    def _heard_again(
        self,
        sound: Sound,
        answers: dict[str, Answer],
        hearings: list[Hearing],
        automaton: TokenAutomaton,
    ) -> tuple[dict[str, Answer], Weighed | None]:
        """Answers of as many hearings as it takes, joined, and their weight; None when nothing fits. What is heard is
        added to `hearings`.
        """
        found: list[Mapping[str, Answer]] = [answers]
        weighed: Weighed | None = None
        for again in sound.again:
            if _is_settled(weighed):
                break
            start = again()
            once_more, free = self._search.answers_and_free_text(start, automaton)
            found.append(once_more)
            hearings.append(Hearing(written=free.text, phones=self._head.hear(start.frames)))
            answers = joined_answers(found)
            weighed = self._weighed(answers, hearings, automaton)
        if not _is_settled(weighed):
            return self._weighed_at_last(answers, hearings, sound.start, automaton)
        return answers, weighed

    def _weighed_at_last(
        self,
        answers: dict[str, Answer],
        hearings: Sequence[Hearing],
        start: DecoderState,
        automaton: TokenAutomaton,
    ) -> tuple[dict[str, Answer], Weighed | None]:
        """Weigh what has stayed unclear and will not be heard again: the phones count for more, and find more."""
        overheard = self._overhearing.of(automaton, hearings, last=True)
        if automaton.ways:
            answers = {**answers, **self._lost(answers, overheard.found, start, automaton)}
        return answers, self._weighed_with(answers, hearings, overheard)

    def _lost(
        self,
        answers: Mapping[str, Answer],
        overheard: Iterable[str],
        start: DecoderState,
        automaton: TokenAutomaton,
    ) -> dict[str, Answer]:
        """Return those answers that the searches have lost on their way."""
        lost = [value for value in overheard if value not in answers]
        if not lost:
            return {}
        return self._search.answers(start, automaton.held_to(lost))

    def command_behind(self, sound: Sound, grammar: Grammar, finding: Finding | None) -> CommandHeard | None:
        """Return the command that the sound is rather than the answer that was found, although its free text is
        another.
        """
        if read_answer(grammar, sound.free.text) is not None:
            return None
        heard = sound.behind()
        if heard is None or not heard.is_clear:
            return None
        beaten = finding is not None and finding.evidence.answer >= heard.log_probability
        return None if beaten else heard

    @property
    def prepared(self) -> int:
        """How many grammars are kept ready."""
        return len(self._automata)

    def _automaton(self, name: str, synonyms: Synonyms) -> TokenAutomaton:
        key = _key(name, synonyms)
        if key not in self._automata:
            grammar = grammar_with(name, synonyms)
            self._check_writable(synonyms)
            self._automata[key] = TokenAutomaton(grammar, self._model.tokens)
            if len(self._automata) > MAXIMUM_AUTOMATA + len(GRAMMARS):
                self._automata.popitem(last=False)
        self._automata.move_to_end(key)
        return self._automata[key]

    def _check_writable(self, synonyms: Synonyms) -> None:
        for phrase in (phrase for spoken in synonyms.values() for phrase in spoken):
            try:
                self._model.tokens.encode(phrase)
            except KeyError as error:
                raise ValueError(f"{phrase!r}: {self.name} hears English only and cannot write it") from error

    def _judged(self, grammar: Grammar, utterance: Utterance, heard: str, finding: Finding) -> Recognition:
        value = finding.value
        judgement = self._rule.judge(
            grammar.name,
            finding.evidence,
            value=value,
            share=finding.shares[value],
            read_back=grammar.read_back,
        )
        hypotheses = [Hypothesis(value=each, confidence=round(p, 4)) for each, p in finding.shares.items()]
        complete = not (may_go_on(grammar, finding.text) or may_go_on(grammar, heard))
        return Recognition(
            verdict=judgement.verdict,
            value=None if judgement.verdict is Verdict.REJECTED else value,
            text=heard,
            confidence=round(logistic(judgement.logit), 4),
            alternatives=best_alternatives(hypotheses),
            engine=self.name,
            sure=judgement.sure and complete,
            complete=complete,
            started_seconds=round(utterance.lead_seconds, 3),
            ended_seconds=round(utterance.lead_seconds + utterance.speech_seconds, 3),
        )

    def _command(
        self, command: str, sound: Sound, utterance: Utterance, confidence: float, *, clear: bool, sure: bool
    ) -> Recognition:
        return Recognition(
            verdict=Verdict.ACCEPTED if clear else Verdict.UNSURE,
            value=command,
            text=sound.free.text,
            confidence=round(confidence, 4),
            alternatives=(Hypothesis(value=command, confidence=1.0),),
            engine=self.name,
            sure=sure,
            complete=True,
            started_seconds=round(utterance.lead_seconds, 3),
            ended_seconds=round(utterance.lead_seconds + utterance.speech_seconds, 3),
        )


def _is_settled(weighed: Weighed | None) -> bool:
    """Say whether another hearing would change nothing."""
    return weighed is not None and weighed.settled


def _key(name: str, synonyms: Synonyms) -> _Key:
    return name, tuple((value, tuple(spoken)) for value, spoken in sorted(synonyms.items()))


def agreement_of(grammar: Grammar, value: str, text: str) -> int:
    """Whether the text written without a grammar says the same value (1), another (-1) or none (0)."""
    named = read_answer(grammar, text)
    if named is None:
        return 0
    return 1 if named == value else -1
