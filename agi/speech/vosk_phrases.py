"""A model's own phrases, in its own language: the file `phrases.json` in its folder.

    {"yes_no": {"yes": ["네", "예"], "no": ["아니요"]},
     "commands": {"operator": ["상담원 연결"], "stop_calling": ["전화 하지 마세요"]}}

Each grammar lists its values and their phrases, in the language of ivr_flows/phrase_rules.py. `commands` lists what may
be said at every question beside them: operator, repeat, stop_calling, do_not_record. They are listened for at questions
that are answered by keys, too. Without `commands` none is heard.

A command of three words counts beside other words, too. A model without `[unk]` writes words of its phrases for any
speech: there every other answer counts only when nothing stands beside it, and still a command was heard in up to 5 of
222 Korean sentences that were none. Phrases of several words are the safest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ivr_flows.answers import COMMANDS_ONLY
from ivr_flows.grammars import RESERVED, Grammar, Phrases, ambiguities, own_grammar, phrases_of, spoken_texts

PHRASES_FILE = "phrases.json"
MAXIMUM_PHRASES = 3000
"""More phrases of a closed grammar are not listed one by one."""


def grammars_of_folder(folder: Path) -> tuple[Grammar, ...] | None:
    """The model's own grammars; None when it brings no phrases. Raises ValueError with the sentence what is wrong."""
    file = folder / PHRASES_FILE
    if not file.is_file():
        return None
    try:
        return own_grammars(json.loads(file.read_text("utf8")))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def own_grammars(data: object) -> tuple[Grammar, ...]:
    """What phrases.json holds, checked. Raises ValueError with the sentence what is wrong."""
    if not isinstance(data, Mapping) or not data:
        raise ValueError("write {grammar: {value: [phrase]}}, with at least one grammar")
    tables = {str(name): _table(str(name), values) for name, values in data.items()}
    commands = tables.pop(COMMANDS_ONLY, {})
    unknown = sorted(set(commands) - set(RESERVED))
    if unknown:
        raise ValueError(
            f"{COMMANDS_ONLY}: there is no command {unknown[0]!r}; there are {', '.join(RESERVED)}"
        )
    grammars = [own_grammar(name, phrases, commands) for name, phrases in tables.items()]
    if commands:
        grammars.append(own_grammar(COMMANDS_ONLY, {}, commands))
    for grammar in grammars:
        problems = ambiguities(grammar, spoken_texts(grammar, MAXIMUM_PHRASES))
        if problems:
            raise ValueError(f"{grammar.name}: {problems[0]}")
    return tuple(grammars)


def texts_of_values(grammar: Grammar) -> Phrases:
    """The ways to say each value and each command of a closed grammar, in words."""
    every = replace(grammar, phrases={**grammar.phrases, **grammar.commands})
    return {value: phrases_of(every, value, MAXIMUM_PHRASES) for value in every.phrases}


def _table(name: str, values: object) -> Phrases:
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{name}: write {{value: [phrase]}}, with at least one value")
    for value, phrases in values.items():
        listed = isinstance(phrases, list) and all(isinstance(each, str) and each.strip() for each in phrases)
        if not listed or not phrases:
            raise ValueError(
                f"{name}: write a list of phrases for {value!r}, at least one and none of them empty"
            )
    return {str(value): tuple(phrases) for value, phrases in values.items()}
