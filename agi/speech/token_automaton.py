"""A grammar's graph as a decoder sees it: which tokens may follow which, found out only where a search comes by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from agi.speech.moonshine_model import Tokens
from ivr_flows.answer_readers import exists, may_become_answer, unusual
from ivr_flows.grammar import OPEN, Grammar
from ivr_flows.grammars import phrases_of, read_answer

RARE_COST = 3.0
"""For an answer in words that few people use ("Cali"). Of 810 states of the development half, each by a head that never
heard its speaker, 795 are right, not 793, of 1,416 by twelve voices of espeak-ng outside the test set 1,347, not 1,341;
of 149 in such words ("Mass", "I live in Cali") 129, not 143, and 93 are accepted, not 108.
"""
UNUSUAL_COST = 2.0
"""Found on the development half of the speech test set: 1 is too little for ages, more changes nothing."""

MAXIMUM_KEPT_TEXTS = 10_000
"""Texts whose reading is remembered, a grammar."""

MOST_PHRASES = 100
"""Ways to say one value that are compared with the phones heard."""

Pending = tuple[int, tuple[int, ...]]
"""A place of the graph and the tokens still to be written before one is there."""


class TokenAutomaton:
    """Deterministic: `edges(node)[token]` leads on, `value(node, tokens)` is the answer that is complete there.

    Nodes are sets of pending places, numbered as they are met; the same set is one node. Not for several threads.
    """

    def __init__(self, grammar: Grammar, tokens: Tokens) -> None:
        self.grammar = grammar
        # Commands draw all that is no answer to themselves ("come again"): they are looked for in the free text.
        self._answers = replace(grammar, commands={})
        self._graph = self._answers.graph
        self._tokens = tokens
        self._nodes: list[frozenset[Pending]] = []
        self._numbers: dict[frozenset[Pending], int] = {}
        self._edges: list[dict[int, int] | None] = []
        self._ends: list[str | None] = []
        self._encoded: dict[tuple[str, bool], tuple[tuple[int, ...], ...]] = {}
        self._values: dict[tuple[int, ...], str | None] = {}
        self._leads_on: dict[tuple[int, ...], bool] = {}
        self._number(frozenset((place, ()) for place in self._graph.closure([self._graph.start])))

    @cached_property
    def ways(self) -> Mapping[str, tuple[str, ...]]:
        """The ways to say each value of a closed grammar, without what may stand around them. Empty for an open one."""
        grammar = self.grammar
        return {value: phrases_of(grammar, value, MOST_PHRASES) for value in grammar.phrases}

    def held_to(self, values: Iterable[str]) -> TokenAutomaton:
        """Return the automaton of these values of a closed grammar only."""
        grammar, wanted = self.grammar, frozenset(values)
        return TokenAutomaton(
            replace(
                grammar,
                phrases={value: said for value, said in grammar.phrases.items() if value in wanted},
                spellings={value: said for value, said in grammar.spellings.items() if value in wanted},
            ),
            self._tokens,
        )

    def edges(self, node: int) -> dict[int, int]:
        known = self._edges[node]
        if known is None:
            known = self._edges[node] = self._found_edges(node)
        return known

    def value(self, node: int, tokens: tuple[int, ...]) -> str | None:
        """The answer that `tokens`, which led to `node`, are; None when more is needed."""
        value = self._ends[node]
        if value != OPEN:
            return value
        if tokens not in self._values:
            if len(self._values) > MAXIMUM_KEPT_TEXTS:
                self._values.clear()
            found = read_answer(self._answers, self._tokens.text(tokens))
            self._values[tokens] = found if found and exists(self.grammar.reader or "", found) else None
        return self._values[tokens]

    def leads_on(self, tokens: tuple[int, ...]) -> bool:
        """False when only answers that do not exist begin with `tokens`."""
        if self.grammar.reader != "zip":
            return True
        if tokens not in self._leads_on:
            if len(self._leads_on) > MAXIMUM_KEPT_TEXTS:
                self._leads_on.clear()
            self._leads_on[tokens] = may_become_answer(self.grammar.reader, self._tokens.text(tokens))
        return self._leads_on[tokens]

    def cost(self, value: str, tokens: tuple[int, ...]) -> float:
        """What an unusual answer has to make up for, as a log-probability."""
        grammar = self.grammar
        if grammar.reader is not None:
            return UNUSUAL_COST * unusual(grammar.reader, value, self._tokens.text(tokens))
        if not grammar.rare:
            return 0.0
        words = self._tokens.text(tokens).lower().replace(",", " ").split()
        return RARE_COST * any(word in grammar.rare for word in words)

    def _found_edges(self, node: int) -> dict[int, int]:
        targets: dict[int, set[Pending]] = {}
        for place, waiting in self._nodes[node]:
            if waiting:
                self._add(targets, waiting, place)
                continue
            for text, target in self._graph.arcs[place]:
                for tokens in self._encode(text, first=node == 0):
                    self._add(targets, tokens, target)
        return {token: self._number(frozenset(pending)) for token, pending in targets.items()}

    def _add(self, targets: dict[int, set[Pending]], tokens: tuple[int, ...], place: int) -> None:
        found = targets.setdefault(tokens[0], set())
        if len(tokens) > 1:
            found.add((place, tokens[1:]))
        else:
            found.update((each, ()) for each in self._graph.closure([place]))

    def _encode(self, text: str, *, first: bool) -> tuple[tuple[int, ...], ...]:
        """The ways to write one piece of text: at the start of a sentence with a capital letter too."""
        key = (text, first)
        if key not in self._encoded:
            forms = [text]
            if first:
                forms = [text[:1] + text[1:2].upper() + text[2:]]
            self._encoded[key] = tuple(tuple(self._tokens.encode_part(form)) for form in forms)
        return self._encoded[key]

    def _number(self, pending: frozenset[Pending]) -> int:
        if pending not in self._numbers:
            self._numbers[pending] = len(self._nodes)
            self._nodes.append(pending)
            self._edges.append(None)
            self._ends.append(_end(self._graph.values_at(place for place, waiting in pending if not waiting)))
        return self._numbers[pending]


def _end(values: Iterable[str]) -> str | None:
    """A phrase of two values is none; an open grammar's reader is asked before a value's own spelling."""
    found = sorted(values)
    if OPEN in found:
        return OPEN
    return found[0] if len(found) == 1 else None
