"""What the top of every page leads to, by role. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from web.keys import EDITORS, HOUSE, Role


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page somebody may go to. `group` folds pages of a kind into one menu; none: it stands by itself."""

    label: str
    address: str
    roles: frozenset[Role]
    group: str = ""
    current: bool = False
    within: bool = False


_ADMIN = frozenset({Role.ADMIN})
_BUYER = frozenset({Role.BUYER})
_PUBLISHER = frozenset({Role.PUBLISHER})

ENTRIES: Sequence[Entry] = (
    Entry(label="Home", address="/", roles=HOUSE),
    Entry(label="Live", address="/live", roles=HOUSE),
    Entry(label="Calls", address="/calls", roles=HOUSE),
    Entry(label="Flows", address="/flows", roles=HOUSE, group="Callers hear"),
    Entry(label="Softphone", address="/softphone", roles=EDITORS, group="Callers hear"),
    Entry(label="Prompts", address="/prompts", roles=EDITORS, group="Callers hear"),
    Entry(label="Campaigns", address="/campaigns", roles=HOUSE, group="Market"),
    Entry(label="Publishers", address="/publishers", roles=HOUSE, group="Market"),
    Entry(label="Tracking numbers", address="/numbers", roles=HOUSE, group="Market"),
    Entry(label="Buyers", address="/buyers", roles=HOUSE, group="Market"),
    Entry(label="Targets", address="/targets", roles=HOUSE, group="Market"),
    Entry(label="Licences", address="/licences", roles=HOUSE, group="Market"),
    Entry(label="Caps", address="/caps", roles=HOUSE, group="Market"),
    Entry(label="Cap groups", address="/cap-groups", roles=HOUSE, group="Market"),
    Entry(label="Ping endpoints", address="/ping-endpoints", roles=HOUSE, group="Market"),
    Entry(label="Blocked callers", address="/blocked-callers", roles=HOUSE, group="Market"),
    Entry(label="Trunks", address="/trunks", roles=HOUSE, group="House"),
    Entry(label="Numbers abroad", address="/numbers-abroad", roles=HOUSE, group="House"),
    Entry(label="Users", address="/users", roles=_ADMIN, group="House"),
    Entry(label="Audit log", address="/audit", roles=EDITORS, group="House"),
    Entry(label="A person's data", address="/persons", roles=_ADMIN, group="House"),
    Entry(label="Reports", address="/reports", roles=HOUSE),
    Entry(label="Wallets", address="/money/wallets", roles=HOUSE, group="Money"),
    Entry(label="Invoices", address="/money/invoices", roles=HOUSE, group="Money"),
    Entry(label="Disputes", address="/money/disputes", roles=HOUSE, group="Money"),
    Entry(label="Adjustments", address="/money/adjustments", roles=EDITORS, group="Money"),
    Entry(label="Sale keys", address="/money/sale-keys", roles=HOUSE, group="Money"),
    Entry(label="Prices buyers set", address="/money/bid-limits", roles=EDITORS, group="Money"),
    Entry(label="Home", address="/publisher", roles=_PUBLISHER),
    Entry(label="Calls", address="/publisher/calls", roles=_PUBLISHER),
    Entry(label="What works", address="/publisher/sources", roles=_PUBLISHER),
    Entry(label="Payouts", address="/publisher/payouts", roles=_PUBLISHER),
    Entry(label="Statements", address="/publisher/statements", roles=_PUBLISHER),
    Entry(label="Numbers", address="/publisher/numbers", roles=_PUBLISHER),
    Entry(label="Pings", address="/publisher/pings", roles=_PUBLISHER),
    Entry(label="Home", address="/buyer", roles=_BUYER),
    Entry(label="Calls", address="/buyer/calls", roles=_BUYER),
    Entry(label="Targets", address="/buyer/targets", roles=_BUYER),
    Entry(label="Fewer calls?", address="/buyer/fewer-calls", roles=_BUYER),
    Entry(label="Wallet", address="/buyer/wallet", roles=_BUYER, group="Money"),
    Entry(label="Spend by day", address="/buyer/spend", roles=_BUYER, group="Money"),
    Entry(label="Invoices", address="/buyer/invoices", roles=_BUYER, group="Money"),
    Entry(label="Disputes", address="/buyer/disputes", roles=_BUYER, group="Money"),
    Entry(label="Licences", address="/buyer/licences", roles=_BUYER, group="Your company"),
    Entry(label="Settings", address="/buyer/settings", roles=_BUYER, group="Your company"),
)


@dataclass(frozen=True, kw_only=True)
class Menu:
    """Entries under one name; a single entry of no group has no name."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def current(self) -> bool:
        return any(entry.current or entry.within for entry in self.entries)


def _leads_to(entry: Entry, bare: str) -> bool:
    return bare == entry.address or bare.startswith(f"{entry.address}/")


def menus_for(role: Role, path: str, entries: Sequence[Entry] = ENTRIES) -> Sequence[Menu]:
    """Return what `role` may go to from `path`, in the order of `entries`, those of a group together."""
    bare = path.partition("?")[0]
    above = [entry.address for entry in entries if role in entry.roles and _leads_to(entry, bare)]
    # A portal's home is above all its pages: the nearest page is what one is within.
    nearest = max(above, key=len, default="")
    menus: dict[str, list[Entry]] = {}
    for entry in entries:
        if role in entry.roles:
            current = bare == entry.address
            within = entry.address == nearest and not current
            marked = replace(entry, current=current, within=within)
            menus.setdefault(entry.group or f"={entry.label}", []).append(marked)
    return [
        Menu(name="" if name.startswith("=") else name, entries=tuple(found)) for name, found in menus.items()
    ]
