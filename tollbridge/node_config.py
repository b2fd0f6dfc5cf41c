"""Fills asterisk_conf's NodeConfig from the settings."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from asterisk_conf.node_config import Installation, Lines, NodeConfig, Softphone
from asterisk_conf.sip_uri import Refused, read_address
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout
from tollbridge.settings import Settings

OPUS_MODULE = "codec_opus_open_source.so"
PROGRAM_DIR = Path(__file__).resolve().parent.parent


def layout_of(settings: Settings) -> Layout:
    """Return the node's layout with an absolute data directory."""
    return Layout(data_dir=settings.data_dir.expanduser().resolve())


def kept_prompts_dir(settings: Settings) -> Path:
    """Return where rendered prompts are kept for every node of this machine."""
    return settings.cache_dir.expanduser().resolve() / "prompts"


def node_config(settings: Settings, *, installation: Installation, secret: str, lines: Lines) -> NodeConfig:
    """Return what this node's Asterisk configuration is rendered from."""
    layout = layout_of(settings)
    return NodeConfig(
        node_name=settings.node_name,
        node_dir=layout.asterisk_dir,
        installation=installation,
        python=Path(sys.executable),
        program_dir=PROGRAM_DIR,
        snapshot_file=layout.snapshot_file,
        journal_dir=layout.journal_file.parent,
        prompts_dir=layout.prompts_dir,
        sip_address=settings.sip_address,
        sip_port=settings.sip_port,
        sip_external_address=settings.sip_external_address,
        rtp_port_first=settings.rtp_port_first,
        rtp_port_last=settings.rtp_port_last,
        agi_port=settings.agi_port,
        ami_port=settings.ami_port,
        secret=secret,
        lines=lines,
        softphone=softphone_of(settings, installation),
        desk_phones=desk_phones_of(settings),
    )


def desk_phones_of(settings: Settings) -> tuple[IPv4Network, ...]:
    """Return where SIP phones of the house are. Raises CannotRun for what is no address or network."""
    texts = [text.strip() for text in settings.desk_phone_networks.split(",") if text.strip()]
    read = [read_address(text, what="TOLLBRIDGE_DESK_PHONE_NETWORKS") for text in texts]
    for one in read:
        if isinstance(one, Refused):
            raise CannotRun(str(one))
    return tuple(one for one in read if isinstance(one, IPv4Network))


def softphone_of(settings: Settings, installation: Installation) -> Softphone:
    """Return how browsers reach this node's Asterisk."""
    external = settings.softphone_external_address or settings.sip_external_address
    return Softphone(
        enabled=settings.softphone,
        address=settings.softphone_address,
        port=settings.softphone_port,
        media_address=settings.softphone_media_address or settings.sip_address,
        certificate=_absolute(settings.softphone_certificate),
        private_key=_absolute(settings.softphone_private_key),
        local_address=_local_address(external) if external else "",
        external_address=external,
        opus=(installation.modules_dir / OPUS_MODULE).exists(),
    )


def softphone_url(settings: Settings) -> str:
    """Return where the web process passes the softphone's WebSocket on to."""
    scheme = "wss" if settings.softphone_certificate else "ws"
    return f"{scheme}://{settings.softphone_address}:{settings.softphone_port}/ws"


def pings_url(settings: Settings) -> str:
    """Return where the web process passes publishers' pings on to."""
    host = "127.0.0.1" if settings.pings_address == "0.0.0.0" else settings.pings_address  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.pings_port}"


def _absolute(path: Path | None) -> str:
    return "" if path is None else str(path.expanduser().resolve())


def _local_address(outside: str) -> str:
    """Return the address this machine would send from to `outside`; '' when there is no way there. Sends nothing."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((outside, 9))
        return str(probe.getsockname()[0])
    return ""
