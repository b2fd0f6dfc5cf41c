"""What asks for somebody's attention, with where it is mended. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import quote

from router.abroad_room import Reached
from router.domain.expiring_licences import Expiring
from router.domain.market import Licence
from rules.money import format_dollars

Found = TypeVar("Found")


class Urgency(StrEnum):
    """How much it costs to leave it."""

    NOW = "now"
    SOON = "soon"
    SOMETIME = "sometime"


ORDER = tuple(Urgency)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to look at. `address` is the page where it is mended; without one, `detail` says how."""

    urgency: Urgency
    title: str
    detail: str
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class RestedBidder:
    target_id: int
    buyer: str
    target: str
    until: datetime
    why: str
    """Empty: too many of its answers failed."""


@dataclass(frozen=True, kw_only=True)
class LowWallet:
    buyer_id: int
    buyer: str
    left_micros: int
    is_empty: bool


@dataclass(frozen=True, kw_only=True)
class OwingPublisher:
    """A publisher that was paid for what was taken back since."""

    name: str
    owes_micros: int


@dataclass(frozen=True, kw_only=True)
class FailingLine:
    """Where legs failed for no reason of the buyer's: `failed` of `tried` in the last hour."""

    address: str
    name: str
    failed: int
    tried: int


@dataclass(frozen=True, kw_only=True)
class IllTrunk:
    """A trunk that is not registered, or whose carrier does not answer, as a node sees it."""

    trunk_id: int
    name: str
    what: str
    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Draft:
    name: str
    changed_by: str


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Everything that was found."""

    licences: Sequence[Expiring] = ()
    rested: Sequence[RestedBidder] = ()
    wallets: Sequence[LowWallet] = ()
    owing: Sequence[OwingPublisher] = ()
    disputes: int = 0
    failing: Sequence[FailingLine] = ()
    ill_trunks: Sequence[IllTrunk] = ()
    refused_lines: int = 0
    newest_refusal: str = ""
    unlisted_invites: int = 0
    on_last_known: int = 0
    """Calls of the last 24 hours that were decided without the database."""
    not_sold: int = 0
    """Calls sold to nobody because the lists of suppressed callers were not known, likewise."""
    unsettled: int = 0
    abroad_full: Sequence[Reached] = ()
    not_rung: Sequence[Reached] = ()
    drafts: Sequence[Draft] = ()


LINES_A_KIND = 5


def items_of(trouble: Trouble) -> list[Item]:
    """Return what to look at, the most urgent first."""
    found = [*_money(trouble), *_lines(trouble), *_market(trouble)]
    return sorted(found, key=lambda item: ORDER.index(item.urgency))


def _money(trouble: Trouble) -> Iterator[Item]:
    for wallet in _first(trouble.wallets):
        empty = "is empty: the buyer gets no calls" if wallet.is_empty else "runs low"
        yield Item(
            urgency=Urgency.NOW if wallet.is_empty else Urgency.SOON,
            title=f"The wallet of {wallet.buyer} {empty}",
            detail=f"{format_dollars(wallet.left_micros)} left",
            address=f"/buyers/{wallet.buyer_id}",
        )
    for publisher in _first(trouble.owing):
        yield Item(
            urgency=Urgency.SOON,
            title=f"{publisher.name} owes {format_dollars(publisher.owes_micros)}",
            detail="It was paid out, and part of it was taken back since: what it earns next goes against it",
            address=f"/money/wallets?q={quote(publisher.name, safe='')}#h-publishers",
        )
    if trouble.disputes:
        one = trouble.disputes == 1
        yield Item(
            urgency=Urgency.SOON,
            title=f"{trouble.disputes} {'dispute is' if one else 'disputes are'} open",
            detail="Each waits for an answer; its price stays owed until then",
            address="/money/disputes",
        )
    if trouble.unsettled:
        one = trouble.unsettled == 1
        yield Item(
            urgency=Urgency.NOW,
            title=f"{trouble.unsettled} {'call' if one else 'calls'} cannot be settled",
            detail="The worker tries again and again; its log says why",
            address="/calls?outcome=in_progress",
        )


def _lines(trouble: Trouble) -> Iterator[Item]:
    for bidder in _first(trouble.rested):
        yield Item(
            urgency=Urgency.NOW,
            title=f"{bidder.buyer}, {bidder.target} is not asked for bids",
            detail=f"It rests for a while: {bidder.why}"
            if bidder.why
            else "It failed too often and rests for a while; then one question tries whether it is well again",
            address=f"/ping-endpoints/{bidder.target_id}" if bidder.why else f"/targets/{bidder.target_id}",
        )
    for line in _first(trouble.failing):
        yield Item(
            urgency=Urgency.NOW,
            title=f"{line.name} fails",
            detail=f"{line.failed} of {line.tried} tries in the last hour ended in a fault of network or equipment",
            address=line.address,
        )
    for trunk in _first(trouble.ill_trunks):
        yield Item(
            urgency=Urgency.NOW,
            title=f"The trunk {trunk.name}: {trunk.what}",
            detail=f"{trunk.reason}; since {trunk.since.astimezone(UTC):%d %B, %H:%M} UTC",
            address=f"/trunks/{trunk.trunk_id}",
        )
    yield from _abroad(trouble)
    if trouble.unlisted_invites:
        yield Item(
            urgency=Urgency.SOON,
            title="Somebody calls from an address that is no trunk’s",
            detail=f"{trouble.unlisted_invites} requests were refused at the door in the last 24 hours; "
            "a carrier may have moved",
            address="/trunks",
        )
    yield from _without_database(trouble)
    if trouble.refused_lines:
        yield Item(
            urgency=Urgency.SOON,
            title=f"{trouble.refused_lines} lines of a node’s records could not be read",
            detail=f"Kept in the table refused_lines, each with its reason; the newest: {trouble.newest_refusal}",
        )


def _abroad(trouble: Trouble) -> Iterator[Item]:
    for reached in _first(trouble.abroad_full):
        yield Item(
            urgency=Urgency.NOW,
            title=f"Nothing more is rung abroad today: {reached.name}",
            detail=reached.detail,
            address=reached.address,
        )
    for refused in _first(trouble.not_rung):
        yield Item(
            urgency=Urgency.NOW,
            title=f"A number is not rung: {refused.name}",
            detail=refused.detail,
            address=refused.address,
        )


def _without_database(trouble: Trouble) -> Iterator[Item]:
    if trouble.not_sold:
        yield Item(
            urgency=Urgency.NOW,
            title=f"{_calls(trouble.not_sold)} sold to nobody: the database did not answer",
            detail="In the last 24 hours: buyers’ lists of suppressed callers were not known, or too old to go by. "
            "Calls are sold again as soon as the database answers; TOLLBRIDGE_LISTS_LAST_HOURS says how long lists "
            "count",
        )
    if trouble.on_last_known:
        yield Item(
            urgency=Urgency.NOW,
            title=f"{_calls(trouble.on_last_known)} routed without the database in the last 24 hours",
            detail="It took over 300 ms or was away: wallets, caps and lists were those known last. Each call’s page "
            "says how old they were; look at the load of PostgreSQL",
            address="/calls",
        )


def _calls(count: int) -> str:
    return "1 call was" if count == 1 else f"{count:,} calls were"


def _market(trouble: Trouble) -> Iterator[Item]:
    for licence in _first(trouble.licences):
        yield Item(
            urgency=Urgency.NOW if licence.urgency <= 7 else Urgency.SOON,
            title=f"A licence of {licence.buyer} {_ends(licence.days_left)}",
            detail=_licence(licence.licence),
            address=f"/licences/{licence.licence.id}",
        )
    left = len(trouble.licences) - LINES_A_KIND
    if left > 0:
        yield Item(
            urgency=Urgency.SOON,
            title=f"{left} more {'licence ends' if left == 1 else 'licences end'} within 60 days",
            detail="See them all among the licences",
            address="/licences",
        )
    for draft in _first(trouble.drafts):
        yield Item(
            urgency=Urgency.SOMETIME,
            title=f"The flow {draft.name} has a draft that callers do not meet yet",
            detail=f"Last changed by {draft.changed_by}" if draft.changed_by else "Publish it, or let it go",
            address=f"/flows/{quote(draft.name, safe='')}",
        )


def _licence(licence: Licence) -> str:
    return f"{licence.state}, {licence.product.replace('_', ' ')}, NMLS {licence.nmls_id}"


def _ends(days_left: int) -> str:
    if days_left < 0:
        return f"ended {-days_left} {'day' if days_left == -1 else 'days'} ago"
    if days_left == 0:
        return "ends today"
    return f"ends in {days_left} {'day' if days_left == 1 else 'days'}"


def _first(found: Sequence[Found]) -> Sequence[Found]:
    return found[:LINES_A_KIND]
