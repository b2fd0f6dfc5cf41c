"""A stored decision for people: who got the call, by which rule, and why everybody else did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def explain(decision: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    """Yield the lines that tell a decision (Decision.to_json as stored); `names` are the targets' by id."""
    inputs = decision["inputs"]
    yield f"decided at {inputs['now']} on market {inputs['snapshot_version']} ({inputs['snapshot_digest'][:12]})"
    told = ", ".join(f"{tag}={value}" for tag, value in sorted(inputs["tags"].items())) or "nothing"
    yield f"caller {inputs['caller'] or 'withheld'} to {inputs['dialled'] or 'no number'}; known: {told}"
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


def _named(target_id: int, names: Mapping[int, str]) -> str:
    return f"target {target_id} {names[target_id]!r}" if target_id in names else f"target {target_id}"


def _bid(bid: Mapping[str, Any]) -> str:
    amount = "no amount" if bid["bid_micros"] is None else f"${bid['bid_micros'] / 1e6:.2f}"
    arrived = "" if bid["arrived_us"] is None else f" after {bid['arrived_us'] / 1000:.0f} ms"
    detail = f" ({bid['detail']})" if bid["detail"] else ""
    return f"{bid['outcome']}, {amount}{arrived}{detail}"
