"""Builds a market for one scenario: its own campaign, number and buyers, played by SIPp, live on the node."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from ivr_flows.library import load
from rules.places import STATE_CODES
from tests.calls.buyers import Behaviour
from tests.calls.node import Node
from tollbridge.call_story.story import CallStory
from tollbridge.call_story.wait import wait_for_call
from tollbridge.phone.caller import Caller
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.sipp_buyer import SippBuyer
from tollbridge.sample_market.market import (
    ALWAYS_OPEN,
    LOAN_TYPES,
    SampleBuyer,
    SampleMarket,
    SampleTarget,
    SeededMarket,
)
from tollbridge.sample_market.queries import seed_market

SETTLE_SECONDS = 12.0
EVERYWHERE = STATE_CODES
"""Licensed in all states: the only buyers for a caller of whom nothing is known."""
PRICE_MICROS, PAYOUT_MICROS = 85_000_000, 60_000_000
_serial = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A buyer a scenario wants; the first of a list is offered first."""

    name: str
    behaviour: Behaviour
    states: tuple[str, ...] = ("CA",)
    loan_types: tuple[str, ...] = LOAN_TYPES
    schedule: Mapping[str, Any] = field(default_factory=lambda: ALWAYS_OPEN)
    minimum_connected_ms: int = 1_000
    ring_timeout_seconds: int = 20
    concurrency_cap: int = 5
    press_to_accept: bool = False
    whisper_text: str | None = None
    recovery_seconds: int | None = None


@dataclass(kw_only=True)
class Scenario:
    """A live market with its buyers. `number` is what callers dial."""

    node: Node
    engine: AsyncEngine
    number: str
    seeded: SeededMarket
    buyers: Mapping[str, SippBuyer]

    def invite(self, **changes: Any) -> Invite:
        """Return the INVITE of a new caller from Ohio, unless changed."""
        values: dict[str, Any] = {"switch": self.node.switch, "dialled": self.number, "caller": a_caller()}
        return Invite(**{**values, **changes})

    async def settled(
        self, call: Caller, *, caller: str | None, seconds: float = SETTLE_SECONDS
    ) -> CallStory:
        """Return the call's settled story. Raises AssertionError when it does not get that far in `seconds`."""
        assert call.times.invited_ms is not None
        story = await wait_for_call(
            self.engine, caller=caller, dialled_ms=call.times.invited_ms, seconds=seconds
        )
        assert story is not None, f"no call row within {seconds} s; logs in {self.node.layout.log_dir}"
        assert story.is_settled, f"not settled within {seconds} s: {story}"
        return story


def a_caller(area_code: str = "614") -> str:
    """Return a number no other call of this test run has: 614 is Ohio."""
    return f"+1{area_code}555{(os.getpid() * 37 + next(_serial)) % 10000:04d}"


async def build(
    node: Node, stack: AsyncExitStack, folder: Path, wanted: Sequence[Wanted], **changes: Any
) -> Scenario:
    """Start the buyers, seed the market and wait until the node works by it.

    `changes` are fields of SampleMarket. Everything started is stopped with `stack`.
    """
    serial = next(_serial)
    tag = f"{os.getpid()}-{serial}"
    buyers: dict[str, SippBuyer] = {}
    for one in wanted:
        playing = SippBuyer.playing(
            one.behaviour.scenario, folder, name=one.name.replace(" ", "-"), values=one.behaviour.values
        )
        buyers[one.name] = await stack.enter_async_context(playing)
    number = f"+1800{2_000_000 + (os.getpid() * 101 + serial) % 8_000_000}"
    values: dict[str, Any] = {
        "campaign": f"Mortgage {tag}",
        "number": number,
        "flow_name": "mortgage",
        "flow": load("mortgage"),
        "publisher": f"Publisher {tag}",
        "payout_micros": PAYOUT_MICROS,
        "buyers": tuple(_sample(one, buyers[one.name], tag, place) for place, one in enumerate(wanted)),
    }
    engine = node.engine()
    stack.push_async_callback(engine.dispose)
    seeded = await seed_market(engine, SampleMarket(**{**values, **changes}))
    await node.market_is_live(tuple(seeded.target_ids.values()))
    return Scenario(node=node, engine=engine, number=number, seeded=seeded, buyers=buyers)


def _sample(wanted: Wanted, buyer: SippBuyer, tag: str, place: int) -> SampleBuyer:
    target = SampleTarget(
        name=f"{wanted.name} desk {tag}",
        sip_uri=buyer.sip_uri,
        priority=place,
        loan_types=wanted.loan_types,
        schedule=wanted.schedule,
        ring_timeout_seconds=wanted.ring_timeout_seconds,
        concurrency_cap=wanted.concurrency_cap,
        press_to_accept=wanted.press_to_accept,
        whisper_text=wanted.whisper_text,
        recovery_seconds=wanted.recovery_seconds,
    )
    return SampleBuyer(
        name=f"{wanted.name} {tag}",
        nmls_id=f"{900000 + place}",
        states=wanted.states,
        targets=(target,),
        price_micros=PRICE_MICROS,
        minimum_connected_ms=wanted.minimum_connected_ms,
    )
