"""Who launched what lately: for the limits."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "launches",
        sa.Column("instance_id", sa.String(32), primary_key=True),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    for column in ("visitor", "address", "network"):
        op.create_index(f"ix_launches_{column}_at", "launches", [column, "at"])


def downgrade() -> None:
    op.drop_table("launches")
