"""Messages of the live board: rows as HTML for pages, calls as JSON for machines (text/event-stream)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from jinja2 import Environment

from web.live.board import STAGES, WAITS, Audience, LiveCall, to_json, viewer_of_audience
from web.live.hub import Renderer

RETRY_MS = 1_000


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """Return one server-sent event; JSON holds no line break."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class PageRenderer:
    """Rows for pages."""

    def __init__(self, templates: Environment, audience: Audience) -> None:
        self._row = templates.get_template("live/row.html")
        self._audience = audience

    def row(self, call: LiveCall) -> str:
        return self._row.render(call=call, **board_context(self._audience))

    def whole(self, calls: Sequence[LiveCall]) -> bytes:
        return event("board", {"now_ms": _now_ms(), "rows": [self.row(call) for call in calls]})

    def moved(self, calls: Sequence[LiveCall], gone: Sequence[UUID]) -> bytes:
        rows = [self.row(call) for call in calls]
        return event("moved", {"now_ms": _now_ms(), "rows": rows, "gone": [str(one) for one in gone]})


class ApiRenderer:
    """Calls for machines."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    def whole(self, calls: Sequence[LiveCall]) -> bytes:
        return event("board", {"calls": [to_json(call, self._audience) for call in calls]})

    def moved(self, calls: Sequence[LiveCall], gone: Sequence[UUID]) -> bytes:
        shown = [to_json(call, self._audience) for call in calls]
        return event("moved", {"calls": shown, "gone": [str(one) for one in gone]})


def board_context(audience: Audience) -> dict[str, Any]:
    """Return what the templates of the board want beside the calls."""
    return {
        "stages": STAGES,
        "waits": WAITS,
        "viewer": viewer_of_audience(audience),
        "may_act": audience is Audience.EDITORS,
        "now_ms": _now_ms(),
    }


def page_kind(audience: Audience) -> str:
    return f"page:{audience}"


def api_kind(audience: Audience) -> str:
    return f"api:{audience}"


def renderers(templates: Environment) -> dict[str, Renderer]:
    """Return who draws for which kind of viewers."""
    drawn: dict[str, Renderer] = {}
    for audience in Audience:
        drawn[page_kind(audience)] = PageRenderer(templates, audience)
        drawn[api_kind(audience)] = ApiRenderer(audience)
    return drawn


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
