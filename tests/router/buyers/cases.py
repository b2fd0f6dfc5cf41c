"""The case files of the dialects: stories of one question, its answer, and what we make of both.

`router/buyers/<dialect>/cases/{exemplary,supplemental}/*.json` hold `story`, `endpoint`, `question` changes, `answer`
and, where there is a post, `posted`; the rest (`ping`, `bid`, `post`, `outcome`) is what comes out. To renew that
after a change: `python -m tests.router.buyers.cases --write`, then read the diff.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from router.buyers.dialect import (
    Dialect,
    Endpoint,
    HttpAnswer,
    HttpRequest,
    Offered,
    Question,
    Refused,
    Unreadable,
)
from router.buyers.registry import DIALECTS
from router.buyers.tollbridge.signing import SIGNATURE_HEADER, caller_hash, sign

FOLDER = Path(__file__).parents[3] / "router" / "buyers"
KINDS = ("exemplary", "supplemental")
SECRET = "a secret of two houses"
CALLER = "+16145550123"
PING_ID = "0f0e0d0c-0b0a-5908-8706-050403020100"
NOW = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)

Case = dict[str, Any]


def case_files(name: str, kind: str) -> list[Path]:
    """Return the files of one dialect, sorted."""
    return sorted((FOLDER / name / "cases" / kind).glob("*.json"))


def read_case(path: Path) -> Case:
    case: Case = json.loads(path.read_text())
    return case


def outcome_of(name: str, case: Case) -> Case:
    """Play a case and return it with everything that comes out of it."""
    dialect = DIALECTS[name]
    endpoint = Endpoint(
        **{"target_id": 1, "dialect": name, "url": "https://buyer.example/bids", **case["endpoint"]}
    )
    asked = _question(endpoint, case.get("question", {}), sold=False)
    played = {
        key: case[key] for key in ("story", "endpoint", "question", "answer", "posted") if key in case
    } | {"ping": _spelled(dialect.make_ping(endpoint, asked))}
    offered = _read(dialect.read_bid, endpoint, asked, case["answer"])
    played["bid"] = _told(offered)
    if isinstance(offered, Offered) and "posted" in case:
        sold = _question(endpoint, case.get("question", {}), sold=True)
        played |= _post(dialect, endpoint, sold, offered, case["posted"])
    return played


def _post(dialect: Dialect, endpoint: Endpoint, sold: Question, offered: Offered, posted: Case) -> Case:
    request = dialect.make_post(endpoint, sold, offered.reference)
    if request is None:
        return {"post": None}
    answered = _read(dialect.read_post, endpoint, sold, posted)
    told = {"dial": answered.dial} if isinstance(answered, Offered) else _told(answered)
    return {"post": _spelled(request), "outcome": told}


def _question(endpoint: Endpoint, changes: Case, *, sold: bool) -> Question:
    known: Case = {
        "ping_id": PING_ID,
        "campaign": "1",
        "caller": CALLER if sold or endpoint.expose_caller else None,
        "caller_hash": caller_hash(endpoint.secret, CALLER) if endpoint.secret else None,
        "state": "OH",
        "answers": {"loan_type": "refinance", "credit_band": "good"},
        "hops": ("house-a",),
        "deadline_ms": 500,
        "now": NOW,
    }
    return Question(**{**known, **changes})


def _read(reader: Any, endpoint: Endpoint, asked: Question, answer: Case) -> Offered | Refused | Unreadable:
    body = answer["text"].encode() if "text" in answer else json.dumps(answer.get("json")).encode()
    headers = {key.lower(): value for key, value in answer.get("headers", {}).items()}
    if answer.get("signed"):
        headers[SIGNATURE_HEADER.lower()] = sign(endpoint.secret, asked.ping_id, body)
    try:
        found: Offered | Refused = reader(
            endpoint, asked, HttpAnswer(status=answer.get("status", 200), headers=headers, body=body)
        )
    except Unreadable as error:
        return error
    return found


def _told(found: Offered | Refused | Unreadable) -> Case:
    if isinstance(found, Unreadable):
        return {"invalid": str(found)}
    if isinstance(found, Refused):
        return {"refused": found.detail}
    told = {key: value for key, value in asdict(found).items() if value not in (None, "")}
    if found.expires_at is not None:
        told["expires_at"] = found.expires_at.isoformat()
    return told


def _spelled(request: HttpRequest) -> Case:
    text = request.body.decode()
    body = {"json": json.loads(text)} if text.startswith("{") else {"text": text}
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        **(body if text else {}),
    }


def write() -> None:
    """Renew what comes out of every case."""
    for name in DIALECTS:
        for kind in KINDS:
            for path in case_files(name, kind):
                path.write_text(json.dumps(outcome_of(name, read_case(path)), indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()
