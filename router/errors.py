"""What can go wrong outside the router. Everything else is a value (Rejection, Routed.problem)."""

from __future__ import annotations


class NoSnapshot(LookupError):
    """No snapshot of the market: neither PostgreSQL nor the snapshot file could be read."""


class SnapshotRefused(ValueError):
    """A market that cannot be routed by; the message names the place and the reason. The older snapshot stays."""


class MarketRefused(SnapshotRefused):
    """The same of the market at one version in PostgreSQL: it is not looked at again before it changes."""

    def __init__(self, version: int, reason: SnapshotRefused) -> None:
        super().__init__(f"version {version} is refused: {reason}")
        self.version = version


class SnapshotUnreadable(OSError):
    """A snapshot file that is missing, cut short, damaged or of another format; the message says which."""


class SnapshotDiffers(LookupError):
    """A decision was made on another snapshot than the one given to replay it."""


class DecisionUnreadable(ValueError):
    """A stored decision that lacks what is needed to make it again."""
