"""A test call that somebody asks for: checked, stored and noted; the worker of a node places it.

Only our own numbers are dialled. The pages speak to no switch: they write a row, and read what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from rules.masking import masked_number
from rules.telephone import known_number
from web.api.operation import FieldProblem
from web.audit import Actor, write_audit
from web.test_calls import queries

TURNS_MAXIMUM = 8
WORDS_CHARACTERS_MAXIMUM = 200
WAITING_MAXIMUM = 5
DEFAULT_CALLER = "+16145550123"
_KEYS = re.compile(r"[0-9*#A-D]{1,20}")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which number, as whom, and what the caller says and presses: one turn each, words first."""

    dialled: str
    caller: str = DEFAULT_CALLER
    says: Sequence[str] = ()
    presses: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """It will be placed within a second or so, while a node runs."""

    test_call_id: int


@dataclass(frozen=True, kw_only=True)
class TooMany:
    """So many wait already that another would not be placed in time."""


def problems_of(wanted: Wanted) -> Sequence[FieldProblem]:
    """Return what cannot be right. Whether the number is one of ours is the database's to say."""
    found = []
    if wanted.caller and known_number(wanted.caller) != wanted.caller:
        found.append(FieldProblem(field="caller", problem="write it as +16145550123, or leave it empty"))
    if len(wanted.says) + len(wanted.presses) > TURNS_MAXIMUM:
        found.append(FieldProblem(field="says", problem=f"at most {TURNS_MAXIMUM} turns are taken"))
    if not all(_can_be_said(words) for words in wanted.says):
        problem = f"words in plain letters, a line a turn, {WORDS_CHARACTERS_MAXIMUM} characters at most"
        found.append(FieldProblem(field="says", problem=problem))
    if not all(_KEYS.fullmatch(keys) for keys in wanted.presses):
        found.append(FieldProblem(field="presses", problem="keys are 0 to 9, *, # and A to D, a line a turn"))
    return found


def _can_be_said(words: str) -> bool:
    letters = any(character.isalnum() for character in words)
    return letters and words.isprintable() and len(words) <= WORDS_CHARACTERS_MAXIMUM


async def order(
    engine: AsyncEngine, actor: Actor, wanted: Wanted
) -> Ordered | TooMany | Sequence[FieldProblem]:
    """Store a test call and note who wants it."""
    if problems := problems_of(wanted):
        return problems
    async with engine.begin() as connection:
        number_id = await queries.number_in_use(connection, wanted.dialled)
        if number_id is None:
            return (FieldProblem(field="dialled", problem="this is none of your tracking numbers in use"),)
        if await queries.waiting(connection) >= WAITING_MAXIMUM:
            return TooMany()
        user_id = None if actor.user is None else actor.user.user_id
        test_call_id = await queries.insert_order(connection, wanted, user_id=user_id, asked_by=actor.label)
        after = {
            "caller": masked_number(wanted.caller or None) or "",
            "says": list(wanted.says),
            "presses": list(wanted.presses),
            "test_call": test_call_id,
        }
        await write_audit(connection, actor, action="test_call", kind="numbers", ref=number_id, after=after)
    return Ordered(test_call_id=test_call_id)
