"""Create every table.

Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("secret_key", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("access_key"),
    )
    op.create_table(
        "buckets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("buckets_account", "buckets", ["account", "name"], unique=False)
    op.create_table(
        "client_tokens",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("response_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "operation", "token"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "objects",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("headers_json", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quantum_tasks",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("device_arn", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lost_count", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("shots", sa.Integer(), nullable=False),
        sa.Column("device_parameters", sa.Text(), nullable=False),
        sa.Column("output_bucket", sa.Text(), nullable=False),
        sa.Column("output_directory", sa.Text(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("program_count", sa.Integer(), nullable=True),
        sa.Column("executable_count", sa.Integer(), nullable=True),
        sa.Column("memory_bytes", sa.Integer(), nullable=False),
        sa.Column("thread_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("job_arn", sa.Text(), nullable=True),
        sa.Column("associations", sa.Text(), nullable=True),
        sa.Column("experimental", sa.Text(), nullable=True),
        sa.Column("num_successful_shots", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "quantum_tasks_active",
        "quantum_tasks",
        ["status"],
        unique=False,
        sqlite_where=sa.text("status IN ('RUNNING', 'CANCELLING')"),
    )
    op.create_index(
        "quantum_tasks_device",
        "quantum_tasks",
        ["account", "region", "device_arn", "created_at"],
        unique=False,
    )
    op.create_index(
        "quantum_tasks_device_status",
        "quantum_tasks",
        ["account", "region", "device_arn", "status", "created_at"],
        unique=False,
    )
    op.create_index(
        "quantum_tasks_job",
        "quantum_tasks",
        ["job_arn", "created_at"],
        unique=False,
        sqlite_where=sa.text("job_arn IS NOT NULL"),
    )
    op.create_index(
        "quantum_tasks_newest", "quantum_tasks", ["account", "region", "created_at"], unique=False
    )
    op.create_index(
        "quantum_tasks_status",
        "quantum_tasks",
        ["account", "region", "status", "created_at"],
        unique=False,
    )
    op.create_index(
        "quantum_tasks_waiting",
        "quantum_tasks",
        ["device_arn", "priority", "seq"],
        unique=False,
        sqlite_where=sa.text("status IN ('CREATED', 'QUEUED')"),
    )
    op.create_table(
        "tags",
        sa.Column("resource_arn", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("resource_created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource_arn", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("tags_value", "tags", ["key", "value", "resource_created_at"], unique=False)
    op.create_table(
        "task_actions",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("action", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("part_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("checksums_json", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "part_number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("headers_json", sa.Text(), nullable=False),
        sa.Column("initiated_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id"),
    )
    op.create_index("uploads_bucket", "uploads", ["bucket", "key"], unique=False)
