"""Runs the migrations on the connection that it is given, inside that connection's transaction.

Alembic executes this file; `storage.schema.upgrade_to_head` is its only caller.
"""

from alembic import context

from storage.schema import OPTIONS

context.configure(connection=context.config.attributes["connection"], **OPTIONS)
with context.begin_transaction():
    context.run_migrations()
