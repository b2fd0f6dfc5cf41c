"""What an AGI step knows of the call it serves, read from and written to the channel alone.

A step keeps nothing between calls to it: any process of any node may serve the next step.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from rules.call_tags import fit_together, written
from rules.telephone import known_number


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundCall:
    """The caller's side. `caller` is E.164 or '' when withheld; `dialled` is E.164 as far as it can be told."""

    linkedid: str
    dialled: str
    caller: str


def e164_of(number: str) -> str:
    """Return a number that was dialled as E.164, '' when it is none."""
    return known_number(number) or ""


def caller_of(number: str) -> str:
    """Return the caller's number as E.164, '' when it is withheld or no number."""
    return known_number(number) or ""


def dump_tags(tags: Mapping[str, str]) -> str:
    """Return the tags as base64url JSON, safe in a channel variable. Never raises: a call's room is taken by then.

    Tags are bounded where they come in; should there be too many all the same, the last go.
    """
    return base64.urlsafe_b64encode(written(fit_together(tags)[0])).decode()


def load_tags(text: str) -> dict[str, str]:
    """Return the tags of `dump_tags`; {} for anything else."""
    try:
        tags = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (binascii.Error, ValueError):
        return {}
    return {str(k): str(v) for k, v in tags.items()} if isinstance(tags, dict) else {}


def dump_tried(tried: tuple[int, ...]) -> str:
    return "-".join(map(str, tried))


def load_tried(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-") if part.isdigit())
