"""What callers may say or press at every question, and what a flow settles about it.

    "commands": {"keys": {"0": "operator", "*": "repeat"},
                 "operator": "desk",
                 "stop_calling": {"then": "go_on", "text": "We will not call you."}}

All of it may be left out. Without an `operator` node, the operator is the flow's first route: somebody who takes the
call as it is known by then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ivr_flows import grammars
from ivr_flows.events import Command
from ivr_flows.nodes.do_not_call import CONFIRMATION
from ivr_flows.nodes.fields import ChoiceField, MapField, ObjectField, PromptField, TextField
from ivr_flows.resumes import Heard, HeardOutcome

REPEATS_MAXIMUM = 3
"""How often one question is repeated on demand; after that it counts as not answered."""
NOT_RECORDED = "This call is not recorded."
DEFAULT_KEYS: Mapping[str, str] = {"0": "operator", "*": "repeat"}

COMMANDS_FIELD = ObjectField(
    title="At every question",
    default={},
    fields={
        "keys": MapField(
            title="Keys",
            help="Key -> what it does, where the question itself does not use it.",
            names=re.compile(r"[0-9*]"),
            names_help="a key: 0 to 9 or *",
            values=ChoiceField(title="Does", choices=lambda: tuple(Command)),
            default=dict(DEFAULT_KEYS),
        ),
        "operator": TextField(
            title="Operator", help="A node; empty: the first route.", default="", maximum=60
        ),
        "stop_calling": ObjectField(
            title="Stop calling me",
            default={},
            fields={
                "then": ChoiceField(title="Then", choices=lambda: ("hang_up", "go_on"), default="hang_up"),
                "text": PromptField(title="Confirmation", default=CONFIRMATION),
            },
        ),
    },
)


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What a flow settles about commands."""

    keys: Mapping[str, Command] = field(
        default_factory=lambda: {k: Command(c) for k, c in DEFAULT_KEYS.items()}
    )
    operator: str = ""
    stop_calling_then: str = "hang_up"
    stop_calling_text: str = CONFIRMATION

    def of_key(self, digits: str) -> Command | None:
        return self.keys.get(digits)


def parse_commands(value: object) -> Commands:
    """Read a flow's `commands`. Raises ValueError with a sentence."""
    read: dict[str, Any] = COMMANDS_FIELD.read("commands", value)
    return Commands(
        keys={key: Command(command) for key, command in read["keys"].items()},
        operator=read["operator"],
        stop_calling_then=read["stop_calling"]["then"],
        stop_calling_text=read["stop_calling"]["text"],
    )


def spoken_command(heard: Heard) -> Command | None:
    """Return the command that was said clearly: named by the recogniser, or as a grammar's value."""
    if heard.command is not None:
        return heard.command
    if heard.outcome is HeardOutcome.ACCEPTED and heard.value in grammars.RESERVED:
        return Command(heard.value)
    return None
