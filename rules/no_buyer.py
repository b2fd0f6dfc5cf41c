"""What a caller gets whom no buyer takes, as a campaign says it. Pure, and quick to import: survival needs it.

As JSON, every field but `treatment` optional:

    {"treatment": "message",        "text": "…"}
    {"treatment": "voicemail",      "text": "…", "maximum_seconds": 120}
    {"treatment": "call_back",      "text": "… press 1."}
    {"treatment": "hold_and_retry", "text": "…", "every_seconds": 15, "tries": 8, "then": {"treatment": …}}

{} means: what the campaign's flow says. A text that is left out is the house's own (asterisk_conf/prompts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MESSAGE, VOICEMAIL, CALL_BACK, HOLD = "message", "voicemail", "call_back", "hold_and_retry"
TEXT_MAXIMUM = 1_000
_FIELDS: Mapping[str, frozenset[str]] = {
    MESSAGE: frozenset({"text"}),
    VOICEMAIL: frozenset({"text", "maximum_seconds"}),
    CALL_BACK: frozenset({"text"}),
    HOLD: frozenset({"text", "every_seconds", "tries", "then"}),
}
_RANGES: Mapping[str, tuple[int, int]] = {
    "maximum_seconds": (5, 600),
    "every_seconds": (3, 300),
    "tries": (1, 60),
}


class NoBuyerError(ValueError):
    """A treatment that cannot be right: str() says where and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoBuyer:
    """One treatment. Fields that its kind does not know keep their defaults."""

    treatment: str
    text: str | None = None
    maximum_seconds: int = 120
    """Of a voice message."""
    every_seconds: int = 15
    """How long the caller holds before the call is routed anew."""
    tries: int = 8
    """How often."""
    then: NoBuyer | None = None
    """What comes when holding did not help; None: the message."""

    def after(self, holds: int) -> NoBuyer:
        """Return what is due to a caller who has held `holds` times."""
        if self.treatment != HOLD or holds < self.tries:
            return self
        return self.then or NoBuyer(treatment=MESSAGE)

    def texts(self) -> Iterator[str]:
        """Yield every text of its own that may be spoken."""
        if self.text is not None:
            yield self.text
        if self.then is not None:
            yield from self.then.texts()


def parse_no_buyer(value: object) -> NoBuyer | None:
    """Read a campaign's treatment; None for {}. Raises NoBuyerError."""
    return None if value == {} else _parse(value, "no_buyer")


def _parse(value: object, place: str) -> NoBuyer:
    if not isinstance(value, Mapping):
        raise NoBuyerError(f"{place}: {value!r} is not an object")
    treatment = value.get("treatment")
    if not isinstance(treatment, str) or treatment not in _FIELDS:
        raise NoBuyerError(f"{place}.treatment: {treatment!r} is not one of {', '.join(sorted(_FIELDS))}")
    known = _FIELDS[treatment]
    unknown = sorted(str(name) for name in value if name != "treatment" and name not in known)
    if unknown:
        raise NoBuyerError(f"{place}.{unknown[0]}: {treatment} does not know it")
    fields: dict[str, Any] = {
        name: _number(value[name], f"{place}.{name}", name) for name in _RANGES if name in value
    }
    if "text" in value:
        fields["text"] = _text(value["text"], f"{place}.text")
    if "then" in value:
        fields["then"] = _parse(value["then"], f"{place}.then")
        if fields["then"].treatment == HOLD:
            raise NoBuyerError(f"{place}.then: holding is not followed by holding")
    return NoBuyer(treatment=treatment, **fields)


def _number(value: object, place: str, name: str) -> int:
    least, most = _RANGES[name]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise NoBuyerError(f"{place}: {value!r} is not a whole number from {least} to {most}")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAXIMUM:
        raise NoBuyerError(f"{place}: a text of 1 to {TEXT_MAXIMUM} characters is wanted")
    return value
