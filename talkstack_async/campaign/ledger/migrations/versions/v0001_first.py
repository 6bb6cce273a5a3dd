"""The first schema: campaigns, contacts, attempts, and the audit that cannot be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create everything."""
    _create_campaign()
    _create_contact()
    _create_attempt()
    _create_suppression()
    _create_event()
    _create_import()
    _create_audit()
    if op.get_bind().dialect.name == "sqlite":
        _lock_audit()


def _partial(
    name: str, table: str, columns: list[str], *, where: str, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _create_campaign() -> None:
    op.create_table(
        "campaign",
        sa.Column("campaign_id", _Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("spent_micros", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("unpriced", sa.Integer, nullable=False, server_default="0"),
        sa.Column("placeholders", sa.Text, nullable=False, server_default="[]"),
        sa.Column("list_digest", sa.Text),
    )


def _create_contact() -> None:
    op.create_table(
        "contact",
        sa.Column("contact_id", _Id, primary_key=True),
        sa.Column("campaign_id", sa.Integer, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("variables", sa.Text, nullable=False),
        sa.Column("zones", sa.Text, nullable=False),
        sa.Column("regions", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("next_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("import_id", sa.Integer, nullable=False),
        sa.UniqueConstraint("number", "campaign_id", name="contact_number"),
    )
    due = ["campaign_id", "shard", "next_at", "contact_id"]
    _partial("contact_due", "contact", due, where="state = 0")
    taken = ["campaign_id", "state", "contact_id"]
    _partial("contact_open", "contact", taken, where="state IN (1, 3)")


def _create_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("attempt_id", _Id, primary_key=True),
        sa.Column("contact_id", _Id, nullable=False),
        sa.Column("campaign_id", sa.Integer, nullable=False),
        sa.Column("n", sa.SmallInteger, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("call_id", sa.Text),
        sa.Column("disposition", sa.Text),
        sa.Column("seconds", sa.Float),
        sa.Column("cost_micros", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("looks", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("looked_at", sa.BigInteger),
        sa.UniqueConstraint("contact_id", "n", name="attempt_of_contact"),
    )
    _partial("attempt_call", "attempt", ["call_id"], where="call_id IS NOT NULL", unique=True)
    _partial("attempt_open", "attempt", ["number"], where="state IN (1, 6)", unique=True)


def _create_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
    )


def _create_event() -> None:
    op.create_table(
        "event",
        sa.Column("event_id", _Id, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("applied_at", sa.BigInteger),
        sa.UniqueConstraint("call_id", "digest", name="event_once"),
    )
    _partial("event_waiting", "event", ["event_id"], where="applied_at IS NULL")


def _create_import() -> None:
    op.create_table(
        "import",
        sa.Column("import_id", _Id, primary_key=True),
        sa.Column("campaign_id", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("counts", sa.Text, nullable=False, server_default="{}"),
        sa.Column("digest", sa.Text),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _Id, primary_key=True),
        sa.Column("chain", sa.Integer, nullable=False, server_default="0"),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("campaign_id", sa.Integer),
        sa.Column("contact_id", _Id),
        sa.Column("attempt_id", _Id),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def _lock_audit() -> None:
    for what in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER audit_no_{what} BEFORE {what.upper()} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )
