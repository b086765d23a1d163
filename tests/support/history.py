"""Triggers that keep each change of a status and each published object, whichever server makes it.

Two sets for each database: that of tasks alone, and `..._OF_ALL` with jobs and objects besides.
"""

SQLITE = (
    "CREATE TABLE history (id TEXT, old TEXT, new TEXT)",
    (
        "CREATE TRIGGER keep_history AFTER UPDATE OF status ON quantum_tasks "
        "BEGIN INSERT INTO history VALUES (old.id, old.status, new.status); END"
    ),
)
SQLITE_OF_ALL = (
    *SQLITE,
    "CREATE TABLE job_history (id TEXT, old TEXT, new TEXT)",
    "CREATE TABLE published (key TEXT)",
    (
        "CREATE TRIGGER keep_job_history AFTER UPDATE OF status ON jobs "
        "BEGIN INSERT INTO job_history VALUES (old.id, old.status, new.status); END"
    ),
    *(
        f"CREATE TRIGGER keep_published_{number} AFTER {change} ON objects "
        "BEGIN INSERT INTO published VALUES (new.key); END"
        for number, change in enumerate(("INSERT", "UPDATE"))
    ),
)
POSTGRESQL = (
    'CREATE TABLE history (at BIGSERIAL, id TEXT COLLATE "C", old TEXT, new TEXT)',
    (
        "CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO history (id, old, new) VALUES (old.id, old.status, new.status); "
        "RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER keep_history AFTER UPDATE OF status ON quantum_tasks "
        "FOR EACH ROW EXECUTE FUNCTION keep_history()"
    ),
)
POSTGRESQL_OF_ALL = (
    *POSTGRESQL,
    "CREATE TABLE job_history (id TEXT, old TEXT, new TEXT)",
    "CREATE TABLE published (key TEXT)",
    (
        "CREATE FUNCTION keep_job_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO job_history VALUES (old.id, old.status, new.status); "
        "RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER keep_job_history AFTER UPDATE OF status ON jobs "
        "FOR EACH ROW EXECUTE FUNCTION keep_job_history()"
    ),
    (
        "CREATE FUNCTION keep_published() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO published VALUES (new.key); RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER keep_published AFTER INSERT OR UPDATE ON objects "
        "FOR EACH ROW EXECUTE FUNCTION keep_published()"
    ),
)


def keep_history(connection):
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
