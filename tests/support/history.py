"""Triggers that keep each change of a task's status, whichever server makes it."""

SQLITE = (
    "CREATE TABLE history (id TEXT, old TEXT, new TEXT)",
    (
        "CREATE TRIGGER keep_history AFTER UPDATE OF status ON quantum_tasks "
        "BEGIN INSERT INTO history VALUES (old.id, old.status, new.status); END"
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


def keep_history(connection):
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
