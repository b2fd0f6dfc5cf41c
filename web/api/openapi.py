"""The OpenAPI 3.1 document of the API, made from its operations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from web.api.operation import JSON, PROBLEM, SAFE_METHODS, Operation

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"
REFERENCE = "#/components/schemas/{model}"

DESCRIPTION = (
    "Everything the pages do. Lists are read page by page: pass `next` as `cursor` until it is null. Edits take the "
    "ETag you read as If-Match. A POST with an Idempotency-Key may be sent again: it is done once, and "
    "answered as before; an answer that showed a secret is not kept, and the repeat says how to go on. What opens a "
    "way in is not done for a token, nor for a session that was not confirmed within ten minutes. Problems are "
    "application/problem+json (RFC 9457), with each field in `errors`."
)
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
MEANINGS: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "Nobody known asks",
    403: "Not for this user, or the token lacks the scope",
    404: "There is none, or none of yours",
    409: "It does not fit what is there",
    412: "It was changed meanwhile",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "It cannot be right; `errors` says which field and why",
    428: "If-Match is missing",
    429: "Asked too often; Retry-After says when again",
    503: "The database does not answer",
}
_KINDS: Mapping[type, Mapping[str, Any]] = {
    int: {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
    UUID: {"type": "string", "format": "uuid"},
    str: {"type": "string"},
}


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document of `operations`."""
    schemas: dict[str, Any] = {"Problem": dict(PROBLEM_SCHEMA)}
    bodies = _body_schemas(operations, schemas)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, bodies, schemas
        )
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "Tollbridge", "version": API_VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": tag} for tag in sorted({operation.tag for operation in operations})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tollbridge_session"},
            },
        },
    }


def _body_schemas(operations: Iterable[Operation], schemas: dict[str, Any]) -> Mapping[type[BaseModel], Any]:
    models = list(dict.fromkeys(operation.body for operation in operations if operation.body is not None))
    found, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    schemas.update(definitions.get("$defs", {}))
    return {model: found[(model, "validation")] for model in models}


def _operation(
    operation: Operation, bodies: Mapping[type[BaseModel], Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schemas),
        "x-scope": operation.scope,
        "x-roles": sorted(operation.roles),
    }
    if operation.description:
        found["description"] = operation.description
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": bodies[operation.body]}}}
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": dict(_KINDS[operation.type_of(name)])}
        for name in operation.path_names
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema(ref_template=REFERENCE)
        required = set(schema.get("required", ()))
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
            for name, part in schema.get("properties", {}).items()
        ]
    if operation.takes_etag:
        found.append(_header("If-Match", "The ETag that was read", required=True))
    if operation.method == "POST":
        found.append(
            _header("Idempotency-Key", "Any text of your own, new for each new request", required=False)
        )
    return found


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is not null: say only what it may be when it is there."""
    choices = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if len(choices) == 1:
        return {**rest, **choices[0]}
    return {**rest, "anyOf": choices} if choices else dict(schema)


def _header(name: str, description: str, *, required: bool) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.media != JSON:
        good["content"] = {operation.media: {"schema": {"type": "string"}}}
    elif operation.answer is not None:
        schema = TypeAdapter(operation.answer).json_schema(ref_template=REFERENCE, mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        good["content"] = {JSON: {"schema": schema}}
    problems = {status: _problem(status) for status in sorted(statuses_of(operation))}
    return {str(operation.status): good, **{str(status): found for status, found in problems.items()}}


def statuses_of(operation: Operation) -> frozenset[int]:
    """Return the statuses with which an operation may refuse."""
    found = {401, 403, 429, 503, *operation.problems}
    if operation.path_names:
        found.add(404)
    if operation.query is not None or operation.method not in SAFE_METHODS:
        found.add(400)
    if operation.body is not None:
        found |= {400, 413, 415, 422}
    if operation.takes_etag:
        found |= {412, 428}
    if operation.method == "POST":
        found |= {409, 422}
    return frozenset(found)


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": MEANINGS.get(status, "Refused"), "content": content}
