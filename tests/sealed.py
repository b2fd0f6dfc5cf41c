"""Callers' numbers as the tables hold them, for statements that a test spells by hand."""

from __future__ import annotations

from typing import Any

from store.key_ring import key_ring
from store.sealed_columns import CALLER


def sealed(number: str) -> bytes:
    return key_ring().seal_text(CALLER, number)


def index_of(number: str) -> bytes:
    return key_ring().blind(CALLER, number)


def number_in(row: Any) -> str | None:
    """Return the number of a row of any table with callers."""
    value = row["caller_sealed"]
    return None if value is None else key_ring().unseal_text(CALLER, value)


def hex_of(number: str) -> str:
    """Return `sealed, index` as literals of SQL."""
    return f"'\\x{sealed(number).hex()}'::bytea, '\\x{index_of(number).hex()}'::bytea"
