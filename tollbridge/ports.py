"""The ports a node listens on, and whether they are free."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from tollbridge.settings import PREFIX, Settings


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a node and the variable that moves it."""

    what: str
    address: str
    port: int
    variable: str
    udp: bool = False

    def __str__(self) -> str:
        return f"{self.what} {self.address}:{self.port}{'/udp' if self.udp else ''}"


def speech_process_count(settings: Settings) -> int:
    """Return how many speech processes this node runs: one a core unless set."""
    return settings.speech_processes or os.cpu_count() or 1


def speech_ports(settings: Settings) -> list[tuple[int, int]]:
    """Return (control port, AudioSocket port) of each speech process."""
    count = speech_process_count(settings)
    return [(settings.speech_port + index, settings.audiosocket_port + index) for index in range(count)]


def ports_of(settings: Settings) -> Iterator[Port]:
    """Yield every fixed port of the node. Media ports come and go and are not among them."""
    yield Port(
        what="SIP",
        address=settings.sip_address,
        port=settings.sip_port,
        variable=PREFIX + "SIP_PORT",
        udp=True,
    )
    if settings.softphone:
        yield Port(
            what="softphone",
            address=settings.softphone_address,
            port=settings.softphone_port,
            variable=PREFIX + "SOFTPHONE_PORT",
        )
    local = "127.0.0.1"
    yield Port(what="Asterisk manager", address=local, port=settings.ami_port, variable=PREFIX + "AMI_PORT")
    yield Port(what="FastAGI", address=local, port=settings.agi_port, variable=PREFIX + "AGI_PORT")
    for control, audio in speech_ports(settings):
        yield Port(what="speech", address=local, port=control, variable=PREFIX + "SPEECH_PORT")
        yield Port(what="AudioSocket", address=local, port=audio, variable=PREFIX + "AUDIOSOCKET_PORT")
    yield Port(what="web", address=settings.web_address, port=settings.web_port, variable=PREFIX + "WEB_PORT")
    yield Port(
        what="pings",
        address=settings.pings_address,
        port=settings.pings_port,
        variable=PREFIX + "PINGS_PORT",
    )


def why_not(port: Port) -> str | None:
    """Return one sentence why this port cannot be had now, None when it can."""
    kind = socket.SOCK_DGRAM if port.udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if not port.udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.port))
        except OSError as fault:
            return _advice(port, fault)
    return None


def _advice(port: Port, fault: OSError) -> str:
    if fault.errno == errno.EADDRINUSE:
        return f"port {port.port}{'/udp' if port.udp else ''} ({port.what}) is taken: set {port.variable} to a free one"
    if fault.errno == errno.EACCES:
        return f"port {port.port} ({port.what}) wants more rights: set {port.variable} to one above 1023"
    return f"{port} cannot be opened ({fault.strerror}): see {port.variable} and the address beside it"


def clashes(settings: Settings) -> Iterator[str]:
    """Yield a sentence for every pair of our own ports that are the same, and for an impossible media range."""
    seen: dict[tuple[int, bool], Port] = {}
    for port in ports_of(settings):
        other = seen.setdefault((port.port, port.udp), port)
        if other is not port:
            yield f"{port.what} and {other.what} both want port {port.port}: change {port.variable}"
    if settings.rtp_port_last - settings.rtp_port_first < 3:
        yield f"{PREFIX}RTP_PORT_LAST must be at least 3 above {PREFIX}RTP_PORT_FIRST: 4 ports a bridged call"
