"""Small markets for tests: plain documents, as queries.py makes them, with the dull parts filled in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from router.domain.decision import RouteRequest, canonical_bytes
from router.domain.market import LOAN_TYPES, Snapshot
from router.domain.read_market import read_market
from router.snapshot_file import digest_of
from rules.schedule import always_open

Document = dict[str, Any]

CALL = "6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a11"
TUESDAY_NOON = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
"""12:00 in New York, 11:00 in Chicago, 9:00 in Los Angeles."""

PATIENT_SECONDS = 10.0
"""What the database may take where the test is not about the budget: this machine does other things as well."""

OFFICE_HOURS = {
    "time_zone": "America/New_York",
    "ranges": [{"days": [0, 1, 2, 3, 4], "from": "08:00", "to": "20:00"}],
}


def a_target(target_id: int, **changes: Any) -> Document:
    """A target of buyer `target_id` that takes every loan, at any hour, one call at a time."""
    return {
        "id": target_id,
        "buyer_id": target_id,
        "name": f"desk {target_id}",
        "sip_uri": f"sip:desk{target_id}@127.0.0.1:5080",
        "loan_types": list(LOAN_TYPES),
        "schedule": always_open("America/New_York"),
        "concurrency_cap": 1,
        "ring_timeout_seconds": 20,
        "enabled": True,
        **changes,
    }


def a_licence(
    buyer_id: int, state: str = "OH", product: str = "refinance", *, licence_id: int = 0, **changes: Any
) -> Document:
    return {
        "id": licence_id or buyer_id,
        "buyer_id": buyer_id,
        "nmls_id": f"1000{buyer_id}",
        "state": state,
        "product": product,
        "valid_from": "2020-01-01",
        "valid_to": None,
        "status": "active",
        **changes,
    }


def a_campaign(stages: Sequence[Sequence[tuple[int, int]]], **changes: Any) -> Document:
    """Campaign 1; each stage a list of (target, priority)."""
    return {
        "id": 1,
        "name": "mortgage",
        "flow_name": "mortgage",
        "duplicate_window_seconds": 2_592_000,
        "maximum_attempts": 5,
        "enabled": True,
        "stages": [
            {"position": position, "method": "priority", "entries": [list(entry) for entry in entries]}
            for position, entries in enumerate(stages, 1)
        ],
        **changes,
    }


def a_market(targets: Sequence[Document], licences: Sequence[Document], campaign: Document) -> Document:
    buyers = sorted({target["buyer_id"] for target in targets})
    return {
        "format": 2,
        "numbers": [
            {"id": 1, "e164": "+18005550100", "campaign_id": 1, "publisher_id": 1, "enabled": True},
        ],
        "campaigns": [campaign],
        "buyers": [{"id": buyer, "name": f"buyer {buyer}", "enabled": True} for buyer in buyers],
        "targets": list(targets),
        "licences": list(licences),
        "flows": {"mortgage": {"version": 1, "definition": {"start": "hello"}}},
        "area_codes": {"614": ["OH"]},
        "area_codes_source": "test",
        "zip_codes": {"432": "OH"},
        "zip_codes_source": "test",
        "holidays": {},
    }


def a_small_market(count: int = 3, **campaign: Any) -> Document:
    """`count` targets licensed for refinance in Ohio, in one stage, in the order of their ids."""
    ids = range(1, count + 1)
    return a_market(
        [a_target(target_id) for target_id in ids],
        [a_licence(target_id) for target_id in ids],
        a_campaign([[(target_id, target_id) for target_id in ids]], **campaign),
    )


def snapshot_of(document: Document, version: int = 1) -> Snapshot:
    return read_market(document, version=version, digest=digest_of(canonical_bytes(document)))


def a_request(**changes: Any) -> RouteRequest:
    """A caller in Ohio who wants to refinance."""
    asked: dict[str, Any] = {
        "call_id": CALL,
        "campaign_id": 1,
        "caller": "+16145550123",
        "tags": {"loan_type": "refinance", "state": "OH"},
        "tried": (),
        "now": TUESDAY_NOON,
    }
    return RouteRequest(**{**asked, **changes})
