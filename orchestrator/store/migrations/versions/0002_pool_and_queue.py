"""The pool, and places that are given when a launch's turn has come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("instances") as table:
        table.add_column(sa.Column("pooled", sa.Boolean, nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("fingerprint", sa.String(32)))
        table.add_column(sa.Column("placing", sa.Integer))
    with op.batch_alter_table("instances") as table:
        table.alter_column("pooled", server_default=None)
    op.execute("UPDATE instances SET placing = seq")
    op.create_index("ix_instances_placing", "instances", ["placing"])


def downgrade() -> None:
    op.drop_index("ix_instances_placing", "instances")
    with op.batch_alter_table("instances") as table:
        table.drop_column("placing")
        table.drop_column("fingerprint")
        table.drop_column("pooled")
