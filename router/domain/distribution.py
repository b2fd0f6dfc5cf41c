"""In which order a stage offers a call to those who could take it. One function a method; the dict is the list.

To add a method: write a function from (entries, contest) to the same entries, best first, and name it in METHODS. Who
stands behind the first is often never asked for: a generator need not know before.
Whatever a method leaves equal is told apart by DESIGN 5's rule: the higher price, then who has waited longest since
its last offer, then a hash of call and target that is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from router.domain.counts import History, Turn
from router.domain.market import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Method: TypeAlias = Callable[[Sequence["Entry"], "Contest"], Iterable["Entry"]]
    Score: TypeAlias = Callable[["Entry"], int | float]
    Rule: TypeAlias = Callable[["Entry"], Any]

ONE_PASS = 5_040_000
"""What a call counts for a target of weight 1; divided by most small weights without remainder."""

PRIOR_CALLS = 20
PRIOR_RATE = 0.3
"""A target we know nothing of is taken for one that converted 6 of 20; each call of its own moves it from there."""

NO_HISTORY = History()
NO_TURN = Turn()


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """What a method may go by."""

    call_id: str
    turn: Turn = NO_TURN
    history: Mapping[int, History] = field(default_factory=dict)
    price: Callable[[int], int] = lambda target_id: 0
    """What the call is worth at a target, by its id, in millionths of a dollar: its bid, else its buyer's price."""


def by_priority(entries: Sequence[Entry], contest: Contest) -> Iterator[Entry]:
    """Lowest priority number first."""
    return _best_first(entries, contest, lambda entry: entry.priority)


def by_turn(entries: Sequence[Entry], contest: Contest) -> Sequence[Entry]:
    """Whoever is furthest behind its share. Each call moves a target on by one pass over its weight.

    A target that comes back from a pause starts where the others are: it is owed nothing for the time it was away.
    """
    passes, reached = contest.turn.passes, contest.turn.reached
    return sorted(
        entries,
        key=lambda entry: (
            max(passes.get(entry.target_id, 0), reached),
            -entry.weight,
            entry.priority,
            entry.target_id,
        ),
    )


def pass_after(turn: Turn, entry: Entry) -> int:
    """Return the pass of a target once it has been given this turn; its former pass is the stage's new `reached`."""
    return pass_before(turn, entry) + ONE_PASS // entry.weight


def pass_before(turn: Turn, entry: Entry) -> int:
    return max(turn.passes.get(entry.target_id, 0), turn.reached)


def by_equal_turn(entries: Sequence[Entry], contest: Contest) -> Sequence[Entry]:
    """Strictly one after the other."""
    passes, reached = contest.turn.passes, contest.turn.reached
    return sorted(
        entries,
        key=lambda entry: (
            max(passes.get(entry.target_id, 0), reached),
            entry.priority,
            entry.target_id,
        ),
    )


def by_value(entries: Sequence[Entry], contest: Contest) -> Iterator[Entry]:
    """Highest price times the chance that the call converts there."""
    price, history = contest.price, contest.history
    return _best_first(
        entries,
        contest,
        lambda entry: -price(entry.target_id) * expected_conversion(history.get(entry.target_id, NO_HISTORY)),
    )


def by_bid(entries: Sequence[Entry], contest: Contest) -> Iterator[Entry]:
    """Highest bid first."""
    return _best_first(entries, contest, lambda entry: 0)


def expected_conversion(history: History) -> float:
    """Return a target's own conversion rate, drawn towards PRIOR_RATE while it has had few calls."""
    return (history.converted + PRIOR_CALLS * PRIOR_RATE) / (history.connected + PRIOR_CALLS)


def _best_first(entries: Sequence[Entry], contest: Contest, score: Score) -> Iterator[Entry]:
    history, call_id = contest.history, contest.call_id
    return _in_order(
        entries,
        score,
        lambda entry: -contest.price(entry.target_id),
        lambda entry: history.get(entry.target_id, NO_HISTORY).last_offered_ms,
        lambda entry: (tie_breaker(call_id, entry.target_id), entry.target_id),
    )


def _in_order(entries: Sequence[Entry], rule: Rule, *others: Rule) -> Iterator[Entry]:
    """Yield by the first rule, lowest first; whom it leaves equal, by the next."""
    ranks: dict[Any, list[Entry]] = {}
    for entry in entries:
        ranks.setdefault(rule(entry), []).append(entry)
    for rank in sorted(ranks):
        equals = ranks[rank]
        if len(equals) > 1 and others:
            yield from _in_order(equals, *others)
        else:
            yield from equals


def tie_breaker(call_id: str, target_id: int) -> bytes:
    """Return a stable hash of call and target: the last word between targets that are equal in everything else."""
    import hashlib  # noqa: PLC0415 (5 ms, paid only where there is a tie: the survival script is in a hurry)

    return hashlib.sha256(f"{call_id}:{target_id}".encode()).digest()


ROUND_ROBIN, WEIGHTED, PING_POST = "round_robin", "weighted", "ping_post"

METHODS: Mapping[str, Method] = {
    "priority": by_priority,
    ROUND_ROBIN: by_equal_turn,
    WEIGHTED: by_turn,
    "best_value": by_value,
    PING_POST: by_bid,
}
"""What plan_stages.method may be. read_market refuses a market with any other."""

TURN_METHODS = frozenset({ROUND_ROBIN, WEIGHTED})
"""Methods that need to know whose turn it is; the turn is taken with the lease."""
