"""Columns that hold sealed values. What they are sealed for is said once, here, so that rotating finds all of them."""

from __future__ import annotations

import json
import logging
from typing import Any

from sqlalchemy import Column, ColumnElement, Dialect, LargeBinary, MetaData, Text, or_
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from store.key_ring import NotSealedByUs, key_ring

log = logging.getLogger(__name__)

CALLER = "caller"
"""The purpose of callers' numbers, wherever they are stored: a number has one index in all tables."""


AREA_CODE_DIGITS = 3


class _Sealed(TypeEngine.Comparator[Any]):
    """Of a sealed column, whether there is anything is all that can be asked."""

    def operate(self, op: Any, *other: Any, **more: Any) -> ColumnElement[Any]:
        if op not in (operators.is_, operators.is_not):
            raise TypeError("what is sealed is neither compared nor sorted: ask by its blind index")
        return super().operate(op, *other, **more)


class Sealed:
    """What every type of sealed column says of itself; by this rotating finds them (`sealed_columns`)."""

    purpose: str
    bound_by: str | None = None
    """The column of the same row whose value the sealed ones are bound to; None: they open anywhere."""

    def bound_to(self, row: object) -> bytes:
        return b"" if self.bound_by is None else str(row).encode()


class SealedText(Sealed, TypeDecorator[str]):
    """Text of one purpose. Equal texts are stored as different bytes: such a column cannot be searched or compared.

    A value that does not open raises NotSealedByUs. With `absent` that text is read in its place, and the log says so:
    for columns of which one damaged row must not stop the reading of all others. Null is read as `absent`, too.
    """

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Sealed

    def __init__(self, purpose: str, *, absent: str | None = None) -> None:
        super().__init__()
        self.purpose = purpose
        self.absent = absent

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else key_ring().seal_text(self.purpose, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        if value is None:
            return self.absent
        try:
            return key_ring().unseal_text(self.purpose, value)
        except NotSealedByUs as problem:
            if self.absent is None:
                raise
            log.error("%s: it is read as %r (`tollbridge secrets check` finds the row)", problem, self.absent)
            return self.absent


class SealedJson(Sealed, TypeDecorator[Any]):
    """A JSON object of one purpose. Null, and what does not open, is read as an empty one; the log says so of these."""

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Sealed

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose
        self._text = SealedText(purpose, absent="{}")

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return self._text.process_bind_param(None if value is None else json.dumps(value), dialect)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        text = self._text.process_result_value(value, dialect)
        return None if text is None else json.loads(text)


class SealedFor(Sealed, TypeDecorator[bytes]):
    """Bytes that open in their own row alone: moved to another row they are worth nothing.

    Read and written as they are stored; `seal` and `unseal` take the row's value of the column `bound_by`.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str, *, bound_by: str) -> None:
        super().__init__()
        self.purpose = purpose
        self.bound_by = bound_by

    def seal(self, plain: bytes, row: object) -> bytes:
        return key_ring().seal(self.purpose, plain, bound_to=self.bound_to(row))

    def unseal(self, sealed: bytes, row: object) -> bytes:
        """Return what `seal` was given for this row. Raises NotSealedByUs."""
        return key_ring().unseal(self.purpose, sealed, bound_to=self.bound_to(row))


class BlindIndex(TypeDecorator[str]):
    """What stands for a text in look-ups: compared with the text itself, read as bytes that say nothing."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | bytes | None, dialect: Dialect) -> bytes | None:
        return key_ring().blind(self.purpose, value) if isinstance(value, str) else value


def sealed_columns(metadata: MetaData) -> list[tuple[Column[Any], Sealed]]:
    """Return every sealed column with its type, in the order of the tables' names."""
    return [
        (column, column.type)
        for _, table in sorted(metadata.tables.items())
        for column in table.columns
        if isinstance(column.type, Sealed)
    ]


def sealed_caller(*, nullable: bool = True) -> Column[str]:
    """The number of a caller, E.164; `caller_index`, with which it is written, is what it is found by."""
    return Column("caller_sealed", SealedText(CALLER), nullable=nullable)


def caller_index(*, nullable: bool = True, primary_key: bool = False) -> Column[str]:
    """What a caller's number is found and compared by. An insert that says the number alone fills it."""
    default: Any = _number_of_row
    return Column(
        "caller_index", BlindIndex(CALLER), default=default, nullable=nullable, primary_key=primary_key
    )


def caller_area() -> Column[str]:
    """The area code of a North American number, by which lists are narrowed. An insert of the number fills it."""
    default: Any = _area_of_row
    return Column("caller_area", Text, default=default)


def is_caller(columns: Any, digits: str) -> ColumnElement[bool]:
    """Return the condition that a caller's number is these digits, with or without its country, or has this area code.

    Of what is sealed no other part can be found.
    """
    whole = or_(columns.caller_index == f"+{digits}", columns.caller_index == f"+1{digits}")
    area = digits[1:] if len(digits) == 1 + AREA_CODE_DIGITS and digits[0] == "1" else digits
    return columns.caller_area == area if len(area) == AREA_CODE_DIGITS else whole


def _number_of_row(context: ExecutionContext) -> Any:
    return context.get_current_parameters().get("caller_sealed")  # type: ignore[attr-defined]


def _area_of_row(context: ExecutionContext) -> str | None:
    return area_of(_number_of_row(context))


def area_of(number: Any) -> str | None:
    """Return the area code of a North American number in E.164; None of anything else."""
    return number[2:5] if isinstance(number, str) and len(number) == 12 and number.startswith("+1") else None
