"""Every table of the records.

Times are integer milliseconds since the epoch; documents are JSON text; nothing here needs a
conversion between the database and Python, which is what lets `statements` go to the driver
directly. A change here needs a migration; a test compares the two.
"""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

quantum_tasks = Table(
    "quantum_tasks",
    metadata,
    # Order of acceptance; a number is never used again (AUTOINCREMENT).
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("device_arn", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Number of the latest attempt, 0 before the first: the fencing token of every outcome.
    Column("attempt", Integer, nullable=False),
    # How many attempts ended without an outcome (a killed worker or server).
    Column("lost_count", Integer, nullable=False),
    # 0 normal, 1 priority; higher runs first.
    Column("priority", Integer, nullable=False),
    Column("shots", Integer, nullable=False),
    Column("device_parameters", Text, nullable=False),
    Column("output_bucket", Text, nullable=False),
    Column("output_directory", Text, nullable=False),
    Column("action_type", Text, nullable=False),
    Column("program_count", Integer),
    Column("executable_count", Integer),
    Column("memory_bytes", Integer, nullable=False),
    Column("thread_count", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("started_at", Integer),
    Column("ended_at", Integer),
    Column("failure_reason", Text),
    Column("job_arn", Text),
    Column("associations", Text),
    Column("experimental", Text),
    Column("num_successful_shots", Integer),
    # The spending limit that counts the task; NULL where there was none. Costs in 10⁻¹⁰ dollars.
    Column("spending_limit_id", Text),
    Column("estimated_cost", Integer),
    Column("shot_price", Integer),
    sqlite_autoincrement=True,
)

# A search walks one of these, newest first; SQLite adds `seq` to the end of each.
Index(
    "quantum_tasks_newest",
    quantum_tasks.c.account,
    quantum_tasks.c.region,
    quantum_tasks.c.created_at,
)
Index(
    "quantum_tasks_device",
    quantum_tasks.c.account,
    quantum_tasks.c.region,
    quantum_tasks.c.device_arn,
    quantum_tasks.c.created_at,
)
Index(
    "quantum_tasks_status",
    quantum_tasks.c.account,
    quantum_tasks.c.region,
    quantum_tasks.c.status,
    quantum_tasks.c.created_at,
)
Index(
    "quantum_tasks_device_status",
    quantum_tasks.c.account,
    quantum_tasks.c.region,
    quantum_tasks.c.device_arn,
    quantum_tasks.c.status,
    quantum_tasks.c.created_at,
)
Index(
    "quantum_tasks_job",
    quantum_tasks.c.job_arn,
    quantum_tasks.c.created_at,
    sqlite_where=text("job_arn IS NOT NULL"),
)
# The queue in its order, and what recovery must look at; both hold live tasks only.
Index(
    "quantum_tasks_waiting",
    quantum_tasks.c.device_arn,
    quantum_tasks.c.priority,
    quantum_tasks.c.seq,
    sqlite_where=text("status IN ('CREATED', 'QUEUED')"),
)
Index(
    "quantum_tasks_active",
    quantum_tasks.c.status,
    sqlite_where=text("status IN ('RUNNING', 'CANCELLING')"),
)

# Apart, so that a search does not read past megabytes of programs.
task_actions = Table(
    "task_actions",
    metadata,
    Column("task_id", Text, primary_key=True, nullable=False),
    Column("action", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    # Order of acceptance; a number is never used again (AUTOINCREMENT).
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    # A device's ARN, or `local:PROVIDER/NAME` for a simulator inside the job.
    Column("device_arn", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Number of the latest attempt, 0 before the first: the fencing token of every outcome.
    Column("attempt", Integer, nullable=False),
    Column("instance_count", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("started_at", Integer),
    Column("ended_at", Integer),
    Column("billable_ms", Integer),
    Column("failure_reason", Text),
    # SHA-256 of the job token, from the attempt's start; tasks with the token are the job's.
    Column("token_hash", Text),
    # When the job lost its device's priority, having submitted no task for a while.
    Column("deprioritized_at", Integer),
    sqlite_autoincrement=True,
)
# A search walks one of these, newest first, as for tasks.
Index("jobs_newest", jobs.c.account, jobs.c.region, jobs.c.created_at)
Index("jobs_name", jobs.c.account, jobs.c.region, jobs.c.name, jobs.c.created_at)
Index("jobs_device", jobs.c.account, jobs.c.region, jobs.c.device_arn, jobs.c.created_at)
Index("jobs_status", jobs.c.account, jobs.c.region, jobs.c.status, jobs.c.created_at)
Index(
    "jobs_device_status",
    jobs.c.account,
    jobs.c.region,
    jobs.c.device_arn,
    jobs.c.status,
    jobs.c.created_at,
)
# The queue in its order, what recovery must look at, and the owner of a job token.
Index("jobs_waiting", jobs.c.device_arn, jobs.c.seq, sqlite_where=text("status = 'QUEUED'"))
Index(
    "jobs_active",
    jobs.c.status,
    sqlite_where=text("status IN ('RUNNING', 'CANCELLING')"),
)
Index(
    "jobs_token",
    jobs.c.token_hash,
    unique=True,
    sqlite_where=text("token_hash IS NOT NULL"),
)

# Apart, so that a search does not read past a quarter of a megabyte of hyperparameters.
job_requests = Table(
    "job_requests",
    metadata,
    Column("job_id", Text, primary_key=True, nullable=False),
    # The configuration as GetJob gives it back, JSON.
    Column("request_json", Text, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Text, primary_key=True, nullable=False),
    Column("number", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("message", Text),
    sqlite_with_rowid=False,
)

# The instances of active jobs: where their lines go, and how much of them is there.
job_instances = Table(
    "job_instances",
    metadata,
    Column("job_id", Text, primary_key=True, nullable=False),
    # From 1, as in the host name `algo-1`.
    Column("number", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("log_stream", Text, nullable=False),
    # Bytes of the instance's log file whose lines are log events.
    Column("log_offset", Integer, nullable=False),
    # Recorded before the first instance is started; NULL says that nothing has run.
    Column("launched_at", Integer),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("resource_arn", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    # When the resource was created, so that a search by tag walks one index, newest first.
    Column("resource_created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("tags_value", tags.c.key, tags.c.value, tags.c.resource_created_at)

client_tokens = Table(
    "client_tokens",
    metadata,
    Column("account", Text, primary_key=True, nullable=False),
    Column("region", Text, primary_key=True, nullable=False),
    Column("operation", Text, primary_key=True, nullable=False),
    Column("token", Text, primary_key=True, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("response_json", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What the operator set; a device without a row has the status of its profile.
device_statuses = Table(
    "device_statuses",
    metadata,
    Column("device_arn", Text, primary_key=True, nullable=False),
    Column("status", Text, nullable=False),
    Column("changed_at", Integer, nullable=False),
)

# At most one for each device, account and region. Amounts in 10⁻¹⁰ dollars.
spending_limits = Table(
    "spending_limits",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("device_arn", Text, nullable=False),
    # As the client wrote it, and as a number.
    Column("limit_text", Text, nullable=False),
    Column("limit_amount", Integer, nullable=False),
    Column("start_at", Integer, nullable=False),
    Column("end_at", Integer, nullable=False),
    # The estimates of tasks that have not ended, and the costs of those that completed.
    Column("queued_spend", Integer, nullable=False),
    Column("total_spend", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "spending_limits_device",
    spending_limits.c.account,
    spending_limits.c.region,
    spending_limits.c.device_arn,
    unique=True,
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key", Text, primary_key=True, nullable=False),
    Column("secret_key", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)

# The temporary keys of active jobs; each goes with its job.
session_keys = Table(
    "session_keys",
    metadata,
    Column("access_key", Text, primary_key=True, nullable=False),
    Column("secret_key", Text, nullable=False),
    Column("session_token", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("session_name", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)
Index("session_keys_job", session_keys.c.job_id)

buckets = Table(
    "buckets",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("settings", Text, nullable=False),
)
Index("buckets_account", buckets.c.account, buckets.c.name)

objects = Table(
    "objects",
    metadata,
    Column("bucket", Text, primary_key=True, nullable=False),
    # Compared byte by byte (SQLite's BINARY collation), as S3 orders its listings.
    Column("key", Text, primary_key=True, nullable=False),
    Column("blob_id", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("etag", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    # Cache-Control, Content-Encoding and the like, user metadata, checksums.
    Column("headers_json", Text, nullable=False),
    Column("last_modified", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Contents of objects that are no files, named by `objects.blob_id`. Apart, so that a listing does
# not read past them.
contents = Table(
    "contents",
    metadata,
    Column("blob_id", Text, primary_key=True, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", Text, primary_key=True, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers_json", Text, nullable=False),
    Column("initiated_at", Integer, nullable=False),
)
Index("uploads_bucket", uploads.c.bucket, uploads.c.key)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", Text, primary_key=True, nullable=False),
    Column("part_number", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("blob_id", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("etag", Text, nullable=False),
    Column("checksums_json", Text, nullable=False),
    Column("last_modified", Integer, nullable=False),
    sqlite_with_rowid=False,
)

log_groups = Table(
    "log_groups",
    metadata,
    Column("account", Text, primary_key=True, nullable=False),
    Column("region", Text, primary_key=True, nullable=False),
    Column("name", Text, primary_key=True, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

log_streams = Table(
    "log_streams",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    # Times of the events, and when the last ones came; null before the first.
    Column("first_at", Integer),
    Column("last_at", Integer),
    Column("last_ingested_at", Integer),
    Column("event_count", Integer, nullable=False),
    Column("byte_count", Integer, nullable=False),
    # Number of the latest event ever; a number is never used again.
    Column("last_number", Integer, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "log_streams_name",
    log_streams.c.account,
    log_streams.c.region,
    log_streams.c.group_name,
    log_streams.c.name,
    unique=True,
)

# In the order in which they are read, so that a page is one walk.
log_events = Table(
    "log_events",
    metadata,
    Column("stream_id", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("at", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("number", Integer, primary_key=True, nullable=False, autoincrement=False),
    Column("ingested_at", Integer, nullable=False),
    Column("message", Text, nullable=False),
    sqlite_with_rowid=False,
)

log_queries = Table(
    "log_queries",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("request_json", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)

# Changes that subscribers have not been told of; see `store/outbox`.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    # Of the event, the same each time it is sent.
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Of a task or job; a device's ARN.
    Column("resource", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_new", Integer, nullable=False),
    Column("at", Integer, nullable=False),
    sqlite_autoincrement=True,
)

# The status of each device that subscribers know.
announced_devices = Table(
    "announced_devices",
    metadata,
    Column("device_arn", Text, primary_key=True, nullable=False),
    Column("status", Text, nullable=False),
)
