"""A call's way as one list of moments, out of facts that different witnesses wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from web import formats
from web.call.facts import Answer, Bid, Call, CallFacts, Decision, Leg, RecordingPart
from web.call.happenings import moments_of
from web.call.moment import Moment, moment
from web.visibility import Viewer

__all__ = ["Moment", "timeline"]


def timeline(facts: CallFacts, viewer: Viewer, texts: Mapping[str, str]) -> tuple[Moment, ...]:
    """Return the call's moments in order of time, as `viewer` may see them; `texts` are the words of sounds."""
    return tuple(sorted(_moments(facts, viewer, texts), key=lambda one: one.at))


def _moments(facts: CallFacts, viewer: Viewer, texts: Mapping[str, str]) -> Iterator[Moment]:
    call = facts.call
    yield _arrival(call, viewer)
    for happened in facts.happened:
        yield from moments_of(call, happened, texts)
    for bid in facts.bids:
        yield _bid(call, bid)
    for part in facts.recordings:
        yield moment(call, part.started_at, "start", "The recording began", _consent(part))
    for answer in facts.answers:
        yield _answer(call, answer)
    for decision in facts.decisions:
        yield _decision(call, decision)
    for leg in facts.legs:
        yield from _leg(call, leg)
    if call.ended_at is not None:
        yield moment(call, call.ended_at, "end", "The call ended")
    if call.settled_at is not None:
        yield moment(call, call.settled_at, "money", "Settled", _settlement(facts))


def _arrival(call: Call, viewer: Viewer) -> Moment:
    trunk = f" through {formats.shown(call.trunk, 80)}" if call.trunk else ""
    caller = formats.number(viewer.caller(call.caller)) if call.caller else "A withheld number"
    title = f"{caller} dialled {formats.number(call.dialled)}"
    return moment(call, call.started_at, "start", title, f"Arrived{trunk}")


def _answer(call: Call, answer: Answer) -> Moment:
    value = formats.words(answer.value) if answer.value is not None else "nothing usable"
    heard = f", heard “{formats.shown(answer.heard, 80)}”" if answer.heard else ""
    return moment(
        call,
        answer.answered_at,
        "answer",
        f"{formats.words(answer.tag).capitalize()}: {value}",
        f"{formats.source(answer.source).capitalize()}{heard}",
    )


def _bid(call: Call, bid: Bid) -> Moment:
    who = _who(bid.buyer, bid.target)
    amount = f" {formats.money(bid.bid_micros)}" if bid.bid_micros is not None else ""
    asked = "was handed the call" if bid.kind == "post" else "was asked"
    took = "nothing came" if bid.arrived_us is None else f"after {bid.arrived_us / 1000:,.1f} ms"
    return moment(call, bid.sent_at, "decision", f"{who} {asked}: {formats.words(bid.outcome)}{amount}", took)


def _consent(part: RecordingPart) -> str:
    return f"After the notice of {formats.words(part.consent_node)}" if part.consent_node else ""


def _decision(call: Call, decision: Decision) -> Moment:
    refused = len(decision.rejections)
    others = f"{refused} {'other was' if refused == 1 else 'others were'} passed over"
    offered = f"Offered to {_who(decision.buyer, decision.target)}"
    title = offered if decision.target else "Nobody to offer it to"
    return moment(call, decision.decided_at, "decision", title, others if refused else decision.problem)


def _leg(call: Call, leg: Leg) -> Iterator[Moment]:
    who = _who(leg.buyer, leg.target)
    ended = formats.from_ms(leg.ended_ms)
    if leg.answered_ms is None:
        yield moment(call, ended, "missed", f"{who} did not answer", formats.cause(leg.cause).capitalize())
        return
    yield moment(call, formats.from_ms(leg.answered_ms), "talk", f"{who} answered", f"Attempt {leg.attempt}")
    yield moment(
        call,
        ended,
        "talk",
        f"{who} was on the line for {formats.seconds(leg.connected_ms)}",
        formats.cause(leg.cause).capitalize(),
    )


def _settlement(facts: CallFacts) -> str:
    if not facts.transactions:
        return "Nothing to post"
    return f"Revenue {formats.money(facts.revenue_micros)}, payout {formats.money(facts.payout_micros)}"


def _who(buyer: str | None, target: str | None) -> str:
    return ", ".join(name for name in (buyer, target) if name) or "An unknown target"
