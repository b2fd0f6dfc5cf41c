"""What the top floor tells people when something cannot be had."""

from __future__ import annotations


class CannotRun(Exception):
    """Something outside is not as it must be. The message is one sentence that says what to do."""
