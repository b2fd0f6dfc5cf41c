"""Buyers try to gain with the telephone: they hang up a moment too early, or do not answer at all."""

from __future__ import annotations

from tests.adversaries.accountant import CONTRACTS
from tests.adversaries.draw import Draw
from tests.adversaries.house import House


async def hangs_up(house: House, draw: Draw) -> None:
    """End one open call, at a length near what somebody's contract asks for."""
    if not house.open:
        return
    call_id = draw.pick(sorted(house.open))
    lengths = {60_000, 120_000, 3_000, 90_000}
    for name in house.open[call_id].seen.rung:
        lengths |= {rule.minimum_ms for rule in CONTRACTS[name].rules}
    connected = draw.pick(sorted(lengths)) + draw.pick((-1_000, -1, 0, 1, 1_000))
    await house.hang_up(call_id, connected_ms=draw.pick((connected, connected, connected, None)))
    await house.settle()


MOVES = (hangs_up, hangs_up, hangs_up, hangs_up)
