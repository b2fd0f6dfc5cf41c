"""The grammars that come with Tollbridge, as JSON, and their checking loader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from ivr_flows.answer_readers import READERS
from ivr_flows.grammar import RESERVED, Grammar
from ivr_flows.phrase_rules import RuleError

NAMES = (
    "yes_no", "loan_type", "state", "zip", "number", "money", "credit_band", "date", "age", "timeline", "commands",
)  # fmt: skip
_TABLES = ("phrases", "spellings", "keys")
_LISTS = ("said", "written", "openings", "closings", "rare")
_OTHERS = (
    "name",
    "language",
    "reader",
    "rules",
    "keys_pattern",
    "spoken",
    "help",
    "read_back",
    "commands_only",
)


class GrammarFileError(ValueError):
    """A grammar file cannot be used; str() says which, where and why."""


def load_grammars() -> dict[str, Grammar]:
    """All of them, by name. Raises GrammarFileError."""
    common = _json("common")
    return {name: grammar_from(_json(name), common) for name in NAMES}


def grammar_from(data: Mapping[str, Any], common: Mapping[str, Any]) -> Grammar:
    """Check and build one grammar; `common` is what all grammars of its language share. Raises GrammarFileError."""
    name = str(data.get("name"))
    unknown = sorted(set(data) - {*_TABLES, *_LISTS, *_OTHERS})
    if unknown:
        raise GrammarFileError(f"grammar {name}: unknown setting {unknown[0]!r}")
    try:
        grammar = _built(name, data, common)
        # Building the graph reads every rule.
        graph = grammar.graph
    except (AttributeError, TypeError, RuleError) as error:
        raise GrammarFileError(f"grammar {name}: {error}") from error
    _check(grammar)
    if not graph.words():
        raise GrammarFileError(f"grammar {name}: holds no phrase")
    return grammar


def _built(name: str, data: Mapping[str, Any], common: Mapping[str, Any]) -> Grammar:
    tables = {table: _table(data.get(table, {})) for table in _TABLES}
    lists = {key: tuple(map(str, data.get(key, ()))) for key in _LISTS}
    return Grammar(
        name=name,
        language=str(data.get("language", common["language"])),
        commands=_table(common["commands"]),
        reader=data.get("reader"),
        said=lists["said"],
        written=lists["written"],
        openings=(*common["openings"], *lists["openings"]),
        closings=(*common["closings"], *lists["closings"]),
        rare=tuple(word.lower() for word in lists["rare"]),
        rules={**common["rules"], **data.get("rules", {})},
        keys_pattern=data.get("keys_pattern"),
        spoken=dict(data.get("spoken", {})),
        help=str(data.get("help", "")),
        read_back=bool(data.get("read_back", False)),
        commands_only=bool(data.get("commands_only", False)),
        **tables,
    )


def _table(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(key): tuple(map(str, texts)) for key, texts in data.items()}


def _check(grammar: Grammar) -> None:
    problem = next(_problems(grammar), None)
    if problem:
        raise GrammarFileError(f"grammar {grammar.name}: {problem}")


def _problems(grammar: Grammar) -> Iterator[str]:
    if grammar.is_open and grammar.reader not in READERS:
        yield f"unknown reader {grammar.reader!r}; known: {', '.join(READERS)}"
    if [grammar.is_open, bool(grammar.phrases), grammar.commands_only].count(True) != 1:
        yield "has either phrases or a reader"
    for value in sorted(set(grammar.phrases) & set(RESERVED)):
        yield f"the value {value!r} is a command of every question"
    for value in sorted(set(grammar.phrases) - set(grammar.spoken)):
        yield f"nothing is said for the value {value!r} (spoken)"
    for keys, values in grammar.keys.items():
        if not set(values) <= set(grammar.phrases):
            yield f"the keys {keys} mean a value that is none"


def _json(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        resources.files(__package__).joinpath(f"{name}.json").read_text("utf-8")
    )
    return data
