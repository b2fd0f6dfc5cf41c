"""The same caller again: what counts as a duplicate, and what becomes of it.

A campaign's policy:

    {"window_seconds": 2592000, "scope": "buyer", "after": "connect", "action": "other_target"}

An earlier call counts when it began less than the window ago (rolling) and got as far as `after` says: a target was
tried (attempt), somebody talked (connect), or the call met its terms (convert). `scope` says whose earlier calls a
target is judged by: its campaign's, its buyer's, its own, or those of its groups' targets. `action`:

    refuse          nobody in the scope gets the caller again
    other_target    within a campaign, not the targets that had the caller; in the other scopes as refuse
    same_target     the target that had the caller last goes first, if it may take the call at all
    route_unbilled  routed as any call, and not billed

A caller without a number is never a duplicate: nobody can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from router.domain.counts import EarlierCall

MAXIMUM_WINDOW_SECONDS = 366 * 86_400

SCOPES = ("campaign", "buyer", "target", "group")
AFTER = ("attempt", "connect", "convert")
ACTIONS = ("other_target", "same_target", "refuse", "route_unbilled")

_DONE = {"attempt": "tried", "connect": "connected", "convert": "converted"}
_KEYS = ("window_seconds", "scope", "after", "action")


class DuplicatePolicyError(ValueError):
    """A policy that cannot be right. `problems` names each place and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicatePolicy:
    """What a campaign does with a caller it knows. Made by `parse_duplicate_policy`, which checks it."""

    window_seconds: int
    scope: str
    after: str
    action: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """A caller's earlier calls that count for one call of a campaign."""

    policy: DuplicatePolicy
    campaign_id: int
    calls: tuple[EarlierCall, ...]
    """Newest first. In the scope of a campaign, of that campaign only."""


def parse_duplicate_policy(value: object) -> DuplicatePolicy:
    """Read a policy from its JSON. Raises DuplicatePolicyError with every problem and its place."""
    if not isinstance(value, Mapping):
        raise DuplicatePolicyError([f"a duplicate policy is an object with {', '.join(_KEYS)}"])
    problems = [f"{key}: not known" for key in value if key not in _KEYS]
    window = value.get("window_seconds")
    if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= MAXIMUM_WINDOW_SECONDS:
        problems.append(f"window_seconds: {window!r:.80} is not 1 to {MAXIMUM_WINDOW_SECONDS} seconds")
    for key, known in (("scope", SCOPES), ("after", AFTER), ("action", ACTIONS)):
        if value.get(key) not in known:
            problems.append(f"{key}: {value.get(key)!r:.80} is not one of {', '.join(known)}")
    if problems:
        raise DuplicatePolicyError(problems)
    return DuplicatePolicy(**{str(key): value[key] for key in _KEYS})


def find_duplicates(
    policy: DuplicatePolicy | None, campaign_id: int, earlier: Iterable[EarlierCall], now: datetime
) -> Duplicates | None:
    """Return the earlier calls that count, newest first; None when there is no policy or none counts."""
    if policy is None:
        return None
    window = timedelta(seconds=policy.window_seconds)
    counted = [
        call
        for call in earlier
        if abs(now - call.started_at) < window
        and _got_as_far(call, policy.after)
        and (policy.scope != "campaign" or call.campaign_id == campaign_id)
    ]
    if not counted:
        return None
    newest_first = sorted(counted, key=lambda call: call.started_at, reverse=True)
    return Duplicates(policy=policy, campaign_id=campaign_id, calls=tuple(newest_first))


def duplicate_for(
    found: Duplicates, target_id: int, buyer_id: int, fellows: Collection[int] = ()
) -> EarlierCall | None:
    """Return the newest earlier call that makes this one a duplicate for a target; None when none does.

    `fellows` are the targets that share a group with it.
    """
    scope = found.policy.scope
    if scope == "campaign":
        return found.calls[0]
    for call in found.calls:
        if (
            (scope == "target" and call.target_id == target_id)
            or (scope == "buyer" and call.buyer_id == buyer_id)
            or (scope == "group" and (call.target_id == target_id or call.target_id in fellows))
        ):
            return call
    return None


def refused_as_duplicate(
    found: Duplicates, target_id: int, buyer_id: int, fellows: Collection[int] = ()
) -> str | None:
    """Return why a target does not get this caller again, for people; None when it may."""
    action = found.policy.action
    if action not in ("refuse", "other_target"):
        return None
    call = duplicate_for(found, target_id, buyer_id, fellows)
    if action == "other_target" and found.policy.scope == "campaign":
        call = next((one for one in found.calls if one.target_id == target_id), None)
    return None if call is None else describe(found, call)


def pays_nothing(found: Duplicates, target_id: int, buyer_id: int, fellows: Collection[int] = ()) -> bool:
    """Say whether a target gets this caller again for nothing."""
    if found.policy.action != "route_unbilled":
        return False
    return duplicate_for(found, target_id, buyer_id, fellows) is not None


def target_to_have_it_again(found: Duplicates | None) -> int | None:
    """Return the target that goes first, if it may take the call at all; None when no policy says so."""
    if found is None or found.policy.action != "same_target":
        return None
    return found.calls[0].target_id


def describe(found: Duplicates, call: EarlierCall) -> str:
    """Write for people which call this one repeats."""
    at = f"{call.started_at:%Y-%m-%d %H:%M} UTC"
    window = spell_window(found.policy.window_seconds)
    return f"target {call.target_id} {_DONE[found.policy.after]} this caller at {at}, within {window}"


def sold_to_another(
    earlier: Iterable[EarlierCall], campaign_id: int, buyer_id: int, window_seconds: int, now: datetime
) -> EarlierCall | None:
    """Return the earlier call in which an exclusive campaign sold this caller to another buyer; None when it did not.

    A buyer that has bought the caller itself may have it again.
    """
    window = timedelta(seconds=window_seconds)
    sold = [
        call
        for call in earlier
        if call.converted and call.campaign_id == campaign_id and abs(now - call.started_at) < window
    ]
    if not sold or any(call.buyer_id == buyer_id for call in sold):
        return None
    return max(sold, key=lambda call: call.started_at)


def spell_window(seconds: int) -> str:
    """Write a window for people: 30 days, 36 hours, 90 seconds."""
    units = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    length, unit = next(
        (length, unit) for length, unit in units if seconds % length == 0 and seconds >= length
    )
    count = seconds // length
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _got_as_far(call: EarlierCall, after: str) -> bool:
    if after == "attempt":
        return True
    return call.converted or (after == "connect" and call.connected)
