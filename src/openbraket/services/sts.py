"""STS as far as Braket clients use it: who am I."""

from collections.abc import Mapping
from typing import Any, Final

from openbraket.engine.jobs.credentials import assumed_role_arn
from openbraket.services.context import Context, Handler


async def get_caller_identity(context: Context, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Return the account that the request acts for: `Action=GetCallerIdentity`.

    As its root, since there are no users: every access key acts for its whole account. The keys
    of a hybrid job have the session of the job's role. No errors.
    """
    account = context.account
    if (session := context.session) is not None:
        arn = assumed_role_arn(session)
        user_id = f"AROA{account:0>17}:{session.session_name}"
        return {"UserId": user_id, "Account": account, "Arn": arn}
    return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}


OPERATIONS: Final[Mapping[str, Handler]] = {"GetCallerIdentity": get_caller_identity}
