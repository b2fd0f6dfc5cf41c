"""What a call goes on with when its flow is done: what the caller said, and what a publisher told of it before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from agi.call import InboundCall, load_tags
from agi.channel import COMMAND_BYTES_MAXIMUM, Channel
from agi.channel_variables import TAGS
from agi.fastagi import Connection
from agi.inbound_call import progress_of
from agi.offer import Progress
from agi.offered import kept_variables
from ivr_flows.nodes.node import Session
from router.domain.decision import Reserved
from router.domain.hops import HOPS_TAG, hops_problem
from router.inbound_arrival import Claim
from rules.call_tags import TAGS_BYTES_MAXIMUM, bytes_of
from tests.agi.test_channel import Script
from web.rtb.shapes import PingProblem, read_tags

CALL = InboundCall(linkedid="a.1", dialled="+18005550100", caller="+12125550123")
MARKET: Any = SimpleNamespace(
    area_codes={"212": ("NY",), "671": ("NY", "NJ", "CT", "PA", "MA")}, zip_codes={"941": "CA"}
)

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200) | st.sampled_from(
    ["x" * 200, '"' * 200, "\\" * 200, "\N{PILE OF POO}" * 200, "é" * 190]
)


def test_a_ping_of_950_bytes_and_500_from_the_flow_are_one_call() -> None:
    told = read_tags({f"answer_{number}": "x" * 90 for number in range(9)} | {"state": "CA"})
    assert not isinstance(told, PingProblem), told
    said = {f"said_{number}": "y" * 112 for number in range(4)}
    assert (bytes_of(told), bytes_of(said)) == (950, 497)
    progress, left_out = _progress(told, said)
    assert progress.tags == {**told, **said, "state_source": "stated"} and not left_out
    assert load_tags(kept_variables(progress.tags, ())[TAGS]) == progress.tags


def test_where_both_are_too_much_what_the_caller_said_goes_first() -> None:
    told = {f"answer_{number}": "x" * 150 for number in range(6)} | {"said_0": "z"}
    said = {f"said_{number}": "y" * 140 for number in range(7)}
    progress, left_out = _progress(told, said)
    assert said.items() <= progress.tags.items()
    assert left_out == ("answer_2", "answer_3", "answer_4", "answer_5")
    assert load_tags(kept_variables(progress.tags, ())[TAGS]) == progress.tags


def test_the_state_and_the_houses_a_call_came_through_are_never_left_out() -> None:
    full = {f"said_{number}": "y" * 190 for number in range(5)} | {"said_5": "y" * 140}
    hops = ",".join("h" * 64 for _ in range(3))
    progress, left_out = _progress({"zip": "94105", HOPS_TAG: hops, "rest": "z" * 200}, full)
    assert progress.tags["state"] == "CA" and progress.tags[HOPS_TAG] == hops
    assert full.items() <= progress.tags.items()
    assert left_out == ("rest",), "only what the publisher told beside it has no room"


@given(
    asked=st.dictionaries(NAMES, VALUES, max_size=30),
    hops=st.lists(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True) | st.just("h" * 64), max_size=4),
    said=st.dictionaries(NAMES, VALUES, max_size=30),
    caller=st.sampled_from(["", "+12125550123", "+16715550123"]),
)
async def test_whatever_tags_come_in_the_next_step_is_told_all_that_is_kept(
    asked: dict[str, str], hops: list[str], said: dict[str, str], caller: str
) -> None:
    told = read_tags(asked)
    if isinstance(told, PingProblem) or hops_problem(hops, "here"):
        told, hops = {}, []
    session = Session(node="end")
    for tag, value in said.items():
        if session.has_room_for(tag, value):
            session = session.with_tag(tag, value)
    progress, left_out = _progress(
        told | ({HOPS_TAG: ",".join(hops)} if hops else {}), dict(session.tags), caller
    )
    assert bytes_of(progress.tags) <= TAGS_BYTES_MAXIMUM
    assert {name for name in session.tags if not name.startswith("state")} <= progress.tags.keys()
    assert set(left_out) <= told.keys()

    variables = kept_variables(progress.tags, tuple(range(300)))
    assert load_tags(variables[TAGS]) == progress.tags
    script = Script()
    await Channel(cast(Connection, script)).set_variables({"__TB_LEG_1": "x" * 500, **variables})
    assert all(len(line) <= COMMAND_BYTES_MAXIMUM for line in script.sent)


def _progress(
    told: dict[str, str], said: dict[str, str], caller: str = CALL.caller
) -> tuple[Progress, tuple[str, ...]]:
    claim = Claim(reserved=cast(Reserved, None), tags=told, hops=(), reservation_id=UUID(int=1))
    call = InboundCall(linkedid=CALL.linkedid, dialled=CALL.dialled, caller=caller)
    return progress_of(Session(node="end", tags=said), claim, call, MARKET)
