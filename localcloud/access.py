"""IAM: each thing that acts in this cloud does so in its role, and only what the role allows.

ministack 1.5.33 evaluates policies where a request comes in. What a service does by itself in a role's name —
a state machine's task, a queue's poll, a job's download, the key behind a bucket — is asked for here.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

logger = logging.getLogger(__name__)

ACCOUNT = "000000000000"
LOG = "LOCALCLOUD_ACCESS_LOG"
"""Names the file of what was asked for: a JSON line for each role, action and resource, and one for each statement
of the role, with the action that it allowed, if any."""
KEYED = {
    "s3:GetObject": "kms:Decrypt",
    "s3:GetObjectVersion": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
}
"""What S3 asks of a bucket's key, in the caller's name."""
ITEMS = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem")
"""Operations for which DynamoDB opens a table's own key, in the caller's name:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html"""
EVERY = {"cloudwatch:DescribeAlarms": "alarm:*"}
"""Lists that AWS authorises on every resource of a kind, and ministack on no resource."""
_THREADS = 64

_acting: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar(
    "localcloud_acting", default=None
)
_asked: contextvars.ContextVar[Any] = contextvars.ContextVar("localcloud_asked", default=None)


class AccessDeniedError(Exception):
    """A role may not do what was asked of it."""


@contextlib.contextmanager
def acting(role: str, service: str, source: str) -> Iterator[None]:
    """Act in a role meanwhile, as a service that the role trusts.

    Parameters
    ----------
    role
        ARN of the role.
    service
        The principal, such as `states.amazonaws.com`.
    source
        ARN of the resource for which it acts.

    Raises
    ------
    AccessDeniedError
        When the role does not exist, or does not trust the service.
    """
    token = _acting.set(_session(role, service, source))
    try:
        yield
    finally:
        _acting.reset(token)


def credentials() -> dict[str, str]:
    """Return the credentials of the role that is acted in, as a process's environment; of root outside one."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: value for name in names if (value := (_acting.get() or os.environ).get(name))}


def client(service: str) -> Any:
    """Return this emulator's own client for a service, with the credentials of the role that is acted in."""
    held = credentials()
    return _client(
        service,
        held["AWS_ACCESS_KEY_ID"],
        held["AWS_SECRET_ACCESS_KEY"],
        held.get("AWS_SESSION_TOKEN"),
    )


@functools.cache
def _client(service: str, key: str, secret: str, token: str | None) -> Any:
    import boto3  # noqa: PLC0415  # takes 0.2 s that `scones --help` need not pay
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(
            inject_host_prefix=False, retries={"total_max_attempts": 1}, max_pool_connections=_THREADS
        ),
    )


def demand(action: str, resource: str = "*", **context: str) -> None:
    """Ask whether the role that is acted in may do something; root may, outside of one.

    Parameters
    ----------
    action
        Such as `lambda:InvokeFunction`.
    resource
        Its ARN.
    context
        Condition keys, with `_` for `:`.

    Raises
    ------
    AccessDeniedError
    """
    if held := _acting.get():
        ask(held["AWS_ACCESS_KEY_ID"], action, resource, **context)


def allowed(action: str, resource: str = "*", **context: str) -> bool:
    """Say what `demand` would: for what AWS leaves out without a word when it is denied."""
    try:
        demand(action, resource, **context)
    except AccessDeniedError as error:
        logger.warning("%s", error)
        return False
    return True


def ask(key: str, action: str, resource: str = "*", **context: str) -> None:
    """Ask whether the owner of an access key may do something.

    Raises
    ------
    AccessDeniedError
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415
    from ministack.core.responses import get_region  # noqa: PLC0415

    # Services talk to each other over TLS.
    iam_evaluator.pin_request_origin("127.0.0.1", True)
    keys = {name.replace("_", ":", 1): value for name, value in context.items()}
    denied = iam_evaluator.enforce(
        key, action, action.partition(":")[0], get_region(), resource_arn=resource, service_context=keys
    )
    if denied is not None:
        who = getattr(denied, "principal_arn", "") or key
        raise AccessDeniedError(f"User: {who} is not authorized to perform: {action} on resource: {resource}")


def _session(role: str, service: str, source: str) -> dict[str, str]:
    """Open a session of a role, the same one for the same service, if the role trusts it."""
    from ministack.core import iam_evaluator  # noqa: PLC0415
    from ministack.services import iam, sts  # noqa: PLC0415

    account, name = role.split(":")[4], role.rpartition("/")[2]
    found = iam._roles.get_scoped(account, None, name)
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role,
        region="",
        service_context={"aws:sourceaccount": account, "aws:sourcearn": source},
    )
    if found is None or not _trusts(found["AssumeRolePolicyDocument"], service, context):
        raise AccessDeniedError(f"{service} is not authorized to assume the role {role}.")
    digest = hashlib.sha256(f"{service}:{role}:{found['RoleId']}".encode()).hexdigest()
    held = {
        "AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}",
        "AWS_SECRET_ACCESS_KEY": hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        "AWS_SESSION_TOKEN": hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    }
    if held["AWS_ACCESS_KEY_ID"] not in sts._sessions:
        sts.register_session(
            held["AWS_ACCESS_KEY_ID"],
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{service.partition('.')[0]}",
                "UserId": f"{name}:{service}",
                "SecretAccessKey": held["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": held["AWS_SESSION_TOKEN"],
            },
        )
    return held


def _trusts(document: Any, service: str, context: Any) -> bool:
    from ministack.core import iam_evaluator  # noqa: PLC0415

    allowed: bool = (
        iam_evaluator.evaluate_resource_policy(document, context, service=service).decision == "Allow"
    )
    return allowed


def apply() -> None:
    """Count this machine as a safe line, ask for keys behind buckets, and keep a log of what is asked."""
    from ministack import app  # noqa: PLC0415
    from ministack.core import iam_evaluator  # noqa: PLC0415

    pin, evaluate, enforce = app.pin_request_origin, iam_evaluator.evaluate, iam_evaluator.enforce
    record = _Log(os.environ.get(LOG))

    def pinning(source: str, secure: bool) -> None:
        # Nobody listens between two processes of one machine: that is what policies want TLS for.
        pin(source, secure or source in ("127.0.0.1", "::1"))

    def evaluating(context: Any, policies: Any, *limits: Any) -> Any:
        if _asked.get() is None:
            # The first are the caller's own; what follows is the resource's.
            _asked.set((context, policies))
        return evaluate(context, policies, *limits)

    def enforcing(
        key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        if resource_arn == "*" and action in EVERY:
            resource_arn = f"arn:aws:{action.partition(':')[0]}:{region}:{ACCOUNT}:{EVERY[action]}"
        _asked.set(None)
        denied = enforce(key, action, service, region, resource_arn, service_context)
        asked = _asked.get()
        if asked is not None:
            record(*asked, allowed=denied is None)
        if denied is None and action in KEYED and (behind := _bucket_key(resource_arn)):
            return enforcing(key, KEYED[action], "kms", region, behind, {"kms:viaservice": f"s3.{region}"})
        operation = action.removeprefix("dynamodb:")
        if denied is None and operation in ITEMS and (behind := _table_key(resource_arn)):
            via = {"kms:viaservice": f"dynamodb.{region}.amazonaws.com"}
            return enforcing(key, "kms:Decrypt", "kms", region, behind, via)
        return denied

    app.pin_request_origin = pinning
    iam_evaluator.evaluate, iam_evaluator.enforce = evaluating, enforcing


def _bucket_key(arn: str) -> str | None:
    """Return the key that a bucket encrypts by default with."""
    from ministack.services import s3  # noqa: PLC0415

    configuration = s3._bucket_encryption.get(arn.split(":", 5)[5].partition("/")[0]) or ""
    found = configuration.partition("<KMSMasterKeyID>")[2].partition("</KMSMasterKeyID>")[0]
    return found or None


def _table_key(arn: str) -> str | None:
    """Return the key that a table is encrypted with, where it is the account's own."""
    from ministack.services import dynamodb  # noqa: PLC0415

    table = dynamodb._tables.get(arn.rpartition("/")[2]) or {}
    found = (table.get("SSEDescription") or {}).get("KMSMasterKeyArn", "")
    return None if "alias/aws/" in found else found or None


class _Log:
    """Writes each thing that was asked for once; objects of one bucket are one thing."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def __call__(self, context: Any, policies: Any, *, allowed: bool) -> None:
        if self._path is None:
            return
        role, action, resource = context.principal_arn.split("/")[1], context.action, context.resource_arn
        thing = resource.partition("/")[0] if action.startswith("s3:") else resource
        if not self._new(role, action, thing, str(allowed)):
            return
        lines = [{"role": role, "action": action, "resource": resource, "allowed": allowed}]
        for statement, used in _statements(context, policies, allowed=allowed):
            says = {"Action": statement.actions, "Resource": statement.resources}
            if self._new(role, json.dumps(says), action if used else ""):
                lines.append({"role": role, **says, "used": action if used else ""})
        with self._lock, open(self._path, "a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)

    def _new(self, *key: str) -> bool:
        with self._lock:
            known = key in self._seen
            self._seen.add(key)
            return not known


def _statements(context: Any, policies: Any, *, allowed: bool) -> Iterator[tuple[Any, bool]]:
    """Yield what a role's policies allow, statement by statement, and whether this is what allowed it here."""
    from ministack.core import iam_evaluator  # noqa: PLC0415

    for statement in (each for policy in policies for each in policy if each.effect == "Allow"):
        yield statement, allowed and iam_evaluator._first_match(context, [statement], "Allow") is not None
