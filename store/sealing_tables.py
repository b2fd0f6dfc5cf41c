"""What the database knows of the keys that seal it: by which ring it is indexed, and which keys each node has."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY

from store.columns import Instant, metadata

# One row, from the first start on: a node whose keys are others does not start on this database.
sealing_ring = Table(
    "sealing_ring",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # store.key_ring.KeyRing.fingerprint: of the index key, which is never rotated.
    Column("fingerprint", LargeBinary, nullable=False),
    # Id of the newest key that anything is sealed by: anyone who lacks it cannot work on this database.
    Column("newest", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one"),
)

# Which keys a node's file holds, as its worker says: keys are rotated one node after another.
sealing_nodes = Table(
    "sealing_nodes",
    metadata,
    Column("node", Text, primary_key=True),
    # Ids: the one it seals by, and all that it opens.
    Column("newest", LargeBinary, nullable=False),
    Column("known", ARRAY(LargeBinary), nullable=False),
    Column("seen_at", Instant, nullable=False, server_default=func.now()),
)
