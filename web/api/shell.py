"""The HTTP around an operation: who asks, with what right, what they sent, and how the answer is spelled."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from web.api.idempotency import Remembered, begin_post, finish_post, forget_post
from web.api.operation import (
    JSON,
    PROBLEM,
    Answered,
    Asked,
    FieldProblem,
    Operation,
    Problem,
    not_found,
)
from web.api.rate import RATE, Rate
from web.api.who import Asker, who_asks
from web.keys import ENGINE, USER

NO_BODY = Problem(status=400, title="Not JSON", detail="the request's body is not a JSON object")
IDENTIFIER_MAXIMUM = 2**63 - 1
FIELD_PROBLEMS_MAXIMUM = 50

Response = web.StreamResponse


def handler_of(operation: Operation) -> Callable[[web.Request], Awaitable[Response]]:
    """Return the aiohttp handler of an operation."""

    async def handle(request: web.Request) -> Response:
        asker = await who_asks(request, operation)
        if isinstance(asker, Problem):
            return write_problem(asker)
        request[USER] = asker.user
        rate: Rate = request.app[RATE]
        if wait := rate.seconds_to_wait(asker.user.user_id, datetime.now(UTC).timestamp()):
            return write_problem(
                Problem(
                    status=429,
                    title="Too many requests",
                    detail=f"ask again in {wait} s",
                    headers={"Retry-After": str(wait)},
                )
            )
        if operation.body is not None:
            # The application's own limit is that of a page's form.
            request = request.clone(client_max_size=operation.body_bytes_maximum)
        asked = await _read(request, operation, asker)
        if isinstance(asked, Problem):
            return write_problem(asked)
        if operation.method == "POST":
            return await _once(request, operation, asked)
        return await _do(operation, asked)

    # Read by the test of every route for every role.
    handle.roles = operation.roles  # type: ignore[attr-defined]
    return handle


async def _once(request: web.Request, operation: Operation, asked: Asked) -> Response:
    """Do a POST; the same Idempotency-Key asked again gets the same answer, and nothing is done twice."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return await _do(operation, asked)
    engine, user_id = request.app[ENGINE], asked.user.user_id
    once = operation.shown_once
    found = await begin_post(
        engine, user_id, key, request.path, await request.read(), asked.now, shown_once=once
    )
    if isinstance(found, Problem):
        return write_problem(found)
    if isinstance(found, Remembered):
        return web.Response(
            status=found.status, body=found.body, headers={**found.headers, "Idempotent-Replay": "true"}
        )
    try:
        response = await _do(operation, asked)
    except BaseException:
        await forget_post(engine, user_id, key)
        raise
    if not isinstance(response, web.Response) or response.status >= 500:
        await forget_post(engine, user_id, key)
    else:
        await finish_post(engine, user_id, key, response, keep=response.status >= 400 or not once)
    return response


async def _do(operation: Operation, asked: Asked) -> Response:
    outcome = await operation.handler(asked)
    if isinstance(outcome, Problem):
        return write_problem(outcome)
    if isinstance(outcome, Answered):
        return _write(operation, outcome)
    return outcome


async def _read(request: web.Request, operation: Operation, asker: Asker) -> Asked | Problem:
    path = _read_path(request, operation)
    if path is None:
        return not_found(operation.tag.rstrip("s"))
    query = _checked(operation.query, dict(request.query), 400, "Cannot be right")
    if isinstance(query, Problem):
        return query
    body = await _read_body(request, operation)
    if isinstance(body, Problem):
        return body
    if_match = request.headers.get("If-Match")
    if operation.takes_etag and if_match is None:
        return Problem(
            status=428,
            title="Say what you saw",
            detail="send If-Match with the ETag you read, so that nobody's change is lost",
        )
    return Asked(
        request=request,
        user=asker.user,
        path=path,
        query=query,
        body=body,
        if_match=if_match,
        now=datetime.now(UTC),
    )


def _read_path(request: web.Request, operation: Operation) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name in operation.path_names:
        text, kind = request.match_info[name], operation.type_of(name)
        value = _path_value(text, kind)
        if value is None:
            return None
        found[name] = value
    return found


def _path_value(text: str, kind: type[int] | type[UUID] | type[str]) -> int | UUID | str | None:
    if kind is str:
        return text if text.isprintable() and len(text) <= 200 else None
    try:
        if kind is UUID:
            return UUID(text)
        value = int(text) if text.isascii() and text.isdigit() else 0
    except ValueError:
        return None
    return value if 0 < value <= IDENTIFIER_MAXIMUM else None


async def _read_body(request: web.Request, operation: Operation) -> Any:
    """Return the checked body (None when the operation takes none), or a Problem."""
    if operation.body is None:
        return None
    text = await _body_text(request, operation)
    if isinstance(text, Problem):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return NO_BODY
    if not isinstance(value, dict):
        return NO_BODY
    if has_unstorable(value):
        return Problem(status=422, title="Cannot be right", detail="a text holds NUL or half a character")
    # The text, not the value: strict fields then read dates and the like as JSON spells them.
    return _checked(operation.body, text, 422, "Cannot be right")


async def _body_text(request: web.Request, operation: Operation) -> bytes | Problem:
    if request.content_type != JSON:
        return Problem(status=415, title="Not JSON", detail=f"send the body as {JSON}")
    length = request.content_length
    if length is not None and length > operation.body_bytes_maximum:
        return _too_large(operation)
    try:
        text = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _too_large(operation)
    return text if len(text) <= operation.body_bytes_maximum else _too_large(operation)


def has_unstorable(value: object) -> bool:
    """Tell whether a text in it holds what PostgreSQL cannot store: NUL, or half of a surrogate pair."""
    if isinstance(value, str):
        return "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(has_unstorable(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(has_unstorable(part) for part in value)


def _too_large(operation: Operation) -> Problem:
    return Problem(
        status=413, title="Too much", detail=f"at most {operation.body_bytes_maximum} bytes are taken"
    )


def _checked(model: type[BaseModel] | None, value: Any, status: int, title: str) -> Any:
    if model is None:
        return None
    try:
        if isinstance(value, bytes):
            return model.model_validate_json(value)
        return model.model_validate(value)
    except ValidationError as error:
        return Problem(status=status, title=title, fields=field_problems(error))


_SAID = {"extra_forbidden": "there is no such field", "missing": "fill this in"}


def field_problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """Return what pydantic found wrong, a field each."""
    return tuple(
        FieldProblem(
            field=".".join(str(piece) for piece in problem["loc"]),
            problem=_SAID.get(problem["type"]) or problem["msg"].removeprefix("Value error, "),
        )
        for problem in error.errors(include_url=False, include_context=False, include_input=False)[
            :FIELD_PROBLEMS_MAXIMUM
        ]
    )


def write_problem(problem: Problem) -> web.Response:
    """Spell a problem (RFC 9457)."""
    content: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    if problem.detail:
        content["detail"] = problem.detail
    if problem.fields:
        content["errors"] = [{"field": found.field, "problem": found.problem} for found in problem.fields]
    return web.Response(
        status=problem.status,
        body=json.dumps(content).encode(),
        content_type=PROBLEM,
        headers=dict(problem.headers),
    )


@cache
def _adapter(answer: Any) -> TypeAdapter[Any]:
    return TypeAdapter(answer)


def _write(operation: Operation, answered: Answered) -> web.Response:
    headers = dict(answered.headers)
    if answered.etag is not None:
        headers["ETag"] = answered.etag
    status = answered.status or operation.status
    if operation.answer is None or status == HTTPStatus.NO_CONTENT:
        return web.Response(status=status, headers=headers)
    adapter = _adapter(operation.answer)
    body = adapter.dump_json(adapter.validate_python(answered.content, from_attributes=True))
    return web.Response(status=status, body=body, content_type=JSON, headers=headers)
