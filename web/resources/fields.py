"""What a field of a form is to people, and how its texts become values. Pure.

A form is a pydantic model whose fields are annotated with `Shown`. The API takes the model's JSON as it is; a page
posts texts, which `values_of_texts` turns into that JSON, so that both are checked by the same model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from rules.money import MoneyError, parse_dollars
from web.formats import number
from web.resources import schedules

LINES_MAXIMUM = 1000
_NAMED = re.compile(r".*\((?P<id>[0-9]{1,18})\)")


CHOOSE = "choose one of those offered while you type, or write its number"


class Kind(StrEnum):
    """How a field is shown and typed."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    MONEY = "money"
    """Micros in JSON, dollars on the page."""
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"
    REFERENCE = "reference"
    """The id of a row of another resource."""
    REFERENCES = "references"
    """The ids of rows of another resource."""
    DATE = "date"
    ZONE = "zone"
    LINES = "lines"
    """A list of texts, one a line."""
    JSON = "json"
    SECRET = "secret"  # noqa: S105  the name of a kind
    """Never shown again; left empty, it stays as it is."""
    SCHEDULE = "schedule"
    DURATION = "duration"
    """Seconds in JSON, on the page e.g. 30 days."""
    PERCENT = "percent"
    """Millionths in JSON, per cent on the page."""
    TELEPHONE = "telephone"
    """E.164 in JSON, on the page as people write it."""


_SEVERAL = frozenset({Kind.CHOICES, Kind.REFERENCES})


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a field is shown. `options` are the values of a choice with their labels; `reference` names a resource.

    `reads` says in words what a value means, to be shown under it.
    """

    label: str
    kind: Kind = Kind.TEXT
    help: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    advanced: bool = False
    reads: Callable[[Any], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form: its name in JSON, how it is shown, and whether it must be filled in."""

    name: str
    shown: Shown
    required: bool


class Texts(Protocol):
    """What a form posted (aiohttp's MultiDict): the first text of a name, or all."""

    def get(self, name: str, /) -> Any: ...

    def getall(self, name: str, default: list[Any], /) -> list[Any]: ...

    def keys(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A text that is no value of its kind, and what to write instead."""

    problem: str


def fields_of(form: type[BaseModel]) -> Sequence[Field]:
    """Return the fields of a form that people see, in order."""
    found = []
    for name, info in form.model_fields.items():
        shown = next((part for part in info.metadata if isinstance(part, Shown)), None)
        if shown is not None:
            found.append(Field(name=name, shown=shown, required=info.is_required()))
    return found


def values_of_texts(fields: Sequence[Field], texts: Texts) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (values as JSON, problems by field) of what a page posted. An empty optional field is left out."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for one in fields:
        value = _READERS[one.shown.kind](one, texts)
        if isinstance(value, Unreadable):
            problems[one.name] = value.problem
        elif value is not None:
            values[one.name] = value
        elif one.required:
            problems[one.name] = "fill this in"
    return values, problems


def text_of(one: Field, value: Any) -> Any:
    """Return a value as its field shows it: a text, or a list of texts for choices, or a schedule's parts."""
    kind = one.shown.kind
    if kind == Kind.SCHEDULE:
        return schedules.parts_of(value)
    if value is None or kind == Kind.SECRET:
        return [] if kind in _SEVERAL else ""
    return _WRITERS.get(kind, str)(value)


def value_of_typed(one: Field, typed: Any) -> Any:
    """Return the value of what stands in a form that was not taken; None when it is none."""
    if one.shown.kind == Kind.SCHEDULE:
        return schedules.value_of_parts(typed)
    if one.shown.kind == Kind.JSON and typed:
        try:
            return json.loads(typed)
        except (ValueError, RecursionError):
            return None
    return typed or None


def meaning_of(one: Field, value: Any) -> str:
    """Return what a value means in words; empty when there is nothing to say, or the value is none."""
    if one.shown.reads is None or value is None:
        return ""
    try:
        return one.shown.reads(value)
    except (ValueError, TypeError, KeyError):  # what was typed may be anything
        return ""


def typed_text_of(one: Field, texts: Texts) -> Any:
    """Return what was typed into a field, to be shown again beside what is wrong with it."""
    if one.shown.kind == Kind.SCHEDULE:
        return schedules.typed_parts(one.name, texts)
    if one.shown.kind in _SEVERAL:
        return _several(one, texts)
    if one.shown.kind == Kind.YES_NO:
        return str(_yes_no(one, texts))
    return "" if one.shown.kind == Kind.SECRET else str(texts.get(one.name) or "")


_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def duration_text(seconds: int) -> str:
    """Return a length as it is typed: 30 days, 36 hours, 90 seconds."""
    unit, length = next(
        ((unit, length) for unit, length in _UNITS.items() if seconds and seconds % length == 0),
        ("second", 1),
    )
    count = seconds // length
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _percent_text(millionths: int) -> str:
    whole, rest = divmod(millionths, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def _dollars(micros: int) -> str:
    sign, whole, rest = "-" if micros < 0 else "", abs(micros) // 1_000_000, abs(micros) % 1_000_000
    cents = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{cents}"


_WRITERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.MONEY: lambda micros: _dollars(int(micros)),
    Kind.JSON: lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    Kind.LINES: "\n".join,
    Kind.REFERENCES: lambda ids: [str(one) for one in ids],
    Kind.CHOICES: list,
    Kind.DURATION: lambda seconds: duration_text(int(seconds)),
    Kind.PERCENT: lambda millionths: _percent_text(int(millionths)),
    Kind.TELEPHONE: lambda e164: number(str(e164)),
}


def _text(one: Field, texts: Texts) -> str | None:
    text = str(texts.get(one.name) or "").replace("\r\n", "\n").strip()
    return text or None


def _number(one: Field, texts: Texts) -> int | Unreadable | None:
    text = _text(one, texts)
    if text is None:
        return None
    bare = text.replace(",", "").replace(" ", "")
    digits = bare.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return Unreadable(problem="write a whole number, such as 20")
    return int(bare)


def reference_in(text: str) -> int | None:
    """Return the id in what stands for a row: 12, or Day desk (12)."""
    named = _NAMED.fullmatch(text)
    bare = named["id"] if named else text
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) <= 18 else None


def _reference(one: Field, texts: Texts) -> int | Unreadable | None:
    text = _text(one, texts)
    if text is None:
        return None
    found = reference_in(text)
    return Unreadable(problem=f"{text!r:.80}: {CHOOSE}") if found is None else found


def _several(one: Field, texts: Texts) -> list[str]:
    """Return what was ticked, or written a line each."""
    return [
        line.strip() for text in texts.getall(one.name, []) for line in str(text).splitlines() if line.strip()
    ]


def _references(one: Field, texts: Texts) -> list[int] | Unreadable:
    found: list[int] = []
    lines = _several(one, texts)
    if len(lines) > LINES_MAXIMUM:
        return Unreadable(problem=f"at most {LINES_MAXIMUM}")
    for line in lines:
        row_id = reference_in(line)
        if row_id is None:
            return Unreadable(problem=f"{line!r:.80}: {CHOOSE}")
        found.append(row_id)
    return found


def _money(one: Field, texts: Texts) -> int | Unreadable | None:
    text = _text(one, texts)
    if text is None:
        return None
    try:
        return parse_dollars(text)
    except MoneyError as error:
        return Unreadable(problem=str(error))


def _yes_no(one: Field, texts: Texts) -> bool:
    return str(texts.get(one.name) or "") in ("true", "on", "True")


def _choices(one: Field, texts: Texts) -> list[str]:
    return _several(one, texts)


def _lines(one: Field, texts: Texts) -> list[str] | Unreadable:
    lines = [line.strip() for line in (_text(one, texts) or "").splitlines() if line.strip()]
    return lines if len(lines) <= LINES_MAXIMUM else Unreadable(problem=f"at most {LINES_MAXIMUM} lines")


def _json(one: Field, texts: Texts) -> Any:
    text = _text(one, texts)
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return Unreadable(problem=f"this is not JSON: line {error.lineno}, column {error.colno}: {error.msg}")
    except RecursionError:
        return Unreadable(problem="this is not JSON: it is nested too deeply")


def _schedule(one: Field, texts: Texts) -> Any:
    return schedules.value_of(one.name, texts)


_DURATION = re.compile(r"([0-9]{1,9})\s*(day|hour|minute|second)?s?", re.IGNORECASE)
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?\s*%?")


def _duration(one: Field, texts: Texts) -> int | Unreadable | None:
    text = _text(one, texts)
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        return Unreadable(problem="write a length such as 30 days, 36 hours or 90 seconds")
    return int(found[1]) * _UNITS[(found[2] or "second").lower()]


def _percent(one: Field, texts: Texts) -> int | Unreadable | None:
    text = _text(one, texts)
    if text is None:
        return None
    found = _PERCENT.fullmatch(text)
    if found is None:
        return Unreadable(problem="write per cent with at most four places, such as 2.5")
    return int(found[1]) * 10_000 + int((found[2] or "").ljust(4, "0"))


_READERS: Mapping[Kind, Callable[[Field, Texts], Any]] = {
    Kind.TEXT: _text,
    Kind.LONG_TEXT: _text,
    Kind.NUMBER: _number,
    Kind.MONEY: _money,
    Kind.YES_NO: _yes_no,
    Kind.CHOICE: _text,
    Kind.CHOICES: _choices,
    Kind.REFERENCE: _reference,
    Kind.REFERENCES: _references,
    Kind.DATE: _text,
    Kind.ZONE: _text,
    Kind.LINES: _lines,
    Kind.JSON: _json,
    Kind.SECRET: _text,
    Kind.SCHEDULE: _schedule,
    Kind.DURATION: _duration,
    Kind.PERCENT: _percent,
    Kind.TELEPHONE: _text,
}
