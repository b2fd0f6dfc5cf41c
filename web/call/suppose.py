"""A call's decisions made again: as they were, and as they would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from router.domain.what_if import Rule
from router.replay import Supposed
from router.replay_call import NotSupposed, suppose_for_call
from web.call.queries import read_target_names

RULES: Mapping[Rule, str] = {
    Rule.SCHEDULE: "its hours",
    Rule.CAPS: "its caps",
    Rule.LICENCES: "its licences",
    Rule.WALLET: "its wallet",
    Rule.SWITCHED_OFF: "being switched off",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Who would have had the call. `target_id` is the one that was let off; `reason` why it still would not have it."""

    target_id: int
    target: str
    rules: Sequence[Rule]
    chosen_id: int | None
    chosen: str | None
    reason: str
    unasked_stages: int

    @property
    def gets_it(self) -> bool:
        return self.chosen_id == self.target_id


async def what_if(
    engine: AsyncEngine, call_id: UUID, sequence: int, target_id: int, rules: Sequence[Rule]
) -> Outcome | NotSupposed:
    supposed = await suppose_for_call(engine, call_id, sequence, target_id, frozenset(rules))
    if isinstance(supposed, NotSupposed):
        return supposed
    chosen = supposed.decision.chosen
    ids = [target_id] if chosen is None else [target_id, chosen.target_id]
    async with engine.connect() as connection:
        names = await read_target_names(connection, ids)
    return Outcome(
        target_id=target_id,
        target=names.get(target_id, f"Target {target_id}"),
        rules=rules,
        chosen_id=None if chosen is None else chosen.target_id,
        chosen=None if chosen is None else names.get(chosen.target_id, f"Target {chosen.target_id}"),
        reason=_reason(supposed, target_id),
        unasked_stages=len(supposed.unasked),
    )


def _reason(supposed: Supposed, target_id: int) -> str:
    for rejection in supposed.decision.rejections:
        if rejection.target_id == target_id:
            code = rejection.code.value.replace("_", " ")
            return f"{code}: {rejection.detail}" if rejection.detail else code
    return ""


def read_rules(names: Sequence[str]) -> list[Rule]:
    """Return the rules of these names, each once, in their order; what is none is left out."""
    return [rule for rule in Rule if rule.value in names]
