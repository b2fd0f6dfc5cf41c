"""One grammar: what may be said, as data and as a graph. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ivr_flows.answer_readers import READERS, is_date_value
from ivr_flows.events import Command
from ivr_flows.phrase_rules import Choice, GraphBuilder, PhraseGraph, every_text, parse_rule

RESERVED: tuple[str, ...] = tuple(str(command) for command in Command)
"""Values that are possible at every question."""
MAXIMUM_COMMAND_TEXTS = 200
OPEN = "*"
"""Stands in a graph for a value that the grammar's reader has to tell."""

Phrases = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """Every way to answer one kind of question. Texts are rules (phrase_rules.py).

    `phrases` are those of a closed grammar's values, `said` and `written` those of an open one: in words, and in
    figures as a speech-to-text model writes them. `openings` and `closings` may stand around an answer ("I live in
    ..."). `spellings` are further ways in which a model writes an answer it heard well ("pour" for poor). `rare` are
    words of answers that few people give ("Cali"): what sounds no better than others is another. `keys` maps exact key
    presses to the values they may mean; `keys_pattern` is what the keys of an open grammar look like. `spoken` is how a
    prompt reads a value back. `read_back`: even a clear answer is asked back, for one figure misheard changes it.
    `commands_only`: there is no answer to say, for questions that are answered by keys.
    """

    name: str
    language: str = "en"
    phrases: Phrases = field(default_factory=dict)
    commands: Phrases = field(default_factory=dict)
    reader: str | None = None
    said: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()
    spellings: Phrases = field(default_factory=dict)
    rare: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    keys: Phrases = field(default_factory=dict)
    keys_pattern: str | None = None
    spoken: Mapping[str, str] = field(default_factory=dict)
    help: str = ""
    read_back: bool = False
    commands_only: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """Empty for an open grammar."""
        return tuple(self.phrases)

    @property
    def is_open(self) -> bool:
        return self.reader is not None

    @cached_property
    def graph(self) -> PhraseGraph:
        """All texts an engine may write of an answer. Raises RuleError for rules that cannot be used."""
        return _graph(self, written=True)

    @cached_property
    def spoken_graph(self) -> PhraseGraph:
        """All texts in words, without what only one model writes."""
        return _graph(self, written=False)

    @cached_property
    def command_texts(self) -> Phrases:
        """The commands, each in all its ways, lower case."""
        return {
            command: tuple(
                text.strip().lower() for rule in rules for text in every_text(rule, {}, MAXIMUM_COMMAND_TEXTS)
            )
            for command, rules in self.commands.items()
        }

    def holds(self, value: str) -> bool:
        """Return whether `value` may be an answer, commands included."""
        return (
            value in self.phrases or value in self.commands or (self.is_open and _reads_itself(self, value))
        )


def _reads_itself(grammar: Grammar, value: str) -> bool:
    """Return whether `value` is written as the grammar's reader writes values."""
    if grammar.reader == "date":
        return is_date_value(value)
    text = f"{value} dollars" if grammar.reader == "money" else value
    return value.isascii() and value.isdigit() and READERS[grammar.reader or ""](text) == value


def _graph(grammar: Grammar, *, written: bool) -> PhraseGraph:
    rules = {name: parse_rule(text) for name, text in grammar.rules.items()}
    builder = GraphBuilder(rules)
    opening = _any_of([f"{opening} [=,]" for opening in grammar.openings])
    closing = _any_of([f"[=,] {closing}" for closing in grammar.closings])
    start = builder.place()
    heads: list[int] = []
    for value, texts in _answers(grammar, written=written):
        after = builder.end(value)
        if closing and value not in grammar.commands:
            tail = builder.before(closing, builder.end(value))
            builder.graph.free[after].append(tail)
        before_inner = len(builder.graph.arcs)
        head = builder.before(_any_of_required(texts), after)
        (heads if value not in grammar.commands else builder.graph.free[start]).append(head)
        builder.graph.inner |= set(range(before_inner, len(builder.graph.arcs)))
    builder.graph.free[start] += heads
    if opening:
        answers = builder.place()
        builder.graph.free[answers] += heads
        builder.graph.free[start].append(builder.before(opening, answers))
    builder.graph.start = start
    return builder.graph


def _answers(grammar: Grammar, *, written: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Value and rules; one value's rules end at one place."""
    found: dict[str, tuple[str, ...]] = {**grammar.phrases}
    if grammar.is_open:
        found[OPEN] = grammar.said + (grammar.written if written else ())
    for value, texts in grammar.commands.items():
        found[value] = found.get(value, ()) + texts
    if written:
        for value, texts in grammar.spellings.items():
            found[value] = found.get(value, ()) + texts
    return list(found.items())


def _any_of(texts: Sequence[str]) -> Choice | None:
    return _any_of_required(texts) if texts else None


def _any_of_required(texts: Sequence[str]) -> Choice:
    return Choice(ways=tuple((parse_rule(text),) for text in texts))
