"""What nodes ask of grammars: which answers there are, what keys mean, and how a value is read back."""

from __future__ import annotations

from ivr_flows import grammars

COMMANDS_ONLY = "commands"
"""The grammar of questions that are answered by keys: "operator", "stop calling me" are heard all the same."""
DIGITS = "digits"
"""Not a grammar: values that are read back digit by digit."""


def grammar_names() -> tuple[str, ...]:
    """Return the names of the grammars a question may have."""
    return tuple(name for name, grammar in grammars.GRAMMARS.items() if not grammar.commands_only)


def is_value(grammar: str, value: str | None) -> bool:
    """Say whether `value` is an answer in the grammar; a reserved one (operator, repeat) is not."""
    return value is not None and value not in grammars.RESERVED and grammars.GRAMMARS[grammar].holds(value)


def spoken(grammar: str, value: str) -> tuple[str, ...]:
    """Return the prompts that read `value` back: the grammar's own, or digits one by one, or the words themselves."""
    if grammar in grammars.GRAMMARS and is_value(grammar, value):
        return grammars.spoken_pieces(grammar, value)
    if value.isascii() and value.isdigit():
        return tuple(grammars.DIGIT_WORDS[int(digit)] for digit in value)
    return (value.replace("_", " "),)


def spoken_texts(grammar: str) -> frozenset[str]:
    """Return every prompt that may read back a value of the grammar."""
    return grammars.all_pieces(grammar) if grammar in grammars.GRAMMARS else frozenset(grammars.DIGIT_WORDS)


def help_texts(grammar: str) -> frozenset[str]:
    """Return what tells the keys of a question, said when speech is lost; nothing for a question of keys only."""
    told = grammars.keypad_help(grammar) if grammar in grammars.GRAMMARS else ""
    return frozenset({told} - {""})
