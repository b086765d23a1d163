"""Create what running jobs need: their instances' logs, their keys, their loss of priority.

Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("deprioritized_at", sa.Integer(), nullable=True))
    op.create_table(
        "job_instances",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_stream", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.Integer(), nullable=False),
        sa.Column("launched_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session_keys",
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("secret_key", sa.Text(), nullable=False),
        sa.Column("session_token", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("role_arn", sa.Text(), nullable=False),
        sa.Column("session_name", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("access_key"),
    )
    op.create_index("session_keys_job", "session_keys", ["job_id"], unique=False)
