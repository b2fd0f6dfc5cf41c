"""The decoder held to a grammar: a beam search through the token automaton of all written answers.

Every path ends in a value of the grammar, so the result is a log-probability for each value that the audio
could be. A second, free search tells what the model would write without a grammar: how far the two lie apart
betrays speech that is no answer at all.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agi.speech.moonshine_model import STOP, DecoderState, Floats, MoonshineModel
from agi.speech.token_automaton import TokenAutomaton

BEAM_PATHS = 10
BEAM_WIDTH = 10.0
"""Paths whose log-probability is lower than the best by more than this are dropped. Of 160 ZIP codes of the development
half 148 are right, 149 with 14 paths within 14 for a quarter more time; 141 when unclear ones are heard again with 6
within 8. Of 200 answers to all questions 188 are right and 143 accepted, 3 of them wrongly: 188, 140 and 3 with 14.
"""
FINISHED_WIDTH = 8.0
"""Paths that are this far below a finished answer could only become alternatives that nobody would be offered."""
UNBOUND_WIDTH = 6.0
UNBOUND = 0.5
"""While the grammar has cost the leading path no more than this (as a log-probability), the model writes an answer by
itself: then only paths so close to the best step and the best finished answer are followed. Of 403 answers of the
development half as many are right, accepted right and accepted wrong (399, 294, 1) as with the wide beam all the time,
for a tenth less processor: 89 ms an answer, not 97 (median 60, not 71). Within 5, at a cost of up to 1: 398, 291 and 1.
"""
MAXIMUM_ANSWER_TOKENS = 24
MAXIMUM_FREE_TOKENS = 24
_CLEAR_SCORE, _CLEAR_MARGIN = -3.0, 3.0
_END_MARKS = (b".", b",", b"?", b"!")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A value the audio could be: log-probability of all its written forms, tokens of the likeliest."""

    log_probability: float
    best_log_probability: float
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FreeText:
    """What the model writes without a grammar. `steps` counts its tokens and the end."""

    text: str
    log_probability: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class _Path:
    score: float
    node: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Step:
    path: _Path
    row: int


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """Which rows of what a search was given last are to go on, each with a token."""

    rows: list[int]
    tokens: list[int]


_NOTHING_YET = _Wish(rows=[], tokens=[])


class ConstrainedSearch:
    """Both searches over one model."""

    def __init__(self, model: MoonshineModel) -> None:
        self._model = model
        numbers = model.tokens.numbers
        self.ends = [STOP, *(numbers[mark] for mark in _END_MARKS if mark in numbers)]

    def answers(self, start: DecoderState, automaton: TokenAutomaton) -> dict[str, Answer]:
        """Log-probability of each value the beam reached; empty when the beam died."""
        found: dict[str, Answer] = self._side_by_side(start, self._within_grammar(automaton))[0]
        return found

    def free_text(self, start: DecoderState) -> FreeText:
        """The likeliest next token, again and again, until the model stops."""
        written: FreeText = self._side_by_side(start, self._freely())[0]
        return written

    def answers_and_free_text(
        self, start: DecoderState, automaton: TokenAutomaton
    ) -> tuple[dict[str, Answer], FreeText]:
        """Both in the steps of the longer one: a row more in a step costs a tenth of a step of its own."""
        found, written = self._side_by_side(start, self._within_grammar(automaton), self._freely())
        return found, written

    def _side_by_side(self, start: DecoderState, *searches: Generator[_Wish, Floats, Any]) -> list[Any]:
        """Take the searches step by step through the model together; return what each of them found."""
        for search in searches:
            next(search)
        results: list[Any] = [None] * len(searches)
        blocks = dict.fromkeys(range(len(searches)), (0, 1))
        state = start
        while blocks:
            rows, tokens, following = list[int](), list[int](), {}
            for number, (first, end) in blocks.items():
                try:
                    wish = searches[number].send(state.log_probabilities[first:end])
                except StopIteration as done:
                    results[number] = done.value
                    continue
                following[number] = (len(rows), len(rows) + len(wish.rows))
                rows += [first + row for row in wish.rows]
                tokens += wish.tokens
            if rows:
                state = self._model.advance(state, rows, tokens)
            blocks = following
        return results

    def _within_grammar(self, automaton: TokenAutomaton) -> Generator[_Wish, Floats, dict[str, Answer]]:
        found: dict[str, Answer] = {}
        paths = [_Path(score=0.0, node=0, tokens=())]
        scores = yield _NOTHING_YET
        cost = 0.0
        for _ in range(MAXIMUM_ANSWER_TOKENS):
            self._collect_finished(paths, scores, automaton, found)
            likely = _likeliest_steps(paths, scores, automaton)
            finished = max((answer.log_probability for answer in found.values()), default=-math.inf)
            best = max(finished, likely[0].path.score if likely else -math.inf)
            cost += max(0.0, paths[0].score + float(scores[0].max()) - best)
            steps = _worth_following(likely, finished, bound=cost > UNBOUND)
            if not steps:
                break
            paths = [step.path for step in steps]
            scores = yield _Wish(
                rows=[step.row for step in steps], tokens=[path.tokens[-1] for path in paths]
            )
        return found

    def _collect_finished(
        self, paths: list[_Path], scores: Floats, automaton: TokenAutomaton, found: dict[str, Answer]
    ) -> None:
        for row, path in enumerate(paths):
            value = automaton.value(path.node, path.tokens)
            if value is not None:
                # A comma that may go on to another answer is no end: "Washington, D. C."
                on = automaton.edges(path.node)
                ends = [mark for mark in self.ends if mark not in on]
                score = path.score + float(np.logaddexp.reduce(scores[row, ends]))
                score -= automaton.cost(value, path.tokens)
                found[value] = _joined(found.get(value), score, path.tokens)

    def _freely(self) -> Generator[_Wish, Floats, FreeText]:
        total, written = 0.0, list[int]()
        scores = yield _NOTHING_YET
        while len(written) < MAXIMUM_FREE_TOKENS:
            token = int(scores[0].argmax())
            total += float(scores[0, token])
            if token == STOP:
                break
            written.append(token)
            scores = yield _Wish(rows=[0], tokens=[token])
        text = self._model.tokens.text(written)
        return FreeText(text=text, log_probability=total, steps=len(written) + 1)


def _joined(known: Answer | None, score: float, tokens: tuple[int, ...]) -> Answer:
    if known is None:
        return Answer(log_probability=score, best_log_probability=score, tokens=tokens)
    better = score > known.best_log_probability
    return Answer(
        log_probability=float(np.logaddexp(known.log_probability, score)),
        best_log_probability=score if better else known.best_log_probability,
        tokens=tokens if better else known.tokens,
    )


def joined_answers(hearings: Sequence[Mapping[str, Answer]]) -> dict[str, Answer]:
    """The answers of several hearings of one sound: mean probabilities. A hearing that went wrong makes everything
    unlikely; mean log-probabilities would let it outvote the one that went well.
    """
    hearings = [answers for answers in hearings if answers]
    joined: dict[str, Answer] = {}
    for value in dict.fromkeys(value for answers in hearings for value in answers):
        known = [answers[value] for answers in hearings if value in answers]
        best = max(known, key=lambda answer: answer.best_log_probability)
        total = float(np.logaddexp.reduce([answer.log_probability for answer in known]))
        joined[value] = replace(best, log_probability=total - math.log(len(hearings)))
    return joined


def is_clear(answers: Mapping[str, Answer]) -> bool:
    """Whether one answer stands out so far that a second hearing would change nothing."""
    scores = sorted((answer.log_probability for answer in answers.values()), reverse=True)
    if not scores or scores[0] <= _CLEAR_SCORE:
        return False
    return len(scores) == 1 or scores[0] - scores[1] > _CLEAR_MARGIN


def _steps(
    paths: list[_Path], scores: Floats, automaton: TokenAutomaton
) -> Iterator[tuple[float, int, int, int]]:
    """Score, row, token and node of every way on. Plain tuples: there are some hundred for each one followed."""
    for row, path in enumerate(paths):
        own = scores[row]
        for token, node in automaton.edges(path.node).items():
            yield path.score + float(own[token]), row, token, node


def _likeliest_steps(paths: list[_Path], scores: Floats, automaton: TokenAutomaton) -> list[_Step]:
    """The best few steps, the likeliest first."""
    likely = heapq.nlargest(2 * BEAM_PATHS, _steps(paths, scores, automaton))
    best = [step for step in likely if automaton.leads_on((*paths[step[1]].tokens, step[2]))][:BEAM_PATHS]
    return [
        _Step(path=_Path(score=score, node=node, tokens=(*paths[row].tokens, token)), row=row)
        for score, row, token, node in best
    ]


def _worth_following(steps: Sequence[_Step], finished: float, *, bound: bool) -> list[_Step]:
    """Those that are not hopeless beside the best step or the best `finished` answer. `bound`: the grammar keeps the
    model from what it would write.
    """
    beside_step, beside_answer = (BEAM_WIDTH, FINISHED_WIDTH) if bound else (UNBOUND_WIDTH, UNBOUND_WIDTH)
    leading = steps[0].path.score - beside_step if steps else 0.0
    return [step for step in steps if step.path.score > max(leading, finished - beside_answer)]
