"""One right row of every resource, and what a page's form would send of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from tests.web.market import Market

ALWAYS = {"time_zone": "America/New_York", "ranges": [{"days": [0, 1, 2], "from": "00:00", "to": "24:00"}]}


def samples(market: Market) -> Mapping[str, Mapping[str, Any]]:
    """Return a body for each resource, by its name."""
    return {
        "campaigns": {"name": "Second mortgage", "flow_name": "mortgage"},
        "publishers": {"name": "Adworks", "time_zone": "America/Denver"},
        "numbers": {
            "e164": "+16145550142",
            "campaign_id": market.campaign_id,
            "publisher_id": market.publisher_id,
        },
        "trunks": {"name": "second", "carrier_name": "Carrier & Sons", "addresses": ["192.0.2.7"]},
        "buyers": {
            "name": "Keystone Lending",
            "nmls_id": "401822",
            "prepaid": True,
            "credit_limit_micros": 250_125_000,
            "low_balance_micros": 1,
        },
        "targets": {
            "buyer_id": market.buyer_id,
            "name": 'Desk "two" & co.',
            "sip_uri": "sip:desk@pbx.example.com:5070",
            "loan_types": ["purchase", "reverse"],
            "schedule": ALWAYS | {"closed_days": ["2026-12-24"], "holidays": {"calendar": "US-OH"}},
            "filters": {"all": [{"fact": "credit_score", ">=": 620}, {"not": {"fact": "state", "=": "NY"}}]},
            "whisper_text": "A caller from\nTollbridge",
            "recovery_seconds": 10,
        },
        "licences": {
            "buyer_id": market.buyer_id,
            "nmls_id": "401822",
            "state": "OH",
            "product": "refinance",
            "valid_from": "2026-01-01",
            "valid_to": "2029-12-31",
            "officer_name": "Ann Lee",
            "officer_nmls_id": "1187265",
        },
        "caps": {
            "buyer_id": market.buyer_id,
            "kind": "revenue",
            "period": "day",
            "at_most_micros": 1_500_000_000,
        },
        "cap-groups": {"name": "One office", "target_ids": [market.chosen_id, market.closed_id]},
        "numbers-abroad": {"prefix": "+1 (787)", "name": "Puerto Rico", "cost_per_minute_micros": 20_000},
        "blocked-callers": {
            "kind": "number",
            "value": "+16145550123",
            "campaign_id": market.campaign_id,
            "reason": "abuse",
        },
        "ping-endpoints": {
            "target_id": market.chosen_id,
            "dialect": "tollbridge",
            "url": "https://bids.example.com/ping",
            "secret": "a secret of two houses",
            "settings": {},
            "cost_micros": 2_500,
        },
    }


class _Form(HTMLParser):
    """The fields of the form that is posted to an address."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self._action = action
        self._inside = False
        self._select = ""
        self._area: list[str] | None = None
        self.fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = has.get("action") == self._action and has.get("method") == "post"
        elif not self._inside:
            return
        elif tag == "input" and has.get("name"):
            if has.get("type") not in ("checkbox", "radio") or "checked" in has:
                self.fields.append((has["name"], has.get("value", "")))
        elif tag == "select":
            self._select = has["name"]
            self.fields.append((self._select, ""))
        elif tag == "option" and self._select and "selected" in has:
            self.fields[-1] = (self._select, has.get("value", ""))
        elif tag == "textarea":
            self.fields.append((has["name"], ""))
            self._area = []

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            # A browser sends lines' ends as CR LF, and drops one after the tag.
            text = "".join(self._area).removeprefix("\n").replace("\n", "\r\n")
            self.fields[-1] = (self.fields[-1][0], text)
            self._area = None
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._inside = False


def form_of(page: str, action: str) -> list[tuple[str, str]]:
    """Return what a browser would send of the form on a page, unchanged."""
    parser = _Form(action)
    parser.feed(page)
    assert parser.fields, f"no form for {action}"
    return parser.fields


def with_changes(fields: list[tuple[str, str]], **changes: str) -> Iterator[tuple[str, str]]:
    """Yield the fields, some of them changed; names with a point are given with two underscores."""
    told = {name.replace("__", "."): text for name, text in changes.items()}
    for name, text in fields:
        if name not in told:
            yield name, text
    yield from told.items()
