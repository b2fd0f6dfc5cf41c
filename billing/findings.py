"""What `ledger verify` can find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

MAXIMUM_FINDINGS = 100


class Problem(StrEnum):
    """What can be wrong with a ledger."""

    CHAIN_BROKEN = "chain_broken"
    BATCH_CHANGED = "batch_changed"
    TRANSACTION_MISSING = "transaction_missing"
    NOT_SIGNED = "not_signed"
    NOT_AS_WRITTEN_DOWN = "not_as_written_down"
    TAIL_CUT = "tail_cut"
    NOT_AS_EXPECTED = "not_as_expected"
    NOT_SEALED = "not_sealed"
    UNBALANCED = "unbalanced"
    NOT_SETTLED_ONCE = "not_settled_once"
    NOT_AS_SETTLED = "not_as_settled"
    EVIDENCE_CHANGED = "evidence_changed"
    CHARGED_WITHOUT_LEG = "charged_without_leg"
    ANSWERED_WITHOUT_EFFECT = "answered_without_effect"
    WALLET_OUT_OF_STEP = "wallet_out_of_step"
    BALANCE_OUT_OF_STEP = "balance_out_of_step"
    # What billing.verify_claims finds.
    SALE_NOT_AS_POSTED = "sale_not_as_posted"
    DISPUTE_NOT_AS_POSTED = "dispute_not_as_posted"
    # What billing.verify_cash finds.
    INVOICE_NOT_AS_POSTED = "invoice_not_as_posted"
    INVOICE_NOT_AS_PAID = "invoice_not_as_paid"
    STRAY_CASH = "stray_cash"
    PAYMENT_RECORDED_TWICE = "payment_recorded_twice"
    PAID_TOO_MUCH = "paid_too_much"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    problem: Problem
    detail: str
    batch: int | None = None
    transaction_id: int | None = None
    call_id: UUID | None = None
