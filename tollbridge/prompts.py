"""Has every prompt a node may need rendered before a caller does: the flows' and the dialplan's own."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from agi.speech.prompt_audio import read_prompt
from agi.speech.prompts import (
    PromptError,
    is_rendered,
    prompt_digest,
    prompt_path,
    render_prompts,
    wideband_path,
)
from agi.speech.uploads import uploads
from asterisk_conf.prompts import system_prompts
from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.inspection import texts_of
from rules.prompt_names import UPLOAD_PREFIX
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.queries import published_flows, spoken_texts

log = logging.getLogger(__name__)

LIBRARY_DIR = Path(__file__).resolve().parent.parent / "ivr_flows" / "library"


def texts_in(definitions: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return every text the flows may play. A definition that is no flow is left out and logged."""
    texts: set[str] = set()
    for definition in definitions:
        try:
            texts |= texts_of(parse_flow(definition))
        except FlowError as problem:
            log.warning("a flow has no prompts: %s", problem)
    return frozenset(texts)


@dataclass(frozen=True, kw_only=True)
class PromptState:
    """One prompt a caller may hear, a text or `upload:NAME`. `digest` is the SHA-256 of its 8 kHz sound, '' while it is
    missing.
    """

    prompt: str
    file: Path
    is_there: bool
    seconds: float = 0.0
    digest: str = ""

    @property
    def is_upload(self) -> bool:
        return self.prompt.startswith(UPLOAD_PREFIX)


async def known_prompts(engine: AsyncEngine, prompts_dir: Path) -> tuple[PromptState, ...]:
    """Every prompt of the dialplan, the published flows and the market, and every uploaded sound, in order.

    Raises what the database raises.
    """
    async with engine.connect() as connection:
        definitions = await published_flows(connection)
        texts = await spoken_texts(connection)
    played = {*system_prompts().values(), *texts_in(definitions), *texts}
    played |= {f"{UPLOAD_PREFIX}{upload.name}" for upload in uploads(prompts_dir)}
    return tuple(_state(prompts_dir, prompt) for prompt in sorted(played))


def _state(prompts_dir: Path, prompt: str) -> PromptState:
    file = prompt_path(prompts_dir, prompt)
    if not file.is_file():
        return PromptState(prompt=prompt, file=file, is_there=False)
    return PromptState(
        prompt=prompt,
        file=file,
        is_there=True,
        seconds=len(read_prompt(file)) * 0.02,
        digest=prompt_digest(file),
    )


def missing_prompts(prompts_dir: Path, texts: Iterable[str]) -> list[str]:
    """Return the texts not rendered yet."""
    return [text for text in sorted(texts) if not prompt_path(prompts_dir, text).exists()]


def render_kept(prompts_dir: Path, texts: Iterable[str], *, kept: Path) -> dict[str, Path]:
    """Render what is missing, as render_prompts does, and keep a copy in `kept`, where the next node finds it.

    A flow's texts take half a minute of piper's time; their names say all that the sound depends on. Raises
    PromptError, OSError.
    """
    wanted = [text for text in texts if not text.startswith(UPLOAD_PREFIX)]
    for text in wanted:
        _copy_sound(prompt_path(kept, text), prompt_path(prompts_dir, text))
    rendered = render_prompts(prompts_dir, wanted)
    for text, path in rendered.items():
        with suppress(OSError):
            _copy_sound(path, prompt_path(kept, text))
    return rendered


def _copy_sound(source: Path, target: Path) -> None:
    """Copy both files of a prompt, unless they are not there, or there already."""
    if not is_rendered(source) or is_rendered(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for one, other in ((wideband_path(source), wideband_path(target)), (source, target)):
        place_sound(one, other)


def install_system_prompts(prompts_dir: Path, sounds_dir: Path, *, kept: Path) -> None:
    """Put the dialplan's prompts where Playback finds them by name. Raises PromptError, OSError."""
    prompts = system_prompts()
    rendered = render_kept(prompts_dir, prompts.values(), kept=kept)
    sounds_dir.mkdir(parents=True, exist_ok=True)
    for name, text in prompts.items():
        place_sound(rendered[text], sounds_dir / f"{name}.wav")


def place_sound(source: Path, target: Path) -> None:
    """Copy a sound in one step, when it is not there already. Raises OSError."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


async def render_flow_prompts(engine: AsyncEngine, prompts_dir: Path, *, kept: Path) -> None:
    """Render what the published flows and the market say and is not there.

    Faults are logged: calls go on without that prompt.
    """
    try:
        async with engine.connect() as connection:
            definitions = await published_flows(connection)
            texts = await spoken_texts(connection)
        said = texts_in(definitions) | frozenset(texts)
        await asyncio.to_thread(render_kept, prompts_dir, said, kept=kept)
    except DATABASE_FAULTS as fault:
        log.warning("prompts of the flows were not looked at: %s", type(fault).__name__)
    except (PromptError, OSError) as problem:
        log.error("%s", problem)
