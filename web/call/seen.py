"""What of a call's facts a viewer may see: callers' numbers, wherever they are among them. Pure."""

from __future__ import annotations

from dataclasses import replace

from web.call.facts import Answer, CallFacts, Decision
from web.visibility import Field, Viewer


def seen_facts(facts: CallFacts, viewer: Viewer) -> CallFacts:
    """Return a call as this viewer may see it. What was dialled is a number of ours and stays."""
    if viewer.sees(Field.WHOLE_CALLER):
        return facts
    call = replace(
        facts.call,
        caller=viewer.caller(facts.call.caller),
        tags=viewer.words(facts.call.tags),
        conversion=viewer.words(facts.call.conversion),
        evidence=viewer.words(facts.call.evidence),
    )
    return replace(
        facts,
        call=call,
        answers=tuple(_answer(one, viewer) for one in facts.answers),
        decisions=tuple(_decision(one, viewer) for one in facts.decisions),
        happened=tuple(replace(one, detail=viewer.words(one.detail)) for one in facts.happened),
        bids=tuple(replace(one, detail=viewer.words(one.detail)) for one in facts.bids),
    )


def _answer(answer: Answer, viewer: Viewer) -> Answer:
    value, heard = viewer.words(answer.value), viewer.words(answer.heard)
    # A number that was spoken is heard in words.
    return replace(answer, value=value, heard=heard if value == answer.value else "")


def _decision(decision: Decision, viewer: Viewer) -> Decision:
    rejections = tuple(replace(one, detail=viewer.words(one.detail)) for one in decision.rejections)
    return replace(decision, decision=viewer.words(decision.decision), rejections=rejections)
