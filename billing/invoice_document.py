"""An invoice with everything to check it by: its terms, and the proof that the sealed ledger holds each line."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.account_queries import accounts_of
from billing.export_invoice import terms_ids, to_json
from billing.invoice import Invoice
from billing.invoice_queries import terms_used
from billing.seal_proofs import proofs_of


async def invoice_document(connection: AsyncConnection, invoice: Invoice) -> dict[str, Any]:
    """Return what `check_invoice.py` reads. Raises what the database raises."""
    terms = await terms_used(connection, invoice.party, terms_ids(invoice))
    transactions = {line.transaction_id for line in invoice.lines}
    proofs = await proofs_of(connection, transactions, accounts_of(invoice.party, invoice.party_id))
    return to_json(invoice, terms, proofs)
