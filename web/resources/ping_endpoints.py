"""Ping endpoints: where a target is asked for a bid. Secrets go in and never come out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncConnection

from router.auction_house import PUBLIC_ONLY
from router.buyers.dialect import Endpoint
from router.buyers.registry import endpoint_problems
from router.domain.auction import MAXIMUM_BID_MICROS, MAXIMUM_MINIMUM_CONNECTED_MS
from router.domain.bidder_record import DEFAULT_LEAST_PAID_PERCENT, DEFAULT_MOST_REFUSED_PERCENT
from router.domain.worth import DEFAULT_HIGHEST_BID_MICROS, DEFAULT_LONGEST_MINIMUM_SECONDS
from router.endpoint_admin import MASK, masked_settings, state_of
from router.endpoint_queries import RECORD_COLUMNS, read_endpoint, read_wins
from rules.money import MAXIMUM_MICROS
from store.tables import ping_endpoints
from web.api.operation import Body, FieldProblem
from web.keys import EDITORS, HOUSE
from web.resources import market_queries as queries
from web.resources.fields import Kind, Shown
from web.resources.resource import Cell, Related, Resource, Rows

DIALECT_NAMES = {
    "tollbridge": "Tollbridge",
    "ringba": "Ringba",
    "retreaver": "Retreaver",
    "leadspedia_like": "Leadspedia and the like",
    "template": "Template: described in the settings",
}
BADGES = {
    "well": "sold",
    "rested": "not_answered",
    "probed next": "not_answered",
    "not usable": "unknown_number",
}


Percent = Annotated[int, Field(ge=0, le=100)]


class PingEndpointForm(Body):
    """An endpoint. `secret` null keeps the one that is there; masked settings (***) stay as they are too."""

    target_id: Annotated[
        Annotated[int, Field(ge=1, le=2**63 - 1)],
        Shown(label="Target", kind=Kind.REFERENCE, reference="targets", help="Each has one at most."),
    ]
    dialect: Annotated[
        Literal["tollbridge", "ringba", "retreaver", "leadspedia_like", "template"],
        Shown(label="Dialect", kind=Kind.CHOICE, options=DIALECT_NAMES),
    ] = "tollbridge"
    url: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)],
        Shown(label="Address", help="https, at a public host."),
    ]
    secret: Annotated[
        Annotated[str, StringConstraints(max_length=500)] | None,
        Shown(label="Shared secret", kind=Kind.SECRET, help="Signs our pings, or opens theirs."),
    ] = None
    settings: Annotated[
        dict[str, Any],
        Field(default_factory=dict),
        Shown(
            label="Settings",
            kind=Kind.JSON,
            help="What the dialect asks for (docs/ping-post.md). *** stands for what is kept secret.",
            advanced=True,
        ),
    ]
    expose_caller: Annotated[
        bool,
        Shown(
            label="May see the caller’s number before it buys",
            kind=Kind.YES_NO,
            help="Only where the contract says so: losers see it too.",
            advanced=True,
        ),
    ] = False
    budget_per_minute: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000)] | None,
        Shown(label="Pings a minute, at most", kind=Kind.NUMBER, advanced=True),
    ] = None
    cost_micros: Annotated[
        Annotated[int, Field(ge=0, le=MAXIMUM_MICROS)],
        Shown(label="What a ping costs us", kind=Kind.MONEY, advanced=True),
    ] = 0
    highest_bid_micros: Annotated[
        Annotated[int, Field(ge=1, le=MAXIMUM_BID_MICROS)],
        Shown(label="Highest bid", kind=Kind.MONEY, help="A higher one is invalid.", advanced=True),
    ] = DEFAULT_HIGHEST_BID_MICROS
    longest_minimum_seconds: Annotated[
        Annotated[int, Field(ge=0, le=MAXIMUM_MINIMUM_CONNECTED_MS // 1000)],
        Shown(
            label="Longest minimum, in seconds",
            kind=Kind.NUMBER,
            help="A bid that pays only for longer calls is invalid.",
            advanced=True,
        ),
    ] = DEFAULT_LONGEST_MINIMUM_SECONDS
    most_refused_percent: Annotated[
        Percent,
        Shown(
            label="Refuses or does not answer at most, % of its wins",
            kind=Kind.NUMBER,
            help="More of at least 20 wins in 24 hours, and it rests; from half of it on, of at least 10, the caller’s"
            " number is hidden from it. 100: never rests for that.",
            advanced=True,
        ),
    ] = DEFAULT_MOST_REFUSED_PERCENT
    least_paid_percent: Annotated[
        Percent,
        Shown(
            label="Pays at least, % of what its winning bids are worth",
            kind=Kind.NUMBER,
            help="Less over at least 20 wins in 24 hours, and it rests. 0: never rests for that.",
            advanced=True,
        ),
    ] = DEFAULT_LEAST_PAID_PERCENT
    enabled: Annotated[bool, Shown(label="Is asked", kind=Kind.YES_NO)] = True


async def check(
    connection: AsyncConnection, form: PingEndpointForm, row_id: int | None
) -> Sequence[FieldProblem]:
    """Return what the dialect finds wrong, at the field."""
    if row_id is not None and form.target_id != row_id:
        problem = "an endpoint stays with its target: make one for the other target"
        return [FieldProblem(field="target_id", problem=problem)]
    known = None if row_id is None else await read_endpoint(connection, row_id)
    secret = form.secret if form.secret is not None else ("" if known is None else known.secret)
    before = {} if known is None else known.settings
    settings = _unmasked(form.settings, before)
    if MASK in _texts_of(settings):
        return [FieldProblem(field="settings", problem=f"{MASK} stands for nothing here: write it anew")]
    values = {**form.model_dump(), "secret": secret, "settings": settings}
    found = []
    for problem in endpoint_problems(Endpoint(**values), PUBLIC_ONLY):
        name, _, reason = problem.partition(": ")
        field, _, place = name.partition(".")
        known_field = field in PingEndpointForm.model_fields
        words = f"{place}: {reason}" if place else reason
        found.append(
            FieldProblem(
                field=field if known_field else "settings", problem=words if known_field else problem
            )
        )
    return found


def keep(columns: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Put back what was sent masked, and an empty secret where there is none to keep."""
    secret = columns["secret"] if before else columns["secret"] or ""
    settings = _unmasked(columns["settings"], before.get("settings", {}))
    return {**columns, "secret": secret, "settings": settings}


def hide(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "settings": masked_settings(values["settings"])}


def _unmasked(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        known = before.get(name)
        if isinstance(value, dict):
            found[name] = _unmasked(value, known if isinstance(known, dict) else {})
        else:
            found[name] = known if value == MASK and known is not None else value
    return found


def _texts_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts_of(part)]
    return [value]


NO_WINS: Mapping[str, Any] = dict.fromkeys(column.name for column in RECORD_COLUMNS)


async def more(connection: AsyncConnection, target_id: int) -> Mapping[str, Any]:
    """Return what became of an endpoint's wins."""
    wins, now = (await read_wins(connection, [target_id])).get(target_id), datetime.now(UTC)
    resting = wins is not None and (wins["rested_for_wins_until"] or now) > now
    return {"wins": wins, "resting": resting}


async def states(connection: AsyncConnection, rows: Rows) -> Mapping[int, Mapping[str, Cell]]:
    """Return how each endpoint is, as the auctions see it."""
    now = datetime.now(UTC)
    ids = [row["target_id"] for row in rows]
    rested, wins = await queries.rested_until(connection, ids), await read_wins(connection, ids)
    found = {}
    for row in rows:
        own = {**NO_WINS, **wins.get(row["target_id"], {}), "rested_until": rested.get(row["target_id"])}
        known = state_of({**row, **own}, now, PUBLIC_ONLY)
        state = str(known["state"])
        found[row["id"]] = {"state": Cell(text=state.capitalize(), badge=BADGES.get(state, "still"))}
    return found


PING_ENDPOINTS = Resource(
    name="ping-endpoints",
    one="ping endpoint",
    many="ping endpoints",
    table=ping_endpoints,
    form=PingEndpointForm,
    columns=("target_id", "dialect", "url", "state"),
    key="target_id",
    sort="url",
    label="url",
    search=("url",),
    filters=("dialect",),
    about="Targets that are asked for a bid while the caller waits, and how to ask them.",
    empty="A stage of pings needs targets that can be asked: add the address one of them gave you.",
    readers=HOUSE,
    editors=EDITORS,
    related=(
        Related(label="Its target", address="/targets/{id}"),
        Related(label="Try a ping", address="/ping-endpoints/{id}/test"),
    ),
    more=more,
    more_template="resources/bidder_wins.html",
    check=check,
    keep=keep,
    hide=hide,
    computed=states,
    computed_labels={"state": "State"},
)
