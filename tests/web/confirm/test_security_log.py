"""Who sits at somebody's open session and guesses leaves a line, as at the door."""

from __future__ import annotations

import pyotp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.web.conftest import PASSWORD, Client, security_events
from tests.web.passkeys.test_passkeys import FORGED, add_key

NEW_PASSWORD = "staple battery horse"
"""What the guesser would set."""


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/confirm", {"confirm_password": "wrong"}),
        ("/account/second-factor", {"confirm_password": "wrong"}),
        ("/account/password", {"old": "wrong", "new": NEW_PASSWORD, "again": NEW_PASSWORD}),
    ],
)
async def test_wrong_passwords_inside_leave_a_line_each(
    admin: Client, caplog: pytest.LogCaptureFixture, path: str, wrong: dict[str, str]
) -> None:
    for _ in range(6):
        await admin.post(path, data=wrong)
    assert security_events(caplog) == ["sign-in-refused"] * 5 + ["sign-in-locked"]


async def test_a_new_password_that_is_none_is_no_guess(
    admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await admin.post("/account/password", data={"old": "wrong", "new": "short", "again": "short"})
    await admin.post("/account/password", data={"old": PASSWORD, "new": NEW_PASSWORD, "again": "other"})
    assert security_events(caplog) == []


async def test_wrong_codes_inside_leave_a_line_each(admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    async with admin.post("/account/second-factor") as page:
        text, address = await page.text(), page.url.path
    secret = text.partition('<code class="secret">')[2].partition("<")[0]
    await admin.post(address, data={"code": pyotp.TOTP(secret.replace(" ", "")).now()})
    caplog.clear()
    for _ in range(6):
        await admin.post("/confirm", data={"confirm_password": PASSWORD, "confirm_code": "12345"})
    assert security_events(caplog) == ["sign-in-refused"] * 5 + ["sign-in-locked"]


async def test_forged_passkeys_and_questions_without_end_leave_a_line_each(
    admin: Client, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    await add_key(engine)
    async with admin.post("/confirm/passkey/question", json={}) as answer:
        token = (await answer.json())["token"]
    async with admin.post("/confirm/passkey", json={"token": token, "credential": FORGED}) as answer:
        assert answer.status == 403
    assert security_events(caplog) == ["sign-in-refused"]
    statuses = []
    for place in ["/confirm/passkey/question"] * 60 + ["/sign-in/passkey/question"]:
        async with admin.post(place, json={}) as answer:
            statuses.append(answer.status)
    assert statuses[-2:] == [429, 429], statuses
    assert set(security_events(caplog)) == {"sign-in-locked"}
