"""A buyer's money: what was paid in advance, what is owed, what calls under way may cost. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Notice(StrEnum):
    """What a buyer is told of its wallet."""

    LOW = "low"
    PAUSED = "paused"
    RESUMED = "resumed"


@dataclass(frozen=True, kw_only=True)
class WalletState:
    """A buyer's money. Millionths of a dollar."""

    owed_micros: int
    """Below zero: paid in advance."""
    held_micros: int
    credit_limit_micros: int | None
    """None: the buyer pays by invoice and nothing is looked at."""
    low_balance_micros: int | None
    disputed_micros: int = 0
    """What the buyer disputes and nobody has decided: it is owed, and lowers the credit."""
    disputes_lower_credit_percent: int = 100
    is_low: bool = False
    is_paused: bool = False

    @property
    def balance_micros(self) -> int:
        """What is left of what was paid in advance; below zero it is owed."""
        return -self.owed_micros

    @property
    def credit_micros(self) -> int | None:
        """What may be owed beyond the wallet while disputes are open, never below nothing (SQL: credit_line)."""
        if self.credit_limit_micros is None:
            return None
        lowered = -(-self.disputed_micros * self.disputes_lower_credit_percent // 100)
        return max(self.credit_limit_micros - lowered, 0)

    @property
    def credit_lowered_micros(self) -> int:
        """What open disputes take off the credit."""
        return (self.credit_limit_micros or 0) - (self.credit_micros or 0)

    @property
    def available_micros(self) -> int | None:
        """What new calls may cost: balance and credit, less what calls under way may cost."""
        return None if self.credit_micros is None else self.left_micros - self.held_micros

    @property
    def left_micros(self) -> int:
        """Balance and credit, whatever is held."""
        return (self.credit_micros or 0) - self.owed_micros

    @property
    def should_pause(self) -> bool:
        """Whether nothing is left. Money that is only held may come back: it pauses nobody."""
        return self.credit_limit_micros is not None and self.left_micros <= 0

    @property
    def should_be_low(self) -> bool:
        threshold = self.low_balance_micros
        return self.credit_limit_micros is not None and threshold is not None and self.left_micros < threshold


def notices_of(wallet: WalletState) -> tuple[Notice, ...]:
    """Return what has changed since the buyer was told last."""
    notices = []
    if wallet.should_be_low and not wallet.is_low:
        notices.append(Notice.LOW)
    if wallet.should_pause and not wallet.is_paused:
        notices.append(Notice.PAUSED)
    if wallet.is_paused and not wallet.should_pause:
        notices.append(Notice.RESUMED)
    return tuple(notices)
