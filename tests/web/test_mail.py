"""Mail leaves encrypted, to a server that proves its name, or not at all; the password goes nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.certificate import make_certificate
from tests.web.mail_server import Letterbox, open_letterbox
from web.mail import Encryption, Mailer

LOGIN = (b"switch", b"a password of the mail server")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, "IP:127.0.0.1")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate, as one of those this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


async def send(box: Letterbox) -> bool:
    config = replace(box.config, username=LOGIN[0].decode(), password=LOGIN[1].decode())
    return await Mailer(config).send(
        to="ada@example.com", subject="Low wallet", text="Keystone has $12 left."
    )


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
async def test_a_server_that_proves_its_name_gets_the_mail(trusted: Path, encryption: Encryption) -> None:
    async with open_letterbox(encryption, trusted) as box:
        assert await send(box)
        (mail,) = box.mails
        assert mail["Subject"] == "Low wallet" and box.logins == [LOGIN]


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
async def test_a_server_that_nobody_vouches_for_gets_nothing(
    certificate: Path, encryption: Encryption, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_letterbox(encryption, certificate) as box:
        assert not await send(box)
        assert box.mails == [] and box.logins == []
    assert "certificate" in caplog.text.lower() and "a password" not in caplog.text


async def test_a_server_of_another_name_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_certificate(tmp_path, "DNS:mail.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    async with open_letterbox(Encryption.STARTTLS, other) as box:
        assert not await send(box)
        assert box.mails == [] and box.logins == []


async def test_a_server_that_drops_encryption_gets_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_letterbox(Encryption.STARTTLS) as box:
        assert not await send(box)
        assert box.mails == [] and box.logins == []
    assert "STARTTLS" in caplog.text
