"""How AWS is asked: what it will not say leaves an item unchecked, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Collection

from scones.doctor.row import Row, unchecked

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")


def ask(
    item: str, action: str, question: Callable[[], list[Row]], *, expected: Collection[str] = ()
) -> list[Row]:
    """Ask, and say why not where there was no answer.

    Parameters
    ----------
    item
        What the rows are about.
    action
        The IAM action that the question needs.
    question
        Makes the calls and judges their answers.
    expected
        Error codes that the caller judges itself.

    Raises
    ------
    botocore.exceptions.ClientError
        When the code is one of `expected`.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # `--help` need not pay

    try:
        return question()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in expected:
            raise
        if code in DENIED:
            return [unchecked(item, f"these credentials may not call {action}", f"allow {action}")]
        return [
            unchecked(item, f"{error.operation_name} was refused ({code})", "try again, or look yourself")
        ]
    except BotoCoreError as error:
        return [unchecked(item, f"{action} got no answer: {error}", "check the network and the region")]
