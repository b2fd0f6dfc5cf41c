"""What each process of a node finds in its environment: what it needs, and nobody else's secrets.

A process' environment is read by anyone who may look at /proc, by what it starts, and by a core that it leaves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import SecretStr

from tollbridge.settings import PREFIX, Settings

_URLS = frozenset({"database_url", "database_owner_url"})
"""They may hold a password."""
SECRETS = _URLS | {name for name, info in Settings.model_fields.items() if info.annotation is SecretStr}
NEEDED: Mapping[str, frozenset[str]] = {
    "speech": frozenset({"secret"}),
    "agi": frozenset({"secret", "database_url"}),
    "worker": frozenset({"database_url", "smtp_password"}),
    "pings": frozenset({"database_url"}),
    "web": frozenset(
        {
            "secret",
            "database_url",
            "smtp_password",
            "stripe_api_key",
            "stripe_webhook_secret",
            "oidc_client_secret",
        }
    ),
}
"""The secrets that a process is given, by its name; the others have none."""

_OF_THE_MACHINE = frozenset(
    (
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "TZ",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "TERM",
    )
)
_KINDS = ("LC_", "XDG_", "PYTHON", "MALLOC_", "SSL_CERT_", "COLOR", "NO_COLOR")


def bare_environment() -> dict[str, str]:
    """Return what any program needs of this process' environment: where things are, language and time zone."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _OF_THE_MACHINE or name.startswith(_KINDS)
    }


def environment_for(process: str, settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one of our own processes: the settings that are no secrets, and its own secrets.

    `given` are settings by name that this process has worked out itself; of these, too, only what is needed is passed.
    """
    needed, kept = NEEDED[process], Settings.model_fields.keys() - SECRETS
    values = {name: _spelled(getattr(settings, name)) for name in needed} | dict(given)
    worked_out = {_variable(name): value for name, value in values.items() if name in kept | needed and value}
    return bare_environment() | _plain_settings() | worked_out


def forget_secrets() -> None:
    """Take everything else out of this process' environment, now that settings are read: what it starts finds none."""
    kept = bare_environment() | _plain_settings()
    for variable in os.environ.keys() - kept.keys():
        del os.environ[variable]


def _plain_settings() -> dict[str, str]:
    plain = Settings.model_fields.keys() - SECRETS
    return {variable: value for variable, value in os.environ.items() if _setting(variable) in plain}


def _setting(variable: str) -> str:
    """Return the setting that a variable sets, whatever its case; empty: none."""
    name = variable.lower()
    return name.removeprefix(PREFIX.lower()) if name.startswith(PREFIX.lower()) else ""


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _spelled(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
