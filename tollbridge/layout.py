"""Where the files of one node lie below its data directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Paths of one node. Nothing here touches the disk."""

    data_dir: Path

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def asterisk_dir(self) -> Path:
        """The node folder of Asterisk: etc, db, run, log, spool (asterisk_conf.render)."""
        return self.data_dir / "asterisk"

    @property
    def cel_file(self) -> Path:
        return self.asterisk_dir / "log" / "cel-custom" / "Master.csv"

    @property
    def clock_file(self) -> Path:
        """How far the wall clock is from a clock that nobody sets (agi.clock, asterisk_conf.node_config)."""
        return self.asterisk_dir / "clock"

    @property
    def recordings_dir(self) -> Path:
        """Recorded calls (asterisk_conf.node_config)."""
        return self.asterisk_dir / "recordings"

    @property
    def voicemail_dir(self) -> Path:
        """Messages that callers left (asterisk_conf.node_config)."""
        return self.asterisk_dir / "voicemail"

    @property
    def journal_file(self) -> Path:
        return self.data_dir / "journal" / "journal.jsonl"

    @property
    def snapshot_file(self) -> Path:
        """The market as last seen, for the survival script and for starts without a database."""
        return self.data_dir / "snapshot.json"

    @property
    def web_snapshot_file(self) -> Path:
        """The market as the web process last saw it: plans are tried on it."""
        return self.data_dir / "web-snapshot.json"

    @property
    def pings_snapshot_file(self) -> Path:
        """The market as the pings process last saw it."""
        return self.data_dir / "pings-snapshot.json"

    @property
    def prompts_dir(self) -> Path:
        """Rendered prompts, <digest>.wav 8 kHz and 16 kHz."""
        return self.data_dir / "prompts"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"

    @property
    def security_log_file(self) -> Path:
        """Security events, one line each, for fail2ban (rules.log_lines)."""
        return self.log_dir / "security.log"

    @property
    def secret_file(self) -> Path:
        return self.data_dir / "secret"

    @property
    def ledger_key_file(self) -> Path:
        """Signs the roots of the ledger and the audit log (tollbridge.sealing)."""
        return self.data_dir / "ledger-key.pem"

    @property
    def sealing_keys_file(self) -> Path:
        """Opens what is sealed in the database (store.key_ring)."""
        return self.data_dir / "sealing-keys"

    @property
    def roots_dir(self) -> Path:
        """The signed roots, as they are made."""
        return self.data_dir / "roots"

    @property
    def state_file(self) -> Path:
        """Process ids of a running node (`tollbridge up`)."""
        return self.data_dir / "node.json"
