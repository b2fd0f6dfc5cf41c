"""Every dialect publishers may speak, by the name in rtb_keys."""

from __future__ import annotations

from collections.abc import Mapping

from web.rtb.retreaver import RETREAVER
from web.rtb.ringba import RINGBA
from web.rtb.shapes import Dialect
from web.rtb.tollbridge import TOLLBRIDGE

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (TOLLBRIDGE, RINGBA, RETREAVER)}
