"""The pool, and places that are given when a launch's turn has come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # No batch: on SQLite it makes the table anew, and dropping the old one takes the logs along.
    op.add_column(
        "instances", sa.Column("pooled", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("instances", sa.Column("fingerprint", sa.String(32)))
    op.add_column("instances", sa.Column("placing", sa.Integer))
    op.execute("UPDATE instances SET placing = seq")
    op.create_index("ix_instances_placing", "instances", ["placing"])


def downgrade() -> None:
    op.drop_index("ix_instances_placing", "instances")
    for name in ("placing", "fingerprint", "pooled"):
        op.drop_column("instances", name)
