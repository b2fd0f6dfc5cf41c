"""What a node's Asterisk and AGI process write of a call, without either: lines of the CEL file and of the journal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from agi.journal import CALL_MATCHED, DECIDED, day_file
from tests.market import CALLER, NUMBER, TRUNK, Market

START_MS = (int(time.time()) - 3600) * 1000
"""An hour ago, when most calls of the tests start: a call of yesterday whose end is missing would be stale."""


@dataclass(frozen=True, kw_only=True)
class CallStory:
    """One call: the IVR takes five seconds, the buyer rings for three, then they talk."""

    serial: int = 1
    node: str = "a"
    start_ms: int = START_MS
    caller: str = CALLER
    dialled: str = NUMBER
    target_id: int = 1
    # None: the buyer is busy.
    connected_ms: int | None = 100_000

    @property
    def linkedid(self) -> str:
        return f"{self.node}-{self.start_ms // 1000}.{self.serial}"

    @property
    def answered_ms(self) -> int:
        return self.start_ms + 8_000

    @property
    def ended_ms(self) -> int:
        return self.answered_ms + (self.connected_ms or 0)


def cel_line(
    event: str, at_ms: int, uniqueid: str, linkedid: str, channel: str = "", extra: str = "", *, us: int = 0
) -> str:
    """One line as asterisk_conf's mapping writes it; `extra` of a user event is its plain text."""
    if extra and not extra.startswith("{"):
        extra = json.dumps({"extra": extra}, separators=(",", ":"))
    time = f"{at_ms // 1000}.{at_ms % 1000:03d}{us:03d}"
    fields = (event, time, uniqueid, linkedid, channel, "Dial", "", "", extra)
    # A simulation writes millions: csv's writer made for each took a tenth of its time.
    return ",".join(f'"{field.replace(chr(34), chr(34) * 2)}"' for field in fields) + "\n"


def cel_lines(story: CallStory) -> list[str]:
    """Every line of a whole call, in Asterisk's order."""
    caller, buyer = story.linkedid, f"{story.node}-{story.start_ms // 1000}.{story.serial + 5000}"
    a, b = f"PJSIP/trunk-{TRUNK}-{story.serial:08x}", f"PJSIP/target-{story.target_id}-{story.serial:08x}"
    answered = "" if story.connected_ms is None else str(story.answered_ms)
    cause, status = (17, "BUSY") if story.connected_ms is None else (16, "ANSWER")
    leg = f"attempt=1 target={story.target_id} answered={answered} ended={story.ended_ms} cause={cause}"
    talk = [] if story.connected_ms is None else [("ANSWER", story.answered_ms, buyer, b, "")]
    rows = [
        ("CHAN_START", story.start_ms, caller, a, ""),
        (
            "CALL",
            story.start_ms + 1,
            caller,
            a,
            f"dialled={story.dialled} caller={story.caller} trunk={TRUNK}",
        ),
        ("ANSWER", story.start_ms + 10, caller, a, ""),
        ("STEP", story.start_ms + 5_000, caller, a, "step=inbound-call status=SUCCESS done=1"),
        ("CHAN_START", story.start_ms + 5_001, buyer, b, ""),
        *talk,
        ("LEG", story.ended_ms, buyer, b, leg),
        (
            "HANGUP",
            story.ended_ms + 2,
            buyer,
            b,
            f'{{"hangupcause":{cause},"hangupsource":"","dialstatus":""}}',
        ),
        ("CHAN_END", story.ended_ms + 2, buyer, b, ""),
        ("DIALEND", story.ended_ms + 3, caller, a, f"attempt=1 status={status}"),
        ("HANGUP", story.ended_ms + 4, caller, a, '{"hangupcause":16,"hangupsource":"","dialstatus":""}'),
        ("CHAN_END", story.ended_ms + 5, caller, a, ""),
        ("LINKEDID_END", story.ended_ms + 5, caller, a, ""),
    ]
    return [cel_line(event, at, uid, caller, channel, extra) for event, at, uid, channel, extra in rows]


def with_clock(lines: list[str], *, set_after: int, by_ms: int) -> list[str]:
    """Return the lines as they are when the wall clock is set by so much after the line of this place."""
    found = []
    for place, line in enumerate(lines):
        moved_ms = by_ms if place > set_after else 0
        event, at, rest = line.rstrip("\n").split(",", 2)
        seconds, micros = at.strip('"').split(".")
        moment_us = (int(seconds) * 1000 + moved_ms) * 1000 + int(micros)
        rest = re.sub(r"(?<=ended=)[0-9]+", lambda ended: str(int(ended[0]) + moved_ms), rest)  # noqa: B023
        at = f'"{moment_us // 1_000_000}.{moment_us % 1_000_000:06d}"'
        found.append(f'{event},{at},{rest},"1 {1_700_000_000_000 + moved_ms}"\n')
    return found


def journal_lines(story: CallStory, market: Market) -> list[str]:
    """What the AGI process writes of the call."""
    matched = {
        "kind": CALL_MATCHED,
        "tracking_number_id": market.number,
        "campaign_id": market.campaign,
        "publisher_id": market.publisher,
        "flow_name": "mortgage",
        "flow_version": 1,
    }
    decided = {
        "kind": DECIDED,
        "sequence": 1,
        "decided_by": "router",
        "target_id": story.target_id,
        "duration_us": 900,
        "decision": {"chosen": story.target_id},
        "rejections": [{"target_id": market.targets[1], "code": "closed", "detail": "opens at 08:00"}],
    }
    head = {"linkedid": story.linkedid, "at_ms": story.start_ms + 20}
    return [json.dumps({**body, **head}) + "\n" for body in (matched, decided)]


class NodeFiles:
    """The two files of a node in a test's folder, written as Asterisk and the AGI process do: by appending."""

    def __init__(self, folder: Path) -> None:
        self.cel = folder / "cel" / "Master.csv"
        self.journal = folder / "journal"
        self.cel.parent.mkdir(parents=True)
        self.journal.mkdir(parents=True)

    def write_cel(self, *lines: str | bytes) -> None:
        self._append(self.cel, lines)

    def write_journal(self, *lines: str | bytes) -> None:
        self._append(day_file(self.journal, START_MS), lines)

    def write_call(self, story: CallStory, market: Market) -> None:
        lines = cel_lines(story)
        self.write_cel(*lines[:3])
        self.write_journal(*journal_lines(story, market))
        self.write_cel(*lines[3:])

    @staticmethod
    def _append(path: Path, lines: tuple[str | bytes, ...]) -> None:
        with path.open("ab") as file:
            for line in lines:
                file.write(line if isinstance(line, bytes) else line.encode())
