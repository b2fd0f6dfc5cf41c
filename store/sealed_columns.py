"""Columns that hold sealed text: written and read as text, stored as what only the node's keys open."""

from __future__ import annotations

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from store.key_ring import key_ring


class SealedText(TypeDecorator[str]):
    """Text of one purpose. Equal texts are stored as different bytes: such a column cannot be searched or compared."""

    impl = LargeBinary
    cache_ok = True

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
