"""The words of the sounds a flow plays, by the sound's name: so that a call's way says what the caller heard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from sqlalchemy.ext.asyncio import AsyncConnection

from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.inspection import texts_of
from ivr_flows.queries import published_version
from rules.prompt_names import prompt_file


async def texts_by_sound(
    connection: AsyncConnection, name: str | None, version: int | None
) -> Mapping[str, str]:
    """Return the words of a published flow; none when it is gone or cannot be read."""
    if name is None:
        return {}
    published = await published_version(connection, name, version)
    if published is None:
        return {}
    try:
        flow = parse_flow(published.definition, version=published.version)
    except FlowError:
        return {}
    return {PurePath(prompt_file(text)).stem: text for text in texts_of(flow)}
