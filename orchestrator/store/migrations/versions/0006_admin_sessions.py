"""Who is signed in to the admin page; and from which address an admin's action came."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "admin_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("secrets", sa.String(64), nullable=False),
        sa.Column("begun_at", sa.DateTime, nullable=False),
        sa.Column("ends_at", sa.DateTime, nullable=False),
    )
    op.add_column("audit", sa.Column("address", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("audit", "address")
    op.drop_table("admin_sessions")
