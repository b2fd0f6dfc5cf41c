"""The AGI step that says which channel somebody of the house is to hear: listening, whispering, barging in.

Who may was decided where the one-time code was given out (web) and used up (dial_code.py); this step only looks whether
the call is still there. Nothing of the call itself is touched.
"""

from __future__ import annotations

from uuid import UUID

from agi import channel_variables as var
from agi.channel import Channel
from agi.command_queries import hearable
from agi.offer import Services

WHISPER = "whisper"
OPTIONS = {"listen": "uqES", WHISPER: "uqESw", "barge": "uqESB"}
"""ChanSpy's: by unique id, quietly, until that channel is gone; with our voice to one side, or to both."""


async def spy(channel: Channel, services: Services) -> None:
    """Serve the AGI step `spy`: given `call` and `mode`, leaves TB_SPY_CHANNEL and TB_SPY_OPTIONS, or nothing."""
    mode, call_id = channel.given("mode"), _call_id(channel.given("call"))
    if mode in OPTIONS and call_id is not None:
        async with services.engine.connect() as connection:
            found = await hearable(connection, call_id)
        # A whisper is for the buyer's person alone: while nobody talks to the caller there is no one to whisper to.
        heard = found and (found.buyer if mode == WHISPER else found.caller)
        if heard:
            await channel.set_variables({var.SPY_CHANNEL: heard, var.SPY_OPTIONS: OPTIONS[mode]})
    await channel.set_variables({var.DONE: "1"})


def _call_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
