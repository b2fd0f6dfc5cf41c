"""Sounds of one's own for machines."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence

from pydantic import BaseModel, Field

from web.api.operation import Answered, Asked, Body, FieldProblem, Operation, Problem, refused
from web.keys import EDITORS
from web.prompts.uploads import SoundRefused, bring_in

SOUND_BYTES_MAXIMUM = 12 * 1024 * 1024
"""Five minutes of MP3; the page takes larger files, which need not fit in memory."""
_BASE64_CHARACTERS_MAXIMUM = (SOUND_BYTES_MAXIMUM + 2) // 3 * 4


class SoundBody(Body):
    """A sound file (WAV, MP3, FLAC, Ogg Vorbis) in base64. `replace`: it may take the place of one of that name."""

    name: str = Field(max_length=64, description="Flows play it by the prompt upload:NAME")
    sound: str = Field(max_length=_BASE64_CHARACTERS_MAXIMUM, description="The file, in base64")
    replace: bool = False


class SoundKept(BaseModel):
    """`digest` is the SHA-256 of the 8 kHz sound: what a call's page names."""

    name: str
    prompt: str
    seconds: float
    digest: str


async def _take(asked: Asked) -> Answered | Problem:
    body: SoundBody = asked.body
    try:
        sound = base64.b64decode(body.sound, validate=True)
    except (binascii.Error, ValueError):
        return refused(FieldProblem(field="sound", problem="this is no base64"))
    done = await bring_in(
        asked.request.app,
        asked.actor,
        io.BytesIO(sound),
        file_name="the sound",
        name=body.name,
        replace=body.replace,
    )
    if isinstance(done, SoundRefused):
        field = "sound" if done.field == "file" else done.field
        return refused(FieldProblem(field=field, problem=done.reason))
    return Answered(
        content={
            "name": done.name,
            "prompt": f"upload:{done.name}",
            "seconds": done.seconds,
            "digest": done.digest,
        },
        status=201,
    )


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="POST",
        path="/prompt-sounds",
        name="bring_in_sound",
        summary="Bring in a sound for flows to play",
        description="Checked, brought to one level, kept in 8 and 16 kHz. At most five minutes.",
        tag="flows",
        handler=_take,
        roles=EDITORS,
        body=SoundBody,
        answer=SoundKept,
        status=201,
        body_bytes_maximum=_BASE64_CHARACTERS_MAXIMUM + 4096,
        problems=frozenset({422}),
    ),
)
