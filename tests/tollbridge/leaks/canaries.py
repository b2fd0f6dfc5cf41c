"""Values that anybody would know again, and where they were found."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote


@dataclass(frozen=True)
class Canary:
    """A value to look for. `kind` says what it is: trunk_password, api_token, number, tenant …"""

    kind: str
    name: str
    value: str

    @cached_property
    def forms(self) -> tuple[bytes, ...]:
        """The value as it may be spelled: plain, in an address, in base64 and in hexadecimal digits."""
        plain = self.value.encode()
        coded = {plain, quote(self.value, safe="").encode()}
        if self.kind not in ("number", "tenant"):
            coded |= {base64.b64encode(plain).rstrip(b"="), plain.hex().encode()}
        return tuple(coded)

    def is_in(self, content: bytes) -> bool:
        return any(form in content for form in self.forms)


@dataclass(frozen=True, order=True)
class Finding:
    """Where a canary was seen that must not be seen there: `column:trunks.password`, `answer:buyer GET /calls` …"""

    place: str
    kind: str
    name: str = field(compare=False, default="")

    def __str__(self) -> str:
        return f"{self.place} holds {self.kind} ({self.name})"


class Canaries:
    """Every value that was planted."""

    def __init__(self) -> None:
        self._all: list[Canary] = []

    def new(self, kind: str, *, prefix: str = "", length: int = 24) -> str:
        """Make a value nobody else would, and remember it."""
        value = f"{prefix}Cnry{secrets.token_hex(length)[: length - 4]}"
        return self.learn(kind, value)

    def learn(self, kind: str, value: str) -> str:
        """Remember a value that the house made itself."""
        assert len(value) >= 6, f"{kind}: {value!r} is too short to be looked for"
        self._all.append(Canary(kind, f"{kind} {sum(one.kind == kind for one in self._all) + 1}", value))
        return value

    def of(self, *kinds: str) -> Sequence[Canary]:
        return [one for one in self._all if one.kind in kinds]

    @property
    def secrets(self) -> Sequence[Canary]:
        return [one for one in self._all if one.kind not in ("number", "tenant")]


def found_in(content: bytes, looked_for: Iterable[Canary], place: str) -> set[Finding]:
    """Return what of `looked_for` stands in `content`."""
    return {Finding(place, one.kind, one.name) for one in looked_for if one.is_in(content)}
