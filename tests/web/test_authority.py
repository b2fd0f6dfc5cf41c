"""Who may do what to whom: every role, by every credential, each act, to every role."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.audit import Actor, Via
from web.authority import (
    FRESH_FOR,
    OWN,
    RULES,
    Act,
    Credential,
    NotAllowed,
    credential_of_session,
    not_allowed,
)
from web.keys import Role

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

# Whom an admin reaches by token, stale session, password and second factor:
# a admin, m manager, n analyst, b buyer, p publisher.
REACH: Mapping[Act, str] = {
    Act.INVITE: "bp bp amnbp amnbp",
    Act.CHANGE: "bp bp amnbp amnbp",
    Act.MAKE_INVITATION: "bp bp amnbp amnbp",
    Act.MAKE_RESET: "- - amnbp amnbp",
    Act.DISABLE: "mnbp amnbp amnbp amnbp",
    Act.ENABLE: "bp bp amnbp amnbp",
    Act.SIGN_OUT: "mnbp amnbp amnbp amnbp",
    Act.REVOKE_TOKEN: "- amnbp amnbp amnbp",
    Act.TAKE_FACTOR: "- - - amnbp",
    Act.OPEN_PERSON: "- - - amnbp",
}
# What everybody may do to themselves, and by what.
OWN_ACTS: Mapping[Act, set[Credential]] = {
    Act.MAKE_TOKEN: {Credential.PASSWORD, Credential.FACTOR},
    Act.ADD_FIRST_FACTOR: {Credential.PASSWORD, Credential.FACTOR},
    Act.CHANGE_FACTORS: {Credential.FACTOR},
}
LETTERS = {"a": Role.ADMIN, "m": Role.MANAGER, "n": Role.ANALYST, "b": Role.BUYER, "p": Role.PUBLISHER}


def test_the_table_is_of_every_act() -> None:
    assert set(RULES) == set(Act) == set(REACH) | set(OWN_ACTS)
    assert set(OWN_ACTS) == OWN


@pytest.mark.parametrize("act", Act)
def test_every_role_by_every_credential_to_every_role(act: Act) -> None:
    for role, credential, target, is_self in product(Role, Credential, Role, (False, True)):
        if act in OWN_ACTS:
            expected = is_self and credential in OWN_ACTS[act]
        else:
            letters = REACH[act].split()[list(Credential).index(credential)]
            expected = role is Role.ADMIN and target in {LETTERS[one] for one in letters if one != "-"}
        found = not_allowed(act, role=role, credential=credential, target=target, is_self=is_self)
        assert (found is None) is expected, (act, role, credential, target, is_self)


def test_a_stronger_credential_does_all_that_a_weaker_session_does() -> None:
    for rule in RULES.values():
        for weaker, stronger in pairwise([Credential.STALE, Credential.PASSWORD, Credential.FACTOR]):
            assert rule.reach(weaker) <= rule.reach(stronger)
        assert rule.reach(Credential.TOKEN) <= rule.reach(Credential.PASSWORD)


def test_a_refusal_says_the_way_that_works() -> None:
    """Anyone who is sent to confirm may do it then."""
    for act, credential, target in product(Act, Credential, Role):
        found = not_allowed(act, role=Role.ADMIN, credential=credential, target=target, is_self=True)
        if found is NotAllowed.CONFIRM:
            assert target in RULES[act].reach(Credential.PASSWORD)
        if found is NotAllowed.FACTOR:
            assert target not in RULES[act].reach(Credential.PASSWORD)
            assert target in RULES[act].reach(Credential.FACTOR)
        assert (found is NotAllowed.A_PERSON) <= (credential is Credential.TOKEN)


@given(st.integers(-5, 3600), st.none() | st.integers(-5, 3600))
def test_a_session_is_worth_what_was_shown_within_ten_minutes(
    verified_seconds: int, factor_seconds: int | None
) -> None:
    found = credential_of_session(
        verified_at=NOW - timedelta(seconds=verified_seconds),
        factor_at=None if factor_seconds is None else NOW - timedelta(seconds=factor_seconds),
        now=NOW,
    )
    if factor_seconds is not None and factor_seconds <= FRESH_FOR.total_seconds():
        assert found is Credential.FACTOR
    elif verified_seconds <= FRESH_FOR.total_seconds():
        assert found is Credential.PASSWORD
    else:
        assert found is Credential.STALE


def test_an_actor_who_says_nothing_is_worth_little_and_the_command_line_everything() -> None:
    assert Actor(user=None).may_not(Act.SIGN_OUT, Role.BUYER) is NotAllowed.NOT_YOURS
    command = Actor(user=None, via=Via.COMMAND, name="tollbridge user link")
    assert all(command.may_not(act, role) is None for act, role in product(Act, Role))
