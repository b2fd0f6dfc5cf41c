"""Money that is watched: balances kept by the sealer, mails about wallets, and keys by which sales are reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_money_kept"
down_revision = "0012_own_rules"
branch_labels = None
depends_on = None

_FILL_BALANCES = """
INSERT INTO sealed_balances (account, amount_micros)
SELECT p.account, sum(p.amount_micros)::bigint
FROM ledger_sealed_transactions s JOIN ledger_postings p ON p.transaction_id = s.transaction_id GROUP BY 1
"""


def upgrade() -> None:
    op.create_table(
        "sealed_balances",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_sealed_balances")),
    )
    # What is raised at every seal fits its page.
    op.execute("ALTER TABLE sealed_balances SET (fillfactor = 50)")
    op.execute(_FILL_BALANCES)
    op.create_table(
        "wallet_mails",
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["wallet_notices.id"], name=op.f("fk_wallet_mails_notice_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_wallet_mails_user_id")),
        sa.PrimaryKeyConstraint("notice_id", "user_id", name=op.f("pk_wallet_mails")),
    )
    op.create_index(
        "ix_wallet_mails_open", "wallet_mails", ["next_try_at"], postgresql_where=sa.text("sent_at is null")
    )
    op.create_index(op.f("ix_wallet_mails_user_id"), "wallet_mails", ["user_id"])
    op.create_index(op.f("ix_wallet_notices_buyer_id_id"), "wallet_notices", ["buyer_id", "id"])
    _create_sale_keys()


def _create_sale_keys() -> None:
    op.create_table(
        "sale_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("buyer_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("rate_per_minute", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "buyer_id is not null or campaign_id is not null", name=op.f("ck_sale_keys_whose")
        ),
        sa.CheckConstraint("rate_per_minute >= 0", name=op.f("ck_sale_keys_rate")),
        sa.ForeignKeyConstraint(["buyer_id"], ["buyers.id"], name=op.f("fk_sale_keys_buyer_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_sale_keys_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale_keys")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_sale_keys_key_digest")),
    )


def downgrade() -> None:
    for table in ("sale_keys", "wallet_mails", "sealed_balances"):
        op.drop_table(table)
    op.drop_index(op.f("ix_wallet_notices_buyer_id_id"), "wallet_notices")
