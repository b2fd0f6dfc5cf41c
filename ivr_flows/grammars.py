"""What callers may answer to each kind of question, by voice and by keys. Pure data and functions.

A grammar's words are data: `grammar_files/<name>.json`, written in the language of phrase_rules.py. A closed grammar
lists the phrases of each value; an open one (money, ZIP, number, age, date) holds rules for all that may be said, and
a reader (answer_readers.py) tells the value. Every grammar also knows the commands that work at every question
("operator", "repeat", ...). A flow may add phrases of its own to a question (`grammar_with`).

The numbers in agi/speech/data were measured with these phrases: after changing any, measure again
(`python -m tests.bench.speech_fit`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from ivr_flows.answer_readers import READERS
from ivr_flows.grammar import OPEN, RESERVED, Grammar, Phrases
from ivr_flows.grammar_files import load_grammars
from ivr_flows.number_words import DIGIT_WORDS
from ivr_flows.phrase_rules import every_text
from ivr_flows.spoken_values import all_pieces_of, pieces_of

__all__ = ("DIGIT_WORDS", "OPEN", "RESERVED", "Grammar", "Phrases")

MAXIMUM_SYNONYMS, MAXIMUM_SYNONYM_LETTERS = 200, 80

Synonyms = Mapping[str, Sequence[str]]
"""Value -> further phrases for it."""

GRAMMARS: Mapping[str, Grammar] = MappingProxyType(load_grammars())

_SYNONYM = re.compile(r"[^\W_](?:[^\W_]|[' -])*")
_WHOLE_FIGURES = re.compile(r",\d{3}$")
"""300,000: a model that has written so much has heard it all."""
_TELLING_WORDS = 3
"""A command of fewer words counts only when nothing else is said."""
_KEYPAD = ("", "", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ")
_KEY_OF_LETTER = {letter: str(key) for key, letters in enumerate(_KEYPAD) for letter in letters}


def grammar_with(name: str, synonyms: Synonyms) -> Grammar:
    """The grammar `name` with a flow's own phrases. Raises ValueError with the sentence why that cannot be."""
    if name not in GRAMMARS:
        raise ValueError(f"unknown grammar {name!r}; known: {', '.join(GRAMMARS)}")
    if not synonyms:
        return GRAMMARS[name]
    return _grammar_with(name, tuple((value, tuple(spoken)) for value, spoken in sorted(synonyms.items())))


@lru_cache(maxsize=64)
def _grammar_with(name: str, synonyms: tuple[tuple[str, tuple[str, ...]], ...]) -> Grammar:
    return with_synonyms(GRAMMARS[name], dict(synonyms))


def with_synonyms(grammar: Grammar, synonyms: Synonyms) -> Grammar:
    """`grammar` with further phrases. Raises ValueError with the sentence why that cannot be."""
    if sum(map(len, synonyms.values())) > MAXIMUM_SYNONYMS:
        raise ValueError(f"more than {MAXIMUM_SYNONYMS} phrases of one's own at one question")
    phrases, spellings = dict(grammar.phrases), dict(grammar.spellings)
    for value, spoken in synonyms.items():
        if value in RESERVED or not grammar.holds(value):
            known = f"; its values: {', '.join(grammar.values)}" if grammar.values else ""
            raise ValueError(f"the grammar {grammar.name} has no value {value!r}{known}")
        for phrase in spoken:
            _check_synonym(grammar, value, phrase)
        table = spellings if grammar.is_open else phrases
        forms = dict.fromkeys(form for phrase in spoken for form in (phrase, phrase.lower(), phrase.title()))
        table[value] = table.get(value, ()) + tuple(forms)
    extended = replace(grammar, phrases=phrases, spellings=spellings) if synonyms else grammar
    problems = ambiguities(extended, [phrase for spoken in synonyms.values() for phrase in spoken])
    if problems:
        raise ValueError(problems[0])
    return extended


def own_grammar(name: str, phrases: Phrases, commands: Phrases) -> Grammar:
    """A closed grammar of phrases in another language, taken as they are; without any, one of commands only."""
    return Grammar(name=name, language="", phrases=phrases, commands=commands, commands_only=not phrases)


def _check_synonym(grammar: Grammar, value: str, phrase: str) -> None:
    if not _SYNONYM.fullmatch(phrase) or len(phrase) > MAXIMUM_SYNONYM_LETTERS:
        raise ValueError(
            f"{phrase[:90]!r} is no phrase for {value}: use letters, figures, blanks and ' -, "
            f"at most {MAXIMUM_SYNONYM_LETTERS} of them"
        )
    known = read_answer(grammar, phrase)
    if known not in (None, value):
        raise ValueError(f"{phrase!r} already means {known}: it cannot mean {value} too")


def ambiguities(grammar: Grammar, texts: Sequence[str]) -> list[str]:
    """Sentences about the texts that mean two things."""
    found = []
    for text in texts:
        values = sorted(grammar.graph.values_at(grammar.graph.after(_flat(text))))
        if len(values) > 1:
            found.append(f"{text!r} means {' and '.join(values)}: a phrase can mean one thing only")
    return found


def read_answer(grammar: Grammar, text: str) -> str | None:
    """The value that `text` (words or figures, case and end marks put aside) stands for; None when the grammar does
    not hold it.
    """
    for form in dict.fromkeys((_plain(text), _flat(text))):
        values = grammar.graph.values_at(grammar.graph.after(form))
        if OPEN in values and grammar.reader:
            value = READERS[grammar.reader](form)
            if value is not None:
                return value
        closed = values - {OPEN}
        if len(closed) == 1:
            return next(iter(closed))
    return None


def read_command(grammar: Grammar, text: str) -> str | None:
    """The command that `text` is, or holds beside other words ("so stop calling me okay"); None when it answers the
    question or holds none.
    """
    if not grammar.commands:
        return None
    value = read_answer(grammar, text)
    if value is not None:
        return value if value in grammar.commands else None
    flat = f" {_letters(text)} "
    held = {
        command
        for command, texts in grammar.command_texts.items()
        for text in texts
        if len(text.split()) >= _TELLING_WORDS and f" {text} " in flat
    }
    return held.pop() if len(held) == 1 else None


def may_go_on(grammar: Grammar, text: str) -> bool:
    """True when `text` could be the beginning of another answer: "washington" of "washington d c".

    An end-pointer must not stop early on such a text.
    """
    own = read_answer(grammar, text)
    if own is not None and _WHOLE_FIGURES.search(_plain(text)):
        return False
    for form in dict.fromkeys((_plain(text), _flat(text))):
        beyond = grammar.graph.values_beyond(grammar.graph.after(form))
        if beyond - {own} - ({OPEN} if own is not None and not grammar.is_open else set()):
            return True
    return False


def spoken_texts(grammar: Grammar, most: int) -> tuple[str, ...]:
    """Every phrase of a closed grammar and of the commands, and what may stand around them, lower case; empty when
    there are more than `most`.
    """
    found: set[str] = set()
    tables = (*grammar.phrases.values(), *grammar.commands.values(), grammar.openings, grammar.closings)
    for rule in (rule for texts in tables for rule in texts):
        found |= {text.strip().replace(",", "").lower() for text in every_text(rule, grammar.rules, most)}
        if len(found) > most:
            return ()
    return tuple(sorted(" ".join(text.split()) for text in found))


def phrases_of(grammar: Grammar, value: str, most: int) -> tuple[str, ...]:
    """The ways to say one value of a closed grammar, without what may stand around them, lower case; cut off after
    `most`. Empty for an open one.
    """
    rules = grammar.phrases.get(value, ())
    texts = (text for rule in rules for text in every_text(rule, grammar.rules, most))
    return tuple(dict.fromkeys(" ".join(text.replace(",", " ").lower().split()) for text in texts))[:most]


def values_in_text(grammar: Grammar, text: str) -> tuple[str, ...]:
    """Every value of a closed grammar said in `text`, in order, each once; at each place the longest phrase counts."""
    words, found, at = text.lower().split(), list[str](), 0
    while at < len(words):
        for end in range(len(words), at, -1):
            value = read_answer(grammar, " ".join(words[at:end]))
            if value is not None:
                found.append(value)
                at = end
                break
        else:
            at += 1
    return tuple(dict.fromkeys(found))


def _letters(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.replace("’", "'").lower()))


def _plain(text: str) -> str:
    text = " ".join(text.replace("’", "'").split())
    return " " + text.rstrip(" .?!,")


def _flat(text: str) -> str:
    """Without the marks a model puts between words."""
    text = re.sub(r"[,.;!?](?=\s)|(?<=[A-Za-z])-(?=[A-Za-z])", " ", _plain(text) + " ")
    return " " + " ".join(text.split())


def state_key_presses(code: str) -> str:
    """The two keypad digits of a postal code: "OH" -> "64"."""
    return "".join(_KEY_OF_LETTER[letter] for letter in code)


def keys_to_values(grammar: str, digits: str) -> tuple[str, ...]:
    """The values that `digits` may mean, in alphabetical order for states; empty when they mean nothing.

    Raises KeyError for a grammar that does not exist.
    """
    known = GRAMMARS[grammar]
    if known.keys_pattern is None or not re.fullmatch(known.keys_pattern, digits):
        return known.keys.get(digits, ())
    value = _value_of_keys(known, digits)
    return (value,) if value is not None else ()


def _value_of_keys(grammar: Grammar, digits: str) -> str | None:
    if grammar.name != "date":
        return READERS[grammar.reader or ""](f"{digits} dollars" if grammar.name == "money" else digits)
    return READERS["date"](" ".join(part for part in (digits[:2], digits[2:4], digits[4:]) if part))


def keys_maximum(grammar: str) -> int:
    """How many keys the longest answer has. Raises KeyError for an unknown grammar."""
    known = GRAMMARS[grammar]
    if known.commands_only:
        return 0
    longest = {"zip": 5, "money": 8, "number": 6, "age": 3, "date": 8}
    return longest[known.name] if known.keys_pattern else max(map(len, known.keys), default=1)


def keypad_help(grammar: str) -> str:
    """A sentence for prompts that tells the keys of a question. Raises KeyError for an unknown grammar."""
    return GRAMMARS[grammar].help


def spoken_pieces(grammar: str, value: str) -> tuple[str, ...]:
    """The prompts that say a value, of `all_pieces`: ("money", "250000") -> two, hundred, fifty, thousand, dollars.

    Raises KeyError for an unknown grammar or value.
    """
    return pieces_of(GRAMMARS[grammar], value)


def all_pieces(grammar: str) -> frozenset[str]:
    """Every prompt that a value of the grammar may need. Raises KeyError for an unknown grammar."""
    return all_pieces_of(GRAMMARS[grammar])


def spoken_name(grammar: str, value: str) -> str:
    """How a prompt says a value: ("state", "MD") -> "Maryland". Raises KeyError for an unknown grammar or
    value.
    """
    return " ".join(spoken_pieces(grammar, value))
