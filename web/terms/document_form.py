"""Terms as a form: the common case as fields, the rest as JSON; what was typed becomes the document. Pure.

A contract of one plain rule (with a price, a minimum, tiers) and bonuses is shown as fields; any other is shown whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from billing.judge_terms import PLAIN_RULE
from billing.terms_document import CURRENCY, Party

FIELDS = ("price", "minimum_seconds", "tiers", "period", "time_zone", "bonuses", "more", "whole")
ROUNDING = {"to": "0.01", "mode": "half_up"}
_SHARE = {Party.BUYER: "percent_of_bid", Party.PUBLISHER: "percent_of_revenue"}
_FIELDS_OF = (
    ("from", "goes_live"),
    ("rules[0].price.tiers", "tiers"),
    ("rules[0].price.period", "tiers"),
    ("rules[0].price", "price"),
    ("rules[0].minimum_connected_seconds", "minimum_seconds"),
    ("bonuses", "bonuses"),
    ("time_zone", "time_zone"),
)

Texts = Mapping[str, str]


def texts_of(document: Mapping[str, Any], party: Party) -> dict[str, str]:
    """Return a document as the form shows it."""
    blank = {
        **dict.fromkeys(FIELDS, ""),
        "period": "month",
        "time_zone": str(document.get("time_zone") or ""),
    }
    rule = _plain_rule(document)
    if rule is None:
        return {**blank, "whole": _json(document)}
    first, steps, period = _price_parts(rule["price"], party)
    if first is None:
        return {**blank, "whole": _json(document)}
    rest = {
        name: value
        for name, value in document.items()
        if name not in ("currency", "time_zone", "rules", "bonuses")
        and not (name == "rounding" and value == ROUNDING)
    }
    return {
        **blank,
        "price": first,
        "minimum_seconds": str(rule.get("minimum_connected_seconds", "")),
        "tiers": "\n".join(steps),
        "period": period,
        "bonuses": _json(document["bonuses"]) if document.get("bonuses") else "",
        "more": _json(rest) if rest else "",
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _plain_rule(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rules = document.get("rules")
    if not isinstance(rules, list) or len(rules) != 1 or not isinstance(rules[0], dict):
        return None
    rule: Mapping[str, Any] = rules[0]
    known = {"name", "price", "minimum_connected_seconds"}
    if rule.get("name") != PLAIN_RULE or not set(rule) <= known or "price" not in rule:
        return None
    minimum = rule.get("minimum_connected_seconds", 1)
    return rule if isinstance(minimum, int | float) and minimum else None


def _price_parts(price: Any, party: Party) -> tuple[str | None, Sequence[str], str]:
    """Return (the first price, further tiers as lines, their period); None for what no field can say."""
    if isinstance(price, str) and "%" not in price:
        return price, (), "month"
    if not isinstance(price, dict):
        return None, (), ""
    share = price.get(_SHARE[party])
    if set(price) == {_SHARE[party]} and isinstance(share, str) and "%" not in share:
        return f"{share}%", (), "month"
    steps = price.get("tiers")
    if set(price) != {"tiers", "period"} or not isinstance(steps, list) or len(steps) < 2:
        return None, (), ""
    pairs = [(one.get("from_call"), one.get("price")) for one in steps if isinstance(one, dict)]
    plain = all(isinstance(call, int) and isinstance(amount, str) for call, amount in pairs)
    if len(pairs) != len(steps) or not plain or pairs[0][0] != 1:
        return None, (), ""
    return str(pairs[0][1]), [f"{call}: {amount}" for call, amount in pairs[1:]], str(price["period"])


def document_of(texts: Texts, party: Party) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (the document, problems by field) of what was typed. What it says is judged by checked_terms."""
    problems: dict[str, str] = {}
    if texts["whole"]:
        whole = _read_json("whole", texts, dict, problems)
        return whole or {}, problems
    rule: dict[str, Any] = {"name": PLAIN_RULE}
    minimum = _seconds(texts["minimum_seconds"], problems)
    if minimum:
        rule["minimum_connected_seconds"] = minimum
    rule["price"] = _price(texts, party, problems)
    document: dict[str, Any] = {
        "currency": CURRENCY,
        "time_zone": texts["time_zone"],
        "rounding": dict(ROUNDING),
        "rules": [rule],
    }
    bonuses = _read_json("bonuses", texts, list, problems)
    if bonuses:
        document["bonuses"] = bonuses
    more = _read_json("more", texts, dict, problems) or {}
    for name in ("rules", "bonuses", "time_zone", "currency"):
        if name in more:
            problems["more"] = f"{name} stands in a field of its own"
    return {**document, **more}, problems


def _read_json(name: str, texts: Texts, kind: type, problems: dict[str, str]) -> Any:
    if not texts[name]:
        return None
    try:
        value = json.loads(texts[name])
    except json.JSONDecodeError as error:
        problems[name] = f"this is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        return None
    except RecursionError:
        problems[name] = "this is not JSON: it is nested too deeply"
        return None
    if not isinstance(value, kind):
        problems[name] = "write a list: [ … ]" if kind is list else "write an object: { … }"
        return None
    return value


def _seconds(text: str, problems: dict[str, str]) -> int | float:
    if not text:
        return 0
    whole, point, part = text.partition(".")
    if (whole + part).isascii() and (whole + part).isdigit() and len(text) <= 9 and bool(point) == bool(part):
        return float(text) if point else int(text)
    problems["minimum_seconds"] = "write seconds, such as 90"
    return 0


def _price(texts: Texts, party: Party, problems: dict[str, str]) -> Any:
    first = texts["price"]
    if not first:
        problems["price"] = "fill this in, such as 45.00"
    lines = [line.strip() for line in texts["tiers"].splitlines() if line.strip()]
    if not lines:
        bare = first.removesuffix("%").strip()
        return {_SHARE[party]: bare} if first.endswith("%") else first
    steps: list[dict[str, Any]] = [{"from_call": 1, "price": first}]
    for line in lines:
        call, colon, amount = line.partition(":")
        if not colon or not (call.strip().isascii() and call.strip().isdigit() and len(call) <= 9):
            problems["tiers"] = f"{line!r:.40}: write one tier a line, such as 101: 40.00"
            continue
        steps.append({"from_call": int(call), "price": amount.strip()})
    return {"tiers": steps, "period": texts["period"]}


def placed(problems: Sequence[str], texts: Texts) -> dict[str, str]:
    """Return the problems of a document by the field in which they are mended, several of a field in one text."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        place = next((name for begin, name in _FIELDS_OF if problem.startswith(begin)), "more")
        if texts["whole"] and place != "goes_live":
            place = "whole"
        found.setdefault(place, []).append(problem)
    return {name: "; ".join(texts) for name, texts in found.items()}
