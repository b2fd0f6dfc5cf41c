"""Calls that the survival script sells, run as Asterisk runs it while all services of the node are gone."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Mapping

from agi.call import dump_tags
from store.call_id import call_id_of
from tests.adversaries.contracts import PUBLISHERS
from tests.adversaries.events import CallSeen
from tests.adversaries.house import NODE, House, OpenCall
from tests.adversaries.rings import ring_problems
from tests.adversaries.telephone import Line

_GET = re.compile(r"GET (?:FULL )?VARIABLE (\S+)")
_SET = re.compile(r'SET VARIABLE "?(\S+?)"? "?(.*?)"?$')
_GROUP = re.compile(r"\$\{GROUP_COUNT\(target-([0-9]+)@targets\)\}")


async def call_by_script(house: House, publisher: str, caller: str, said: Mapping[str, str]) -> CallSeen:
    """A caller dials the publisher's number and has answered the questions; return who rings."""
    line = Line(
        serial=next(house.serial),
        node=NODE,
        start_ms=time.time_ns() // 1_000_000,
        caller=caller,
        dialled=next(one.number for one in PUBLISHERS if one.name == publisher),
    )
    house.files.write_cel(*line.begins())
    given = {
        "TB_DIALLED": line.dialled,
        "TB_CALLER": caller,
        "TB_ATTEMPT": "1",
        "TB_TAGS": dump_tags(said),
        **{f"target-{target}": str(count) for target, count in house.legs_in_use().items()},
    }
    legs = await _run(house, line, given)
    line.targets = tuple(int(leg.split("=")[0]) for leg in legs)
    house.files.write_cel(*line.rings())
    seen = CallSeen(
        call_id=call_id_of(line.linkedid),
        number=len(house.happened.calls) + 1,
        publisher=publisher,
        caller=caller,
        facts=dict(said),
        rung=tuple(map(house.ids.buyer_of_target, line.targets)),
        places=tuple(house.snapshot.current.targets[target].sip_uri for target in line.targets),
        carrier_rate_micros=house.carrier_rate_micros,
        fell_back=True,
    )
    house.happened.calls[seen.call_id] = seen
    house.open[seen.call_id] = OpenCall(seen=seen, line=line)
    house.problems.extend(ring_problems(house.happened, seen, ()))
    return seen


async def _run(house: House, line: Line, given: Mapping[str, str]) -> list[str]:
    """Run the script for one call; return the legs that it has dialled."""
    folders = (house.folder / "market.json", house.files.journal, house.folder)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agi.survival", *map(str, folders), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"agi_request: survival\nagi_uniqueid: {line.linkedid}\n\n".encode())
    variables: dict[str, str] = {}
    while said := (await process.stdout.readline()).decode().strip():
        asked, put = _GET.match(said), _SET.match(said)
        value = given.get(_name_in(asked[1]), "") if asked else ""
        if put:
            variables[put[1]] = put[2]
        process.stdin.write(f"200 result=1 ({value})\n".encode())
    await process.wait()
    assert variables.get("TB_DONE") == "1", variables
    return [text for name, text in sorted(variables.items()) if name.startswith("__TB_LEG_")]


def _name_in(asked: str) -> str:
    """Return the name of a variable, or of the target whose calls are counted."""
    plain = asked.strip('"')
    group = _GROUP.fullmatch(plain)
    return f"target-{group[1]}" if group else plain.removeprefix("${").removesuffix("}")
