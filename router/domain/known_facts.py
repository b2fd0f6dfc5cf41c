"""What a buyer's filter may ask about a call, and of which kind each is. Flows may add tags of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from router.domain.decision import RouteRequest
from rules.condition_check import Facts
from rules.fact_kinds import Kind, read_fact, to_json_value
from rules.known_facts import TAG_KINDS, Supplier, kinds_from
from rules.telephone import area_code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rules.fact_kinds import Value

OWN_FACTS: Mapping[str, Kind] = kinds_from(Supplier.CALL)
"""Known of every call without anybody asking: publisher and campaign by id, the number dialled, the caller's number."""

CLOCK_FACTS: Mapping[str, Kind] = kinds_from(Supplier.CLOCK)
"""On the wall clock of the target; weekday is mon, tue, wed, thu, fri, sat or sun."""

KNOWN_FACTS: Mapping[str, Kind] = {**TAG_KINDS, **OWN_FACTS, **CLOCK_FACTS}
"""Every fact a filter may name without saying its kind."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def facts_of_call(request: RouteRequest) -> dict[str, str]:
    """Return what is known of a call whatever the hour: what was said of it, and the equity that follows."""
    return with_equity(said_of_call(request))


def said_of_call(request: RouteRequest) -> dict[str, str]:
    """Return a call's tags and OWN_FACTS. A tag that bears the name of a fact of our own is not believed."""
    told = {name: value for name, value in request.tags.items() if name not in _OURS}
    own = {
        "publisher": request.publisher_id,
        "campaign": request.campaign_id,
        "number": request.dialled or None,
        "caller": request.caller,
        "area_code": area_code_of(request.caller),
        "attempt": len(request.tried) + 1,
    }
    return told | {name: str(value) for name, value in own.items() if value is not None}


def facts_anywhere(request: RouteRequest) -> Facts:
    """Return what filters may ask of a call, but for the time it is. Few ask for the equity: it is worked out then."""
    said = said_of_call(request)
    return Facts(said, partial(with_equity, said))


class FactsThere(Facts):
    """What filters may ask of a call, the time it is in one time zone included."""

    def __init__(self, anywhere: Facts, clock: Callable[[], datetime]) -> None:
        """What does not hang on the clock is read once, by `anywhere`, for every zone."""
        super().__init__({}, lambda: facts_of_clock(clock()))
        self._anywhere = anywhere

    def __missing__(self, key: str) -> Value | None:
        if key.partition(":")[2] in CLOCK_FACTS:
            return super().__missing__(key)
        value = self[key] = self._anywhere[key]
        return value


def facts_of_clock(local: datetime) -> dict[str, str]:
    """Return CLOCK_FACTS at the wall clock time `local`."""
    return {
        "day": local.date().isoformat(),
        "time": f"{local:%H:%M}",
        "weekday": WEEKDAYS[local.weekday()],
    }


def with_equity(tags: Mapping[str, str]) -> dict[str, str]:
    """Return `tags` with the equity a home holds, where the caller said what it is worth and what is owed."""
    told = dict(tags)
    if "equity" not in told and "home_value" in told and "loan_balance" in told:
        worth = read_fact(Kind.MONEY, told["home_value"])
        owed = read_fact(Kind.MONEY, told["loan_balance"])
        if isinstance(worth, int) and isinstance(owed, int):
            told["equity"] = str(to_json_value(Kind.MONEY, worth - owed))
    return told


_OURS = frozenset({*OWN_FACTS, *CLOCK_FACTS})
