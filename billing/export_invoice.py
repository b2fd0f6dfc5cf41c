"""An invoice as files: JSON with everything to check it by, CSV for spreadsheets, PDF for people. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from billing.invoice import Invoice, InvoiceLine
from billing.judge_terms import PLAIN_RULE, seconds_text
from billing.seal_leaves import NO_PROOFS, Proofs
from billing.terms_facts import TERMS_FACTS
from rules.fact_kinds import Kind, to_json_value
from rules.money import format_dollars

FORMAT = "tollbridge-invoice/1"
CSV_COLUMNS = (
    "line",
    "date",
    "call",
    "description",
    "connected",
    "amount",
    "currency",
    "rule",
    "transaction",
)
PDF_ROWS_A_TABLE = 500
"""reportlab lays out a table as a whole: long invoices are several, one below the other."""


def to_json(invoice: Invoice, terms: Sequence[Any], proofs: Proofs = NO_PROOFS) -> dict[str, Any]:
    """Return the invoice with its terms (rows of buyer_terms or publisher_terms) and the proofs of its lines."""
    return {
        "format": FORMAT,
        "kind": invoice.kind.value,
        "number": invoice.number,
        "corrects": invoice.corrects_number,
        "state": invoice.state.value,
        "party": invoice.party.value,
        "party_name": invoice.party_name,
        "period_start": invoice.period_start.isoformat(),
        "period_end": invoice.period_end.isoformat(),
        "time_zone": invoice.time_zone,
        "currency": invoice.currency,
        "total_micros": invoice.total_micros,
        "due_micros": invoice.due_micros,
        "kinds": {name: kind.value for name, kind in TERMS_FACTS.items()},
        "terms": {str(row.id): row.document or _plain(row._mapping) for row in terms},
        "roots": {str(batch): root for batch, root in proofs.roots.items()},
        "lines": [_line(line) | {"proof": proofs.by_id.get(line.transaction_id)} for line in invoice.lines],
    }


def terms_ids(invoice: Invoice) -> list[int]:
    """Return the ids of the terms that the lines name."""
    return sorted({one for line in invoice.lines if (one := line.evidence.get("terms_id")) is not None})


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return terms of one price as a contract."""
    price = row["price_micros"] if "price_micros" in row else row["payout_micros"]
    rule = {
        "name": PLAIN_RULE,
        "minimum_connected_seconds": row.get("minimum_connected_ms", 0) / 1000,
        "price": to_json_value(Kind.MONEY, price),
    }
    return {"rounding": {"to": "0.01", "mode": "half_up"}, "rules": [rule]}


def _line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "transaction_id": line.transaction_id,
        "call_id": None if line.call_id is None else str(line.call_id),
        "happened_at": line.happened_at.isoformat(),
        "description": line.description,
        "connected_ms": line.connected_ms,
        "amount_micros": line.amount_micros,
        **line.evidence,
    }


def to_csv(invoice: Invoice) -> str:
    """Return the lines for a spreadsheet; no cell is taken for a formula."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(CSV_COLUMNS)
    zone = ZoneInfo(invoice.time_zone)
    for line in invoice.lines:
        rule = (line.evidence.get("judged") or {}).get("rule") or ""
        writer.writerow(
            [
                line.position,
                line.happened_at.astimezone(zone).isoformat(timespec="milliseconds"),
                line.call_id or "",
                harmless_cell(line.description),
                "" if line.connected_ms is None else f"{line.connected_ms / 1000:.3f}",
                to_json_value(Kind.MONEY, line.amount_micros),
                invoice.currency,
                harmless_cell(rule),
                line.transaction_id,
            ]
        )
    total = to_json_value(Kind.MONEY, invoice.total_micros)
    writer.writerow(["total", "", "", harmless_cell(invoice.title), "", total, invoice.currency, "", ""])
    return written.getvalue()


def harmless_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: a quote goes before what might be one."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "\t", "\r", "|") and text.strip() else text


def to_pdf(invoice: Invoice) -> bytes:
    """Return the invoice as a PDF."""
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415 (only who prints pays for it)
    from reportlab.lib.styles import getSampleStyleSheet  # noqa: PLC0415
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer  # noqa: PLC0415

    styles = getSampleStyleSheet()
    zone = ZoneInfo(invoice.time_zone)
    head = [
        f"{invoice.party.value.capitalize()}: {invoice.party_name}",
        f"Period: {invoice.first_day} to {invoice.last_day}, {invoice.time_zone}",
        f"State: {invoice.state.value}",
    ]
    if invoice.issued_at is not None:
        head.append(f"Issued: {invoice.issued_at.astimezone(zone):%Y-%m-%d}")
    if invoice.corrects_number is not None:
        head.append(f"Takes back: {invoice.corrects_number}")
    story: list[Any] = [Paragraph(escape(invoice.title), styles["Title"])]
    story += [Paragraph(escape(text), styles["Normal"]) for text in head]
    story.append(Spacer(1, 12))
    for start in range(0, len(invoice.lines), PDF_ROWS_A_TABLE):
        story.append(_table(invoice.lines[start : start + PDF_ROWS_A_TABLE], zone, styles["BodyText"]))
    total = f"<b>Total: {format_dollars(invoice.total_micros)} {invoice.currency}</b>"
    if invoice.due_micros != invoice.total_micros:
        total += f"<br/>Due: {format_dollars(invoice.due_micros)}; the rest was paid from the wallet"
    story += [Spacer(1, 12), Paragraph(total, styles["Heading3"])]
    written = io.BytesIO()
    # Invariant: the same invoice is the same file.
    SimpleDocTemplate(written, pagesize=A4, title=invoice.title, author="Tollbridge", invariant=1).build(
        story
    )
    return written.getvalue()


def _table(lines: Sequence[InvoiceLine], zone: ZoneInfo, style: Any) -> Any:
    from reportlab.lib import colors  # noqa: PLC0415
    from reportlab.platypus import Paragraph, Table  # noqa: PLC0415

    rows: list[list[Any]] = [["", "When", "What", "Connected", "Amount"]]
    for line in lines:
        call = f"<br/><font size=6>{line.call_id}</font>" if line.call_id else ""
        rows.append(
            [
                str(line.position),
                f"{line.happened_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
                Paragraph(escape(line.description) + call, style),
                "" if line.connected_ms is None else seconds_text(line.connected_ms),
                format_dollars(line.amount_micros),
            ]
        )
    rules = [
        ("FONTSIZE", (0, 0), (-1, -1), 8),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("ALIGN", (3, 0), (-1, -1), "RIGHT"),
    ]
    return Table(rows, colWidths=(30, 100, 230, 60, 75), repeatRows=1, style=rules)
