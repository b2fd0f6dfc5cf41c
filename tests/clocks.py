"""The switch's clock beside the telephones' own, on one machine that runs both and the other tests as well."""

from __future__ import annotations

CLOCK_MS = 20
"""By how much the two may say a call was longer or shorter."""


class ClocksApart(AssertionError):
    """They differ by more. So they do when the machine kept a telephone waiting: such a call is made once more."""


def assert_clocks_agree(
    ours_ms: float | None, theirs_ms: float | None, *, within_ms: float = CLOCK_MS
) -> None:
    """Raise ClocksApart unless both clocks measured the same, to `within_ms`."""
    assert ours_ms is not None and theirs_ms is not None
    if abs(ours_ms - theirs_ms) > within_ms:
        raise ClocksApart(f"{ours_ms} ms by the switch, {theirs_ms} ms by the telephone")
