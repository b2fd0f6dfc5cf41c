"""A caller's IVR leg, from the number dialled to the buyer to ring. Reads top to bottom."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from agi import channel_variables as var
from agi import journal
from agi.call import InboundCall, caller_of, e164_of
from agi.channel import Channel
from agi.offer import Offered, Progress, Services, offer_next_target
from agi.offered import UNKNOWN_NUMBER
from agi.perform import FlowCall, perform
from agi.waits import note_wait, wait_for
from ivr_flows import engine
from ivr_flows.definition import Flow
from ivr_flows.events import RouteWait
from ivr_flows.nodes.node import Session
from ivr_flows.resumes import Resume, Routed
from router.domain.caller_facts import told_of_caller, with_caller_state
from router.domain.decision import STATE_CANDIDATES_TAG, STATE_SOURCE_TAG, STATE_TAG
from router.domain.hops import HOPS_TAG
from router.domain.market import Snapshot, TrackingNumber
from router.inbound_arrival import Claim, claim_reservation
from rules.call_tags import fit_together
from rules.places import states_of_area_code
from store.call_id import call_id_of

ALWAYS_KEPT = (STATE_TAG, STATE_SOURCE_TAG, STATE_CANDIDATES_TAG, HOPS_TAG)
"""Tags that decide whether the call may be sold at all: they go before all others."""


async def inbound_call(channel: Channel, services: Services) -> None:
    """Serve the AGI step `inbound-call`. Leaves without TB_DONE when it cannot: survival then takes over."""
    call = call_of(channel)
    snapshot = services.snapshot.current
    number = snapshot.numbers.get(call.dialled)
    if number is None or not number.enabled:
        await channel.set_variables({var.CLOSING_PROMPT: UNKNOWN_NUMBER, var.DONE: "1"})
    else:
        # Looked up while the caller hears the first words: a reservation counts if the call came in its time.
        claim = asyncio.create_task(_claim(services, call, number))
        try:
            await _run_flow(channel, services, call, number, snapshot, claim)
        finally:
            await claim


async def _claim(services: Services, call: InboundCall, number: TrackingNumber) -> Claim | None:
    if not services.asking_publishers.may_have_asked(number.publisher_id):
        return None
    return await claim_reservation(
        services.engine,
        call_id_of(call.linkedid),
        number_id=number.id,
        caller=call.caller,
        now=datetime.now(UTC),
    )


def call_of(channel: Channel) -> InboundCall:
    """Return the caller's side as the dialplan told it."""
    return InboundCall(
        linkedid=channel.uniqueid,
        dialled=e164_of(channel.given("dialled")),
        caller=caller_of(channel.given("caller")),
    )


async def _run_flow(
    channel: Channel,
    services: Services,
    call: InboundCall,
    number: TrackingNumber,
    snapshot: Snapshot,
    claim: asyncio.Task[Claim | None],
) -> None:
    # Held to the end of the call, whatever is published meanwhile.
    flow = services.flows.flow(snapshot, number.campaign_id)
    services.journal.write(journal.CALL_MATCHED, call.linkedid, _matched_body(number, flow))
    on = FlowCall(
        channel=channel,
        services=services,
        call=call,
        campaign_records=snapshot.campaigns[number.campaign_id].recording,
    )
    step = engine.start(
        flow,
        now=datetime.now(UTC),
        session_id=str(call_id_of(call.linkedid)),
        caller=call.caller,
        caller_states=states_of_area_code(call.caller, snapshot.area_codes),
    )
    while True:
        await perform(on, step.events, step.session)
        if step.session.ended or step.wait is None:
            return
        resume: Resume
        if isinstance(step.wait, RouteWait):
            progress, left_out = progress_of(step.session, await claim, call, snapshot)
            if left_out:
                on.note("tags_left_out", step.session.node, tags=list(left_out))
            services.journal.write(journal.TAGGED, call.linkedid, {"tags": dict(progress.tags)})
            offered = await offer_next_target(channel, services, call, number, progress)
            if offered is Offered.TREATED:
                return
            resume = Routed(found=offered is Offered.RINGING)
        else:
            note_wait(on, step.wait, step.session.node)
            resume = await wait_for(on, step.wait, step.session.node)
        step = engine.resume(flow, step.session, resume, now=datetime.now(UTC))


def _matched_body(number: TrackingNumber, flow: Flow) -> dict[str, object]:
    return {
        "tracking_number_id": number.id,
        "campaign_id": number.campaign_id,
        "publisher_id": number.publisher_id,
        "flow_name": flow.name,
        "flow_version": flow.version,
    }


def progress_of(
    session: Session, claim: Claim | None, call: InboundCall, snapshot: Snapshot
) -> tuple[Progress, tuple[str, ...]]:
    """Return what the call goes on with, and the names of tags that there was no room for.

    What the publisher told of the caller counts where the caller said nothing, as far as it fits; where they live is
    worked out.
    """
    told = told_of_caller({} if claim is None else claim.tags, session.tags)
    tags = with_caller_state(told, call.caller, snapshot.area_codes, snapshot.zip_codes)
    always = {name: tags[name] for name in ALWAYS_KEPT if name in tags}
    by_caller = {name: tags[name] for name in session.tags if name in tags}
    fitting, left_out = fit_together(always, by_caller, tags)
    return Progress(tags=fitting, claim=claim), left_out
