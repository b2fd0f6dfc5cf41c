"""Codes of the clock, and codes on paper."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.second_factor.codes import (
    RECOVERY_ALPHABET,
    RECOVERY_CODES,
    clean_recovery_code,
    digest_of_code,
    grouped,
    is_old_digest,
    new_recovery_codes,
    new_secret,
    setup_address,
    step_of_code,
)

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""RFC 6238's own: 12345678901234567890."""

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert step_of_code(SECRET, code, now) == seconds // 30
    assert step_of_code(SECRET, f" {code[:3]} {code[3:]} ", now) == seconds // 30


@given(now=moments, off_steps=st.integers(-5, 5))
def test_a_clock_may_be_one_step_off_and_no_more(now: datetime, off_steps: int) -> None:
    at = now + timedelta(seconds=30 * off_steps)
    code = pyotp.TOTP(SECRET).at(at)
    step = step_of_code(SECRET, code, now)
    if abs(off_steps) <= 1:
        assert step is not None and pyotp.TOTP(SECRET).generate_otp(step) == code
    else:
        # Another step may have the same six digits, but then it is that step's code.
        assert step is None or abs(step - int(now.timestamp()) // 30) <= 1


@given(text=st.text(max_size=80), now=moments)
def test_no_text_breaks_it(text: str, now: datetime) -> None:
    step_of_code(SECRET, text, now)
    code = clean_recovery_code(text)
    assert code is None or clean_recovery_code(code) == code


@given(code=st.sampled_from(new_recovery_codes()), gap=st.sampled_from(["", " ", "-", " - "]))
def test_a_recovery_code_may_be_typed_in_any_way(code: str, gap: str) -> None:
    assert clean_recovery_code(code.replace("-", gap).upper()) == code


def test_a_recovery_code_has_too_many_bits_to_be_found_from_its_digest() -> None:
    code = new_recovery_codes()[0].replace("-", "")
    assert len(code) * math.log2(len(set(RECOVERY_ALPHABET))) >= 128
    assert not is_old_digest(digest_of_code(new_recovery_codes()[0]))


def test_a_code_of_before_is_read_as_it_was_kept() -> None:
    old = "k7ma-2xwp-9tde-h4rn"
    assert clean_recovery_code(" K7MA 2xwp9tdeh4rn") == old
    assert digest_of_code(old) == hashlib.sha256(old.encode()).digest()
    assert is_old_digest(digest_of_code(old))
    assert clean_recovery_code("k7ma-2xwp-9tde-h4rn-k7ma") is None


def test_codes_and_secrets_differ() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    assert len({new_secret() for _ in range(20)}) == 20
    assert grouped("ABCDEFGH") == "ABCD EFGH"


def test_the_app_is_told_who_and_where() -> None:
    assert setup_address(SECRET, "ada@example.com") == (
        f"otpauth://totp/Tollbridge:ada%40example.com?secret={SECRET}&issuer=Tollbridge"
    )
