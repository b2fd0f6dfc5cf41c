"""Every setting of a node, read once from the environment and passed down. `tollbridge doctor` lists them."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "TOLLBRIDGE_"
DATA_SECRET_LENGTH_MINIMUM = 16
ROLES = ("admin", "manager", "analyst", "buyer", "publisher")


def _default_cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollbridge"


def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read 10.1.2.0/24,fd00::/8,10.0.0.5. Raises ValueError that says what is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def minutes_of_roles(text: str) -> dict[str, int]:
    """Read admin=30,buyer=240. Raises ValueError that says what is wrong."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, minutes = part.partition("=")
        if role not in ROLES:
            raise ValueError(f"{role!r} is none of {', '.join(ROLES)}")
        if not (minutes.isascii() and minutes.isdigit() and 5 <= int(minutes[:6]) <= 720):
            raise ValueError(f"{part!r}: say 5 to 720 minutes")
        found[role] = int(minutes)
    return found


def public_keys_of(text: str) -> frozenset[bytes]:
    """Read Ed25519 public keys, 64 hexadecimal digits each, comma between. Raises ValueError that says what is none."""
    keys = [part.strip() for part in text.split(",") if part.strip()]
    for key in keys:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", key):
            raise ValueError(f"{key!r} is not a public key of 64 hexadecimal digits")
    return frozenset(bytes.fromhex(key) for key in keys)


class Settings(BaseSettings):
    """Settings of one node. Every field is an environment variable with the prefix `TOLLBRIDGE_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    node_name: str = Field(
        "a", pattern=r"^[a-z0-9-]{1,16}$", description="name of this node; part of every call's id"
    )
    data_dir: Path = Field(
        Path(".tollbridge"), description="everything a node writes: database, Asterisk, logs"
    )
    cache_dir: Path = Field(
        default_factory=_default_cache_dir, description="shared downloads: Asterisk's private root, models"
    )

    database_url: str = Field(
        "", description="postgresql://… ; empty starts the embedded PostgreSQL in the data directory"
    )

    database_owner_url: str = Field(
        "",
        description="the same database as its owner, for `up` and `prepare` only: the user of database_url can then"
        " not change what is posted; empty: the embedded one does so by itself, another has one user for all",
    )

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        """The message must not hold the value: a password may be in it."""
        if value and not value.startswith(("postgresql://", "postgresql+asyncpg://")):
            raise ValueError("must begin with postgresql://, or be empty for the embedded PostgreSQL")
        return value

    lists_last_hours: int = Field(
        24,
        ge=1,
        le=168,
        description="hours buyers' lists of suppressed callers count while the database is away; then nobody is sold",
    )

    sip_address: str = Field("127.0.0.1", description="address Asterisk listens on for SIP and media")
    sip_port: int = Field(5060, ge=1, le=65535)
    sip_external_address: str = Field("", description="public address put into SDP when behind NAT")
    rtp_port_first: int = Field(10000, ge=1024, le=65000, description="4 ports a bridged call")
    rtp_port_last: int = Field(19998, ge=1024, le=65535)

    agi_port: int = Field(4573, ge=1, le=65535, description="FastAGI, loopback")
    ami_port: int = Field(5038, ge=1, le=65535, description="Asterisk manager, loopback")
    speech_port: int = Field(4580, ge=1, le=65535, description="speech control, loopback; one port a process")
    audiosocket_port: int = Field(
        4590, ge=1, le=65535, description="AudioSocket, loopback; one port a process"
    )
    speech_processes: int = Field(0, ge=0, le=64, description="0 = one per core")
    speech_engine: str = Field("auto", pattern=r"^(auto|vosk|moonshine)$")
    vosk_model_dir: Path | None = Field(None, description="folder of a Vosk model; auto prefers it when set")

    web_hook_networks: str = Field(
        "",
        description="networks of your own that web hooks of flows may go to, by plain http too: 10.1.2.0/24,…",
    )

    softphone: bool = Field(True, description="let admins and managers call drafts and listen in by browser")
    desk_phone_networks: str = Field(
        "",
        description="addresses of SIP phones that may dial one-time codes, and nothing else; comma between",
    )
    softphone_address: str = Field(
        "127.0.0.1", description="address at which Asterisk takes the web process's WebSockets"
    )
    softphone_port: int = Field(8088, ge=1, le=65535)
    softphone_certificate: Path | None = Field(
        None, description="certificate (PEM) for TLS on that way, when it is not the loopback"
    )
    softphone_private_key: Path | None = Field(None, description="private key (PEM) of that certificate")
    softphone_media_address: str = Field(
        "", description="address at which sound of browsers is taken; empty: sip_address"
    )
    softphone_external_address: str = Field(
        "",
        description="public address browsers send media to, when behind NAT; empty: that of sip_external_address",
    )

    web_address: str = Field("127.0.0.1", description="address of the web pages")
    web_port: int = Field(8080, ge=1, le=65535)
    pings_address: str = Field("127.0.0.1", description="address at which publishers' pings are answered")
    pings_port: int = Field(
        8081, ge=1, le=65535, description="the pages pass /rtb/ on to it; so may a reverse proxy"
    )
    web_url: str = Field(
        "",
        description="how people reach the pages, https://switch.example; with https cookies never go without it",
    )

    @field_validator("web_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/")
        ):
            raise ValueError("must be https://host or http://host, with a port if need be, and no path")
        return f"{parts.scheme}://{parts.netloc}" if value else ""

    second_factor_grace_days: int = Field(
        14, ge=0, le=90, description="days after which admins and managers need a second factor; 0: at once"
    )
    session_idle_minutes: str = Field(
        "admin=30,manager=60,analyst=240,buyer=240,publisher=240",
        description="minutes a session of each role may stay unused; who is not named keeps the usual",
    )

    @field_validator("session_idle_minutes")
    @classmethod
    def _are_minutes(cls, value: str) -> str:
        minutes_of_roles(value)
        return value

    trusted_proxies: str = Field(
        "",
        description="networks of reverse proxies before the pages, believed when they say who asks: 10.0.0.5,…",
    )

    plain_http_networks: str = Field(
        "",
        description="networks whose requests the pages take without TLS: 10.1.0.0/16,…; empty: this machine's only",
    )

    @field_validator(
        "web_hook_networks", "trusted_proxies", "plain_http_networks", "oidc_networks", check_fields=False
    )
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks_of(value)
        return value

    # Invitations and forgotten passwords by mail; no host: admins hand links on themselves.
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_encryption: str = Field(
        "starttls", pattern=r"^(starttls|tls|none)$", description="tls is port 465; none is for the loopback"
    )
    smtp_username: str = Field("", description="empty: the server asks for none")
    smtp_password: SecretStr = Field(SecretStr(""))
    smtp_sender: str = Field("", description="whom mails are from: Tollbridge <switch@switch.example>")
    smtp_host: str = Field(
        "", description="SMTP server for invitations, forgotten passwords and wallets; empty: no mail"
    )

    @field_validator("smtp_host")
    @classmethod
    def _has_what_mail_needs(cls, value: str, info: ValidationInfo) -> str:
        """Links in a mail must not follow what a stranger's request calls us."""
        missing = [
            f"{PREFIX}{name.upper()}" for name in ("web_url", "smtp_sender") if not info.data.get(name)
        ]
        if value and missing:
            raise ValueError(f"needs {' and '.join(missing)} too")
        return value

    # Sign-in by the house's directory (OpenID Connect); no issuer: by password and passkey only.
    oidc_client_id: str = Field("", max_length=300, description="what the directory calls us")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="the client's secret; or put it into a file"
    )
    oidc_client_secret_file: Path | None = Field(
        None, description="file whose first line is the client's secret"
    )
    oidc_name: str = Field(
        "your company account",
        pattern=r"^[^\x00-\x1f]{1,60}$",
        description="what the button on the sign-in page calls the directory: Sign in with …",
    )
    oidc_scopes: str = Field(
        "openid profile email",
        pattern=r"^(\S+ )*openid( \S+)*$",
        description="what the directory is asked for; offline_access where it gives no refresh token without",
    )
    oidc_groups_claim: str = Field("groups", min_length=1, description="claim that lists somebody's groups")
    oidc_trust_emails: bool = Field(
        False, description="believe the directory's e-mail addresses although it does not say email_verified"
    )
    oidc_second_factor_amr: str = Field(
        "", description="values of amr that count as a second factor, comma between: mfa,…; empty: none does"
    )
    oidc_second_factor_acr: str = Field("", description="the same for acr; they are asked for too")
    oidc_networks: str = Field(
        "", description="networks of your own that the directory may be in: 10.1.2.0/24,…; empty: public only"
    )
    oidc_recheck_minutes: int = Field(
        60, ge=5, le=720, description="how soon what the directory takes away ends here"
    )
    oidc_issuer: str = Field(
        "", description="the directory's issuer, exactly as it spells it: https://login.example/house"
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str, info: ValidationInfo) -> str:
        """Where people are led back to must not follow what a stranger's request calls us."""
        if not value:
            return value
        parts = urlsplit(value)
        on_this_machine = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not (parts.scheme == "https" or on_this_machine) or not parts.hostname:
            raise ValueError("must be https://…; http:// only for a directory on this machine")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must have no ?, no # and no user")
        missing = [
            f"{PREFIX}{name.upper()}" for name in ("web_url", "oidc_client_id") if not info.data.get(name)
        ]
        if missing:
            raise ValueError(f"needs {' and '.join(missing)} too")
        return value

    @field_validator("oidc_client_secret_file")
    @classmethod
    def _is_the_only_secret(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        secret = info.data.get("oidc_client_secret")
        if value is not None and secret is not None and secret.get_secret_value():
            raise ValueError(f"give this or {PREFIX}OIDC_CLIENT_SECRET, not both")
        return value

    house: str = Field(
        "tollbridge",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="our name in the lists of houses that resold a call: the same on every node, nobody else's",
    )

    # Shared by the processes of one node; made at the first start when empty and kept in data_dir/secret.
    secret: SecretStr = Field(SecretStr(""), description="token between Asterisk and our services")

    data_secret: SecretStr = Field(
        SecretStr(""),
        description="sealed second factors in older versions; may go after the first start of this one",
    )

    @field_validator("data_secret")
    @classmethod
    def _is_long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < DATA_SECRET_LENGTH_MINIMUM:
            raise ValueError(f"must have at least {DATA_SECRET_LENGTH_MINIMUM} characters")
        return value

    sealing_keys_file: Path | None = Field(
        None,
        description="keys that seal secrets, numbers and recordings, the same on every node; empty: one in data_dir,"
        " made for a new database",
    )
    ledger_key_file: Path | None = Field(
        None,
        description="Ed25519 key (PEM) that signs the ledger's roots; empty: one in data_dir, made when missing",
    )
    ledger_roots_dir: Path | None = Field(
        None,
        description="folder that signed roots are appended to, best on another disk; empty: data_dir/roots",
    )
    ledger_public_keys: str = Field(
        "",
        description="public keys of the other nodes (`tollbridge ledger key` prints a node's), comma between",
    )

    @field_validator("ledger_public_keys")
    @classmethod
    def _are_public_keys(cls, value: str) -> str:
        public_keys_of(value)
        return value

    # Money through a payment provider; empty: payments are recorded by hand and by file only.
    stripe_api_key: SecretStr = Field(SecretStr(""), description="Stripe's key; test keys only, see the next")
    stripe_webhook_secret: SecretStr = Field(SecretStr(""), description="signs what Stripe sends")
    stripe_live: bool = Field(False, description="take live money: the key must be a live one then")

    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")


def read_settings() -> Settings:
    """Read the environment. Raises pydantic.ValidationError that names each variable that cannot be right."""
    return Settings()


def settings_table(settings: Settings) -> list[tuple[str, str, str]]:
    """Return (variable, value, meaning) of every setting; secrets and passwords are not shown."""
    rows = []
    for name, field in type(settings).model_fields.items():
        value = str(getattr(settings, name))
        if name in ("database_url", "database_owner_url") and "@" in value:
            value = f"{value.split('://', maxsplit=1)[0]}://…@{value.rsplit('@', 1)[1]}"
        if name in ("database_url", "database_owner_url"):
            value = value.partition("?")[0]  # a password may stand there, too
        rows.append((f"{PREFIX}{name.upper()}", value, field.description or ""))
    return rows
