"""What the OpenAPI document says, the API does: made-up requests, right and wrong ones, to every operation."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.api.conftest import Served
from web.api.openapi import openapi
from web.api.operation import JSON, Operation
from web.api.operations import OPERATIONS
from web.api.routes import PREFIX
from web.keys import Role

EXAMPLES = int(os.environ.get("TOLLBRIDGE_TEST_API_EXAMPLES", "4"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EACH_ROLE = max(1, EXAMPLES // 4)
ADDRESS_BYTES_MAXIMUM = 8_000
NOT_BY_TOKEN = {"make_token"}
"""What no token may do, no matter who made it."""

STREAM = "text/event-stream"
"""Never ends by itself: opened by tests of its own."""

SCHEMA = schemathesis.openapi.from_dict(openapi(OPERATIONS))
BY_LABEL = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}


def _tried() -> list[Operation]:
    return [operation for operation in OPERATIONS if operation.media != STREAM]


@pytest.mark.parametrize("operation", _tried(), ids=lambda operation: operation.name)
def test_made_up_requests_get_documented_answers(operation: Operation, served: Served) -> None:
    _ask(operation, served.address, served.token, tuple(schemathesis.GenerationMode), EXAMPLES)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
@pytest.mark.parametrize("operation", _tried(), ids=lambda operation: operation.name)
def test_each_role_gets_documented_answers_and_nothing_above_it(
    operation: Operation, role: Role, served: Served
) -> None:
    statuses = _ask(
        operation, served.address, served.tokens[role], (schemathesis.GenerationMode.POSITIVE,), EACH_ROLE
    )
    if operation.name in NOT_BY_TOKEN:
        assert statuses <= {400, 403}
    elif role in operation.roles:
        assert statuses.isdisjoint({401, 403})
    else:
        assert statuses == {403}


def _ask(
    operation: Operation,
    address: str,
    token: str,
    modes: Sequence[schemathesis.GenerationMode],
    examples: int,
) -> set[int]:
    """Ask made-up questions and judge the answers by the document; return the answers' statuses."""
    described = BY_LABEL[f"{operation.method} {operation.path}"]
    headers, statuses = {"Authorization": f"Bearer {token}"}, set[int]()

    with requests.Session() as session:
        for mode in modes:

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=described.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                answer = case.call(base_url=address + PREFIX, session=session, headers=headers)
                if len(answer.request.path_url) > ADDRESS_BYTES_MAXIMUM:
                    return  # the server's reader refuses it before anything of ours
                case.validate_response(answer, checks=CHECKS)
                statuses.add(answer.status_code)

            try:
                ask()
            except schemathesis.errors.SchemathesisError:
                # An operation that takes nothing can be asked nothing wrong.
                if mode != schemathesis.GenerationMode.NEGATIVE:
                    raise
    return statuses


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(operation.summary and operation.tag for operation in OPERATIONS)
    assert all(
        operation.answer is not None or operation.status == 204 or operation.media != JSON
        for operation in OPERATIONS
    )


def test_the_document_is_served_and_is_openapi(served: Served) -> None:
    found = requests.get(f"{served.address}{PREFIX}/openapi.json", timeout=20).json()
    assert found["openapi"].startswith("3.1")
    assert len(found["paths"]) >= len({operation.path for operation in OPERATIONS})
