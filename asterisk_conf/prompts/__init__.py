"""What the dialplan itself may say, when no flow can: prompts.json holds name -> text."""

from __future__ import annotations

import json
from importlib import resources


def system_prompts() -> dict[str, str]:
    """Return the text of every system prompt by its name (Playback(<sounds>/<name>))."""
    text = resources.files(__package__).joinpath("prompts.json").read_text(encoding="utf-8")
    prompts: dict[str, str] = json.loads(text)
    return prompts
