"""The flows that come with Tollbridge, as JSON."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def load(name: str) -> dict[str, Any]:
    """Return the definition of the library flow `name`, unparsed. Raises FileNotFoundError."""
    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    definition: dict[str, Any] = json.loads(text)
    return definition
