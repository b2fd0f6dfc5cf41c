"""What Asterisk's manager says of strangers goes into the security log, with their address and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from agi.journal import Journal
from agi.live_calls import AmiAddress, LiveCalls


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("IPV4/UDP/203.0.113.9/5060", "203.0.113.9"),
        ("IPV6/TLS/2001:db8::9/5061", "2001:db8::9"),
        ("IPV4/UDP/203.0.113.9 event=x/5060", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_stranger_is_known_by_address_only(
    remote: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveCalls(AmiAddress(port=1, username="x", secret="x"), cast(Journal, None))
    event = SimpleNamespace(remoteaddress=remote, accountid="+16145550100")
    live._report_knock(cast(Any, None), event)
    (record,) = caplog.records
    assert record.__dict__["address"] == address
    assert "6145550100" not in caplog.text
