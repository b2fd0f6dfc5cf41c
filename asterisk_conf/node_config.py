"""What a node's Asterisk configuration is rendered from: plain values, every one of them checked."""

from __future__ import annotations

import hashlib
import hmac
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from asterisk_conf.sip_uri import Refused, SipUri, read_address, read_sip_uri

_TRUNK_NAME = re.compile(r"[0-9A-Za-z_.-]{1,32}")
# Asterisk's parser cuts at ';', joins at '\' and drops a '>' behind '='; quotes are kept out for good measure.
_CREDENTIAL = re.compile(r"(?!>)[!#-&(-:<-\[\]-~]{1,128}")
ASKED_ADDRESSES_MAXIMUM = 10
_LONGEST_RUN_DIR = 90
"""A socket's path holds 107 bytes; asterisk.ctl lies below the run directory."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An Asterisk found on this machine (asterisk_conf.install)."""

    version: str
    binary: Path
    modules_dir: Path
    data_dir: Path
    """Holds documentation, rest-api, static-http and sounds."""
    root: Path | None = None
    """The private root it lives in and is started from with its own loader; None for an installed one."""
    loader: Path | None = None
    library_dir: Path | None = None


@dataclass(frozen=True, kw_only=True)
class TrunkRow:
    """A trunk as the database has it, unchecked."""

    id: int
    name: str
    addresses: Sequence[str]
    registrar_uri: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    check_every_seconds: int = 0
    """How often its addresses are asked whether they are there; 0: never."""


@dataclass(frozen=True, kw_only=True)
class TargetRow:
    """A target as the database has it, unchecked."""

    id: int
    sip_uri: str
    bids: bool = False
    """It may name a number of its own for a call."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    id: int
    name: str
    addresses: tuple[IPv4Network, ...]
    registrar: SipUri | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    check_every_seconds: int = 0

    @property
    def asked_uris(self) -> tuple[str, ...]:
        """Where OPTIONS are sent: to each single address. A registration tells by itself whether it is well."""
        if not self.check_every_seconds or self.registrar is not None:
            return ()
        single = [str(one.network_address) for one in self.addresses if one.prefixlen == 32]
        return tuple(f"sip:{address}" for address in single[:ASKED_ADDRESSES_MAXIMUM])

    @property
    def outward(self) -> str | None:
        """Where it takes calls from us, host[:port]: its registrar, or its only address; None when neither is there."""
        if self.registrar is not None:
            port = f":{self.registrar.port}" if self.registrar.port else ""
            return f"{self.registrar.host}{port}"
        single = len(self.addresses) == 1 and self.addresses[0].prefixlen == 32
        return str(self.addresses[0].network_address) if single else None


@dataclass(frozen=True, kw_only=True)
class Target:
    id: int
    contact: SipUri
    bids: bool = False


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The trunks and targets a node serves, and those it cannot."""

    trunks: tuple[Trunk, ...] = ()
    targets: tuple[Target, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def outward(self) -> Trunk | None:
        """The trunk that numbers named by bidders are rung by: the first that takes calls from us."""
        return next((trunk for trunk in self.trunks if trunk.outward is not None), None)


@dataclass(frozen=True, kw_only=True)
class Softphone:
    """How the browsers of signed-in people reach Asterisk: signalling by our web process, media straight."""

    enabled: bool = True
    """Without it Asterisk takes no WebSocket, knows no ICE, and identifies nobody by name."""
    address: str = "127.0.0.1"
    """Where Asterisk takes WebSockets; the web process connects here."""
    port: int = 8088
    certificate: str = ""
    """Files for TLS on that way, '' for none: on the loopback there is nothing to hide it from."""
    private_key: str = ""
    media_address: str = "127.0.0.1"
    """Where sound is taken; the loopback serves browsers on this machine only."""
    local_address: str = ""
    """Of this machine, which `external_address` is reached by; '' when browsers reach the machine itself."""
    external_address: str = ""
    opus: bool = True
    """Whether this Asterisk has the codec; browsers speak ulaw as well."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """All that `render` needs. Addresses are IPv4, ports are numbers, paths absolute."""

    node_name: str
    node_dir: Path
    """Asterisk's own folder: etc, run, db, spool, log, agi-bin, sounds."""
    installation: Installation
    python: Path
    """The interpreter the survival script runs with."""
    program_dir: Path
    """Where our packages lie."""
    snapshot_file: Path
    journal_dir: Path
    prompts_dir: Path
    """Rendered texts of flows and markets (rules.prompt_names)."""
    sip_address: str
    sip_port: int
    sip_external_address: str = ""
    rtp_port_first: int
    rtp_port_last: int
    agi_address: str = "127.0.0.1"
    agi_port: int
    ami_address: str = "127.0.0.1"
    ami_port: int
    secret: str = field(repr=False)
    """Letters, digits, - and _ only; shared between Asterisk and our services."""
    lines: Lines = field(default_factory=Lines)
    softphone: Softphone = field(default_factory=Softphone)
    desk_phones: tuple[IPv4Network, ...] = ()
    """Where SIP phones of the house are. They dial one-time codes and nothing else."""

    @property
    def desk_phones_apart(self) -> tuple[IPv4Network, ...]:
        """Those that are not a trunk's as well: Asterisk would take its callers for phones, and sell none of them."""
        taken = [network for trunk in self.lines.trunks for network in trunk.addresses]
        return tuple(one for one in self.desk_phones if not any(one.overlaps(other) for other in taken))

    @property
    def softphone_password(self) -> str:
        return softphone_password(self.secret)

    @property
    def etc_dir(self) -> Path:
        return self.node_dir / "etc"

    @property
    def sounds_dir(self) -> Path:
        """Where the system prompts lie, <name>.wav; beside it `prompts`, a link to those of flows and markets."""
        return self.node_dir / "sounds" / "tollbridge"

    @property
    def voicemail_dir(self) -> Path:
        """Where voice messages lie, <uniqueid of the caller's channel>.wav."""
        return self.node_dir / "voicemail"

    @property
    def recordings_dir(self) -> Path:
        """Where calls are recorded, <call id>-<part>.raw; the worker makes them <call id>-<part>.wav."""
        return self.node_dir / "recordings"

    @property
    def clock_file(self) -> Path:
        """How far the wall clock is from a clock that nobody sets: kept by agi.clock, in each row of Asterisk's log."""
        return self.node_dir / "clock"

    @property
    def run_dir(self) -> Path:
        """Where the control socket lies: below the node, or in /tmp when that path is too long for a socket."""
        below = self.node_dir / "run"
        if len(str(below)) <= _LONGEST_RUN_DIR:
            return below
        digest = hashlib.sha256(str(below).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tollbridge-{digest}"


def softphone_password(secret: str) -> str:
    """Return the password of a node's softphone: from the node's secret, which it does not tell.

    It is one for a node and stays the same: Asterisk reads passwords from a file, and a new one for each call would be
    a reload of pjsip for each call. It opens little: Asterisk's WebSocket listens on the loopback, the web process
    passes on only who is signed in, and what can be called are codes that work once, for a minute or two.
    """
    return hmac.new(secret.encode(), b"softphone", hashlib.sha256).hexdigest()


def trunk_of(row: TrunkRow) -> Trunk | Refused:
    """Check one trunk: a plain name, addresses or a registrar, credentials that survive a configuration file."""
    what = f"trunk {row.id}"
    if not _TRUNK_NAME.fullmatch(row.name):
        return Refused(
            what=what, reason=f"the name {row.name[:40]!r} has characters outside A-Z a-z 0-9 _ . -"
        )
    read = [read_address(text, what=what) for text in row.addresses]
    for address in read:
        if isinstance(address, Refused):
            return address
    addresses = tuple(address for address in read if isinstance(address, IPv4Network))
    if not row.registrar_uri:
        if not addresses:
            return Refused(what=what, reason="it has neither an address nor a registrar")
        return Trunk(
            id=row.id, name=row.name, addresses=addresses, check_every_seconds=row.check_every_seconds
        )
    return _registered(row, addresses, what)


def _registered(row: TrunkRow, addresses: tuple[IPv4Network, ...], what: str) -> Trunk | Refused:
    registrar = read_sip_uri(row.registrar_uri or "", what=what, user_required=False)
    if isinstance(registrar, Refused):
        return registrar
    username, password = row.username or "", row.password or ""
    if not re.fullmatch(r"[0-9A-Za-z+_.-]{1,64}", username) or not _CREDENTIAL.fullmatch(password):
        return Refused(
            what=what, reason="a registration wants a plain user name, and a password without ; \\ or quotes"
        )
    return Trunk(
        id=row.id,
        name=row.name,
        addresses=addresses,
        registrar=registrar,
        username=username,
        password=password,
        check_every_seconds=row.check_every_seconds,
    )


def target_of(row: TargetRow) -> Target | Refused:
    """Check one target's address."""
    contact = read_sip_uri(row.sip_uri, what=f"target {row.id}")
    if isinstance(contact, Refused):
        return contact
    return Target(id=row.id, contact=contact, bids=row.bids)


def lines_of(trunks: Sequence[TrunkRow], targets: Sequence[TargetRow]) -> Lines:
    """Sort rows into those that can be served and those refused. Order is by id, so that files stay the same."""
    checked_trunks = [trunk_of(row) for row in sorted(trunks, key=lambda row: row.id)]
    checked_targets = [target_of(row) for row in sorted(targets, key=lambda row: row.id)]
    return Lines(
        trunks=tuple(trunk for trunk in checked_trunks if isinstance(trunk, Trunk)),
        targets=tuple(target for target in checked_targets if isinstance(target, Target)),
        refused=tuple(one for one in [*checked_trunks, *checked_targets] if isinstance(one, Refused)),
    )
