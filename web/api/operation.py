"""What the API can do, as data: each operation once; its route, its checks and its documentation come from it. Pure.

A page folder that does something for machines exports OPERATIONS from its `api.py`; web/api/operations.py lists them
all. A handler is given an `Asked` and returns an `Answered`, a `Problem`, or a response of its own when its media type
is not JSON. It calls what the pages call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine

from web.audit import Actor, Via
from web.authority import NotAllowed
from web.keys import ENGINE, Role, User
from web.visitors import credential_of, holder_of

JSON = "application/json"
PROBLEM = "application/problem+json"
SAFE_METHODS = frozenset({"GET"})

Item = TypeVar("Item")


class Body(BaseModel):
    """What a request brings: a field nobody knows is refused, and no text becomes a number by itself."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """What stands after the question mark: texts, read as what they should be."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Item]):
    """A part of a list. `next` is the cursor of the following part, or null at the end."""

    items: list[Item]
    next: str | None = None


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field. `field` is a path such as "stages.0.method"; empty: the whole."""

    field: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why nothing was done (RFC 9457). `title` is the same for every problem of a kind."""

    status: int
    title: str
    detail: str = ""
    fields: tuple[FieldProblem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def not_found(what: str) -> Problem:
    """There is none, or none that this user may see: the two are not told apart."""
    return Problem(status=404, title="Not found", detail=f"there is no such {what}")


def refused(*fields: FieldProblem, detail: str = "") -> Problem:
    """What was asked for cannot be right."""
    return Problem(status=422, title="Cannot be right", detail=detail, fields=fields)


def conflict(detail: str) -> Problem:
    """What was asked for does not fit what is there."""
    return Problem(status=409, title="Conflict", detail=detail)


def forbidden(why: NotAllowed) -> Problem:
    """Somebody known asks for what they may not do, or not by what they ask with."""
    return Problem(status=403, title="Not allowed", detail=f"{why.value}{_WAYS.get(why, '')}")


_WAYS = {NotAllowed.CONFIRM: " (on the page /confirm)", NotAllowed.FACTOR: " (on the page /confirm)"}


def changed_meanwhile(what: str) -> Problem:
    return Problem(
        status=412,
        title="Changed meanwhile",
        detail=f"the {what} was changed since you read it: read it again",
    )


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was found or done. `content` fits the operation's answer; `etag` names the state of what is shown."""

    content: Any = None
    status: int | None = None
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, checked. `path` holds what stood in the address, of the types the operation declares."""

    request: web.Request
    user: User
    path: Mapping[str, Any]
    query: Any
    body: Any
    if_match: str | None
    now: datetime

    @property
    def engine(self) -> AsyncEngine:
        return self.request.app[ENGINE]

    @property
    def actor(self) -> Actor:
        return Actor(
            user=self.user,
            via=Via.API,
            credential=credential_of(self.request, self.now),
            holder=holder_of(self.request),
        )


Handler: TypeAlias = Callable[[Asked], Awaitable[Answered | Problem | web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing the API can do.

    `path` is below /api/v1 with {names} whose types stand in `path_types` (int: a positive id, by default). `body` and
    `query` are pydantic models (Body, Query), `answer` anything pydantic can describe. `media` is what it answers with;
    other than JSON, the handler returns a response of its own. `takes_etag`: an If-Match header is demanded.
    `problems` are the statuses it may refuse with beside those that any operation may. `shown_once`: its answer shows a
    secret, which is kept nowhere; this says how to go on when that answer was lost.
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    handler: Handler
    roles: frozenset[Role]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: Any = None
    status: int = 200
    media: str = JSON
    path_types: Mapping[str, type[int] | type[UUID] | type[str]] = field(default_factory=dict)
    takes_etag: bool = False
    problems: frozenset[int] = frozenset()
    shown_once: str = ""
    description: str = ""
    body_bytes_maximum: int = 64 * 1024

    def __post_init__(self) -> None:
        if not self.roles:
            raise ValueError(f"{self.name} names no roles that may ask for it")

    @property
    def scope(self) -> str:
        """What a token needs for it."""
        return f"{'read' if self.method in SAFE_METHODS else 'write'}:{self.tag}"

    @property
    def path_names(self) -> Sequence[str]:
        return [piece[1:-1] for piece in self.path.split("/") if piece.startswith("{")]

    def type_of(self, name: str) -> type[int] | type[UUID] | type[str]:
        return self.path_types.get(name, int)
