"""The settings of a node: each field reads one value, says what is wrong with it, and describes itself.

The description is a JSON Schema with title, help and default: the published schema and the editor's forms are made of
it, so that what is shown is what is checked.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ivr_flows.events import UPLOAD
from ivr_flows.spoken_text import text_problem

TEXT_MAXIMUM = 2_000
NAME_MAXIMUM = 60
LIST_MAXIMUM = 20
TAG = re.compile(r"[a-z][a-z0-9_]{0,39}")
UPLOAD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

Schema = dict[str, Any]


class _Required:
    """Stands for "has no default"."""


REQUIRED = _Required()


@dataclass(frozen=True, kw_only=True)
class Field(ABC):
    """One setting. `default` is used when the setting is missing; without one the setting must be there."""

    title: str
    help: str = ""
    default: Any = REQUIRED

    @abstractmethod
    def read(self, key: str, value: object) -> Any:
        """Return the checked value. Raises ValueError with a sentence that names `key`."""

    @abstractmethod
    def shape(self) -> Schema:
        """Return the JSON Schema of the value alone."""

    def schema(self) -> Schema:
        """Return the JSON Schema, with what people read."""
        shown: Schema = {"title": self.title, **self.shape()}
        if self.help:
            shown["description"] = self.help
        if self.default is not REQUIRED:
            shown["default"] = self.default
        return shown

    def of(self, settings: Mapping[str, Any], key: str) -> Any:
        """Return the setting `key` of a node. Raises ValueError."""
        if key in settings:
            return self.read(key, settings[key])
        return self.read(key, None if self.default is REQUIRED else self.default)


@dataclass(frozen=True, kw_only=True)
class TextField(Field):
    """A text; "" is allowed only when it is the default."""

    maximum: int = TEXT_MAXIMUM
    form: str = "text"
    """How the editor shows it: text, or prompt (with a button to listen)."""

    def read(self, key: str, value: object) -> str:
        if value == "" and self.default == "":
            return ""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{key!r} must be a text")
        if len(value) > self.maximum:
            raise ValueError(f"{key!r} has {len(value)} characters; at most {self.maximum}")
        return value

    def shape(self) -> Schema:
        least = 0 if self.default == "" else 1
        return {"type": "string", "minLength": least, "maxLength": self.maximum, "x-form": self.form}


@dataclass(frozen=True, kw_only=True)
class PromptField(TextField):
    """What is said: a text that may hold {tags} and [parts said only with a {tag}], or `upload:NAME`."""

    form: str = "prompt"

    def read(self, key: str, value: object) -> str:
        text = super().read(key, value)
        if text.startswith(UPLOAD) and not UPLOAD_NAME.fullmatch(text.removeprefix(UPLOAD)):
            raise ValueError(f"{key!r}: an uploaded sound is written {UPLOAD}NAME, in a-z, 0-9, _ and -")
        problem = text_problem(text)
        if problem:
            raise ValueError(f"{key!r}: {problem}")
        return text


@dataclass(frozen=True, kw_only=True)
class TagField(Field):
    """The name of a tag; "" is allowed only when it is the default."""

    def read(self, key: str, value: object) -> str:
        if value == "" and self.default == "":
            return ""
        if not isinstance(value, str) or not TAG.fullmatch(value):
            raise ValueError(f"{key!r} must be a tag's name like loan_type (a-z, 0-9 and _; at most 40)")
        return value

    def shape(self) -> Schema:
        pattern = f"^({TAG.pattern})?$" if self.default == "" else f"^{TAG.pattern}$"
        return {"type": "string", "pattern": pattern, "x-form": "tag"}


@dataclass(frozen=True, kw_only=True)
class WholeNumberField(Field):
    """A whole number from `least` to `most`."""

    least: int
    most: int

    def read(self, key: str, value: object) -> int:
        number = whole_number(value)
        if number is None or not self.least <= number <= self.most:
            raise ValueError(f"{key!r} must be {self.least} to {self.most}")
        return number

    def shape(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, kw_only=True)
class SecondsField(Field):
    """A time in seconds from `least` to `most`."""

    least: float = 1
    most: float = 30

    def read(self, key: str, value: object) -> float:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        if number is None or not self.least <= number <= self.most:
            raise ValueError(f"{key!r} must be {self.least:g} to {self.most:g} seconds")
        return float(number)

    def shape(self) -> Schema:
        return {"type": "number", "minimum": self.least, "maximum": self.most, "x-unit": "seconds"}


@dataclass(frozen=True, kw_only=True)
class YesNoField(Field):
    """True or false."""

    def read(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{key!r} must be true or false")
        return value

    def shape(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class ChoiceField(Field):
    """One of a few words."""

    choices: Callable[[], tuple[str, ...]]
    noun: str = ""
    """What one of them is called, where there are many: "grammar"."""

    def read(self, key: str, value: object) -> str:
        known = self.choices()
        if isinstance(value, str) and value in known:
            return value
        if self.noun:
            raise ValueError(f"unknown {self.noun} {value!r}; known: {', '.join(known)}")
        raise ValueError(f"{key!r} must be {' or '.join(known)}")

    def shape(self) -> Schema:
        return {"type": "string", "enum": list(self.choices())}


@dataclass(frozen=True, kw_only=True)
class CheckedField(Field):
    """A value that a function reads (a condition, a schedule, a number to ring) and a schema describes."""

    reader: Callable[[object], Any]
    described: Schema

    def read(self, key: str, value: object) -> Any:
        try:
            return self.reader(value)
        except ValueError as problem:
            raise ValueError(f"{key!r}: {problem}") from problem

    def shape(self) -> Schema:
        return dict(self.described)


@dataclass(frozen=True, kw_only=True)
class MapField(Field):
    """An object of at most `most` named values, each read by `values`."""

    names: re.Pattern[str]
    names_help: str
    values: Field
    least: int = 0
    most: int = LIST_MAXIMUM

    def read(self, key: str, value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not self.least <= len(value) <= self.most:
            raise ValueError(f"{key!r} must be an object of {self.least} to {self.most} entries")
        for name in value:
            if not isinstance(name, str) or not self.names.fullmatch(name):
                raise ValueError(f"{key!r}: {name!r} is not {self.names_help}")
        return {name: self.values.read(f"{key}.{name}", one) for name, one in value.items()}

    def shape(self) -> Schema:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{self.names.pattern}$"},
            "additionalProperties": self.values.schema(),
            "minProperties": self.least,
            "maxProperties": self.most,
        }


@dataclass(frozen=True, kw_only=True)
class ListField(Field):
    """A list of `least` to `most` values, each read by `values`."""

    values: Field
    least: int = 0
    most: int = LIST_MAXIMUM

    def read(self, key: str, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            raise ValueError(f"{key!r} must be a list of {self.least} to {self.most}")
        return tuple(self.values.read(f"{key}[{place}]", one) for place, one in enumerate(value))

    def shape(self) -> Schema:
        return {
            "type": "array",
            "items": self.values.schema(),
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True, kw_only=True)
class ObjectField(Field):
    """An object with fields of its own."""

    fields: Mapping[str, Field]

    def read(self, key: str, value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{key!r} must be an object with {', '.join(self.fields)}")
        unknown = sorted(str(name) for name in value if name not in self.fields)
        if unknown:
            raise ValueError(f"{key!r}: unknown setting {unknown[0]!r}; known: {', '.join(self.fields)}")
        return {
            name: field.read(f"{key}.{name}", value.get(name, _default(field)))
            for name, field in self.fields.items()
        }

    def shape(self) -> Schema:
        return object_schema(self.fields)


def whole_number(value: object) -> int | None:
    """Return a whole number, None for anything else. To JSON 3.0 is one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _default(field: Field) -> Any:
    return None if field.default is REQUIRED else field.default


def object_schema(fields: Mapping[str, Field]) -> Schema:
    """Return the JSON Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {name: field.schema() for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.default is REQUIRED],
        "additionalProperties": False,
    }
