"""Where a value is that the tests look for: because somebody needs it there, or because it is still to be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.tollbridge.leaks.canaries import Finding


@dataclass(frozen=True)
class Known:
    """A place where a kind of value is; both may hold *. `why` says who needs it there, or whose part mends it."""

    kind: str
    place: str
    why: str

    def explains(self, finding: Finding) -> bool:
        return fnmatchcase(finding.kind, self.kind) and fnmatchcase(finding.place, self.place)


NEEDED: Sequence[Known] = (
    Known("*", "environ:supervisor:TOLLBRIDGE_*", "settings are handed to `tollbridge up` that way"),
    Known("database_password", "environ:agi:TOLLBRIDGE_DATABASE_URL", "it reads and writes the database"),
    Known("database_password", "environ:web:TOLLBRIDGE_DATABASE_URL", "it reads and writes the database"),
    Known("database_password", "environ:worker:TOLLBRIDGE_DATABASE_URL", "it reads and writes the database"),
    Known("node_secret", "environ:agi:TOLLBRIDGE_SECRET", "Asterisk's steps show it, AMI asks for it"),
    Known("node_secret", "environ:web:TOLLBRIDGE_SECRET", "the softphone's one-time sign-in at Asterisk"),
    Known("database_password", "environ:pings:TOLLBRIDGE_DATABASE_URL", "it reads and writes the database"),
    Known("node_secret", "environ:speech-0:TOLLBRIDGE_SECRET", "Asterisk's steps show it"),
    Known("oidc_*", "environ:web:TOLLBRIDGE_OIDC_CLIENT_SECRET", "it signs people in by the directory"),
    Known("stripe_*", "environ:web:TOLLBRIDGE_STRIPE_*", "it makes payments and hears of them"),
    Known("smtp_password", "environ:web:TOLLBRIDGE_SMTP_PASSWORD", "it mails links"),
    Known("smtp_password", "environ:worker:TOLLBRIDGE_SMTP_PASSWORD", "it mails wallets' warnings"),
    Known("node_secret", "file:data/asterisk/etc/*.conf", "Asterisk reads its own configuration"),
    Known("trunk_password", "file:data/asterisk/etc/pjsip.conf", "Asterisk reads its own configuration"),
    Known("ledger_key", "file:data/ledger-key.pem", "it signs the roots"),
    Known("number", "file:data/asterisk/log/cel-custom/Master.csv", "Asterisk's events, for the worker"),
    Known("number", "file:data/journal/*.jsonl", "calls' events while the database may be away"),
    Known("database_password", "file:data/node.json", "the node's own commands find its database by it"),
)
"""Files of this list are their owner's only: a test looks."""

TO_MEND: Sequence[Known] = ()
"""Each is taken off when its part is done: the test fails for what is no longer found."""
