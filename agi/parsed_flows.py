"""The flows of the current market, each version parsed once: a published version never changes."""

from __future__ import annotations

from ivr_flows.definition import Flow, parse_flow
from router.domain.market import Snapshot

VERSIONS_KEPT = 200


class ParsedFlows:
    """Parses the stored definition of a campaign's flow, and remembers it."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, int], Flow] = {}

    def flow(self, snapshot: Snapshot, campaign_id: int) -> Flow:
        """Return the campaign's flow. Raises KeyError when it is not published, FlowError when it is broken."""
        name = snapshot.campaigns[campaign_id].flow_name
        stored = snapshot.flows[name]
        key = (name, stored.version)
        if key not in self._parsed:
            if len(self._parsed) >= VERSIONS_KEPT:
                self._parsed.clear()
            self._parsed[key] = parse_flow(stored.definition, version=stored.version)
        return self._parsed[key]
