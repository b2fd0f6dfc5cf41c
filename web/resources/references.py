"""What fields that name rows of other resources offer, show, and understand.

Few rows are offered whole. Of many, some are suggested while one types (htmx), and what was typed is looked up: a name
or a number is understood without script too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multidict import MultiDict, MultiDictProxy
from sqlalchemy.ext.asyncio import AsyncConnection

from web.resources import queries
from web.resources.catalogue import RESOURCES
from web.resources.fields import Field, Kind, reference_in
from web.resources.resource import Resource, Rows

WHOLE_MAXIMUM = 150
SUGGESTED = 30
LOOKED_UP_MAXIMUM = 100
NAME_CHARACTERS_MAXIMUM = 200
BY_NAME: Mapping[str, Resource] = {resource.name: resource for resource in RESOURCES}
REFERENCES = (Kind.REFERENCE, Kind.REFERENCES)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a field offers: all rows by id, or (none) too many to be listed, and then how the chosen are spelled."""

    options: Mapping[Any, str] | None
    spelled: Mapping[str, str]


async def offers_of(
    connection: AsyncConnection, resource: Resource, texts: Mapping[str, Any]
) -> Mapping[str, Offer]:
    """Return what the reference fields of a form offer, where these texts stand in it."""
    found: dict[str, Offer] = {}
    for one in resource.fields:
        if one.shown.kind in REFERENCES:
            found[one.name] = await offer_of(connection, one, texts.get(one.name))
    return found


async def offer_of(connection: AsyncConnection, one: Field, text: Any) -> Offer:
    """Return what one field offers, where this text (or these) stands in it."""
    return await offer_rows(connection, one.shown.reference, text if isinstance(text, list) else [text or ""])


async def offer_rows(connection: AsyncConnection, name: str, chosen: Sequence[Any]) -> Offer:
    """Return what there is to choose from the rows of a resource, where these are chosen."""
    other = BY_NAME[name]
    rows = await queries.options_of(connection, other, limit=WHOLE_MAXIMUM + 1)
    if len(rows) <= WHOLE_MAXIMUM:
        return Offer(options=rows, spelled={})
    ids = [found for part in chosen if (found := reference_in(str(part))) is not None]
    labels = await queries.labels_of(connection, other, ids)
    return Offer(
        options=None, spelled={str(row_id): f"{label} ({row_id})" for row_id, label in labels.items()}
    )


async def labels_of(
    connection: AsyncConnection, resource: Resource, rows: Rows
) -> Mapping[str, Mapping[int, str]]:
    """Return what the rows are called that a list's rows refer to, by field."""
    found = {}
    for one in resource.fields:
        if one.name not in resource.columns or one.shown.kind not in REFERENCES:
            continue
        several = one.shown.kind == Kind.REFERENCES
        ids = [row_id for row in rows for row_id in (row[one.name] if several else [row[one.name]])]
        known = [row_id for row_id in ids if row_id is not None]
        found[one.name] = await queries.labels_of(connection, BY_NAME[one.shown.reference], known)
    return found


async def understood(
    connection: AsyncConnection, resource: Resource, posted: MultiDictProxy[Any]
) -> MultiDict[Any]:
    """Return what was posted, with the numbers of the rows that were named."""
    found: MultiDict[Any] = MultiDict(posted)
    for one in resource.fields:
        if one.shown.kind not in REFERENCES or one.name not in posted:
            continue
        texts = [line for text in posted.getall(one.name) for line in str(text).splitlines() or [""]]
        read = [
            await _id_text(connection, one, text.strip()) if number < LOOKED_UP_MAXIMUM else text
            for number, text in enumerate(texts)
        ]
        found.popall(one.name)
        found.extend([(one.name, text) for text in read])
    return found


async def _id_text(connection: AsyncConnection, one: Field, text: str) -> str:
    if not text or reference_in(text) is not None or "\x00" in text:
        return text
    found = await row_named(connection, one.shown.reference, text)
    return text if found is None else str(found)


async def row_named(connection: AsyncConnection, name: str, text: str) -> int | None:
    """Return the id of the row that a text stands for: 12, Day desk (12), or the name that only one row has."""
    if not text or "\x00" in text:
        return None
    told = reference_in(text)
    if told is not None:
        return told
    ids: Sequence[int] = await queries.ids_named(connection, BY_NAME[name], text)
    return ids[0] if len(ids) == 1 else None


async def suggestions(connection: AsyncConnection, resource: Resource, text: str) -> Sequence[str]:
    """Return what a row may be meant by what was typed so far, each as it is understood."""
    rows = await queries.options_of(connection, resource, search=text, limit=SUGGESTED)
    return [f"{label} ({row_id})" for row_id, label in rows.items()]


async def understood_query(
    connection: AsyncConnection, query: Mapping[str, str], fields: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return a query with the numbers of the rows that it names, and by field the texts that stand for no row.

    `fields` are the names in it that stand for rows, with their resources. What stands for no row is left out of it;
    a dash stays: where it is taken, it asks for what has none.
    """
    found, unknown = dict(query), {}
    for name, resource in fields.items():
        text = found.get(name, "").strip()[:NAME_CHARACTERS_MAXIMUM]
        if not text or text.isdigit() or text == "-":
            continue
        row_id = await row_named(connection, resource, text)
        found[name] = "" if row_id is None else str(row_id)
        if row_id is None:
            unknown[name] = text
    return found, unknown
