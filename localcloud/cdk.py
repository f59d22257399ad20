"""Runs the real CDK CLI against a local cloud."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from localcloud.errors import CdkError
from localcloud.instance import ACCOUNT, REGION, Instance

Listener = Callable[[str], None]
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_REASONS = (
    re.compile(
        r"Received response status \[FAILED\] from custom resource\. Message returned: (?P<reason>.+)"
    ),
    re.compile(r"_FAILED\b.*?\| Custom::.*?\) (?:Error: )?(?P<reason>.+)"),
    re.compile(r"\b(?:CREATE|UPDATE|DELETE)_FAILED\b.*?\| (?P<reason>.+)"),
    re.compile(r"^(?:.*❌.*?failed: |error: |Error: )(?P<reason>.+)"),
    # The app's own fault: the last line of its traceback.
    re.compile(r"^(?P<reason>(?:\w+\.)*\w*(?:Error|Exception): .+)"),
)


def run_cdk(
    instance: Instance,
    arguments: Sequence[str],
    *,
    project: Path,
    output: Path,
    on_line: Listener | None = None,
) -> None:
    """Run one command of the CDK CLI and follow what it says.

    Parameters
    ----------
    instance
        The cloud that it talks to.
    arguments
        The command and its options, such as `["deploy", "--all"]`.
    project
        Folder of the app and of `node_modules`.
    output
        Folder for the synthesized app; one for each run, because the CLI locks it.
    on_line
        Called with each line as it comes.

    Raises
    ------
    CdkError
        When the CLI fails; the message is the reason that it printed.
    """
    command = [
        *("node", str(project / "node_modules" / "aws-cdk" / "bin" / "cdk"), *arguments),
        *("--app", f"{shlex.quote(sys.executable)} app.py", "--output", str(output)),
        *("--no-notices", "--no-color", "--ci"),
    ]
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**instance.environment(), "CDK_DISABLE_CLI_TELEMETRY": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        for raw in process.stdout:
            line = _COLOURS.sub("", raw).rstrip()
            lines.append(line)
            if on_line is not None and line:
                on_line(line)
        code = process.wait()
    except BaseException:
        # The whole group: `node` may be a wrapper, and the CLI runs the app as a child.
        _signal(process, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        raise
    if code:
        raise CdkError(reason(lines))


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def reason(lines: Sequence[str]) -> str:
    """Return the line of the CLI's output that says why it failed."""
    for pattern in _REASONS:
        for line in lines:
            if (found := pattern.search(line)) and "Resource creation cancelled" not in line:
                return found["reason"].strip()
    said = [line for line in lines if line.strip()]
    return said[-1] if said else "The CDK CLI failed and said nothing."


def bootstrap(instance: Instance, *, project: Path, output: Path, on_line: Listener | None = None) -> None:
    """Make the resources that every CDK deployment of an account needs."""
    run_cdk(
        instance,
        ["bootstrap", f"aws://{ACCOUNT}/{REGION}"],
        project=project,
        output=output,
        on_line=on_line,
    )
