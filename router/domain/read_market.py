"""Reads the market document (plain JSON values: what snapshot files hold and queries.py makes) into a Snapshot.

A row that cannot be right takes itself out of play and says so in `Snapshot.problems`; the market goes on without
it. Only what would change who gets which call, a method of distribution we do not know, refuses the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from router.domain.distribution import METHODS
from router.domain.duplicates import DuplicatePolicy, DuplicatePolicyError, parse_duplicate_policy
from router.domain.known_facts import KNOWN_FACTS
from router.domain.market import (
    LOAN_TYPES,
    Buyer,
    Campaign,
    Entry,
    FlowVersion,
    Licence,
    Snapshot,
    Stage,
    Target,
    Terms,
    TrackingNumber,
)
from router.domain.read_caps import CapsByOwner, read_caps
from router.domain.suppression import read_blocked_callers
from router.errors import SnapshotRefused
from rules.dialling import Destination, DiallingRules, number_in_sip_uri
from rules.places import STATES
from rules.schedule import Schedule, ScheduleError, parse_schedule
from rules.sip_uri import sip_uri_problem
from rules.telephone import known_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Read = TypeVar("Read")
    from typing import Any

    from rules.condition import Condition

    Row = Mapping[str, Any]


MARKET_FORMAT = 2


def read_market(document: Row, *, version: int, digest: str, caller_key: bytes = b"") -> Snapshot:
    """Make a Snapshot of a market document. `caller_key` is what its blocked callers are indexed by.

    Raises SnapshotRefused for a method of distribution or a document format this router does not know, and for a
    plan that names a target which does not exist.
    """
    if document["format"] != MARKET_FORMAT:
        raise SnapshotRefused(f"a market document of format {document['format']}, this is {MARKET_FORMAT}")
    problems: list[str] = []
    caps = read_caps(document, problems)
    rules = read_dialling(document)
    targets = {target.id: target for target in _read_targets(document, caps, rules, problems)}
    return Snapshot(
        version=version,
        digest=digest,
        numbers={row["e164"]: TrackingNumber(**row) for row in document["numbers"]},
        campaigns={row["id"]: _read_stages(row, targets, caps, problems) for row in document["campaigns"]},
        buyers={row["id"]: Buyer(**_without_time_zone(row)) for row in document["buyers"]},
        targets=targets,
        dialling=rules,
        licences=_read_licences(document["licences"], problems),
        buyers_with_officers=frozenset(
            row["buyer_id"] for row in document["licences"] if row.get("officer_nmls_id")
        ),
        zip_codes=document.get("zip_codes", {}),
        flows={name: FlowVersion(**flow) for name, flow in document["flows"].items()},
        terms=_read_terms(document.get("terms", ()), "buyer_id"),
        payouts=_read_terms(document.get("payouts", ()), "publisher_id"),
        publisher_caps={
            owner_id: found for (owner, owner_id), found in caps.caps.items() if owner == "publisher"
        },
        blocked=read_blocked_callers(document.get("blocked_callers", ()), problems, caller_key),
        area_codes={code: tuple(states) for code, states in document["area_codes"].items()},
        problems=tuple(problems),
    )


def _read_stages(row: Row, targets: Mapping[int, Target], caps: CapsByOwner, problems: list[str]) -> Campaign:
    return Campaign(
        **{
            **_without_time_zone(row),
            "stages": read_stages(row["name"], row["stages"], targets),
            "caps": caps.of("campaign", row["id"]),
            "duplicate_policy": _read_duplicate_policy(row, problems),
        }
    )


def _read_duplicate_policy(row: Row, problems: list[str]) -> DuplicatePolicy | None:
    policy = row.get("duplicate_policy")
    try:
        return None if policy is None else parse_duplicate_policy(policy)
    except DuplicatePolicyError as error:
        problems.append(f"campaign {row['name']!r}: duplicate_policy: {error}")
        return None


def _without_time_zone(row: Row) -> dict[str, Any]:
    """The zone is in the caps that are counted by it."""
    return {name: value for name, value in row.items() if name != "time_zone"}


def read_stages(name: str, rows: Iterable[Row], targets: Mapping[int, Target]) -> tuple[Stage, ...]:
    """Read the stages of a campaign. Raises SnapshotRefused."""
    return tuple(_read_stage(name, row, targets) for row in rows)


def _read_stage(campaign_name: str, row: Row, targets: Mapping[int, Target]) -> Stage:
    place = f"campaign {campaign_name!r}, stage {row['position']}"
    if row["method"] not in METHODS:
        raise SnapshotRefused(f"{place}: method {row['method']!r} is not one of {', '.join(sorted(METHODS))}")
    entries = tuple(_read_entry(*entry) for entry in row["entries"])
    missing = [entry.target_id for entry in entries if entry.target_id not in targets]
    if missing:
        raise SnapshotRefused(f"{place}: target {missing[0]} does not exist")
    return Stage(**{**row, "entries": entries})


def _read_entry(target_id: int, priority: int, weight: int = 1) -> Entry:
    return Entry(target_id=target_id, priority=priority, weight=weight)


def _read_targets(
    document: Row, caps: CapsByOwner, rules: DiallingRules, problems: list[str]
) -> Iterable[Target]:
    """Read targets; equal schedules and equal filters become one object, as there are few different ones."""
    holidays = document.get("holidays", {})
    schedules: dict[str, Schedule | str] = {}
    conditions: dict[str, Condition | str] = {}
    for row in document["targets"]:
        schedule = _once(schedules, row["schedule"], lambda value: _read_schedule(value, holidays))
        filters = row.get("filters")
        condition = None if filters is None else _once(conditions, filters, _read_filters)
        yield _read_target(row, schedule, condition, caps, rules, problems)


def _once(known: dict[str, Read], value: object, read: Callable[[object], Read]) -> Read:
    spelled = repr(value)
    found = known.get(spelled)
    if found is None:
        found = known[spelled] = read(value)
    return found


def _read_schedule(value: object, holidays: Row) -> Schedule | str:
    """Return the schedule, or what is wrong with it."""
    try:
        return parse_schedule(value, holidays)
    except ScheduleError as error:
        return f"schedule: {error}"


def _read_filters(value: object) -> Condition | str:
    """Return the condition, or what is wrong with it."""
    from rules.condition import ConditionError, parse_condition  # noqa: PLC0415 (a market without filters needs none)

    try:
        return parse_condition(value, KNOWN_FACTS)
    except ConditionError as error:
        return f"filters: {error}"


def _read_target(
    row: Row,
    schedule: Schedule | str,
    condition: Condition | str | None,
    caps: CapsByOwner,
    rules: DiallingRules,
    problems: list[str],
) -> Target:
    named = f"target {row['id']} {row['name']!r}"
    uri_problem = sip_uri_problem(row["sip_uri"])
    found = [one for one in (schedule, condition) if isinstance(one, str)]
    found += [f"sip_uri: {uri_problem}"] if uri_problem else []
    abroad, not_rung = _dialled(row, rules)
    found += [f"sip_uri: {not_rung}"] if not_rung else []
    problems.extend(f"{named}: {problem}" for problem in found)
    unknown = sorted(set(row["loan_types"]) - set(LOAN_TYPES))
    problems.extend(f"{named}: loan type {loan_type!r} is not known" for loan_type in unknown)
    return Target(
        **{
            **row,
            "loan_types": frozenset(row["loan_types"]),
            "schedule": None if isinstance(schedule, str) else schedule,
            "filters": None if isinstance(condition, str) else condition,
            "caps": caps.of_target(row["id"], row["buyer_id"]),
            "groups": caps.groups_of.get(row["id"], ()),
            "abroad": abroad,
            "problem": "; ".join(found),
        }
    )


def read_dialling(document: Row) -> DiallingRules:
    """Read which numbers abroad may be rung."""
    return DiallingRules(
        destinations=tuple(Destination(**row) for row in document.get("dial_destinations", ()))
    )


def _dialled(row: Row, rules: DiallingRules) -> tuple[Destination | None, str | None]:
    """Return the listed destination that a target's own number belongs to, and why it is not rung."""
    user = number_in_sip_uri(row["sip_uri"])
    if user is None:
        return None, None
    from router.domain.dial import dial_problem  # noqa: PLC0415 (few targets are numbers)

    problem = dial_problem(row["sip_uri"], rules)
    number = None if problem else known_number(user)
    return (None if number is None else rules.destination_of(number)), problem


def _read_licences(
    rows: Iterable[Row], problems: list[str]
) -> dict[int, dict[tuple[str, str], tuple[Licence, ...]]]:
    held: dict[int, dict[tuple[str, str], tuple[Licence, ...]]] = {}
    same: dict[Any, Any] = {}
    for row in rows:
        if row["state"] not in STATES or row["product"] not in LOAN_TYPES:
            named = f"licence {row['id']} ({row['nmls_id']})"
            problems.append(f"{named}: {row['product']!r} in {row['state']!r} is no loan in a state we know")
            continue
        licence = _read_licence(row, same)
        of_buyer = held.setdefault(row["buyer_id"], {})
        key = same.setdefault((licence.state, licence.product), (licence.state, licence.product))
        of_buyer[key] = (*of_buyer.get(key, ()), licence)
    return held


def _read_licence(row: Row, same: dict[Any, Any]) -> Licence:
    """Read one licence. `same` keeps one object of each equal value: there are 100,000 rows and few different days."""
    valid_from, valid_to = row["valid_from"], row["valid_to"]
    return Licence(
        id=row["id"],
        nmls_id=_same(row["nmls_id"], same),
        state=_same(row["state"], same),
        product=_same(row["product"], same),
        valid_from=_day(valid_from, same),
        valid_to=None if valid_to is None else _day(valid_to, same),
        status=_same(row["status"], same),
        officer_name=row.get("officer_name"),
        officer_nmls_id=row.get("officer_nmls_id"),
    )


def _same(text: str, same: dict[Any, Any]) -> str:
    found: str = same.setdefault(text, text)
    return found


def _day(text: str, same: dict[Any, Any]) -> date:
    found: date | None = same.get(("day", text))
    if found is None:
        found = same["day", text] = date.fromisoformat(text)
    return found


def _read_terms(rows: Iterable[Row], payer: str) -> dict[tuple[int, int], tuple[Terms, ...]]:
    """Read what one buyer pays, or one publisher earns, in each campaign: newest first."""
    found: dict[tuple[int, int], list[Terms]] = {}
    for row in rows:
        terms = Terms(
            goes_live_at=datetime.fromisoformat(row["goes_live_at"]),
            price_micros=row["price_micros"],
            minimum_connected_ms=row.get("minimum_connected_ms", 0),
            highest_micros=row.get("highest_micros"),
        )
        found.setdefault((row[payer], row["campaign_id"]), []).append(terms)
    return {
        key: tuple(sorted(terms, key=lambda one: one.goes_live_at, reverse=True))
        for key, terms in found.items()
    }
