"""Columns that hold sealed text: written and read as text, stored as what only the node's keys open."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Dialect, LargeBinary, Text, or_
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from store.key_ring import key_ring

CALLER = "caller"
"""The purpose of callers' numbers, wherever they are stored: a number has one index in all tables."""


AREA_CODE_DIGITS = 3


class _Sealed(TypeEngine.Comparator[Any]):
    """Of a sealed column, whether there is anything is all that can be asked."""

    def operate(self, op: Any, *other: Any, **more: Any) -> ColumnElement[Any]:
        if op not in (operators.is_, operators.is_not):
            raise TypeError("what is sealed is neither compared nor sorted: ask by its blind index")
        return super().operate(op, *other, **more)


class SealedText(TypeDecorator[str]):
    """Text of one purpose. Equal texts are stored as different bytes: such a column cannot be searched or compared."""

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Sealed

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else key_ring().seal_text(self.purpose, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else key_ring().unseal_text(self.purpose, value)


class BlindIndex(TypeDecorator[str]):
    """What stands for a text in look-ups: compared with the text itself, read as bytes that say nothing."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | bytes | None, dialect: Dialect) -> bytes | None:
        return key_ring().blind(self.purpose, value) if isinstance(value, str) else value


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
