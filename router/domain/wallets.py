"""What a wallet has left in a decision, after the race for it was lost. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from router.domain.counts import Counts


def with_empty_wallets(counts: Counts, buyer_ids: Collection[int]) -> Counts:
    """Return `counts` where these buyers have nothing left: holds of other calls took it meanwhile."""
    if not buyer_ids:
        return counts
    left = counts.facts.wallet_micros
    emptied = {buyer_id: min(left.get(buyer_id, 0), 0) for buyer_id in buyer_ids}
    return replace(counts, facts=replace(counts.facts, wallet_micros={**left, **emptied}))


def with_money_back(counts: Counts, micros_by_buyer: Mapping[int, int]) -> Counts:
    """Return `counts` as they would be if these amounts were not held; a buyer without a limit stays without."""
    left = counts.facts.wallet_micros
    given = {buyer: left[buyer] + micros for buyer, micros in micros_by_buyer.items() if buyer in left}
    return replace(counts, facts=replace(counts.facts, wallet_micros={**left, **given})) if given else counts
