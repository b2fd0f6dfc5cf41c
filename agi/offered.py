"""A decision as the journal keeps it and as the dialplan rings it. Pure, and quick to import: the survival script
needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agi import channel_variables as var
from agi.call import dump_tags, dump_tried
from router.domain.abroad import destination_rung
from router.domain.decision import Decision, Offer
from router.domain.market import Snapshot
from rules.dialling import LONGEST_TALK_SECONDS, DiallingRules
from rules.no_buyer import CALL_BACK, HOLD, MESSAGE, VOICEMAIL, NoBuyer, NoBuyerError, parse_no_buyer
from rules.prompt_names import prompt_name
from rules.sip_uri import sip_uri_problem

TALK_SECONDS_MAXIMUM = 4 * 3600
ACCEPT_SECONDS = 40
"""Of several that ring at once: how long one that picked up may take over the whisper and the key."""
TOGETHER_MAXIMUM = 10

DECIDED_ON_LAST_KNOWN = "decided_on_last_known"
NOT_SOLD_UNKNOWN = "not_sold_lists_unknown"

UNKNOWN_NUMBER = "tollbridge/unknown-number"
NO_BUYER = "tollbridge/no-buyer"

_TREATMENTS: Mapping[str, tuple[str, str]] = {
    MESSAGE: ("message", NO_BUYER),
    VOICEMAIL: ("voicemail", "tollbridge/voicemail"),
    CALL_BACK: ("call-back", "tollbridge/call-back"),
    HOLD: ("hold", "tollbridge/hold"),
}
"""The dialplan's extension, and what is said when the campaign has no text of its own."""

IsThere = Callable[[str], bool]
"""Tells whether a rendered prompt is there, by its name."""


def decided_body(decision: Decision, *, attempt: int, decided_by: str, duration_us: int) -> dict[str, object]:
    """Return the journal's fields for a decision."""
    chosen = decision.chosen
    return {
        "sequence": attempt,
        "decided_by": decided_by,
        "target_id": None if chosen is None else chosen.target_id,
        "duration_us": duration_us,
        "decision": decision.to_json(),
        "rejections": [
            {"target_id": rejection.target_id, "code": str(rejection.code), "detail": rejection.detail}
            for rejection in decision.rejections
        ],
    }


def counted_names(decision: Decision) -> tuple[str, ...]:
    """Return what the journal counts of a decision: that it was made on what was known last, or sold nobody for it."""
    if decision.counts.not_sold:
        return (NOT_SOLD_UNKNOWN,)
    return (DECIDED_ON_LAST_KNOWN,) if decision.counts.not_known else ()


def ring_variables(
    snapshot: Snapshot,
    ringing: Sequence[Offer],
    is_there: IsThere,
    *,
    tags: Mapping[str, str],
    tried: tuple[int, ...],
) -> dict[str, str]:
    """Return the variables that make the dialplan ring the targets of `ringing`, all but TB_DONE."""
    offers = ringing[:TOGETHER_MAXIMUM]
    longest = max((offer.ring_timeout_seconds for offer in offers), default=0)
    legs = {
        # Two underscores: every channel made for this call gets it too.
        f"__{var.LEG}{place}": leg_text(
            offer, snapshot.targets[offer.target_id].sip_uri, snapshot.dialling, is_there
        )
        for place, offer in enumerate(offers, start=1)
    }
    return {
        **legs,
        var.RING_SECONDS: str(longest + ACCEPT_SECONDS if any(map(_is_told, offers)) else longest),
        var.MAX_SECONDS: str(min((talk_seconds(snapshot, offer) for offer in offers), default=0)),
        **kept_variables(tags, (*tried, *(offer.target_id for offer in offers))),
        var.LEGS: str(len(offers)),
    }


def talk_seconds(snapshot: Snapshot, offer: Offer) -> int:
    """Return how long the talk may last: abroad as long as room was taken for."""
    abroad = destination_rung(snapshot.targets[offer.target_id], offer.dial, snapshot.dialling)
    return TALK_SECONDS_MAXIMUM if abroad is None else LONGEST_TALK_SECONDS


def kept_variables(tags: Mapping[str, str], tried: tuple[int, ...]) -> dict[str, str]:
    """Return what the next step of the call has to know."""
    return {var.TRIED: dump_tried(tried), var.TAGS: dump_tags(tags)}


def _is_told(offer: Offer) -> bool:
    return offer.press_to_accept or offer.whisper_text is not None


def leg_text(offer: Offer, own_uri: str, rules: DiallingRules, is_there: IsThere) -> str:
    """Return one leg as the dialplan's [dial] takes it apart: target=where=seconds=press=recovery in ms=whisper."""
    whisper = "" if offer.whisper_text is None else prompt_name(offer.whisper_text)
    fields = (
        str(offer.target_id),
        dial_text(offer, own_uri, rules),
        str(offer.ring_timeout_seconds),
        "1" if offer.press_to_accept else "0",
        str((offer.recovery_seconds or 0) * 1000),
        f"prompts/{whisper}" if whisper and is_there(whisper) else "",
    )
    return "=".join(fields)


def dial_text(offer: Offer, own_uri: str, rules: DiallingRules) -> str:
    """Return what Dial rings: the target's own address, or where its bid wants this call.

    A bid's word comes from the internet. What `read_dial` would not take, or is not dialled, goes nowhere: the target's
    own address is rung. A host of the house is left to a target that lives there anyway, as an admin has said.
    """
    own = f"PJSIP/target-{offer.target_id}"
    if offer.dial is None:
        return own
    from router.domain.dial import DialProblem, dial_problem, read_dial  # noqa: PLC0415 (few calls need it)

    place = read_dial(offer.dial)
    if not isinstance(place, DialProblem) and dial_problem(place, rules) is not None:
        return own
    if isinstance(place, DialProblem):
        if sip_uri_problem(offer.dial) is not None or _host_of(offer.dial) != _host_of(own_uri):
            return own
        place = offer.dial
    return f"{own}/{place}" if place.startswith("sip:") else f"PJSIP/{place}@target-{offer.target_id}-out"


def _host_of(uri: str) -> str:
    return uri.partition("@")[2].partition(":")[0].lower()


def treatment_of(snapshot: Snapshot, campaign_id: int, *, holds: int, caller: str) -> NoBuyer | None:
    """Return what the campaign does with a caller whom nobody takes; None: what its flow says.

    One that cannot be read counts as none; one whose number is not known is not asked for a call back.
    """
    try:
        treatment = parse_no_buyer(snapshot.campaigns[campaign_id].no_buyer)
    except NoBuyerError:
        return None
    due = None if treatment is None else treatment.after(holds)
    return (
        NoBuyer(treatment=MESSAGE) if due is not None and due.treatment == CALL_BACK and not caller else due
    )


def treatment_variables(due: NoBuyer, is_there: IsThere) -> dict[str, str]:
    """Return the variables that make the dialplan do it, all but TB_DONE."""
    extension, said = _TREATMENTS[due.treatment]
    own = None if due.text is None else prompt_name(due.text)
    return {
        var.TREATMENT: extension,
        var.CLOSING_PROMPT: said if own is None or not is_there(own) else f"prompts/{own}",
        var.HOLD_SECONDS: str(due.every_seconds),
        var.RECORD_SECONDS: str(due.maximum_seconds),
    }
