"""STS as far as Braket clients use it: who am I."""

from collections.abc import Mapping
from typing import Any, Final

from openbraket.services.context import Context, Handler


async def get_caller_identity(context: Context, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Return the account that the request acts for, as its root: `Action=GetCallerIdentity`.

    There are no users or roles: every access key acts for its whole account. No errors.
    """
    account = context.account
    return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}


OPERATIONS: Final[Mapping[str, Handler]] = {"GetCallerIdentity": get_caller_identity}
