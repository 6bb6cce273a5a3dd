"""What Alembic runs to migrate: on the connection it is given, in its transaction."""

from alembic import context

from talkstack_async.campaign.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can take back a change of the schema as well; Alembic does not believe it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
