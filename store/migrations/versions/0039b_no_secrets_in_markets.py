"""Markets that were kept for replays lose the bidders' endpoints, with their secrets: no replay looks at them.

Parts keep the digests that decisions name them by. VACUUM FULL market_parts takes what was there from the disk, too.
"""

from __future__ import annotations

import json
import zlib

import sqlalchemy as sa
from alembic import op

from store.migrations.beside import BATCH_ROWS

revision = "0039b_no_secrets_in_markets"
down_revision = "0039_sealed_secrets"
branch_labels = None
depends_on = None

_KEY = "ping_endpoints"
_NEXT = f"SELECT digest, document FROM market_parts WHERE digest > :last ORDER BY digest LIMIT {BATCH_ROWS}"  # noqa: S608


def upgrade() -> None:
    """Each batch is a transaction of its own; begun again, what is done is left alone."""
    last = b""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while rows := connection.execute(sa.text(_NEXT), {"last": last}).all():
            changed = [
                {"digest": row.digest, "document": smaller}
                for row in rows
                if (smaller := _without_endpoints(row.document)) is not None
            ]
            if changed:
                statement = sa.text("UPDATE market_parts SET document = :document WHERE digest = :digest")
                connection.execute(statement, changed)
            last = rows[-1].digest


def _without_endpoints(document: bytes) -> bytes | None:
    """Return a part without them; None: it has none."""
    body = zlib.decompress(document)
    if f'"{_KEY}"'.encode() not in body:
        return None
    value = json.loads(body)
    if value.pop(_KEY, None) is None:
        return None
    return zlib.compress(json.dumps(value, separators=(",", ":"), sort_keys=True).encode(), 1)


def downgrade() -> None:
    """What was taken out stays out: nobody looks at it."""
