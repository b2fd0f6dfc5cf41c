"""The one list of facts about a call: their names, their kinds, what others call them, and who may supply each.

Readers of publishers' pings, filters of buyers, branches of flows, terms of contracts, forms of the pages and the table
in docs/facts.md are made from it. A condition on a fact that nobody can supply is never met: it is refused when it
is saved (`unknown_facts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rules.fact_kinds import Kind


class Supplier(StrEnum):
    """Who supplies a fact. The word of nobody else is taken for it."""

    PARTIES = "the caller or the publisher"
    FLOW = "a flow that sets it"
    DERIVED = "worked out from the others"
    CALL = "the switch"
    CLOCK = "the clock where the target is"
    AFTERWARDS = "the switch, when the call is over"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One fact. `aliases` are other parties' names for it, in small letters: a ping may use them, nothing else."""

    name: str
    kind: Kind
    about: str
    supplier: Supplier = Supplier.PARTIES
    aliases: tuple[str, ...] = ()


FACTS: tuple[Fact, ...] = (
    Fact(
        name="loan_type",
        kind=Kind.TEXT,
        about="refinance, purchase, home_equity or reverse",
        aliases=("loantype",),
    ),
    Fact(
        name="state",
        kind=Kind.TEXT,
        about="where the caller lives, by its two letters",
        aliases=("caller_state", "region"),
    ),
    Fact(
        name="state_source",
        kind=Kind.TEXT,
        supplier=Supplier.DERIVED,
        about="how the state is known: stated, zip, area_code, or disagree (state_candidates has all that were given)",
    ),
    Fact(
        name="state_candidates",
        kind=Kind.TEXT,
        supplier=Supplier.DERIVED,
        about="states the caller may live in, such as KS-MO, where it is not known which",
    ),
    Fact(
        name="zip",
        kind=Kind.TEXT,
        about="ZIP or ZIP+4 code of the caller's home",
        aliases=("zip_code", "zipcode", "zip5", "caller_zip", "postal_code", "postalcode", "postcode"),
    ),
    Fact(name="credit", kind=Kind.TEXT, about="credit in the caller's own words"),
    Fact(name="credit_band", kind=Kind.TEXT, about="credit as a band, such as good"),
    Fact(name="credit_score", kind=Kind.NUMBER, about="credit score, 300 to 850"),
    Fact(name="loan_balance", kind=Kind.MONEY, about="what is still owed on the home"),
    Fact(name="loan_amount", kind=Kind.MONEY, about="what the caller wants to borrow"),
    Fact(name="home_value", kind=Kind.MONEY, about="what the home is worth"),
    Fact(name="equity", kind=Kind.MONEY, about="home_value less loan_balance, where nobody gave it"),
    Fact(name="price", kind=Kind.MONEY, about="price of the home to buy"),
    Fact(name="price_range", kind=Kind.TEXT, about="price of the home to buy, as a range"),
    Fact(name="income", kind=Kind.MONEY, about="the household's income"),
    Fact(name="timeline", kind=Kind.TEXT, about="how soon the caller wants to act"),
    Fact(name="age", kind=Kind.NUMBER, about="the caller's age in years"),
    Fact(name="veteran", kind=Kind.YES_NO, about="served in the armed forces"),
    Fact(name="first_time_buyer", kind=Kind.YES_NO, about="buys a first home"),
    Fact(name="property_type", kind=Kind.TEXT, about="kind of home, such as single_family"),
    Fact(name="property_use", kind=Kind.TEXT, about="use of the home, such as primary"),
    Fact(name="source", kind=Kind.TEXT, about="where the publisher found the caller"),
    Fact(
        name="score",
        kind=Kind.NUMBER,
        supplier=Supplier.FLOW,
        about="points that a flow's score node adds up",
    ),
    Fact(name="publisher", kind=Kind.NUMBER, supplier=Supplier.CALL, about="id of the publisher"),
    Fact(name="campaign", kind=Kind.NUMBER, supplier=Supplier.CALL, about="id of the campaign"),
    Fact(
        name="number",
        kind=Kind.TEXT,
        supplier=Supplier.CALL,
        about="the tracking number that was dialled, E.164",
    ),
    Fact(
        name="caller",
        kind=Kind.TEXT,
        supplier=Supplier.CALL,
        about="the caller's number, E.164; not known when withheld",
    ),
    Fact(
        name="area_code", kind=Kind.TEXT, supplier=Supplier.CALL, about="area code of a North American caller"
    ),
    Fact(
        name="attempt",
        kind=Kind.NUMBER,
        supplier=Supplier.CALL,
        about="which target of the call this is, from 1",
    ),
    Fact(name="day", kind=Kind.DAY, supplier=Supplier.CLOCK, about="calendar day"),
    Fact(name="time", kind=Kind.TIME, supplier=Supplier.CLOCK, about="time of day"),
    Fact(
        name="weekday", kind=Kind.TEXT, supplier=Supplier.CLOCK, about="mon, tue, wed, thu, fri, sat or sun"
    ),
    Fact(
        name="connected_seconds",
        kind=Kind.NUMBER,
        supplier=Supplier.AFTERWARDS,
        about="how long buyer and caller talked",
    ),
    Fact(
        name="total_seconds",
        kind=Kind.NUMBER,
        supplier=Supplier.AFTERWARDS,
        about="how long the whole call lasted",
    ),
    Fact(
        name="duplicate",
        kind=Kind.YES_NO,
        supplier=Supplier.AFTERWARDS,
        about="converted before within the campaign's duplicate window",
    ),
    Fact(
        name="first_time",
        kind=Kind.YES_NO,
        supplier=Supplier.AFTERWARDS,
        about="never called the campaign before",
    ),
    Fact(
        name="converted",
        kind=Kind.YES_NO,
        supplier=Supplier.AFTERWARDS,
        about="the buyer pays for it; publishers' terms only",
    ),
)
"""Every fact with a name and a kind of its own."""


def kinds_from(*who: Supplier) -> dict[str, Kind]:
    """Return name -> kind of the facts that these supply."""
    return {fact.name: fact.kind for fact in FACTS if fact.supplier in who}


TAG_KINDS: Mapping[str, Kind] = kinds_from(Supplier.PARTIES, Supplier.FLOW, Supplier.DERIVED)
"""Facts that are tags of a call: a condition of a flow may name them without saying their kind."""
ALIASES: Mapping[str, str] = {alias: fact.name for fact in FACTS for alias in fact.aliases}
"""What other parties call a fact -> our name."""
NOT_FOR_PARTIES = frozenset(fact.name for fact in FACTS if fact.supplier is not Supplier.PARTIES)
"""Facts about which a publisher's word is not taken."""


def known_name(name: str) -> str:
    """Return our name for what a party calls a fact; a name that is nobody's alias stays as it is."""
    plain = name.strip().lower()
    return ALIASES.get(plain, plain)


def unknown_facts(
    names: Collection[str], flow_tags: Collection[str], *, afterwards: bool = False
) -> Iterator[str]:
    """Yield a sentence for each name that is a fact of no call, with the nearest known ones.

    `flow_tags` are the tags that flows set or say they are given. `afterwards`: terms also ask what is known when the
    call is over.
    """
    known = {fact.name for fact in FACTS if fact.supplier is not Supplier.FLOW}
    if not afterwards:
        known -= kinds_from(Supplier.AFTERWARDS).keys()
    known |= set(flow_tags)
    for name in sorted(set(names) - known):
        if name in ALIASES and ALIASES[name] in known:
            yield f"{name} is called {ALIASES[name]} here"
            continue
        yield f"no call has the fact {name}: no flow sets such a tag{_did_you_mean(name, known)}"


def table_in_markdown() -> str:
    """Return the table of docs/facts.md."""
    head = "| fact | kind | what it is | who supplies it | read in pings also as |\n|---|---|---|---|---|"
    rows = (
        f"| `{fact.name}` | {fact.kind.value} | {fact.about} | {fact.supplier.value} |"
        f" {', '.join(f'`{alias}`' for alias in fact.aliases)} |"
        for fact in FACTS
    )
    return "\n".join([head, *rows]) + "\n"


def _did_you_mean(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (only for a mistake)

    near = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


if __name__ == "__main__":
    print(table_in_markdown(), end="")
