"""Who guesses is slowed; who knows the password gets in, whatever others do meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import KeyRing
from store.tables import counters, users
from tests.web.conftest import EMAIL, PASSWORD, Client, open_client, sign_in
from web import auth, queries
from web.auth import SignedIn, SignInRefusal, Visitor, set_password
from web.counted_address import counted_as
from web.known_devices import DEVICE_COOKIE, DEVICE_LIFETIME, DEVICES, KnownDevice, KnownDevices, mark_of
from web.links.links import LinkKind, make_link
from web.sign_in_limits import (
    LONGEST_WAIT,
    Count,
    Limit,
    directory_limit,
    forgotten_limits,
    limits_for,
    link_limit,
    passkey_limit,
    recovery_code_limits,
    seconds_to_wait,
    wait_after,
)

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
OURS, THEIRS = KeyRing.made(), KeyRing.made()
HERE = Visitor(address="192.0.2.1")
NET = int(IPv6Address("2001:db8:1:2::"))


def counters_of(address: str) -> set[str]:
    """Return every counter of an attempt of any kind from this address."""
    found = [
        *limits_for(email=EMAIL, address=address),
        *forgotten_limits(email=EMAIL, address=address),
        *recovery_code_limits(1, address),
        link_limit(address),
        directory_limit(address),
        passkey_limit(address, None),
    ]
    return {limit.counter for limit in found}


@given(one=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_all_addresses_of_one_ipv6_network_count_as_one(one: int, other: int) -> None:
    assert counters_of(str(IPv6Address(NET + one))) == counters_of(str(IPv6Address(NET + other)))


@given(st.integers(1, 2**64 - 1))
def test_another_network_counts_by_itself(step: int) -> None:
    other = IPv6Address((NET + (step << 64)) % 2**128)
    same_for_both = {
        limits_for(email=EMAIL, address="")[2].counter,
        forgotten_limits(email=EMAIL, address="")[0].counter,
    }
    assert counters_of(str(other)) & counters_of(str(IPv6Address(NET))) == same_for_both


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0::ffff", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_what_an_address_counts_as(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@given(st.integers(0, 10**9), st.integers(0, 100))
def test_waits_grow_and_end(attempts: int, maximum: int) -> None:
    wait = wait_after(attempts, maximum)
    assert (wait == timedelta(0)) == (attempts < maximum)
    assert wait <= wait_after(attempts + 1, maximum) <= LONGEST_WAIT


@given(
    of_place=st.integers(0, 1000),
    of_account=st.integers(0, 10**6),
    waited=st.timedeltas(timedelta(0), timedelta(hours=2)),
)
def test_whoever_waits_the_longest_wait_may_try_whatever_others_do(
    of_place: int, of_account: int, waited: timedelta
) -> None:
    limits = limits_for(email=EMAIL, address="192.0.2.1")
    counts = (
        Count(value=0, last_at=NOW),
        Count(value=of_place, last_at=NOW),
        # Strangers go on to the last moment.
        Count(value=of_account, last_at=NOW + waited),
    )
    if waited >= LONGEST_WAIT:
        assert seconds_to_wait(limits, counts, NOW + waited) == 0


async def attempt(
    engine: AsyncEngine, password: str, *, visitor: Visitor = HERE, now: datetime = NOW, email: str = EMAIL
) -> object:
    found = await auth.sign_in(engine, email=email, password=password, visitor=visitor, now=now)
    return SignedIn if isinstance(found, SignedIn) else found


async def besiege(engine: AsyncEngine, now: datetime, *, networks: int = 57) -> None:
    """Wrong passwords for one account, each from a network of its own: 57 bring the longest wait."""
    for n in range(networks):
        visitor = Visitor(address=f"2001:db8:{n:x}::1")
        assert await attempt(engine, "wrong", visitor=visitor, now=now) is not SignedIn


async def test_strangers_from_everywhere_do_not_keep_the_owner_out(
    engine: AsyncEngine, site: TestServer
) -> None:
    moment = NOW
    await besiege(engine, moment)
    # A browser nobody knows waits once, however the strangers go on...
    assert await attempt(engine, PASSWORD, now=moment) is SignInRefusal.LOCKED_OUT
    for minute in range(15):
        await besiege(engine, moment + timedelta(minutes=minute), networks=5)
    assert await attempt(engine, PASSWORD, now=moment + timedelta(minutes=15)) is SignedIn


async def test_a_known_device_passes_the_strangers_at_once(
    stranger: Client, site: TestServer, engine: AsyncEngine
) -> None:
    assert await sign_in(stranger) == 303
    await besiege(engine, datetime.now(UTC))
    assert await sign_in(stranger) == 303
    async with open_client(site) as elsewhere:
        assert await sign_in(elsewhere) == 429


async def test_a_neighbour_behind_the_same_address_does_not_slow_a_known_device(
    stranger: Client, site: TestServer
) -> None:
    assert await sign_in(stranger) == 303
    async with open_client(site) as neighbour:
        assert [await sign_in(neighbour, password="wrong") for _ in range(7)] == [403] * 5 + [429] * 2
        assert [await sign_in(neighbour, email=f"{n}@example.com") for n in range(30)][-1] == 429
        assert await sign_in(stranger) == 303


async def test_a_known_device_is_slowed_by_its_own_wrong_passwords(stranger: Client) -> None:
    assert await sign_in(stranger) == 303
    assert [await sign_in(stranger, password="wrong") for _ in range(6)] == [403] * 5 + [429]


async def test_a_device_is_known_to_its_person_until_their_password_changes(
    stranger: Client, site: TestServer, engine: AsyncEngine
) -> None:
    assert await sign_in(stranger) == 303
    cookie = stranger.session.cookie_jar.filter_cookies(stranger.make_url("/"))[DEVICE_COOKIE]
    device = site.app[DEVICES].read(cookie.value, datetime.now(UTC))
    assert device is not None
    async with engine.connect() as connection:
        password_hash = str(await connection.scalar(select(users.c.password_hash)))
    assert device.is_of(device.user_id, password_hash)
    assert not device.is_of(device.user_id + 1, password_hash)
    assert await set_password(engine, EMAIL, "another horse battery") is None
    await besiege(engine, datetime.now(UTC))
    assert await sign_in(stranger, password="another horse battery") == 429


@given(st.text(max_size=400))
def test_nobody_writes_a_device_of_their_own(cookie: str) -> None:
    assert KnownDevices().read(cookie, NOW) is None


def test_a_device_is_believed_under_our_secret_only_and_not_for_ever() -> None:
    ours, theirs = KnownDevices(lambda: OURS), KnownDevices(lambda: THEIRS)
    cookie = ours.write(7, "$argon2id$…", NOW, before=None)
    device = ours.read(cookie, NOW)
    assert device == KnownDevice(id=device.id if device else "", user_id=7, mark=mark_of("$argon2id$…"))
    assert theirs.read(cookie, NOW) is None
    assert ours.read(cookie.replace("7.", "8.", 1), NOW) is None
    assert ours.read(cookie, NOW + DEVICE_LIFETIME + timedelta(seconds=1)) is None
    again = ours.read(ours.write(7, "$argon2id$…", NOW, before=device), NOW)
    assert again == device
    other = ours.read(ours.write(8, "$argon2id$…", NOW, before=device), NOW)
    assert other is not None and device is not None and other.id != device.id


async def test_waits_grow_with_each_wrong_password(engine: AsyncEngine, site: TestServer) -> None:
    moment, waits = NOW, []
    for _ in range(14):
        began = moment
        while await attempt(engine, "wrong", now=moment) is SignInRefusal.LOCKED_OUT:
            moment += timedelta(seconds=15)
        waits.append(int((moment - began).total_seconds()))
    assert waits == [0] * 5 + [15, 30, 60, 120, 240, 480, 900, 900, 900]


async def test_many_at_once_gain_nothing(engine: AsyncEngine, site: TestServer) -> None:
    results = await asyncio.gather(*(attempt(engine, "wrong") for _ in range(15)))
    assert results.count(SignInRefusal.WRONG) == 5 and results.count(SignInRefusal.LOCKED_OUT) == 10


async def test_whoever_has_to_wait_writes_no_rows_for_names_they_make_up(
    engine: AsyncEngine, site: TestServer
) -> None:
    for n in range(30):
        await attempt(engine, "wrong", email=f"user{n}@example.com")
    for n in range(30, 60):
        assert await attempt(engine, "wrong", email=f"user{n}@example.com") is SignInRefusal.LOCKED_OUT
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(counters)) == 61


async def test_attempts_are_forgotten_after_an_hour(engine: AsyncEngine, site: TestServer) -> None:
    async with engine.begin() as connection:
        limit = Limit(counter="sign_in_failures:test", maximum=1)
        assert await queries.take_attempt(connection, [limit], NOW) == 0
        assert await queries.take_attempt(connection, [limit], NOW) == 15
        later = NOW + timedelta(hours=1)
        assert await queries.take_attempt(connection, [limit], later) == 0
        assert await queries.take_attempt(connection, [limit], later + timedelta(seconds=1)) == 14


async def test_a_link_by_mail_makes_the_browser_known(engine: AsyncEngine, stranger: Client) -> None:
    async with engine.begin() as connection:
        user_id = int(await connection.scalar(select(users.c.id)) or 0)
        path = await make_link(
            connection,
            kind=LinkKind.RESET,
            user_id=user_id,
            created_by=None,
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )
    await besiege(engine, datetime.now(UTC))
    new = "another horse battery"
    async with stranger.post(path, data={"password": new, "again": new}, allow_redirects=False) as answer:
        assert answer.status == 303
    assert await sign_in(stranger, password=new) == 303


def test_an_account_s_counter_lengthens_the_wait_of_the_place() -> None:
    limits = limits_for(email=EMAIL, address="192.0.2.1")
    fresh = Count(value=0, last_at=NOW)
    guarded = replace(fresh, value=51)
    assert seconds_to_wait(limits, (fresh, fresh, guarded), NOW + timedelta(seconds=10)) == 20
    assert seconds_to_wait(limits, (fresh, fresh, guarded), NOW + timedelta(seconds=30)) == 0
