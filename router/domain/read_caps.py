"""Reads the caps of a market document. A cap that cannot be right is a problem of its own and counts for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.domain.caps import KINDS, OWNERS, PERIODS
from router.domain.market import Cap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Row: TypeAlias = Mapping[str, Any]

OwnerKey = tuple[str, int]

DEFAULT_TIME_ZONE = "America/New_York"


@dataclass(frozen=True, kw_only=True, slots=True)
class CapsByOwner:
    """Every cap of the market but the targets' own concurrency."""

    caps: Mapping[OwnerKey, tuple[Cap, ...]]
    groups_of: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By target id."""

    def of(self, owner: str, owner_id: int) -> tuple[Cap, ...]:
        return self.caps.get((owner, owner_id), ())

    def of_target(self, target_id: int, buyer_id: int) -> tuple[Cap, ...]:
        """Return the caps that stand between any call and the target."""
        found = self.of("target", target_id) + self.of("buyer", buyer_id)
        for group_id in self.groups_of.get(target_id, ()):
            found += self.of("group", group_id)
        return found


def read_caps(document: Row, problems: list[str]) -> CapsByOwner:
    """Read `caps` and `groups` of a market document."""
    zones = _time_zones(document)
    by_key: dict[OwnerKey, dict[str, Cap]] = {}
    for row in document.get("caps", ()):
        problem = cap_problem(row)
        if problem:
            problems.append(f"cap {row.get('id')}: {problem}")
            continue
        owner = (row["owner"], row["owner_id"])
        cap = _read_cap(row, zones.get(owner, DEFAULT_TIME_ZONE))
        of_owner = by_key.setdefault(owner, {})
        known = of_owner.get(cap.key)
        if known is None or cap.at_most < known.at_most:
            of_owner[cap.key] = cap
    return CapsByOwner(
        caps={owner: tuple(of_owner.values()) for owner, of_owner in by_key.items()},
        groups_of=_groups_of(document.get("groups", ())),
    )


def cap_problem(row: Row) -> str | None:
    """Return what is wrong with a cap as it is saved or read, with its place; None when nothing is."""
    for name, known in (("owner", OWNERS), ("kind", KINDS)):
        if row[name] not in known:
            return f"{name}: {row[name]!r:.80} is not one of {', '.join(known)}"
    at_most = row["at_most"]
    if not isinstance(at_most, int) or isinstance(at_most, bool) or not 0 <= at_most < 2**62:
        return f"at_most: {at_most!r} is not a whole number from 0"
    timeless = row["kind"] in ("concurrency", "spacing")
    if timeless and row["period"] is not None:
        return f"period: {row['kind']} has none"
    if not timeless and row["period"] not in PERIODS:
        return f"period: {row['period']!r} is not one of {', '.join(PERIODS)}"
    if row.get("range_name") and row["owner"] != "target":
        return "range_name: only a target has a schedule"
    return None


def _read_cap(row: Row, time_zone: str) -> Cap:
    parts = [row["owner"], str(row["owner_id"]), row["kind"]]
    parts += [row["period"]] if row["period"] else []
    parts += [row["range_name"]] if row.get("range_name") else []
    # A second concurrency cap of a target is told from the one that stands in its own row.
    if row["owner"] == "target" and row["kind"] == "concurrency" and not row.get("range_name"):
        parts.append("cap")
    return Cap(
        key=":".join(parts),
        owner=row["owner"],
        kind=row["kind"],
        period=row["period"],
        time_zone=time_zone,
        at_most=row["at_most"],
        range_name=row.get("range_name") or None,
    )


def _time_zones(document: Row) -> dict[OwnerKey, str]:
    zones: dict[OwnerKey, str] = {}
    for owner, rows in (
        ("buyer", document["buyers"]),
        ("campaign", document["campaigns"]),
        ("publisher", document.get("publishers", ())),
        ("group", document.get("groups", ())),
    ):
        zones.update({(owner, row["id"]): row.get("time_zone", DEFAULT_TIME_ZONE) for row in rows})
    for row in document["targets"]:
        schedule = row["schedule"]
        if isinstance(schedule, Mapping) and isinstance(schedule.get("time_zone"), str):
            zones["target", row["id"]] = schedule["time_zone"]
    return zones


def _groups_of(rows: Iterable[Row]) -> dict[int, tuple[int, ...]]:
    groups: dict[int, tuple[int, ...]] = {}
    for row in rows:
        for target_id in row["targets"]:
            groups[target_id] = (*groups.get(target_id, ()), row["id"])
    return groups
