"""The sound files of prompts. Texts are rendered when a flow is published; what a caller said may be new.

A missing one is rendered while the caller waits, when that is quick, and kept; else it is left out: the words around
it still make sense, and a call never hangs on a voice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agi.speech.prompts import PromptError, prompt_path, render_prompts
from ivr_flows.events import UPLOAD

RENDER_SECONDS = 3.0
RENDERING_MAXIMUM = 2
"""Texts being rendered at once: on a busy node callers hear the words around them."""

log = logging.getLogger(__name__)


class Sounds:
    """Finds prompts in the prompts' folder, and has missing ones rendered."""

    def __init__(self, prompts_dir: Path) -> None:
        self._prompts_dir = prompts_dir
        self._rendering: dict[str, asyncio.Task[None]] = {}

    def path(self, prompt: str) -> Path:
        """Return where the sound of `prompt` lies or will lie."""
        return prompt_path(self._prompts_dir, prompt)

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """Return the prompts that have no sound yet."""
        return [prompt for prompt in dict.fromkeys(prompts) if not self.path(prompt).is_file()]

    def there(self, prompts: Sequence[str]) -> tuple[Path, ...]:
        """Return the sounds of those prompts that have one, in order."""
        return tuple(path for path in map(self.path, prompts) if path.is_file())

    async def render(self, prompts: Sequence[str], *, seconds: float = RENDER_SECONDS) -> None:
        """Render texts, for at most so long; what is not ready by then is ready for the next caller."""
        wanted = [task for prompt in prompts if (task := self._task(prompt)) is not None]
        if wanted:
            await asyncio.wait(wanted, timeout=seconds)

    def _task(self, prompt: str) -> asyncio.Task[None] | None:
        if prompt.startswith(UPLOAD):
            log.warning("the uploaded prompt %.80r is missing", prompt)
            return None
        if prompt not in self._rendering:
            if len(self._rendering) >= RENDERING_MAXIMUM:
                return None
            task = asyncio.create_task(self._render(prompt))
            self._rendering[prompt] = task
            task.add_done_callback(partial(self._done, prompt))
        return self._rendering[prompt]

    def _done(self, prompt: str, _: asyncio.Task[None]) -> None:
        del self._rendering[prompt]

    async def _render(self, prompt: str) -> None:
        try:
            await asyncio.to_thread(render_prompts, self._prompts_dir, [prompt])
        except PromptError as problem:
            log.warning("a prompt is left out: %s", problem)
