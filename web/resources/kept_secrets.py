"""Where the secrets of a row go is an admin's to change, and a kept one goes nowhere that it was not entered for.

Who sends a secret to a host of their own reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.buyers.kept_secrets import MASK, has_mask
from web.api.operation import FieldProblem, Problem, refused
from web.audit import Actor
from web.keys import Role
from web.resources.resource import Resource

_AGAIN = "it was entered for another address or dialect: type it again"


def problem_of_move(
    resource: Resource, actor: Actor, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Problem | None:
    """Return why a change must not be made: it would send kept secrets elsewhere. `after`: as it was sent, masked."""
    if resource.secrets_go_to is None or not _keeps_secrets(resource, before):
        return None
    if resource.secrets_go_to(after) <= resource.secrets_go_to(before):
        return None
    if actor.user is not None and actor.user.role is not Role.ADMIN:
        return Problem(
            status=403,
            title="Not yours",
            detail=f"only an admin changes where a kept secret goes: of this {resource.one}",
        )
    if resource.secrets_bound_to is None or resource.secrets_bound_to(after) <= resource.secrets_bound_to(
        before
    ):
        return None
    kept = [name for name in sorted(resource.secrets) if before.get(name) and after.get(name) is None]
    masked = [name for name, value in after.items() if isinstance(value, dict) and has_mask(value)]
    fields = [FieldProblem(field=name, problem=_AGAIN) for name in kept]
    fields += [FieldProblem(field=name, problem=f"what {MASK} stands for: {_AGAIN}") for name in masked]
    return refused(*fields) if fields else None


def _keeps_secrets(resource: Resource, values: Mapping[str, Any]) -> bool:
    is_hidden = resource.hide is not None and resource.hide(values) != values
    return is_hidden or any(values.get(name) for name in resource.secrets)
