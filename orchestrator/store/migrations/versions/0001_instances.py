"""Instances and their logs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "instances",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("distribution", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("request_key", sa.String(128)),
        sa.Column("name", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("detail", sa.Text),
        sa.Column("password", sa.String(64)),
        sa.Column("address", sa.String(15), nullable=False),
        sa.Column("lifetime", sa.Float, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("ready_at", sa.DateTime),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("timings", sa.JSON, nullable=False),
        sa.UniqueConstraint("owner", "request_key", name="uq_instances_owner_request_key"),
    )
    op.create_index("ix_instances_state_expires_at", "instances", ["state", "expires_at"])
    op.create_index("ix_instances_owner", "instances", ["owner"])
    op.create_table(
        "logs",
        sa.Column(
            "instance_id",
            sa.String(32),
            sa.ForeignKey("instances.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("text", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("logs")
    op.drop_table("instances")
