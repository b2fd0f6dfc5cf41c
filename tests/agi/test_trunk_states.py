"""What Asterisk says of registrations and addresses, as states with reasons in words."""

from __future__ import annotations

import pytest

from agi.trunk_states import Peer, State, TrunkState, reachability, registrations

SERVER, CLIENT = "sip:sip.carrier.example", "sip:acct-7@sip.carrier.example"
# As Asterisk 22.10.1 wrote them.
HEAD = "[2026-11-28 06:19:54.889] WARNING[31022] res_pjsip_outbound_registration.c: "
TAIL = f" received from '{SERVER}' on registration attempt to '{CLIENT}', retrying in '30'"
NO_ANSWER = f"{HEAD}No response{TAIL}"
WRONG_PASSWORD = f"{HEAD}Temporal response '401'{TAIL}"
FORBIDDEN = f"{HEAD}403 Forbidden fatal response{TAIL} seconds"
UNKNOWN = f"{HEAD}'404' fatal response{TAIL} seconds"
OUR_NAME_IS_GONE = f"{HEAD}Fatal response '410'{TAIL}".replace(
    ", retrying in '30'", ", stopping outbound registration"
)


def event(status: str, *, trunk: str = "trunk-2") -> dict[str, str]:
    return {
        "Event": "OutboundRegistrationDetail",
        "ObjectName": trunk,
        "ServerUri": SERVER,
        "ClientUri": CLIENT,
        "Status": status,
    }


def one(status: str, *log_lines: str) -> TrunkState:
    return registrations([event(status)], log_lines)[0]


@pytest.mark.parametrize(
    ("line", "state", "word"),
    [
        (NO_ANSWER, State.UNANSWERED, "no answer"),
        (WRONG_PASSWORD, State.REFUSED, "password (401)"),
        (FORBIDDEN, State.REFUSED, "(403)"),
        (UNKNOWN, State.REFUSED, "does not know our user name (404)"),
        (OUR_NAME_IS_GONE, State.REFUSED, "it refused (410)"),
        ("", State.REFUSED, "log says no more"),
    ],
)
def test_a_rejection_has_the_reason_of_the_log(line: str, state: State, word: str) -> None:
    found = one("Rejected", line)
    assert found.state is state and word in found.reason


def test_the_newest_line_counts_and_only_of_this_registration() -> None:
    other = WRONG_PASSWORD.replace("acct-7", "acct-8")
    assert one("Rejected", WRONG_PASSWORD, NO_ANSWER, other).state is State.UNANSWERED


def test_what_was_wrong_once_is_no_reason_any_more() -> None:
    assert one("Registered", WRONG_PASSWORD) == TrunkState(trunk_id=2, peer=SERVER, state=State.REGISTERED)
    assert one("Unregistered", WRONG_PASSWORD).state is State.TRYING


def test_only_registrations_of_trunks_are_read() -> None:
    auth = {**event("Registered"), "Event": "AuthDetail", "Password": "secret"}
    assert registrations([auth, event("Registered", trunk="trunk-2-out"), {}], []) == []


def test_an_address_answers_or_not_or_was_not_asked_yet() -> None:
    peer = Peer(trunk_id=5, uri="sip:192.0.2.10")
    assert peer.contact == "trunk-5@@c21bb9433d07b198ac08e392152f9111"
    reached = reachability(peer, "Reachable", "621")
    assert reached is not None and (reached.state, reached.round_trip_us) == (State.REACHABLE, 621)
    lost = reachability(peer, "Unreachable", "N/A")
    assert lost is not None and (lost.state, lost.round_trip_us) == (State.UNREACHABLE, None)
    assert reachability(peer, "Created", "") is None
