"""The softphone dialled a one-time code: what is it for?"""

from __future__ import annotations

import logging

from agi import channel_variables as var
from agi.channel import Channel
from agi.dial_code_queries import take_code
from agi.draft_call import draft_call
from agi.offer import Services

DRAFT = "draft"
CODE_DIGITS = 12

log = logging.getLogger(__name__)


async def dial_code(channel: Channel, services: Services) -> None:
    """Serve the AGI step `dial-code`. Leaves without TB_DONE for a code that opens nothing: the dialplan refuses it.

    A code for a call in progress leaves TB_SPY and TB_SPY_CALL for the dialplan's [spy]; a draft is played here.
    """
    digits = channel.given("code")
    if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdigit()):
        return
    async with services.engine.begin() as connection:
        # Asterisk's unique ids begin with its system name, which is the node's.
        node = channel.uniqueid.rpartition("-")[0]
        code = await take_code(connection, digits, node=node, channel=channel.uniqueid)
    if code is None:
        log.info("a code was dialled that opens nothing")
    elif code.purpose == DRAFT:
        await draft_call(channel, services, code)
    else:
        spy = {var.SPY: code.purpose, var.SPY_CALL: str(code.call_id or "")}
        await channel.set_variables({**spy, var.DONE: "1"})
