"""The golden files of `render`. To renew them: `python -m tests.asterisk_conf.golden --write`, then read the diff."""

from __future__ import annotations

import sys
from ipaddress import IPv4Network
from pathlib import Path

from asterisk_conf.node_config import NodeConfig, Softphone
from asterisk_conf.render import render
from tests.asterisk_conf.example import example_node

GOLDEN_DIR = Path(__file__).parent / "golden"
UNTRACKED = frozenset({"extensions.conf"})
"""The dialplan is tested by calls, not by its letters."""


def nodes() -> dict[str, NodeConfig]:
    """The nodes with golden files, by folder: one on the loopback, one behind NAT."""
    return {
        "loopback": example_node(),
        "behind_nat": example_node(
            sip_address="0.0.0.0",
            sip_external_address="198.51.100.77",
            softphone=Softphone(
                address="10.0.0.5",
                port=8443,
                certificate="/srv/tollbridge/softphone.pem",
                private_key="/srv/tollbridge/softphone.key",
                media_address="0.0.0.0",
                local_address="10.0.0.5",
                external_address="198.51.100.77",
                opus=False,
            ),
            # The second is a trunk's, too.
            desk_phones=(IPv4Network("10.0.0.32/28"), IPv4Network("192.0.2.10/32")),
        ),
    }


def rendered(node: NodeConfig) -> dict[str, str]:
    """Render all files that have golden ones."""
    return {name: text for name, text in render(node).items() if name not in UNTRACKED}


def write() -> None:
    """Replace the golden files."""
    for folder, node in nodes().items():
        (GOLDEN_DIR / folder).mkdir(parents=True, exist_ok=True)
        for old in (GOLDEN_DIR / folder).glob("*.conf"):
            old.unlink()
        for name, text in rendered(node).items():
            (GOLDEN_DIR / folder / name).write_text(text)


if __name__ == "__main__":
    sys.exit(write() if sys.argv[1:] == ["--write"] else "say --write")
