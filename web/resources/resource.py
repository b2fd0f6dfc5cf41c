"""An editable table, described once: its list, form, audit, undo and part of the API come from it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from pydantic import BaseModel, create_model
from sqlalchemy import ColumnElement, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from web.api.operation import FieldProblem
from web.keys import Role
from web.resources.fields import Field, Kind, Shown, fields_of

Check: TypeAlias = Callable[[AsyncConnection, Any, "int | None"], Awaitable[Sequence[FieldProblem]]]
Choices: TypeAlias = Callable[[AsyncConnection], Awaitable[Mapping[str, Mapping[str, str]]]]
Extra: TypeAlias = Callable[[AsyncConnection, int], Awaitable[Mapping[str, Any]]]
Rows: TypeAlias = "Sequence[Mapping[str, Any]]"
Load: TypeAlias = Callable[[AsyncConnection, Rows], Awaitable[Rows]]
Save: TypeAlias = Callable[[AsyncConnection, int, Any], Awaitable[None]]
Narrow: TypeAlias = Callable[[str, "int | str"], "Sequence[ColumnElement[bool]]"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a list says of a row beside its fields. `badge` is the class of its badge; none: plain words."""

    text: str
    badge: str = ""
    address: str = ""


Computed: TypeAlias = Callable[[AsyncConnection, Rows], Awaitable[Mapping[int, Mapping[str, Cell]]]]


@dataclass(frozen=True, kw_only=True)
class Within:
    """What a row's name is told apart by: the name of the row of `table` that its `column` refers to."""

    column: str
    table: Table
    label: str = "name"


@dataclass(frozen=True, kw_only=True)
class Related:
    """A link on a row's page. `address` holds {id}."""

    label: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a new row's form may begin with, and what to know of it."""

    label: str
    values: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a list. `shown` is how the field is shown that it is of; None: its cells are computed."""

    name: str
    heading: str
    shown: Shown | None

    @property
    def is_amount(self) -> bool:
        return self.shown is not None and self.shown.kind in (Kind.NUMBER, Kind.MONEY)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A table that people edit row by row.

    `name` is its address and its name in the API ("buyers"), `one` and `many` its words. `form` is a Body whose fields
    are columns of `table`, unless `to_columns` and `of_row` say otherwise. `columns` are the fields of the list, `sort`
    the column by which it is ordered, `search` the text columns that are searched. `check` judges what the form alone
    cannot (other rows). `about` says what it is for, `empty` what to do when there is none. `more` gives
    `more_template` (shown under the form of a row) what it shows. `filters` are reference and choice fields by which
    the list can be narrowed; `narrow` says how where they are no columns.

    `key` is the column that names a row; `sort="id"` lists in the order of the keys. `load` adds to rows what of the
    form lies in other tables, `save` writes it (given no form, it clears the way for the row to go). `computed` gives
    cells for those `columns` that are no fields; `computed_labels` heads them. `hide` masks what is secret within
    values, `keep` puts back into new columns what was sent masked. `constraints` are words for checks of the table: the
    field and what is wrong with it, by the name of the check. `links` stand at the head of the list.
    """

    name: str
    one: str
    many: str
    table: Table
    form: type[BaseModel]
    columns: Sequence[str]
    about: str
    empty: str
    readers: frozenset[Role]
    editors: frozenset[Role]
    sort: str = "name"
    label: str = "name"
    search: Sequence[str] = ("name",)
    filters: Sequence[str] = ()
    group: str = "Market"
    check: Check | None = None
    to_columns: Callable[[Any], Mapping[str, Any]] | None = None
    of_row: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    related: Sequence[Related] = ()
    more: Extra | None = None
    more_template: str = ""
    more_first: bool = False
    """What `more` shows stands over the form: people come to look rather than to change."""
    can_delete: bool = True
    key: str = "id"
    within: Within | None = None
    load: Load | None = None
    save: Save | None = None
    narrow: Narrow | None = None
    computed: Computed | None = None
    computed_labels: Mapping[str, str] = field(default_factory=dict)
    hide: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    keep: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] | None = None
    constraints: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    links: Sequence[Related] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What a new row's form begins with."""
    choices: Choices | None = None
    """What may be chosen by field, where the database says it; of text fields, what is suggested."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    """By name; ?preset= of a new row's page."""

    @cached_property
    def fields(self) -> Sequence[Field]:
        return fields_of(self.form)

    @cached_property
    def listed(self) -> Sequence[Column]:
        """The columns of the list, as they are shown."""
        return [
            Column(name=name, heading=self.computed_labels[name], shown=None)
            if name in self.computed_labels
            else Column(name=name, heading=self.field(name).shown.label, shown=self.field(name).shown)
            for name in self.columns
        ]

    def field(self, name: str) -> Field:
        return next(one for one in self.fields if one.name == name)

    @cached_property
    def secrets(self) -> frozenset[str]:
        return frozenset(one.name for one in self.fields if one.shown.kind == Kind.SECRET)

    @cached_property
    def item(self) -> type[BaseModel]:
        """The model of a row as the API shows it: its id and its fields, of secrets only whether there is one."""
        fields: dict[str, Any] = {"id": (int, ...)}
        for name, info in self.form.model_fields.items():
            fields[name] = (bool, ...) if name in self.secrets else (info.annotation, ...)
        return create_model(self.form.__name__.removesuffix("Form"), **fields)

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row as JSON values of the form's fields, secrets included."""
        values = self.of_row(row) if self.of_row is not None else row
        return {name: _plain(values[name]) for name in self.form.model_fields}

    def without_secrets(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as they may be shown: of a secret, only whether there is one."""
        shown = {name: bool(value) if name in self.secrets else value for name, value in values.items()}
        return shown if self.hide is None else self.hide(shown)

    def columns_of(self, form: BaseModel) -> dict[str, Any]:
        """Return what to store of a checked form."""
        if self.to_columns is not None:
            return dict(self.to_columns(form))
        return {name: getattr(form, name) for name in type(form).model_fields if name in self.table.c}


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
