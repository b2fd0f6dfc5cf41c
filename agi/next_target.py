"""One short AGI step per dial attempt: the last target did not take the call, who is next?"""

from __future__ import annotations

from agi import channel_variables as var
from agi.call import load_tags, load_tried
from agi.channel import Channel
from agi.inbound_call import call_of
from agi.offer import Offered, Progress, Services, offer_next_target
from agi.offered import NO_BUYER


async def next_target(channel: Channel, services: Services) -> None:
    """Serve the AGI step `next-target`: all it needs came with its address."""
    call = call_of(channel)
    number = services.snapshot.current.numbers[call.dialled]
    if await offer_next_target(channel, services, call, number, _progress(channel)) is Offered.NOBODY:
        await channel.set_variables({var.CLOSING_PROMPT: NO_BUYER, var.DONE: "1"})


def _progress(channel: Channel) -> Progress:
    holding = channel.given("holding") == "1"
    return Progress(
        tags=load_tags(channel.given("tags")),
        # Who was busy a while ago may be free for one who waited.
        tried=() if holding else load_tried(channel.given("tried")),
        attempt=int(channel.given("attempt")),
        holds=int(channel.given("holds") or 0),
        holding=holding,
    )
