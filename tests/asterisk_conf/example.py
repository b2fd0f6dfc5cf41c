"""A node as the tests of this room see it."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

from asterisk_conf.node_config import (
    Installation,
    Lines,
    NodeConfig,
    Softphone,
    TargetRow,
    TrunkRow,
    lines_of,
)

INSTALLATION = Installation(
    version="22.10.1",
    binary=Path("/cache/asterisk/usr/sbin/asterisk"),
    modules_dir=Path("/cache/asterisk/usr/lib/x86_64-linux-gnu/asterisk/modules"),
    data_dir=Path("/cache/asterisk/usr/share/asterisk"),
    root=Path("/cache/asterisk"),
    loader=Path("/cache/asterisk/usr/lib64/ld-linux-x86-64.so.2"),
    library_dir=Path("/cache/asterisk/usr/lib/x86_64-linux-gnu"),
)


def example_lines() -> Lines:
    """A trunk by address, one by registration, one by both, and two targets."""
    return lines_of(
        [
            TrunkRow(id=1, name="demo", addresses=["192.0.2.10", "198.51.100.0/24"]),
            TrunkRow(
                id=2,
                name="registered",
                addresses=[],
                registrar_uri="sip:sip.carrier.example",
                username="acct-7",
                password="pa$$word",
            ),
            TrunkRow(
                id=3,
                name="both",
                addresses=["203.0.113.5"],
                registrar_uri="sip:203.0.113.5:5070",
                username="acct-8",
                password="w0rd",
            ),
            TrunkRow(
                id=4,
                name="asked",
                addresses=["192.0.2.20", "192.0.2.21", "203.0.113.64/26"],
                check_every_seconds=30,
            ),
        ],
        [
            TargetRow(id=12, sip_uri="sip:sales@buyer.example:5062"),
            TargetRow(id=7, sip_uri="sip:+16145550100@192.0.2.77", bids=True),
        ],
    )


def example_node(
    *,
    node_dir: Path = Path("/srv/tollbridge/asterisk"),
    installation: Installation = INSTALLATION,
    lines: Lines | None = None,
    sip_address: str = "127.0.0.1",
    sip_external_address: str = "",
    ports: tuple[int, int, int] = (5060, 5038, 10000),
    softphone: Softphone = Softphone(),  # noqa: B008  a plain value
    desk_phones: tuple[IPv4Network, ...] = (),
) -> NodeConfig:
    """`ports` are SIP, manager and the first of 100 for media."""
    sip_port, ami_port, rtp_port_first = ports
    return NodeConfig(
        node_name="a",
        node_dir=node_dir,
        installation=installation,
        python=Path("/srv/tollbridge/.venv/bin/python"),
        program_dir=Path("/srv/tollbridge"),
        snapshot_file=Path("/srv/tollbridge/data/snapshot.json"),
        journal_dir=Path("/srv/tollbridge/data/journal"),
        prompts_dir=Path("/srv/tollbridge/data/prompts"),
        sip_address=sip_address,
        sip_port=sip_port,
        sip_external_address=sip_external_address,
        rtp_port_first=rtp_port_first,
        rtp_port_last=rtp_port_first + 99,
        agi_port=4573,
        ami_port=ami_port,
        secret="not-a-real-secret-0123",
        lines=example_lines() if lines is None else lines,
        softphone=softphone,
        desk_phones=desk_phones,
    )
