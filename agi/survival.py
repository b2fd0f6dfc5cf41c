"""The local AGI script that sells the call when our services are down, frozen or broken.

Asterisk starts it for one call (agi-bin/survival). It needs no network and no database: the last snapshot file, what
was known last of callers, wallets and caps, the channel's own variables, and Asterisk's count of the legs in use. What
the caller has answered so far is on the channel (TB_TAGS); the state falls back to the area code. Imports are few,
because the caller waits for them.

pyst2 speaks AGI here (FACTS 4): it wants a script's main thread, which this is.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from asterisk.agi import AGI, AGIException

from agi import channel_variables as var
from agi import journal
from agi.call import InboundCall, caller_of, e164_of, load_tags, load_tried
from agi.offered import (
    NO_BUYER,
    UNKNOWN_NUMBER,
    counted_names,
    decided_body,
    kept_variables,
    ring_variables,
    treatment_of,
    treatment_variables,
)
from router.domain.abroad import nothing_abroad
from router.domain.caller_facts import with_caller_state
from router.domain.decide import decide_unasked
from router.domain.decision import Decision, RouteRequest
from router.domain.last_known import rung_of
from router.domain.licences import need_of
from router.domain.market import Campaign, Snapshot, TrackingNumber
from router.last_known_file import append_rung, one_at_a_time, read_last_known, rung_is_full, rung_path
from router.rung_sums import rung_for
from router.snapshot_file import read_snapshot_for
from store.call_id import call_id_of, started_at_of


class Files(NamedTuple):
    """Where it reads and writes."""

    snapshot_file: Path
    journal_dir: Path
    prompts_dir: Path


def main(snapshot_file: str, journal_dir: str, prompts_dir: str) -> None:
    """Serve one call. Leaves TB_DONE unset when nothing can be decided; the dialplan then says so to the caller."""
    began_ns = time.perf_counter_ns()
    gc.disable()  # the process ends with this call: looking for what could be forgotten only costs time
    with open(os.devnull, "w") as silence:
        agi = AGI(stderr=silence)
        call = _read_call(agi)
        told = load_tags(_whole(agi, var.TAGS))
        snapshot = read_snapshot_for(
            snapshot_file,
            call.dialled,
            lambda area_codes, zip_codes: (
                need_of(with_caller_state(told, call.caller, area_codes, zip_codes)).states
            ),
        )
        number = snapshot.numbers.get(call.dialled)
        files = Files(Path(snapshot_file), Path(journal_dir), Path(prompts_dir))
        facts = journal.Journal(files.journal_dir)
        if number is None or not number.enabled:
            agi.set_variable(var.CLOSING_PROMPT, UNKNOWN_NUMBER)
        else:
            _offer(agi, snapshot, call, number, facts, began_ns, files)
        agi.set_variable(var.DONE, "1")


def _whole(agi: AGI, name: str) -> str:
    """Return a variable that may be long: GET VARIABLE gives 1,023 characters (res_agi.c, handle_getvariable)."""
    return str(agi.get_full_variable(f"${{{name}}}"))


def _read_call(agi: AGI) -> InboundCall:
    return InboundCall(
        linkedid=agi.env["agi_uniqueid"],
        dialled=e164_of(agi.get_variable(var.DIALLED)),
        caller=caller_of(agi.get_variable(var.CALLER)),
    )


def _offer(
    agi: AGI,
    snapshot: Snapshot,
    call: InboundCall,
    number: TrackingNumber,
    facts: journal.Journal,
    began_ns: int,
    files: Files,
) -> None:
    told = load_tags(_whole(agi, var.TAGS))
    tags = with_caller_state(told, call.caller, snapshot.area_codes, snapshot.zip_codes)
    holding = agi.get_variable(var.HOLDING) == "1"
    tried = () if holding else load_tried(_whole(agi, var.TRIED))
    attempt = int(agi.get_variable(var.ATTEMPT) or 1)
    with one_at_a_time(rung_path(files.journal_dir)):
        decision = _decide(agi, snapshot, call, number, tags, tried, attempt, files)
    duration_us = (time.perf_counter_ns() - began_ns) // 1000
    _write_facts(facts, snapshot, call, number, tags)
    facts.write(
        journal.DECIDED,
        call.linkedid,
        decided_body(decision, attempt=attempt, decided_by="survival", duration_us=duration_us),
    )
    for name in counted_names(decision):
        facts.write(journal.COUNTED, "", {"name": name})
    for name, value in _variables(agi, snapshot, call, decision, files.prompts_dir).items():
        agi.set_variable(name, value)


def _variables(
    agi: AGI, snapshot: Snapshot, call: InboundCall, decision: Decision, prompts_dir: Path
) -> dict[str, str]:
    tags, tried = decision.request.tags, decision.request.tried

    def is_there(prompt: str) -> bool:
        return (prompts_dir / f"{prompt}.wav").is_file()

    if decision.chosen is not None:
        ringing = (decision.chosen, *decision.together)
        return ring_variables(snapshot, ringing, is_there, tags=tags, tried=tried)
    holds = int(agi.get_variable(var.HOLDS) or 0)
    due = treatment_of(snapshot, decision.request.campaign_id, holds=holds, caller=call.caller)
    if due is None:
        return {var.CLOSING_PROMPT: NO_BUYER}
    return {**treatment_variables(due, is_there), **kept_variables(tags, tried)}


def _decide(
    agi: AGI,
    snapshot: Snapshot,
    call: InboundCall,
    number: TrackingNumber,
    tags: Mapping[str, str],
    tried: tuple[int, ...],
    attempt: int,
    files: Files,
) -> Decision:
    """Decide on what was known last, and on what was rung since."""
    rung_file = rung_path(files.journal_dir)
    # In this order: the worker forgets what was rung once it is among what is known.
    rung = rung_for(rung_file, str(call_id_of(call.linkedid)), call.caller or None)
    known = read_last_known(files.snapshot_file)
    campaign = snapshot.campaigns[number.campaign_id]
    request = RouteRequest(
        call_id=str(call_id_of(call.linkedid)),
        campaign_id=campaign.id,
        publisher_id=number.publisher_id,
        dialled=call.dialled,
        caller=call.caller or None,
        tags=tags,
        tried=tried,
        now=datetime.now(UTC),
        started_at=started_at_of(call.linkedid),
    )
    known.rung = rung
    known.rung_is_full = rung_is_full(rung_file)
    now_ms = time.time_ns() // 1_000_000
    counts = nothing_abroad(snapshot, known.counts(snapshot, request, _legs_in_use(agi, campaign), now_ms))
    decision = decide_unasked(snapshot, request, counts)
    if decision.chosen is not None:
        ringing = (decision.chosen, *decision.together)
        with suppress(OSError):  # a full disk keeps nobody from being sold
            append_rung(rung_file, rung_of(snapshot, request, ringing, attempt, now_ms))
    return decision


def _legs_in_use(agi: AGI, campaign: Campaign) -> dict[int, int]:
    """Ask Asterisk itself: the dialplan puts every leg into the group of its target."""
    used: dict[int, int] = {}
    for target_id in {entry.target_id for stage in campaign.stages for entry in stage.entries}:
        count = agi.get_full_variable(f"${{GROUP_COUNT(target-{target_id}@targets)}}")
        used[target_id] = int(count) if count.isdigit() else 0
    return used


def _write_facts(
    facts: journal.Journal,
    snapshot: Snapshot,
    call: InboundCall,
    number: TrackingNumber,
    tags: Mapping[str, str],
) -> None:
    flow_name = snapshot.campaigns[number.campaign_id].flow_name
    facts.write(
        journal.CALL_MATCHED,
        call.linkedid,
        {
            "tracking_number_id": number.id,
            "campaign_id": number.campaign_id,
            "publisher_id": number.publisher_id,
            "flow_name": flow_name,
            "flow_version": snapshot.flows[flow_name].version,
        },
    )
    facts.write(journal.TAGGED, call.linkedid, {"tags": dict(tags)})


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3])
    except (OSError, ValueError, KeyError, AGIException) as error:
        # Asterisk logs what an AGI script writes to stderr; the dialplan sees that TB_DONE is missing.
        sys.exit(f"survival: {error!r}")
