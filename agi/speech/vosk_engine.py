"""Vosk held to the question's grammar: used whenever a model folder is there, in any language.

A model whose vocabulary has `[unk]` rejects speech that is no answer; one without it hears an answer in
anything. A model in another language brings its own phrases (vosk_phrases.py).
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import vosk

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
from agi.speech.vosk_model import is_vosk_model
from agi.speech.vosk_phrases import MAXIMUM_PHRASES, PHRASES_FILE, grammars_of_folder, texts_of_values
from ivr_flows.grammars import (
    GRAMMARS,
    RESERVED,
    Grammar,
    may_go_on,
    phrases_of,
    read_answer,
    read_command,
    spoken_texts,
    values_in_text,
    with_synonyms,
)

UNKNOWN_WORD = "[unk]"
_MAXIMUM_READY = 64
ACCEPT_FROM = 0.85
UNSURE_FROM = 0.5
_SURE_FROM = 0.98
_WAYS = 10
"""In so many ways the model tells what an unsure answer may have been."""


_Key = tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A question as the decoder wants it."""

    grammar: Grammar
    word_list: str


class VoskEngine:
    """A Recogniser. Raises FileNotFoundError when the folder holds no model, ValueError when its phrases are
    no phrases.
    """

    name = "vosk"

    def __init__(self, model_folder: Path) -> None:
        if not is_vosk_model(model_folder):
            raise FileNotFoundError(f"{model_folder} holds no Vosk model")
        vosk.SetLogLevel(-1)
        self._model = vosk.Model(model_path=str(model_folder))
        self._rejects = self._knows(UNKNOWN_WORD)
        own = grammars_of_folder(model_folder)
        for grammar in own or ():
            self._check_known(grammar, model_folder / PHRASES_FILE)
        self._base = {grammar.name: grammar for grammar in own or GRAMMARS.values()}
        self._ready: OrderedDict[_Key, _Ready] = OrderedDict()
        self.grammars = frozenset(self._base)
        for name in self.grammars:
            self.prepare(name)

    def prepare(self, grammar: str, synonyms: Synonyms = NO_SYNONYMS) -> None:
        self._question(grammar, synonyms)

    def recognise(
        self, utterance: Utterance, grammar: str, synonyms: Synonyms = NO_SYNONYMS, *, final: bool = True
    ) -> Recognition:
        question = self._question(grammar, synonyms)
        found = self._judged(question, self._decoded(question, utterance))
        if found.verdict is not Verdict.UNSURE or not final:
            return found
        # The caller will be asked back. With alternatives the model tells no word's confidence: hence a second time.
        ways = self._decoded(question, utterance, alternatives=_WAYS)
        shares = shares_of(question.grammar, ways["alternatives"], rejects=self._rejects)
        return replace(found, alternatives=_alternatives(found.alternatives[0], shares))

    def _decoded(self, question: _Ready, utterance: Utterance, *, alternatives: int = 0) -> dict[str, Any]:
        decoder = vosk.KaldiRecognizer(self._model, SAMPLE_RATE, question.word_list)
        decoder.SetWords(True)
        decoder.SetMaxAlternatives(alternatives)
        decoder.AcceptWaveform(utterance.samples.astype("<i2").tobytes())
        result: dict[str, Any] = json.loads(decoder.FinalResult())
        return result

    def _judged(self, question: _Ready, result: Mapping[str, Any]) -> Recognition:
        text = str(result.get("text", ""))
        value = read_value(question.grammar, text, rejects=self._rejects)
        if value is None:
            return nothing_heard(self.name, text)
        confidence = _confidence(result)
        verdict = _verdict(confidence)
        clear = verdict is Verdict.ACCEPTED
        if clear and question.grammar.read_back and value not in RESERVED:
            verdict = Verdict.UNSURE
        started, ended = _times(result)
        complete = not may_go_on(question.grammar, text)
        return Recognition(
            verdict=verdict,
            value=None if verdict is Verdict.REJECTED else value,
            text=text,
            confidence=round(confidence, 4),
            alternatives=best_alternatives([Hypothesis(value=value, confidence=round(confidence, 4))]),
            engine=self.name,
            sure=clear and confidence >= _SURE_FROM and complete,
            complete=complete,
            started_seconds=started,
            ended_seconds=ended,
        )

    def _question(self, name: str, synonyms: Synonyms) -> _Ready:
        key = (name, tuple((value, tuple(spoken)) for value, spoken in sorted(synonyms.items())))
        if key not in self._ready:
            grammar = with_synonyms(self._base[name], synonyms)
            self._ready[key] = _Ready(grammar=grammar, word_list=self._word_list(grammar))
            if len(self._ready) > _MAXIMUM_READY:
                self._ready.popitem(last=False)
        self._ready.move_to_end(key)
        return self._ready[key]

    def _knows(self, word: str) -> bool:
        return int(self._model.vosk_model_find_word(word)) >= 0

    def _check_known(self, grammar: Grammar, file: Path) -> None:
        """Raises ValueError for a value that can never be heard: the model knows none of its phrases."""
        for value, texts in texts_of_values(grammar).items():
            if not any(all(map(self._knows, text.split())) for text in texts):
                raise ValueError(
                    f"{file}: {grammar.name}: the model knows no phrase of {value!r} ({', '.join(texts)}):"
                    " write one in words of its vocabulary"
                )

    def _word_list(self, grammar: Grammar) -> str:
        """The phrases of a closed grammar, the words of an open one, whatever of them the model knows: it would just
        drop the others.
        """
        texts = () if grammar.is_open else spoken_texts(grammar, MAXIMUM_PHRASES)
        spoken = [
            text for text in texts or grammar.spoken_graph.words() if all(map(self._knows, text.split()))
        ]
        unknown = [UNKNOWN_WORD] if self._rejects else []
        return json.dumps([*spoken, *unknown], ensure_ascii=False)


def read_value(grammar: Grammar, text: str, *, rejects: bool) -> str | None:
    """One answer, with hesitations around it, or a command; two answers in one breath are none, nor is what is mostly
    unknown. `rejects`: the model writes `[unk]` for what is none of its words.
    """
    if _mostly_unknown(text):
        return None
    known = " ".join(word for word in text.split() if word != UNKNOWN_WORD)
    value = read_command(grammar, known) or read_answer(grammar, known)
    if value is not None or grammar.is_open:
        return value
    values = values_in_text(grammar, known)
    if len(values) != 1:
        return None
    return values[0] if rejects or _is_all_of(grammar, values[0], known) else None


def _is_all_of(grammar: Grammar, value: str, text: str) -> bool:
    """Without `[unk]` a model writes words of other phrases for what is none: "no" in "no call" says little."""
    words = {word for phrase in phrases_of(grammar, value, MAXIMUM_PHRASES) for word in phrase.split()}
    return words.issuperset(text.split())


def shares_of(grammar: Grammar, ways: Sequence[Mapping[str, Any]], *, rejects: bool) -> dict[str, float]:
    """How likely each value is, of the ways in which the model may have heard an utterance, each with the logarithm
    of its likelihood. What means no answer takes its share, too: all of them are at most 1.
    """
    best = max((way["confidence"] for way in ways), default=0.0)
    weights = [math.exp(way["confidence"] - best) for way in ways]
    shares: dict[str, float] = {}
    for way, weight in zip(ways, weights, strict=True):
        value = read_value(grammar, way["text"], rejects=rejects)
        if value is not None:
            shares[value] = shares.get(value, 0.0) + weight / sum(weights)
    return shares


def _alternatives(first: Hypothesis, shares: Mapping[str, float]) -> tuple[Hypothesis, ...]:
    """What was found, and the other values: they share what its confidence leaves."""
    others = {value: share for value, share in shares.items() if value != first.value}
    shrunk = min(1.0, (1 - first.confidence) / sum(others.values())) if others else 1.0
    # Rounded down, so that all of them are at most 1.
    told = {value: math.floor(share * shrunk * 10_000) / 10_000 for value, share in others.items()}
    others_told = [Hypothesis(value=value, confidence=share) for value, share in told.items() if share]
    return best_alternatives([first, *others_told])


def _mostly_unknown(text: str) -> bool:
    words = text.split()
    return words.count(UNKNOWN_WORD) * 2 > len(words)


def _confidence(result: Mapping[str, Any]) -> float:
    """That of the weakest word: one misheard word is enough to change the answer."""
    words = [word for word in result.get("result", ()) if word.get("word") != UNKNOWN_WORD]
    return min((float(word.get("conf", 0.0)) for word in words), default=0.0)


def _times(result: Mapping[str, Any]) -> tuple[float | None, float | None]:
    words = result.get("result", ())
    return (float(words[0]["start"]), float(words[-1]["end"])) if words else (None, None)


def _verdict(confidence: float) -> Verdict:
    if confidence >= ACCEPT_FROM:
        return Verdict.ACCEPTED
    return Verdict.UNSURE if confidence >= UNSURE_FROM else Verdict.REJECTED
