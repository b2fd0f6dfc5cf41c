"""A market document in parts: one for each buyer, one for each campaign's plan, and what all share.

An edit changes few parts. The rest is neither read, nor spelled, nor hashed, nor stored again, however big the market
is. The market's digest is made of the parts' digests.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from router.domain.decision import canonical_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Document: TypeAlias = dict[str, Any]

SHARED, PLACES = "shared", "places"
PLACES_KEYS = ("area_codes", "area_codes_source", "zip_codes", "zip_codes_source", "holidays")
OF_BUYERS = ("targets", "licences", "terms")
LISTS = (*OF_BUYERS, "caps")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part in its one spelling."""

    body: bytes
    digest: bytes
    checksum: int
    """crc32 of the body."""
    buyer_id: int = 0
    target_ids: tuple[int, ...] = ()
    """Of a buyer's part: the buyer and its targets."""


def buyer_part(buyer_id: int) -> str:
    return f"buyer:{buyer_id}"


def campaign_part(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def parts_of(document: Mapping[str, Any]) -> dict[str, Part]:
    """Take a market document apart."""
    plain: dict[str, Document] = {SHARED: {}, PLACES: {}}
    for key, value in document.items():
        if key in PLACES_KEYS:
            plain[PLACES][key] = value
        elif key not in (*OF_BUYERS, "buyers", "caps", "campaigns"):
            plain[SHARED][key] = value
    buyer_of = _sort_buyers(document, plain)
    plain[SHARED]["campaigns"] = [
        {key: value for key, value in row.items() if key != "stages"} for row in document["campaigns"]
    ]
    plain[SHARED]["caps"] = []
    for row in document["campaigns"]:
        plain[campaign_part(row["id"])] = {"stages": row["stages"]}
    for cap in document.get("caps", ()):
        owner = buyer_of(cap["owner"], cap["owner_id"])
        plain[SHARED if owner is None else buyer_part(owner)].setdefault("caps", []).append(cap)
    return {name: part_of(value) for name, value in plain.items()}


def _sort_buyers(document: Mapping[str, Any], plain: dict[str, Document]) -> Callable[[str, int], int | None]:
    buyer_of_target = {row["id"]: row["buyer_id"] for row in document["targets"]}
    for row in document["buyers"]:
        plain[buyer_part(row["id"])] = {"buyer": row, **{key: [] for key in LISTS}}
    for key in OF_BUYERS:
        for row in document.get(key, ()):
            plain.get(buyer_part(row["buyer_id"]), plain[SHARED]).setdefault(key, []).append(row)

    def buyer_of(owner: str, owner_id: int) -> int | None:
        if owner == "buyer":
            return owner_id if buyer_part(owner_id) in plain else None
        return buyer_of_target.get(owner_id) if owner == "target" else None

    return buyer_of


def part_of(value: Mapping[str, Any]) -> Part:
    import hashlib  # noqa: PLC0415 (5 ms that a reader does not pay)

    body = canonical_bytes(value)
    return Part(
        body=body,
        digest=hashlib.sha256(body).digest(),
        checksum=zlib.crc32(body),
        buyer_id=value["buyer"]["id"] if "buyer" in value else 0,
        target_ids=tuple(row["id"] for row in value.get("targets", ())),
    )


def digest_of_parts(parts: Mapping[str, Part]) -> str:
    """Return the name of a market: equal markets have one."""
    import hashlib  # noqa: PLC0415

    whole = hashlib.sha256()
    for name in sorted(parts):
        whole.update(name.encode() + b"\0" + parts[name].digest)
    return whole.hexdigest()


def document_of(bodies: Mapping[str, bytes]) -> Document:
    """Put a market document together again; of some of its parts, what these hold. `shared` must be among them."""
    document: Document = json.loads(bodies[SHARED])
    caps = document.pop("caps", [])
    document |= {"buyers": [], "caps": caps, **{key: document.get(key, []) for key in OF_BUYERS}}
    document |= json.loads(bodies[PLACES]) if PLACES in bodies else {}
    for name, body in bodies.items():
        if name.startswith("buyer:"):
            part = json.loads(body)
            document["buyers"].append(part["buyer"])
            for key in LISTS:
                document[key] += part[key]
    for row in document["campaigns"]:
        plan = bodies.get(campaign_part(row["id"]))
        row["stages"] = [] if plan is None else json.loads(plan)["stages"]
    for key in ("buyers", "targets", "licences"):
        document[key].sort(key=_id_of)
    return document


def keep_for_call(
    document: Document, stages: Iterable[Mapping[str, Any]], states: Collection[str] | None
) -> None:
    """Drop what a call of one plan by somebody who lives in one of `states` (None: anywhere) does not look at.

    Reading what a market says takes longer than deciding: of a big one most is other targets of the same buyers.
    """
    standing = {target_id for stage in stages for target_id, *_ in stage["entries"]}
    document["targets"] = [row for row in document["targets"] if row["id"] in standing]
    document["caps"] = [
        row for row in document["caps"] if row["owner"] != "target" or row["owner_id"] in standing
    ]
    if states is not None:
        # Those of loan officers stay: that a buyer has any says that it needs them.
        document["licences"] = [
            row for row in document["licences"] if row["state"] in states or row.get("officer_nmls_id")
        ]


def _id_of(row: Mapping[str, Any]) -> int:
    return int(row["id"])


def buyers_of_campaign(stages: Iterable[Mapping[str, Any]], buyer_of: Mapping[str, int]) -> set[int]:
    """Return the buyers that stand in a plan; `buyer_of` is by target id, as JSON spells it."""
    return {
        buyer_of[str(target_id)]
        for stage in stages
        for target_id, *_ in stage["entries"]
        if str(target_id) in buyer_of
    }
