"""The market as one snapshot sees it: who is called, who buys, in which order. Values only, nothing here changes.

Made by `read_market.read_market`, which checks them. Everything a decision needs is in here, so that a call needs
no database to be sold.

Each class has a docstring also because a dataclass without one spends as long again on writing its own, and the
survival script makes them all while a caller waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from rules.dialling import HOME_ONLY, Destination, DiallingRules

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes 2 ms to import, on a caller's time in the survival script
    from typing import Any

    from router.domain.duplicates import DuplicatePolicy
    from router.domain.suppression import BlockedCallers
    from rules.condition import Condition
    from rules.schedule import Schedule

LOAN_TYPES = ("refinance", "purchase", "home_equity", "reverse")
"""What a caller may want; a licence's product is one of these."""

PINGS_YIELD_AFTER_SECONDS = 10
"""A transfer takes a few seconds: a ping keeps its room for so long in any case."""

ACTIVE = "active"
"""The one status of a licence under which loans may be made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackingNumber:
    """A number borrowers dial: whose ad it stands in, and which campaign answers."""

    id: int
    e164: str
    campaign_id: int
    publisher_id: int
    enabled: bool
    """False as well when its campaign or publisher is switched off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """How much of something one owner takes in one period. A counter in the database goes by its key."""

    key: str
    """e.g. target:12:concurrency, buyer:3:conversions:day, target:12:attempts:hour:night shift"""
    owner: str
    """target, buyer, campaign, publisher or group."""
    kind: str
    """concurrency, attempts, connections, conversions, revenue or spacing."""
    period: str | None
    """hour, day, week, month or total; None for concurrency and spacing."""
    time_zone: str
    """Whose wall clock the period goes by."""
    at_most: int
    """Calls; of revenue millionths of a dollar; of spacing the least seconds between two calls."""
    range_name: str | None = None
    """Counts only while a range of that name in the target's schedule is open; None: always."""
    amount: int = 1
    """What one call takes, where its kind does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A target's place in a stage: lower priority is offered first, a higher weight gets more."""

    target_id: int
    priority: int
    weight: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Targets that are offered a call by one method, before those of the next stage."""

    position: int
    method: str
    """A key of distribution.METHODS."""
    entries: tuple[Entry, ...]
    id: int = 0
    ring_timeout_seconds: int | None = None
    """None: each target's own."""
    attempts: int | None = None
    """Targets of this stage that one call may ring; None: all."""
    simultaneous: int = 1
    """Targets that ring at once."""
    deadline_ms: int = 500
    floor_micros: int = 0
    margin_micros: int = 0
    highest_bid_micros: int | None = None
    longest_minimum_seconds: int | None = None
    """Of a bid, beside the endpoint's own ceilings; None: those alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a buyer pays in a campaign from `goes_live_at` on."""

    goes_live_at: datetime
    price_micros: int
    minimum_connected_ms: int
    highest_micros: int | None = None
    """What a call can cost at most by all rules and bonuses of a contract; None: the price is all there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """What is sold under one flow, and its plan: the stages."""

    id: int
    name: str
    flow_name: str
    duplicate_window_seconds: int
    maximum_attempts: int
    enabled: bool
    stages: tuple[Stage, ...]
    """In the order of their positions."""
    caps: tuple[Cap, ...] = ()
    duplicate_policy: DuplicatePolicy | None = None
    """None: duplicates are only looked at when the call is settled."""
    no_buyer: Mapping[str, Any] = field(default_factory=dict)
    """What a caller hears whom nobody takes."""
    exclusive: bool = False
    recording: bool = True
    """Whether a flow may record its calls."""
    sells_at_loss: bool = False
    """Whether a call goes to who pays less than its publisher was promised, when nobody else takes it."""
    pings_yield_after_seconds: int | None = PINGS_YIELD_AFTER_SECONDS
    """After so long without its call, a ping's room goes to another publisher's call that finds none; None: never."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Buyer:
    """Who pays for calls; holds licences and targets."""

    id: int
    name: str
    enabled: bool
    nmls_id: str | None = None
    credit_limit_micros: int | None = None
    """What may be owed beyond the wallet; None: neither is looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One desk of a buyer: what rings, when, for which loans, how many calls at once."""

    id: int
    buyer_id: int
    name: str
    sip_uri: str
    loan_types: frozenset[str]
    schedule: Schedule | None
    """None only when `problem` says that it cannot be read."""
    concurrency_cap: int
    ring_timeout_seconds: int
    enabled: bool
    problem: str
    """Why the target cannot be used, whatever `enabled` says; empty when it can."""
    filters: Condition | None = None
    """None: every call."""
    caps: tuple[Cap, ...] = ()
    """Its own, its buyer's and its groups', by key; of concurrency_cap too."""
    groups: tuple[int, ...] = ()
    press_to_accept: bool = False
    whisper_text: str | None = None
    recovery_seconds: int | None = None
    outbound_trunk_id: int | None = None
    """The trunk it is dialled over; None: directly."""
    abroad: Destination | None = None
    """The listed destination that its own number belongs to; None: it is at home, or no number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Licence:
    """Leave to originate one product in one state."""

    id: int
    nmls_id: str
    state: str
    product: str
    valid_from: date
    valid_to: date | None
    """The last day it holds; None = open."""
    status: str
    officer_name: str | None = None
    officer_nmls_id: str | None = None
    """The loan officer whose licence it is; None: the company's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowVersion:
    """The newest published version of a flow; the definition is ivr_flows' business."""

    version: int
    definition: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The whole market at one version."""

    version: int
    """market_version when it was read."""
    digest: str
    """sha256 of the market document: two snapshots with one digest decide alike."""
    numbers: Mapping[str, TrackingNumber]
    campaigns: Mapping[int, Campaign]
    buyers: Mapping[int, Buyer]
    targets: Mapping[int, Target]
    licences: Mapping[int, Mapping[tuple[str, str], tuple[Licence, ...]]]
    """By buyer id, then by (state, product); by id within."""
    flows: Mapping[str, FlowVersion]
    area_codes: Mapping[str, tuple[str, ...]]
    """Area code -> states, for rules.places.states_of_area_code."""
    buyers_with_officers: frozenset[int] = frozenset()
    """Buyers who list the licences of their loan officers: one of these must be licensed as well as the company."""
    zip_codes: Mapping[str, str] = field(default_factory=dict)
    """ZIP code, or its first three digits -> state, for rules.zip_codes.state_of_zip."""
    terms: Mapping[tuple[int, int], tuple[Terms, ...]] = field(default_factory=dict)
    """By (buyer, campaign); newest first."""
    payouts: Mapping[tuple[int, int], tuple[Terms, ...]] = field(default_factory=dict)
    """What publishers earn, by (publisher, campaign); newest first."""
    publisher_caps: Mapping[int, tuple[Cap, ...]] = field(default_factory=dict)
    blocked: Mapping[int | None, BlockedCallers] = field(default_factory=dict)
    """Callers nobody is sold, by campaign; None holds those of every campaign."""
    dialling: DiallingRules = HOME_ONLY
    """Which numbers may be rung."""
    """By target id."""
    plans: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)
    """decide's own: a campaign's plan made ready, by campaign id. Nothing else of a snapshot ever changes."""
    compiled: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)
    """The plans' own as well: parts of filters and their checks, by id, as a target stands in many plans."""
    own_caps: dict[int, tuple[Target, tuple[Cap, ...]]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """caps.all_caps' own: by id each target, as it was, and its caps in order."""
    problems: tuple[str, ...] = ()
    """Rows that could not be used, each with its reason; the rest of the market is not affected by them."""

    def price_micros(self, buyer_id: int, campaign_id: int, at: datetime) -> int | None:
        """Return what the buyer pays for a converted call of the campaign that began at `at`; None without terms."""
        for terms in self.terms.get((buyer_id, campaign_id), ()):
            if terms.goes_live_at <= at:
                return terms.price_micros
        return None

    def highest_micros(self, buyer_id: int, campaign_id: int, at: datetime) -> int:
        """Return what all rules and bonuses of a contract can ask for one call at `at`; 0 without a contract."""
        for terms in self.terms.get((buyer_id, campaign_id), ()):
            if terms.goes_live_at <= at:
                return terms.highest_micros or 0
        return 0

    def standing_minimum_ms(self, buyer_id: int, campaign_id: int, at: datetime) -> int:
        """Return how long a call of the campaign must last at `at` before the buyer's terms pay; 0 without terms."""
        for terms in self.terms.get((buyer_id, campaign_id), ()):
            if terms.goes_live_at <= at:
                return terms.minimum_connected_ms
        return 0

    def payout_micros(self, publisher_id: int | None, campaign_id: int, at: datetime) -> int:
        """Return what the publisher earns with a converted call of the campaign at `at`; 0 without terms."""
        for terms in self.payouts.get((publisher_id or 0, campaign_id), ()):
            if terms.goes_live_at <= at:
                return terms.price_micros
        return 0

    def number(self, e164: str) -> TrackingNumber | None:
        """Return the tracking number when calls to it are sold; None when unknown or switched off."""
        found = self.numbers.get(e164)
        return found if found is not None and found.enabled else None
