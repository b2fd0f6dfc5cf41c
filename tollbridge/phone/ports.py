"""Free ports on loopback, found by asking the kernel."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
_FIRST, _LAST = 20000, 32000


def free_udp_port() -> int:
    """Return a UDP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_tcp_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_block(count: int, *, kinds: tuple[socket.SocketKind, ...] = (socket.SOCK_DGRAM,)) -> int:
    """Return the even first port of `count` free ports in a row, below the kernel's own range.

    Raises OSError when 50 tries found none.
    """
    for _ in range(50):
        first = random.randrange(_FIRST, _LAST - count, 2)  # noqa: S311
        if all(_is_free(port, kind) for port in range(first, first + count) for kind in kinds):
            return first
    raise OSError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


def is_free_udp(port: int) -> bool:
    """Tell whether nobody listens on a UDP port of loopback."""
    return _is_free(port, socket.SOCK_DGRAM)


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
