"""The schema of every ledger, in SQLAlchemy's words; the migrations make it.

Moments are whole milliseconds since 1970 in UTC (`..._at`), money is whole millionths
(`..._micros`), states are the numbers of `campaign.states`. Each index is here because a hot
statement needs it: one costs about 3 microseconds per call.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "attempt",
    "audit",
    "campaign",
    "contact",
    "event",
    "holding",
    "import_",
    "metadata",
    "moved",
    "suppression",
    "worker",
]

metadata = sa.MetaData()

# SQLite counts up by itself only in a column that is called INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.BigInteger


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )


campaign = sa.Table(
    "campaign",
    metadata,
    sa.Column("campaign_id", _Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("created_at", _Moment, nullable=False),
    sa.Column("spent_micros", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("unpriced", sa.Integer, nullable=False, server_default="0"),
    sa.Column("placeholders", sa.Text, nullable=False, server_default="[]"),
    sa.Column("list_digest", sa.Text),
    # How many parts its contacts are in, each worked by one worker at a time; never changed.
    sa.Column("shards", sa.SmallInteger, nullable=False, server_default="1"),
)

contact = sa.Table(
    "contact",
    metadata,
    sa.Column("contact_id", _Id, primary_key=True),
    sa.Column("campaign_id", sa.Integer, nullable=False),
    sa.Column("shard", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("variables", sa.Text, nullable=False),
    # Names with commas between them; empty is unknown.
    sa.Column("zones", sa.Text, nullable=False),
    sa.Column("regions", sa.Text, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    # Those that count, and those that were ever begun.
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("next_at", _Moment, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("import_id", sa.Integer, nullable=False),
    # Number first: the rules ask for a person, whatever the campaign.
    sa.UniqueConstraint("number", "campaign_id", name="contact_number"),
    _partial("contact_due", "campaign_id", "shard", "next_at", "contact_id", where="state = 0"),
    _partial("contact_open", "campaign_id", "state", "contact_id", where="state IN (1, 3)"),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("attempt_id", _Id, primary_key=True),
    sa.Column("contact_id", _Id, nullable=False),
    sa.Column("campaign_id", sa.Integer, nullable=False),
    # Its place among the contact's attempts, those that never left included.
    sa.Column("n", sa.SmallInteger, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("sent_at", _Moment, nullable=False),
    sa.Column("call_id", sa.Text),
    sa.Column("disposition", sa.Text),
    sa.Column("seconds", sa.Float),
    sa.Column("cost_micros", sa.BigInteger),
    sa.Column("error", sa.Text),
    sa.Column("settled_at", _Moment),
    sa.Column("looks", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("looked_at", _Moment),
    sa.UniqueConstraint("contact_id", "n", name="attempt_of_contact"),
    _partial("attempt_call", "call_id", where="call_id IS NOT NULL", unique=True),
    # A call found in the history can belong to one attempt only.
    _partial("attempt_open", "number", where="state IN (1, 6)", unique=True),
)

suppression = sa.Table(
    "suppression",
    metadata,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("added_at", _Moment, nullable=False),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("event_id", _Id, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("status", sa.Text),
    sa.Column("received_at", _Moment, nullable=False),
    sa.Column("applied_at", _Moment),
    sa.UniqueConstraint("call_id", "digest", name="event_once"),
    _partial("event_waiting", "event_id", where="applied_at IS NULL"),
)

import_ = sa.Table(
    "import",
    metadata,
    sa.Column("import_id", _Id, primary_key=True),
    sa.Column("campaign_id", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("begun_at", _Moment, nullable=False),
    sa.Column("finished_at", _Moment),
    sa.Column("counts", sa.Text, nullable=False, server_default="{}"),
    sa.Column("digest", sa.Text),
    # Every contact that a program hands over alone asks whether a list is being read.
    _partial("import_open", "campaign_id", where="finished_at IS NULL"),
)

# No index on contact_id: two entries per call would pay for a question that is rarely asked, and
# that reading the table through answers in a second or so.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", _Id, primary_key=True),
    # Each writer of a shared ledger has a chain of its own; the embedded one is 0.
    sa.Column("chain", sa.Integer, nullable=False, server_default="0"),
    sa.Column("at", _Moment, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("campaign_id", sa.Integer),
    sa.Column("contact_id", _Id),
    sa.Column("attempt_id", _Id),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# Which worker has the lease on a shard. The row is the fencing token of claims: a worker that
# finds somebody else's name in it claims nothing.
holding = sa.Table(
    "holding",
    metadata,
    sa.Column("campaign_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("since_at", _Moment, nullable=False),
)

# The moments are the database's, so that hosts need not agree.
worker = sa.Table(
    "worker",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("began_at", _Moment, nullable=False),
    sa.Column("beat_at", _Moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("in_flight", sa.Integer, nullable=False, server_default="0"),
)

# One row at most, and none in a ledger in use. Without `finished_at` it is not known whether the
# target has everything; either way nothing is dialled from here any more.
moved = sa.Table(
    "moved",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("begun_at", _Moment, nullable=False),
    sa.Column("finished_at", _Moment),
)
