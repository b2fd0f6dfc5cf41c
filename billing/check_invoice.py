#!/usr/bin/env python3
"""Recomputes a Tollbridge invoice or statement from its own lines and terms, without Tollbridge.

    python3 check_invoice.py INVOICE.json [PUBLIC_KEY …]

INVOICE.json is what `tollbridge invoice show NUMBER --json` prints. This one file needs Python 3.9 or newer and nothing
else: it imports nothing of Tollbridge and shares no code with it, so that what it agrees with was reckoned twice. It
prints every line that does not come to what was billed, and ends with status 1 when there is one, 2 when the file
cannot be read.

A line's proof leads from the posting in the ledger to a root that was signed when the call was settled: what is proved
cannot be changed later without a trace. Name the public keys that you were given (`tollbridge ledger key`): then every
line must be proved, and by one of them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Json: TypeAlias = dict[str, Any]

MICROS = 1_000_000
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def check(invoice: Json) -> list[str]:
    """Return what does not hold, as texts; none when everything does."""
    findings = []
    lines = invoice["lines"]
    total = sum(line["amount_micros"] for line in lines)
    if total != invoice["total_micros"]:
        findings.append(f"the lines sum to {money(total)}, the invoice says {money(invoice['total_micros'])}")
    for line in lines:
        findings += [f"line {line['position']}: {finding}" for finding in check_line(line, invoice)]
    for transaction_id in sorted(doubles([line["transaction_id"] for line in lines])):
        findings.append(f"transaction {transaction_id} stands in two lines")
    for call_id in sorted(doubles([line["call_id"] for line in lines if line["kind"] == "settlement"])):
        findings.append(f"call {call_id} is billed twice")
    return findings


def check_proofs(invoice: Json, keys: list[str]) -> tuple[list[str], int]:
    """Return what does not hold of the proofs, and how many lines are proved. With keys, every line must be."""
    findings, proved = [], 0
    roots = {batch: (root, list(check_root(root, keys))) for batch, root in invoice.get("roots", {}).items()}
    sign = -1 if invoice["kind"] == "credit_note" else 1
    for line in invoice["lines"]:
        proof = line.get("proof")
        found = list(check_proof(line, proof, sign, roots)) if proof else []
        proved += bool(proof) and not found
        if not proof and keys:
            found = ["it is not proved: not sealed yet, or held back"]
        findings += [f"line {line['position']}: {finding}" for finding in found]
    return findings, proved


def check_root(root: Json, keys: list[str]) -> Iterator[str]:
    """Return what does not hold of a signed root."""
    said = ("chain", "batch", "previous_root", "root", "entry_count", "sealed_at_us")
    message = "\n".join(["tollbridge-root/1", *(str(root[name]) for name in said)]).encode()
    if root["chain"] != "ledger":
        yield f"the root is of another chain, {root['chain']}"
    if keys and root["public_key"] not in keys:
        yield f"the root is signed by another key, {root['public_key']}"
    if not is_signed(bytes.fromhex(root["public_key"]), message, bytes.fromhex(root["signature"])):
        yield "the signature of the root is not right"


def check_proof(line: Json, proof: Json, sign: int, roots: Json) -> Iterator[str]:
    """Return what does not hold of one line's proof."""
    root, faults = roots[str(proof["batch"])]
    yield from faults
    # The first parts are the transaction's detail and the digest of its evidence, each other one is a posting.
    shown = [part for part in proof["parts"][2:] if isinstance(part, dict)]
    parts = b"".join(
        hashed(4, bytes.fromhex(part["blind"]) + part["text"].encode())
        if isinstance(part, dict)
        else bytes.fromhex(part)
        for part in proof["parts"]
    )
    digest = hashed(0, proof["head"].encode() + b"\n" + parts)
    for side, beside in proof["path"]:
        other = bytes.fromhex(beside)
        digest = hashed(1, other + digest if side == "left" else digest + other)
    place = int(root["batch"]).to_bytes(8, "big") + int(root["entry_count"]).to_bytes(8, "big")
    if hashed(2, place + bytes.fromhex(root["previous_root"]) + digest).hex() != root["root"]:
        yield "its proof does not lead to the signed root"
    transaction_id, call_id, kind, *_ = json.loads(proof["head"])
    if [transaction_id, call_id, kind] != [line["transaction_id"], line["call_id"], line["kind"]]:
        yield f"its proof is of transaction {transaction_id}, {kind} of call {call_id}"
    postings = [json.loads(part["text"]) for part in shown]
    if len({account.rpartition(":")[0] for account, _ in postings}) > 1:
        yield "its proof shows accounts of several parties"
    posted = sum(amount for _, amount in postings)
    if posted * sign * own_side(postings) != line["amount_micros"]:
        yield f"{money(posted)} was posted, {money(line['amount_micros'])} is billed"


def own_side(postings: list[Any]) -> int:
    """What a buyer owes is posted above zero, what a publisher is owed below."""
    return -1 if any(account.startswith("publisher:") for account, _ in postings) else 1


def hashed(prefix: int, content: bytes) -> bytes:
    return hashlib.sha256(bytes([prefix]) + content).digest()


def doubles(values: list[Any]) -> set[Any]:
    """Return the values that are there more than once."""
    once: set[Any] = set()
    twice: set[Any] = set()
    for value in values:
        (twice if value in once else once).add(value)
    return twice


def check_line(line: Json, invoice: Json) -> Iterator[str]:
    """Return what does not hold of one line."""
    if moment(line["happened_at"]) >= moment(invoice["period_end"]):
        yield "it happened after the period"
    if line["kind"] != "settlement":
        return
    judged = line.get("judged")
    if not judged:
        yield "a call without what it was judged by"
        return
    connected = judged["inputs"]["connected_ms"]
    if connected != line["connected_ms"]:
        yield f"judged by {connected} ms, billed for {line['connected_ms']} ms"
    if line.get("answered_ms") is not None and line.get("ended_ms") is not None:
        talked = max(0, line["ended_ms"] - line["answered_ms"] - line.get("clock_stepped_ms", 0))
        if talked != connected:
            yield f"it was answered and hung up {talked} ms apart, not {connected} ms"
    sign = -1 if invoice["kind"] == "credit_note" else 1
    contract = invoice["terms"].get(str(line.get("terms_id")))
    amount = judged["amount_micros"] if contract is None else worth(contract, judged["inputs"], invoice)
    if amount is None:
        yield f"no rule of the terms is met, but {money(line['amount_micros'])} is billed"
    elif sign * amount != line["amount_micros"]:
        yield f"the terms come to {money(amount)}, {money(line['amount_micros'])} is billed"


def worth(contract: Json, inputs: Json, invoice: Json) -> int | None:
    """Return what the terms come to, in millionths; None when no rule is met."""
    rules, bonuses = contract["rules"], contract.get("bonuses", [])
    for override in contract.get("overrides", []):
        if override["publisher"] == inputs.get("publisher_id"):
            rules, bonuses = override["rules"], override.get("bonuses", [])
    for rule in rules:
        if met(rule, inputs, invoice, minimum=inputs.get("bid_minimum_connected_ms")):
            amount = price(rule["price"], inputs, standing=True)
            for bonus in bonuses:
                if met(bonus, inputs, invoice, minimum=None):
                    amount += price(bonus["price"], inputs, standing=False)
            return with_margin(contract, rounded(amount, contract["rounding"]), inputs)
    return None


def met(rule: Json, inputs: Json, invoice: Json, minimum: Any) -> bool:
    if minimum is None:
        minimum = Decimal(str(rule.get("minimum_connected_seconds", 0))) * 1000
    if inputs["connected_ms"] < minimum:
        return False
    if inputs["bid_micros"] is None and (rule["price"] == "bid" or "percent_of_bid" in rule["price"]):
        return False
    return "when" not in rule or holds(rule["when"], inputs["facts"], invoice["kinds"]) is True


def price(asked: Any, inputs: Json, standing: bool) -> Fraction:
    """Return the exact price. A bid for the very call goes before a standing price."""
    bid = inputs["bid_micros"]
    if asked == "bid":
        return Fraction(bid)
    if isinstance(asked, dict) and "percent_of_bid" in asked:
        return Fraction(bid) * percent(asked["percent_of_bid"])
    if isinstance(asked, dict) and "percent_of_revenue" in asked:
        return Fraction(inputs["revenue_micros"]) * percent(asked["percent_of_revenue"])
    if standing and bid is not None:
        return Fraction(bid)
    if isinstance(asked, dict):
        number = inputs["calls_before"].get(asked["period"], 0) + 1
        return micros([step for step in asked["tiers"] if step["from_call"] <= number][-1]["price"])
    return micros(asked)


def step_of(rounding: Json) -> Fraction:
    """Return what amounts are whole multiples of: a cent at least."""
    return max(Fraction(Decimal(rounding["to"])), Fraction(1, 100)) * MICROS


def rounded(amount: Fraction, rounding: Json) -> int:
    step = step_of(rounding)
    units = amount / step
    whole = units.numerator // units.denominator
    rest = units - whole
    up = {"up": rest > 0, "down": False, "half_up": rest >= Fraction(1, 2)}[rounding["mode"]]
    return int((whole + up) * step)


def with_margin(contract: Json, amount: int, inputs: Json) -> int:
    margin = contract.get("minimum_margin")
    if margin is None:
        return amount
    revenue = inputs["revenue_micros"]
    if isinstance(margin, dict):
        exact = revenue * percent(margin["percent_of_revenue"])
        kept = -(-exact.numerator // exact.denominator)
    else:
        kept = micros(margin)
    left = max(revenue - kept, 0)
    step = step_of(contract["rounding"])
    return min(amount, int(left // step * step))


def holds(condition: Json, facts: Json, kinds: Json) -> bool | None:
    """Return True, False, or None where a fact is not known."""
    if "all" in condition:
        found = [holds(part, facts, kinds) for part in condition["all"]]
        return False if False in found else None if None in found else True
    if "any" in condition:
        found = [holds(part, facts, kinds) for part in condition["any"]]
        return True if True in found else None if None in found else False
    if "not" in condition:
        inner = holds(condition["not"], facts, kinds)
        return None if inner is None else not inner
    name = condition["fact"]
    kind = condition.get("kind") or kinds[name]
    fact = read(kind, facts.get(name))
    if "known" in condition:
        return (fact is not None) is condition["known"]
    return None if fact is None else compare(condition, kind, fact)


def compare(condition: Json, kind: str, fact: Any) -> bool:
    if "in" in condition:
        return bool(fact in [read(kind, one) for one in condition["in"]])
    if "between" in condition:
        low, high = (read(kind, one) for one in condition["between"])
        return bool(low <= fact <= high if low <= high else fact >= low or fact <= high)
    sign = next(key for key in ("=", "!=", "<", "<=", ">", ">=") if key in condition)
    value = read(kind, condition[sign])
    if sign in ("=", "!="):
        return bool((fact == value) == (sign == "="))
    return bool((fact != value and (fact > value) == (sign[0] == ">")) or (fact == value and len(sign) == 2))


def read(kind: str, value: Any) -> Any:
    """Read a fact or a value as its kind; None when it is none."""
    if value is None or isinstance(value, bool):
        return value if kind == "yes_no" else None
    try:
        return READERS[kind](str(value).strip())
    except (ValueError, InvalidOperation, OverflowError):
        return None


def minutes(text: str) -> int:
    hours, rest = text.split(":")
    return int(hours) * 60 + int(rest)


def percent(text: str) -> Fraction:
    return Fraction(Decimal(text.rstrip("%"))) / 100


def micros(text: str) -> Fraction:
    """Read "45.00", "$1,200.50" or "45.00 USD" into millionths."""
    return Fraction(Decimal(text.split(" ", maxsplit=1)[0].replace("$", "").replace(",", ""))) * MICROS


READERS: Json = {
    "text": lambda text: text.casefold() or None,
    "yes_no": lambda text: YES_NO.get(text.lower()),
    "number": lambda text: Fraction(Decimal(text.replace(",", ""))),
    "money": micros,
    "day": datetime.date.fromisoformat,
    "time": minutes,
}


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def money(amount: Any) -> str:
    return f"{Decimal(int(amount)) / MICROS:,.6f}".rstrip("0").rstrip(".") + " USD"


# Ed25519, by RFC 8032. Points of the curve -x*x + y*y = 1 + D*x*x*y*y are (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the key made the signature (RFC 8032, 5.1.7)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = point(public_key), point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left, right = times(scalar, BASE), plus(commitment, times(challenge, key))
    return same(left, right)


def point(encoded: bytes) -> Any:
    """Return the point that 32 bytes are, or None (RFC 8032, 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    odd, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_1 % P
    if x * x % P != square or (x == 0 and odd):
        return None
    if x % 2 != odd:
        x = P - x
    return (x, y, 1, x * y % P)


def plus(one: Any, other: Any) -> Any:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % P, (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar: int, one: Any) -> Any:
    total = (0, 1, 1, 0)
    while scalar:
        if scalar % 2:
            total = plus(total, one)
        one, scalar = plus(one, one), scalar // 2
    return total


def same(one: Any, other: Any) -> bool:
    return bool(
        (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0
    )


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    file, *keys = arguments
    try:
        with open(file, encoding="utf-8") as opened:
            invoice = json.load(opened, parse_float=Decimal)
        findings = check(invoice)
        unproved, proved = check_proofs(invoice, keys)
        findings += unproved
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as problem:
        print(
            f"{file} is no invoice that can be read: {type(problem).__name__}: {problem}",
            file=sys.stderr,
        )
        return 2
    for finding in findings:
        print(finding)
    name = f"{invoice['kind'].replace('_', ' ')} {invoice['number'] or '(draft)'}"
    print(f"{name}: {len(invoice['lines'])} lines, {money(invoice['total_micros'])}: "
          f"{'everything holds' if not findings else f'{len(findings)} findings'}")  # fmt: skip
    signers = sorted({root["public_key"] for root in invoice.get("roots", {}).values()})
    print(f"{proved} of {len(invoice['lines'])} lines are proved by signed roots")
    if signers and not keys:
        print(f"signed by {', '.join(signers)}: compare that with the key you were given")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
