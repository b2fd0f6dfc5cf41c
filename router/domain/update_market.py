"""A newer snapshot from an older one and the parts of the market that changed: the rest is not read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from router.domain.market import Campaign, Snapshot, Target
from router.domain.plan import Plan
from router.domain.read_market import read_market, read_stages
from router.errors import SnapshotRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Value = TypeVar("Value")
    Key = TypeVar("Key")


def update_market(
    older: Snapshot,
    document: Mapping[str, Any],
    *,
    buyers: frozenset[int],
    campaigns: frozenset[int],
    version: int,
    digest: str,
    caller_key: bytes = b"",
) -> Snapshot:
    """Return the newer market. `document` holds what all share, and of buyers and plans only those named.

    Equal to reading the whole market, but for the order of problems. Raises SnapshotRefused as read_market does.
    """
    plans = {row["id"]: row["stages"] for row in document["campaigns"]}
    rows = [{**row, "stages": []} for row in document["campaigns"]]
    fresh = read_market(
        {**document, "campaigns": rows}, version=version, digest=digest, caller_key=caller_key
    )
    targets = _merged(older.targets, fresh.targets, lambda _, target: target.buyer_id not in buyers)
    merged = {
        campaign_id: _campaign(older, campaign, plans[campaign_id], targets, campaign_id in campaigns)
        for campaign_id, campaign in fresh.campaigns.items()
    }
    _refuse_missing_targets(older, merged, targets)
    newer = replace(
        fresh,
        campaigns=merged,
        targets=targets,
        buyers=_merged(older.buyers, fresh.buyers, lambda key, _: key not in buyers),
        licences=_merged(older.licences, fresh.licences, lambda key, _: key not in buyers),
        terms=_merged(older.terms, fresh.terms, lambda key, _: key[0] not in buyers),
        buyers_with_officers=(older.buyers_with_officers - buyers) | fresh.buyers_with_officers,
        problems=(*_problems_of_the_rest(older, buyers, campaigns), *fresh.problems),
        plans={},
        compiled={},
    )
    newer.plans.update(_plans_that_hold(older, newer, buyers))
    return newer


def _merged(
    older: Mapping[Key, Value], fresh: Mapping[Key, Value], is_old: Callable[[Key, Value], bool]
) -> dict[Key, Value]:
    """Return the older values that still hold, and the fresh ones."""
    return {**{key: value for key, value in older.items() if is_old(key, value)}, **fresh}


def _campaign(
    older: Snapshot, fresh: Campaign, stages: Any, targets: Mapping[int, Target], changed: bool
) -> Campaign:
    known = older.campaigns.get(fresh.id)
    if known is not None and not changed:
        return replace(fresh, stages=known.stages)
    return replace(fresh, stages=read_stages(fresh.name, stages, targets))


def _refuse_missing_targets(
    older: Snapshot, campaigns: Mapping[int, Campaign], targets: Mapping[int, Target]
) -> None:
    gone = older.targets.keys() - targets.keys()
    for campaign in campaigns.values() if gone else ():
        for stage in campaign.stages:
            missing = [entry.target_id for entry in stage.entries if entry.target_id in gone]
            if missing:
                raise SnapshotRefused(f"campaign {campaign.name!r}: target {missing[0]} does not exist")


def _problems_of_the_rest(
    older: Snapshot, buyers: frozenset[int], campaigns: frozenset[int]
) -> tuple[str, ...]:
    """Problems of buyers that were not read again; what all share was, so its problems come anew."""
    known = {f"target {target.id} " for target in older.targets.values() if target.buyer_id not in buyers}
    return tuple(
        problem
        for problem in older.problems
        if problem.startswith("target ") and f"target {problem.split(' ')[1]} " in known
    )


def _plans_that_hold(older: Snapshot, newer: Snapshot, buyers: frozenset[int]) -> dict[int, Plan]:
    """Plans that were made ready for the older market and say the same of the newer."""
    return {
        campaign_id: plan
        for campaign_id, plan in older.plans.items()
        if buyers.isdisjoint(plan.by_buyer)
        and newer.campaigns.get(campaign_id) == older.campaigns[campaign_id]
    }
