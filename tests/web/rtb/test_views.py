"""Publishers' machines at the door, over HTTP: each dialect's conversation, repeats, rates, and what is hostile."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from router.buyers.tollbridge.signing import SIGNATURE_HEADER, TIME_HEADER, sign, signed_by
from router.domain.ping_limits import PingLimits
from tests.postgres import as_owner
from tests.sealed import number_in
from tests.web.rtb.conftest import NUMBER, OHIO, MakePublisher, Publisher, a_caller
from web.keys import PINGS_AT_WORK
from web.rtb import queries
from web.rtb.body import BODY_BYTES_MAXIMUM


async def test_a_ping_gets_a_bid_a_number_and_an_expiry(publisher: Publisher, caller: str) -> None:
    answer = await publisher.ping(caller)
    bid = answer["bid"]
    assert (bid["amount"], bid["minimum_seconds"], bid["dial"]) == ("60.00", 90, NUMBER)
    assert 55 <= bid["expires_in_seconds"] <= 60
    assert answer["repeated"] is False
    assert await publisher.rooms_used() == 1


async def test_a_repeated_ping_gets_the_same_reservation_and_no_more_room(
    publisher: Publisher, caller: str
) -> None:
    first, second = await publisher.ping(caller), await publisher.ping(caller)
    assert first["bid"]["reference"] == second["bid"]["reference"]
    assert second["repeated"] is True
    assert await publisher.rooms_used() == 1


async def test_race_of_one_caller_pinged_20_times_at_once_is_one_reservation(
    publisher: Publisher, caller: str
) -> None:
    await publisher.key()
    answers = await asyncio.gather(*(publisher.ping(caller) for _ in range(20)))
    assert len({answer["bid"]["reference"] for answer in answers}) == 1
    assert sum(not answer["repeated"] for answer in answers) == 1
    assert await publisher.rooms_used() == 1


async def test_race_of_64_pings_for_a_cap_of_10_is_10_bids(publisher_of: MakePublisher) -> None:
    publisher = await publisher_of(cap=10)
    await publisher.key()
    answers = await asyncio.gather(*(publisher.ping(a_caller()) for _ in range(64)))
    refused = [answer for answer in answers if "bid" not in answer]
    assert len(answers) - len(refused) == 10
    assert {answer["market_code"] for answer in refused} == {1003}
    assert await publisher.rooms_used() == 10


async def test_a_share_of_the_revenue_is_bid_where_the_key_says_so(publisher: Publisher) -> None:
    await publisher.key(share_percent=80.0, reservation_seconds=30)
    bid = (await publisher.ping(a_caller()))["bid"]
    assert bid["amount"] == "68.00"
    assert bid["expires_in_seconds"] <= 30


async def test_a_publisher_that_wants_more_gets_nothing_and_holds_nothing(
    publisher: Publisher, caller: str
) -> None:
    answer = await publisher.ping(caller, least_bid="60.01")
    assert (answer["refusal"], answer["market_code"]) == ("no_bid", 1005)
    assert await publisher.rooms_used() == 0


@pytest.mark.parametrize(
    ("change", "answers", "refusal", "code"),
    [
        ("UPDATE campaigns SET enabled = false", OHIO, "disabled", 1001),
        ("UPDATE tracking_numbers SET enabled = false", OHIO, "disabled", 1001),
        ("UPDATE targets SET enabled = false", OHIO, "disabled", 1001),
        ("SELECT 1", {**OHIO, "state": "CA"}, "filtered", 1002),
        ("UPDATE targets SET loan_types = '{purchase}'", OHIO, "filtered", 1002),
        ("UPDATE targets SET concurrency_cap = 0", OHIO, "no_capacity", 1003),
        ("INSERT INTO blocked_callers (kind, value) VALUES ('prefix', '+1614')", OHIO, "caller", 1004),
        ("UPDATE plan_stages SET method = 'ping_post'", OHIO, "no_bid", 1005),
        (
            "INSERT INTO caps (owner, owner_id, kind, period, at_most)"
            " SELECT 'publisher', id, 'attempts', 'day', 0 FROM publishers",
            OHIO,
            "publisher_capped",
            1007,
        ),
    ],
)
async def test_each_reason_has_the_code_the_market_knows(
    publisher: Publisher, change: str, answers: dict[str, str], refusal: str, code: int
) -> None:
    await publisher.change(change)
    answer = await publisher.ping(a_caller(), answers=answers)
    assert (answer["refusal"], answer["market_code"]) == (refusal, code)
    assert "Buyer" not in json.dumps(answer)


@pytest.mark.parametrize("spelling", ["zip", "zip_code", "ZIP", "postal_code"])
async def test_a_zip_code_goes_before_the_area_code_however_it_is_spelled(
    publisher: Publisher, caller: str, spelling: str
) -> None:
    """The caller's number is of Ohio, where the buyer is licensed; the home is in California, where it is not."""
    answer = await publisher.ping(caller, answers={"loan_type": "refinance", spelling: "94105"})
    assert (answer["refusal"], answer["market_code"]) == ("filtered", 1002)
    assert "bid" in await publisher.ping(a_caller(), answers={"loan_type": "refinance", spelling: "43215"})


async def test_a_state_and_a_zip_code_that_disagree_need_licences_in_both(
    publisher: Publisher, caller: str
) -> None:
    answer = await publisher.ping(caller, answers={**OHIO, "zip": "94105"})
    assert (answer["refusal"], answer["market_code"]) == ("filtered", 1002)
    assert "bid" in await publisher.ping(a_caller(), answers={**OHIO, "zip": "43215"})


async def test_a_fact_told_twice_in_two_ways_is_refused(publisher: Publisher, caller: str) -> None:
    answer = await publisher.ping(caller, status=400, answers={**OHIO, "zip": "43215", "zip_code": "94105"})
    assert "zip is given twice" in answer["detail"]
    assert "bid" in await publisher.ping(a_caller(), answers={**OHIO, "caller_state": "Ohio", "region": "oh"})


async def test_a_call_that_goes_round_is_not_bought(publisher: Publisher) -> None:
    answer = await publisher.ping(a_caller(), hops=["north", "tollbridge"])
    assert answer["refusal"] == "loop"
    answer = await publisher.ping(a_caller(), hops=["a", "b", "c", "d", "e", "f"])
    assert answer["refusal"] == "loop"


async def test_an_expired_reservation_gives_its_room_to_the_next_ping(publisher_of: MakePublisher) -> None:
    publisher = await publisher_of(cap=1)
    first, second = a_caller(), a_caller()
    reference = (await publisher.ping(first))["bid"]["reference"]
    assert (await publisher.ping(second))["market_code"] == 1003
    await publisher.change("UPDATE rtb_reservations SET expires_at = now() - interval '1 second'")
    again = (await publisher.ping(first))["bid"]
    assert again["reference"] != reference
    assert await publisher.rooms_used() == 1


# --- signatures ----------------------------------------------------------------------------------------------


async def test_answers_are_signed_with_the_key_and_a_wrong_signature_is_refused(publisher: Publisher) -> None:
    key = await publisher.key()
    body = json.dumps({"kind": "ping", "ping_id": "p-7", "answers": OHIO, "caller": a_caller()}).encode()
    time = str(int(datetime.now(UTC).timestamp()))
    address = publisher.server.make_url(f"/rtb/{key}")
    headers = {TIME_HEADER: time, SIGNATURE_HEADER: sign(key, time, body)}
    async with publisher.session.post(address, data=body, headers=headers) as answer:
        assert answer.status == 200
        assert signed_by(key, "p-7", await answer.read(), answer.headers[SIGNATURE_HEADER])
    for wrong in (
        {**headers, SIGNATURE_HEADER: "0" * 64},
        {**headers, TIME_HEADER: str(int(time) - 3600)},
        {**headers, TIME_HEADER: "yesterday"},
    ):
        async with publisher.session.post(address, data=body, headers=wrong) as answer:
            assert answer.status == 400


async def test_a_hidden_caller_is_named_when_the_call_is_handed_over(
    publisher: Publisher, caller: str
) -> None:
    answer = await publisher.ping(None, caller_hash="ab" * 32)
    reference = answer["bid"]["reference"]
    body = {"kind": "post", "ping_id": "p-2", "reference": reference, "caller": caller}
    taken = await publisher.ask("tollbridge", "POST", json=body)
    assert taken == {"accepted": True, "dial": NUMBER}
    row = await publisher.row("SELECT caller_sealed, state FROM rtb_reservations")
    assert (number_in(row._mapping), row.state) == (caller, "confirmed")
    other = {**body, "caller": a_caller()}
    assert (await publisher.ask("tollbridge", "POST", json=other, status=400))["accepted"] is False


# --- the other dialects --------------------------------------------------------------------------------------


async def test_ringbas_shape_by_get_and_post_and_its_cached_bid(publisher: Publisher, caller: str) -> None:
    query = {
        "CID": caller.removeprefix("+"),
        "State": "Ohio",
        "loan_type": "refinance",
        "exposeCallerId": "yes",
    }
    first = await publisher.ask("ringba", "GET", ".json", params=query)
    assert (first["bidAmount"], first["phoneNumber"]) == (60.0, NUMBER)
    assert "warnings" not in first
    second = await publisher.ask("ringba", "POST", json=query)
    assert second["bidId"] == first["bidId"]
    assert second["warnings"][0]["code"] == 230
    nobody = await publisher.ask("ringba", "POST", json={"State": "OH"})
    assert nobody["bidAmount"] == 0
    assert nobody["rejectReason"].endswith("(Code: 1100)")


async def test_retreavers_reservation_holds_room_only_when_confirmed(publisher_of: MakePublisher) -> None:
    publisher = await publisher_of(cap=1)
    first = await _reserve(publisher, a_caller())
    second = await _reserve(publisher, a_caller())
    assert (first["status"], second["status"]) == ("reserved", "reserved")
    assert (first["retreaver_payout"], first["retreaver_seconds"]) == (60.0, 90)
    assert await publisher.rooms_used() == 0
    confirmed = await publisher.ask("retreaver", "PUT", f"/{first['uuid']}.json")
    assert (confirmed["status"], confirmed["inbound_number"]) == ("confirmed", NUMBER)
    assert await publisher.rooms_used() == 1
    assert (await publisher.ask("retreaver", "PUT", f"/{first['uuid']}"))["status"] == "confirmed"
    assert (await publisher.ask("retreaver", "PUT", f"/{second['uuid']}"))["status"] == "no-target"
    assert await publisher.rooms_used() == 1


async def test_race_of_16_confirmations_for_a_cap_of_4_is_4(publisher_of: MakePublisher) -> None:
    publisher = await publisher_of(cap=4)
    reserved = [await _reserve(publisher, a_caller()) for _ in range(16)]
    answers = await asyncio.gather(
        *(publisher.ask("retreaver", "PUT", f"/{one['uuid']}") for one in reserved for _ in range(2))
    )
    confirmed = {answer["uuid"] for answer in answers if answer["status"] == "confirmed"}
    assert len(confirmed) == 4
    assert await publisher.rooms_used() == 4


async def test_retreavers_duplicate_ping_is_the_same_reservation(publisher: Publisher, caller: str) -> None:
    first, second = await _reserve(publisher, caller), await _reserve(publisher, caller)
    assert first["uuid"] == second["uuid"]


async def test_an_expired_or_foreign_reservation_cannot_be_confirmed(publisher: Publisher) -> None:
    reserved = await _reserve(publisher, a_caller())
    await publisher.change("UPDATE rtb_reservations SET expires_at = now() - interval '1 second'")
    assert (await publisher.ask("retreaver", "PUT", f"/{reserved['uuid']}"))["status"] == "no-target"
    for unknown in ("0f0e0d0c-0b0a-4908-8706-050403020100", "..%2f..%2fetc", "x" * 200):
        await publisher.ask("retreaver", "PUT", f"/{unknown}", status=404)
    await publisher.ask("tollbridge", "PUT", f"/{reserved['uuid']}", status=200)


async def _reserve(publisher: Publisher, caller: str) -> dict[str, Any]:
    query = {"caller_number": caller, "caller_state": "OH", "loan_type": "refinance"}
    return await publisher.ask("retreaver", "POST", ".json", params=query)


# --- keys, rates, and what is hostile ------------------------------------------------------------------------


async def test_an_unknown_or_revoked_key_opens_nothing(publisher: Publisher) -> None:
    key = await publisher.key()
    async with publisher.engine.begin() as connection:
        assert await queries.revoke_key(connection, 1)
        assert not await queries.revoke_key(connection, 1)
    for wrong in (key, f"tbk_{'a' * 43}", "x", "%00", "tbk_'; DROP TABLE calls; --"):
        async with publisher.session.post(publisher.server.make_url(f"/rtb/{wrong}"), json={}) as answer:
            assert answer.status == 404
            assert await answer.json() == {"error": "unknown key"}


async def test_the_key_is_kept_as_a_digest_only(publisher: Publisher) -> None:
    key = await publisher.key()
    row = await publisher.row("SELECT k::text FROM rtb_keys k")
    assert key not in row[0]


async def test_more_pings_than_the_key_may_are_refused_until_the_minute_is_over(publisher: Publisher) -> None:
    await publisher.key(rate_per_minute=3)
    for _ in range(3):
        assert "bid" in await publisher.ping(a_caller())
    refused = await publisher.ping(a_caller(), status=429)
    assert (refused["refusal"], refused["market_code"]) == ("rate_limited", 1025)
    await publisher.change("UPDATE counters SET last_at = last_at - interval '61 seconds'")
    assert "bid" in await publisher.ping(a_caller())


async def test_a_publisher_whose_pings_bring_too_few_calls_is_told_first_and_bound_a_day_later(
    publisher: Publisher,
) -> None:
    await publisher.key()
    assert "notice" not in await publisher.ping(a_caller())
    await publisher.change("UPDATE rtb_keys SET pings_won = 160, pings_called = 3, warned_at = now()")
    told = await publisher.ping(a_caller())
    assert told["notice"].startswith(
        "160 pings and 3 calls in 7 days; at most 50 pings for each call. From 20"
    )
    await publisher.change("UPDATE rtb_keys SET warned_at = now() - interval '24 hours'")
    refused = await publisher.ping(a_caller())
    assert (refused["refusal"], refused["market_code"]) == ("publisher_capped", 1007)
    assert refused["detail"].endswith("1 open reservation at a time until more calls come")


async def test_a_publisher_hears_how_many_of_its_reservations_may_be_open(publisher: Publisher) -> None:
    await publisher.key(limits=PingLimits(open_most=2, room_share_percent=100))
    answers = await asyncio.gather(*(publisher.ping(a_caller()) for _ in range(12)))
    refused = [answer for answer in answers if "bid" not in answer]
    assert len(refused) == 10
    assert refused[0]["detail"].endswith(
        "2 of your reservations wait for their calls, and no more may at once"
    )


async def test_too_many_pings_at_once_are_told_to_come_again(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.rtb.views.WAIT_FOR_TURN_SECONDS", 0.05)
    at_work = publisher.server.app[PINGS_AT_WORK]
    held = 0
    while not at_work.locked():
        await at_work.acquire()
        held += 1
    assert (await publisher.ping(a_caller(), status=503))["refusal"] == "busy"
    for _ in range(held):
        at_work.release()
    assert "bid" in await publisher.ping(a_caller())


@pytest.mark.parametrize("dialect", ["tollbridge", "ringba", "retreaver"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"{",
        b"[" * 10_000,
        b'{"a":' * 2_000,
        b'{"caller": {"$gt": ""}, "CID": [], "caller_number": false}',
        b'{"CID": "' + b"9" * 5_000 + b'", "caller": 1e400}',
        json.dumps({f"f{n}": "x" for n in range(500)}).encode(),
        '{"CID": "１６１４５５５０１２３", "caller": "\ud83d\ude00"}'.encode("utf-8", "surrogatepass"),
    ],
    ids=range(11),
)
async def test_garbage_is_refused_and_the_next_ping_is_answered(
    publisher: Publisher, dialect: str, body: bytes
) -> None:
    address = publisher.server.make_url(f"/rtb/{await publisher.key(dialect)}")
    headers = {"Content-Type": "application/json"}
    async with publisher.session.post(address, data=body, headers=headers) as answer:
        assert answer.status in (200, 400, 422)
        assert answer.content_type == "application/json"
        found = await answer.json()
        assert "bid" not in found
        assert not found.get("bidAmount")
        assert found.get("status") != "reserved"
    assert "bid" in await publisher.ping(a_caller())


async def test_a_body_beyond_the_limit_is_not_read_to_its_end(publisher: Publisher) -> None:
    key = await publisher.key()
    reader, writer = await asyncio.open_connection("127.0.0.1", publisher.server.port)
    head = f"POST /rtb/{key} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    for _ in range(BODY_BYTES_MAXIMUM // 4096 + 1):
        writer.write(chunk)
    answer = await asyncio.wait_for(reader.readline(), 5)
    assert b"413" in answer
    writer.close()


async def test_a_body_that_stalls_is_given_up(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.rtb.body.BODY_SECONDS", 0.1)
    key = await publisher.key()
    reader, writer = await asyncio.open_connection("127.0.0.1", publisher.server.port)
    writer.write(f"POST /rtb/{key} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert b"408" in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_methods_of_other_dialects_are_refused_in_json(publisher: Publisher) -> None:
    assert "error" in await publisher.ask("tollbridge", "GET", status=405)
    assert "error" in await publisher.ask("retreaver", "GET", status=405)
    assert "error" in await publisher.ask(
        "ringba", "PUT", "/0f0e0d0c-0b0a-4908-8706-050403020100", status=405
    )
    assert "error" in await publisher.ask("ringba", "DELETE", status=405)


async def test_another_sites_page_gains_nothing_by_a_visitors_cookies(publisher: Publisher) -> None:
    """No CSRF check here: a browser of somebody signed in is as good as any machine without a key."""
    headers = {
        "Origin": "https://evil.example",
        "Sec-Fetch-Site": "cross-site",
        "Cookie": "tollbridge_session=x",
    }
    async with publisher.session.post(publisher.server.make_url("/rtb/x"), headers=headers) as answer:
        assert answer.status == 404


async def test_a_mistake_of_ours_is_told_in_json_and_the_key_stays_out_of_the_log(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("router.inbound_bids.InboundBids.ping", stumble)
    assert "error" in await publisher.ping(a_caller(), status=500)
    assert "a mistake" in caplog.text
    assert await publisher.key() not in caplog.text


async def test_without_a_database_pings_are_told_to_come_again(publisher: Publisher) -> None:
    key = await publisher.key()
    await publisher.engine.dispose()
    broken = publisher.server.make_url(f"/rtb/{key}")
    async with as_owner(publisher.engine) as connection:
        await connection.execute(text("ALTER TABLE rtb_keys RENAME TO rtb_keys_gone"))
    async with publisher.session.post(broken, json={}) as answer:
        assert answer.status == 503
        assert "error" in await answer.json()
