"""A small language for what people say, and the graph it becomes. Pure.

A rule is made of words. `a | b` means either, `[a]` a or nothing, `( )` groups, `<name>` another rule, `=x` puts
x right behind what stands before it, without a blank, and `#` is one figure: `$ =# =# =#` is "$300". Rules call
other rules but never themselves, so that every rule has an end. A rule that is used twice before the same
continuation is built once: the graph of all amounts up to ten million has some thousand places, not ten million.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAXIMUM_PLACES = 20_000
MAXIMUM_RULE_LETTERS = 20_000
MAXIMUM_DEPTH = 40

_PART = re.compile(r"\s*(?:(<[a-z0-9_]+>)|([][()|])|(=?#)|(=[^\s\[\]()|<>#=]+)|([^\s\[\]()|<>#=]+))")
_FIGURES = "0123456789"


class RuleError(ValueError):
    """The rule cannot be used; str() says which and why."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Any one of `ways`, each a row of parts: text (with its leading blank), the name of a rule, a Choice."""

    ways: tuple[tuple[str | RuleName | Choice, ...], ...]


@dataclass(frozen=True, kw_only=True)
class RuleName:
    name: str


def parse_rule(text: str) -> Choice:
    """Raises RuleError for text that is no rule."""
    if len(text) > MAXIMUM_RULE_LETTERS:
        raise RuleError(f"{text[:40]!r}…: longer than {MAXIMUM_RULE_LETTERS} letters")
    parts: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        found = _PART.match(text, at)
        if found is None:
            raise RuleError(f"{text!r}: {text[at : at + 10]!r} cannot be read")
        parts.append(next(group for group in found.groups() if group))
        at = found.end()
    choice, rest = _choice(parts, text, depth=0)
    if rest:
        raise RuleError(f"{text!r}: {rest[0]!r} closes nothing")
    return choice


def _choice(parts: list[str], text: str, *, depth: int) -> tuple[Choice, list[str]]:
    if depth > MAXIMUM_DEPTH:
        raise RuleError(f"{text[:60]!r}: nested deeper than {MAXIMUM_DEPTH}")
    ways: list[tuple[str | RuleName | Choice, ...]] = []
    row: list[str | RuleName | Choice] = []
    while parts and parts[0] not in (")", "]"):
        part, parts = parts[0], parts[1:]
        if part == "|":
            ways.append(tuple(row))
            row = []
        elif part in ("(", "["):
            inner, parts = _choice(parts, text, depth=depth + 1)
            if not parts or parts[0] != {"(": ")", "[": "]"}[part]:
                raise RuleError(f"{text!r}: {part!r} is not closed")
            parts = parts[1:]
            row.append(Choice(ways=(*inner.ways, ())) if part == "[" else inner)
        else:
            row.append(_terminal(part))
    ways.append(tuple(row))
    if any(not way for way in ways):
        raise RuleError(f"{text!r}: one way of it is empty; put what may be left out in [ ]")
    return Choice(ways=tuple(ways)), parts


def _terminal(part: str) -> str | RuleName | Choice:
    if part.startswith("<"):
        return RuleName(name=part[1:-1])
    if part in ("#", "=#"):
        before = " " if part == "#" else ""
        return Choice(ways=tuple((before + figure,) for figure in _FIGURES))
    return part[1:] if part.startswith("=") else " " + part


@dataclass
class PhraseGraph:
    """Places joined by text: `arcs[place]` leads on, `free[place]` does so without text, `ends[place]` is the
    value that is complete there. `inner` are the places within an answer; others belong to what stands around.
    """

    arcs: list[list[tuple[str, int]]] = field(default_factory=list)
    free: list[list[int]] = field(default_factory=list)
    ends: dict[int, str] = field(default_factory=dict)
    inner: set[int] = field(default_factory=set)
    start: int = 0

    def closure(self, places: Iterable[int]) -> frozenset[int]:
        """The places and all that can be reached from them without text."""
        found, waiting = set[int](), list(places)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self.free[place]
        return frozenset(found)

    def after(self, text: str) -> frozenset[int]:
        """Places where one can be after exactly `text`, case put aside; empty when it leads nowhere."""
        text = text.lower()
        reached: dict[int, set[int]] = {0: set(self.closure([self.start]))}
        for at in range(len(text)):
            for place in reached.pop(at, ()):
                for words, target in self.arcs[place]:
                    if text.startswith(words.lower(), at):
                        reached.setdefault(at + len(words), set()).update(self.closure([target]))
        return frozenset(reached.get(len(text), ()))

    def values_at(self, places: Iterable[int]) -> frozenset[str]:
        return frozenset(self.ends[place] for place in places if place in self.ends)

    def values_beyond(self, places: Iterable[int]) -> frozenset[str]:
        """Values that can still be reached from within an answer by saying more."""
        waiting = [target for place in places if place in self.inner for _, target in self.arcs[place]]
        seen, found = set[int](), set[str]()
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += [*self.free[place], *(target for _, target in self.arcs[place])]
                found |= self.values_at([place])
        return frozenset(found)

    def words(self) -> tuple[str, ...]:
        """Every piece of text on an arc, lower case, in order."""
        return tuple(sorted({text.strip().lower() for arcs in self.arcs for text, _ in arcs}))


class GraphBuilder:
    """Builds backwards: each part is given the place where it must lead."""

    def __init__(self, rules: Mapping[str, Choice]) -> None:
        self.graph = PhraseGraph()
        self._rules = rules
        self._built: dict[tuple[int, int], int] = {}
        self._kept: list[Choice] = []

    def place(self) -> int:
        if len(self.graph.arcs) >= MAXIMUM_PLACES:
            raise RuleError(f"a grammar of more than {MAXIMUM_PLACES} places is too big")
        self.graph.arcs.append([])
        self.graph.free.append([])
        return len(self.graph.arcs) - 1

    def end(self, value: str) -> int:
        place = self.place()
        self.graph.ends[place] = value
        return place

    def before(self, choice: Choice, target: int, under: tuple[str, ...] = ()) -> int:
        """The place from which `choice` leads to `target`."""
        known = self._built.get((id(choice), target))
        if known is not None:
            return known
        start = self.place()
        for way in choice.ways:
            self.graph.free[start].append(self._row(way, target, under))
        self._kept.append(choice)
        self._built[id(choice), target] = start
        return start

    def _row(self, way: tuple[str | RuleName | Choice, ...], target: int, under: tuple[str, ...]) -> int:
        for part in reversed(way):
            if isinstance(part, RuleName):
                target = self._named(part.name, target, under)
            elif isinstance(part, Choice):
                target = self.before(part, target, under)
            else:
                place = self.place()
                self.graph.arcs[place].append((part, target))
                target = place
        return target

    def _named(self, name: str, target: int, under: tuple[str, ...]) -> int:
        if name in under:
            raise RuleError(f"the rule <{name}> calls itself")
        if name not in self._rules:
            raise RuleError(f"there is no rule <{name}>")
        return self.before(self._rules[name], target, (*under, name))


def every_text(text: str, rules: Mapping[str, str], most: int) -> tuple[str, ...]:
    """All that a rule lets one say, each with a leading blank, cut off after `most` + 1. Raises RuleError."""
    found = [""]
    for way in _ways(parse_rule(text), {name: parse_rule(rule) for name, rule in rules.items()}, most):
        found.append(way)
    return tuple(dict.fromkeys(found[1 : most + 2]))


def _ways(choice: Choice, rules: Mapping[str, Choice], most: int) -> list[str]:
    found: list[str] = []
    for row in choice.ways:
        texts = [""]
        for part in row:
            if isinstance(part, str):
                texts = [before + part for before in texts]
                continue
            inner = _ways(rules[part.name] if isinstance(part, RuleName) else part, rules, most)
            texts = [before + after for before in texts for after in inner][: most + 1]
        found = (found + texts)[: most + 1]
    return found
