"""Tags of resources; the limits on tags are the services' business."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from openbraket.store.statements import Statement, Upsert
from openbraket.store.tables import jobs, quantum_tasks, tags

_SET = Upsert(
    tags,
    updates=["value"],
    values={
        "resource_arn": bindparam("resource_arn"),
        "key": bindparam("key"),
        "value": bindparam("value"),
        "resource_created_at": func.coalesce(
            *(
                select(table.c.created_at)
                .where(table.c.id == bindparam("resource_id"))
                .scalar_subquery()
                for table in (quantum_tasks, jobs)
            ),
            0,
        ),
    },
)
_DELETE = Statement(
    delete(tags).where(
        tags.c.resource_arn == bindparam("resource_arn"), tags.c.key == bindparam("key")
    )
)
_LIST = Statement(
    select(tags.c.key, tags.c.value)
    .where(tags.c.resource_arn == bindparam("resource_arn"))
    .order_by(tags.c.key)
)


def set_tags(connection: Connection, resource_arn: str, new_tags: Mapping[str, str]) -> None:
    """Add tags to a resource; a key that it has takes the new value.

    Args:
        connection: In a write transaction.
        resource_arn: The resource, already recorded.
        new_tags: Values by key.
    """
    resource_id = resource_arn.rpartition("/")[2]
    for key, value in new_tags.items():
        _SET.run(
            connection,
            resource_arn=resource_arn,
            resource_id=resource_id,
            key=key,
            value=value,
        )


def delete_tags(connection: Connection, resource_arn: str, keys: Iterable[str]) -> None:
    """Remove tags from a resource; keys that it does not have are ignored.

    Args:
        connection: In a write transaction.
        resource_arn: The resource.
        keys: The tags' keys.
    """
    for key in keys:
        _DELETE.run(connection, resource_arn=resource_arn, key=key)


def list_tags(connection: Connection, resource_arn: str) -> dict[str, str]:
    """Return a resource's tags by key, in the order of the keys."""
    return dict(_LIST.all(connection, resource_arn=resource_arn))


def list_tags_of_many(
    connection: Connection, resource_arns: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the tags of each resource, for a page of summaries.

    Cost: one indexed read for each resource; at most 100 on a page.
    """
    return {arn: list_tags(connection, arn) for arn in resource_arns}
