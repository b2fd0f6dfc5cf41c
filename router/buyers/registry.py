"""Every ping-post dialect. To add one: a folder with `dialect.py` and `cases/`, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from router.buyers.addresses import AddressRules, url_problem
from router.buyers.dialect import Dialect, Endpoint, Problem
from router.buyers.kept_secrets import urls_of
from router.buyers.leadspedia_like.dialect import DIALECT as LEADSPEDIA_LIKE
from router.buyers.retreaver.dialect import DIALECT as RETREAVER
from router.buyers.ringba.dialect import DIALECT as RINGBA
from router.buyers.template.dialect import DIALECT as TEMPLATE
from router.buyers.tollbridge.dialect import DIALECT as TOLLBRIDGE
from router.domain.auction import MAXIMUM_BID_MICROS, MAXIMUM_MINIMUM_CONNECTED_MS
from rules.money import format_dollars

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (TOLLBRIDGE, RINGBA, RETREAVER, LEADSPEDIA_LIKE, TEMPLATE)
}


def endpoint_problems(endpoint: Endpoint, rules: AddressRules) -> list[Problem]:
    """Return everything that cannot be right about an endpoint, each with its place; empty when it can be saved."""
    dialect = DIALECTS.get(endpoint.dialect)
    if dialect is None:
        return [f"dialect: {endpoint.dialect!r} is not one of {', '.join(sorted(DIALECTS))}"]
    urls = urls_of({"url": endpoint.url, "settings": endpoint.settings})
    judged = [(place, url_problem(url, rules)) for place, url in urls]
    found = [f"{place}: {wrong}" for place, wrong in judged if wrong]
    if endpoint.budget_per_minute is not None and endpoint.budget_per_minute < 0:
        found.append("budget_per_minute: negative")
    if endpoint.cost_micros < 0:
        found.append("cost_micros: negative")
    return found + _limit_problems(endpoint) + dialect.problems(endpoint)


def _limit_problems(endpoint: Endpoint) -> list[Problem]:
    found = []
    if not 0 < endpoint.highest_bid_micros <= MAXIMUM_BID_MICROS:
        found.append(f"highest_bid_micros: not above $0 and at most {format_dollars(MAXIMUM_BID_MICROS)}")
    longest = MAXIMUM_MINIMUM_CONNECTED_MS // 1000
    if not 0 <= endpoint.longest_minimum_seconds <= longest:
        found.append(f"longest_minimum_seconds: not in 0..{longest}")
    found += [
        f"{name}: not in 0..100"
        for name in ("most_refused_percent", "least_paid_percent")
        if not 0 <= getattr(endpoint, name) <= 100
    ]
    return found
