"""Ask the router for the next target and tell the dialplan whom to ring: the end of both AGI steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from agi import channel_variables as var
from agi import journal
from agi.call import InboundCall
from agi.channel import Channel
from agi.live_calls import LiveCalls
from agi.offered import (
    counted_names,
    decided_body,
    kept_variables,
    ring_variables,
    treatment_of,
    treatment_variables,
)
from agi.parsed_flows import ParsedFlows
from agi.sounds import Sounds
from agi.speech.client import SpeechClient
from router.buyers.ping_client import PingClient
from router.domain.decision import RouteRequest
from router.domain.distribution import PING_POST
from router.domain.hops import hops_of
from router.domain.market import Snapshot, TrackingNumber
from router.inbound_arrival import AskingPublishers, Claim
from router.route_call import Routed, Router
from router.snapshot import CurrentSnapshot
from store.call_id import call_id_of, started_at_of

HAND_OVER_SECONDS = 3.0
"""Winners that refuse the call may cost a second each; after three of them survival may as well sell it."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the AGI steps work with; made once by agi/service.py."""

    engine: AsyncEngine
    snapshot: CurrentSnapshot
    router: Router
    journal: journal.Facts
    speech: SpeechClient
    live_calls: LiveCalls
    flows: ParsedFlows
    asking_publishers: AskingPublishers
    prompts_dir: Path
    sounds: Sounds
    web_hooks: PingClient


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a call has come."""

    tags: Mapping[str, str]
    tried: tuple[int, ...] = ()
    attempt: int = 1
    holds: int = 0
    holding: bool = False
    """The caller hears the chime, not ringing."""
    claim: Claim | None = None
    """The publisher's reservation it came on."""


class Offered(Enum):
    """What comes next for the caller."""

    RINGING = "ringing"
    TREATED = "treated"
    """Nobody takes the call, and the campaign says what is done then; the dialplan does it."""
    NOBODY = "nobody"
    """Nobody takes the call, and the flow says what is done."""


async def offer_next_target(
    channel: Channel, services: Services, call: InboundCall, number: TrackingNumber, progress: Progress
) -> Offered:
    """Decide, store the decision, and tell the dialplan what to do. The caller hears ringing while bidders think.

    But for NOBODY the step is done then: TB_DONE is set, last of all.
    """
    auction_seconds = _auction_seconds(services.snapshot.current, number.campaign_id)
    if auction_seconds:
        # Without bidders the decision takes less than a caller could notice, and Dial rings at once.
        await channel.arm(auction_seconds)
        if not progress.holding:
            await channel.ring()
    routed = await _route(services, call, number, progress)
    body = decided_body(
        routed.decision, attempt=progress.attempt, decided_by="router", duration_us=routed.duration_us
    )
    services.journal.write(journal.DECIDED, call.linkedid, {**body, "decision": routed.to_json()})
    for name in counted_names(routed.decision):
        services.journal.write(journal.COUNTED, "", {"name": name})
    return await _tell(channel, services, call, number, progress, routed)


def _auction_seconds(snapshot: Snapshot, campaign_id: int) -> float:
    """Return how long bidders may keep us: each stage's deadline for the bids, then the handing over."""
    stages = snapshot.campaigns[campaign_id].stages
    asked = [stage.deadline_ms / 1000 for stage in stages if stage.method == PING_POST]
    return sum(asked) + len(asked) * HAND_OVER_SECONDS


async def _route(services: Services, call: InboundCall, number: TrackingNumber, progress: Progress) -> Routed:
    claim = progress.claim
    request = RouteRequest(
        call_id=str(call_id_of(call.linkedid)),
        campaign_id=number.campaign_id,
        publisher_id=number.publisher_id,
        dialled=call.dialled,
        caller=call.caller or None,
        tags=progress.tags,
        tried=progress.tried,
        now=datetime.now(UTC),
        started_at=started_at_of(call.linkedid),
        hops=hops_of(progress.tags) if claim is None else claim.hops,
        reserved=None if claim is None else claim.reserved,
        promised_payout_micros=None if claim is None else claim.payout_micros,
    )
    return await services.router.route_call(
        request, attempt=progress.attempt, fallback_counts=services.live_calls.counts()
    )


async def _tell(
    channel: Channel,
    services: Services,
    call: InboundCall,
    number: TrackingNumber,
    progress: Progress,
    routed: Routed,
) -> Offered:
    snapshot = services.snapshot.current

    def is_there(prompt: str) -> bool:
        return (services.prompts_dir / f"{prompt}.wav").is_file()

    if routed.ringing:
        variables = ring_variables(
            snapshot, routed.ringing, is_there, tags=progress.tags, tried=progress.tried
        )
        await channel.set_variables({**variables, var.DONE: "1"})
        return Offered.RINGING
    due = treatment_of(snapshot, number.campaign_id, holds=progress.holds, caller=call.caller)
    if due is None:
        await channel.stop_ringing()
        return Offered.NOBODY
    # One who holds is routed again, by a step that knows only what is on the channel.
    variables = {**treatment_variables(due, is_there), **kept_variables(progress.tags, progress.tried)}
    await channel.set_variables({**variables, var.DONE: "1"})
    return Offered.TREATED
