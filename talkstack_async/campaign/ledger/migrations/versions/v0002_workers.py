"""Many workers on one ledger: shards, who holds them, who lives; and ledgers that moved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what workers share; nothing that is there changes."""
    op.add_column(
        "campaign", sa.Column("shards", sa.SmallInteger, nullable=False, server_default="1")
    )
    _create_holding()
    _create_worker()
    _create_moved()
    _find_open_imports()
    if op.get_bind().dialect.name == "postgresql":
        _number_chains()
        _lock_audit()
        _clean_up_soon()


def _create_holding() -> None:
    op.create_table(
        "holding",
        sa.Column("campaign_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("since_at", sa.BigInteger, nullable=False),
    )


def _create_worker() -> None:
    op.create_table(
        "worker",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("in_flight", sa.Integer, nullable=False, server_default="0"),
    )


def _create_moved() -> None:
    op.create_table(
        "moved",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
    )


def _find_open_imports() -> None:
    condition = sa.text("finished_at IS NULL")
    op.create_index(
        "import_open",
        "import",
        ["campaign_id"],
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _number_chains() -> None:
    # From 1: 0 is the chain of the embedded writer, which a ledger brings along when it moves.
    op.execute("CREATE SEQUENCE audit_chain")


def _lock_audit() -> None:
    op.execute(
        "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()"
    )


def _clean_up_soon() -> None:
    # A claim looks at the front of `contact_due`, where what was claimed before leaves dead
    # entries behind; by default they would stay until a fifth of the table has changed.
    for table in ("contact", "attempt"):
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.02)"
        )
