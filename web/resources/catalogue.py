"""Every resource, on one screen."""

from __future__ import annotations

from collections.abc import Sequence

from web.resources.blocked_callers import BLOCKED_CALLERS
from web.resources.buyers import BUYERS
from web.resources.campaigns import CAMPAIGNS
from web.resources.cap_groups import CAP_GROUPS
from web.resources.caps import CAPS
from web.resources.licences import LICENCES
from web.resources.numbers import NUMBERS
from web.resources.numbers_abroad import NUMBERS_ABROAD
from web.resources.ping_endpoints import PING_ENDPOINTS
from web.resources.publishers import PUBLISHERS
from web.resources.resource import Resource
from web.resources.targets import TARGETS
from web.resources.trunks import TRUNKS

RESOURCES: Sequence[Resource] = (
    CAMPAIGNS,
    PUBLISHERS,
    NUMBERS,
    TRUNKS,
    NUMBERS_ABROAD,
    BUYERS,
    TARGETS,
    LICENCES,
    CAPS,
    CAP_GROUPS,
    BLOCKED_CALLERS,
    PING_ENDPOINTS,
)
