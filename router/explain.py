"""A stored decision for people: who got the call, by which rule, and why everybody else did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def explain(decision: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    """Yield the lines that tell a decision (Decision.to_json as stored); `names` are the targets' by id."""
    inputs = decision["inputs"]
    yield f"decided at {inputs['now']} on market {inputs['snapshot_version']} ({inputs['snapshot_digest'][:12]})"
    told = ", ".join(f"{tag}={value}" for tag, value in sorted(inputs["tags"].items())) or "nothing"
    yield f"caller {inputs['caller'] or 'withheld'} to {inputs['dialled'] or 'no number'}; known: {told}"
    if not_known := describe_not_known(inputs["counts"].get("not_known", ())):
        yield not_known
    if decision["problem"]:
        yield f"problem: {decision['problem']}"
    chosen = decision["chosen"]
    if chosen is None:
        yield "nobody can take the call"
    else:
        bid = f" at ${chosen['bid_micros'] / 1e6:.2f}" if chosen["bid_micros"] is not None else ""
        yield f"chosen: {_named(chosen['target_id'], names)}{bid}; {decision['why']}"
        for other in decision["together"]:
            yield f"  rings as well: {_named(other['target_id'], names)}"
    for auction in inputs["auctions"]:
        yield f"auction of stage {auction['stage_id']}:"
        for bid in auction["bids"]:
            yield f"  {_named(bid['target_id'], names)}: {_bid(bid)}"
    for rejection in decision["rejections"]:
        detail = f": {rejection['detail']}" if rejection["detail"] else ""
        yield f"  {_named(rejection['target_id'], names)}: {rejection['code']}{detail}"
    phases = decision.get("phases_us", {})
    if phases:
        yield "took " + ", ".join(f"{phase} {spent / 1000:.1f} ms" for phase, spent in phases.items())


_WORDS = {
    "suppression": "suppressed callers",
    "wallets": "wallets",
    "caps": "caps",
    "earlier_calls": "earlier calls",
    "turns": "whose turn it is",
}


def describe_not_known(not_known: Sequence[tuple[str, int | None]]) -> str:
    """Say what a decision went by when the database did not answer, and how old it was; '' when it answered.

    `not_known` is what the decision's counts hold of it: kind of fact and age in ms.
    """
    kinds = [(_WORDS.get(what, what), age_ms) for what, age_ms in not_known]
    if not kinds:
        return ""
    read = [f"{what} {_age(age_ms)} old" for what, age_ms in kinds if age_ms is not None]
    never = [what for what, age_ms in kinds if age_ms is None]
    known = f"went by what was known last: {', '.join(read)}" if read else "nothing was known from before"
    unknown = f"; not known: {', '.join(never)}" if never else ""
    return f"the database did not answer; {known}{unknown}"


def _age(age_ms: int) -> str:
    seconds = age_ms / 1000
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _named(target_id: int, names: Mapping[int, str]) -> str:
    return f"target {target_id} {names[target_id]!r}" if target_id in names else f"target {target_id}"


def _bid(bid: Mapping[str, Any]) -> str:
    amount = "no amount" if bid["bid_micros"] is None else f"${bid['bid_micros'] / 1e6:.2f}"
    arrived = "" if bid["arrived_us"] is None else f" after {bid['arrived_us'] / 1000:.0f} ms"
    detail = f" ({bid['detail']})" if bid["detail"] else ""
    return f"{bid['outcome']}, {amount}{arrived}{detail}"
