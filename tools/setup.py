"""Sets a fresh clone up: a virtual environment, the CDK CLI, and the runtime that local Lambdas run on.

Run by the Makefile with any Python from 3.11 to 3.13 and nothing installed, so this file uses the standard
library alone. It does nothing, quickly, when everything is in place, and it is safe to run twice at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
LEVELS = {"synth": "", "cli": "[cli]", "local": "[local]", "dev": "[dev]"}
"""What each level installs: templates only; the command line too; the local cloud too; the tests and checks too."""
NETWORK_SIGNS = (
    "ConnectionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Could not find a version that satisfies",
    "No matching distribution found",
    "ProxyError",
    "ENOTFOUND",
    "ECONNREFUSED",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "Network is unreachable",
    # Versions are locked, so what cannot be resolved is what no index could be asked for.
    "ResolutionImpossible",
)


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


def fingerprint(level: str) -> str:
    """Hash everything that decides what set-up installs, so that a change makes it run again."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n{level}\n".encode())
    for name in ("pyproject.toml", "constraints.txt", "package-lock.json"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def installed(level: str) -> bool:
    """Say whether this level, or one that includes it, is in place."""
    order = list(LEVELS)
    return any(
        (VENV / f".complete-{each}").is_file()
        and (VENV / f".complete-{each}").read_text() == fingerprint(each)
        for each in order[order.index(level) :]
    )


def run(what: str, command: Sequence[str | Path]) -> None:
    """Run one step with its output in the log, or raise with the one line that matters."""
    print(f"  {what} …", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(map(str, command))}\n")
        log.flush()
        begin = log.tell()
        # A group of its own, so that an interruption ends the step with all that it has started.
        step = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = step.wait()
        except BaseException:
            os.killpg(step.pid, signal.SIGKILL)
            step.wait()
            raise
    if status == 0:
        print(f"  {what}: {time.monotonic() - started:.0f} s", flush=True)
        return
    output = LOG.read_text(encoding="utf-8", errors="replace")[begin:]
    if any(sign in output for sign in NETWORK_SIGNS):
        raise SetupError(
            f"{what} could not reach the package registry, which set-up needs once: connect to the network "
            f"or point pip and npm at a mirror, then run the same command again (details: {LOG})."
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")
    raise SetupError(f"{what} failed: {reason} (details: {LOG}).")


def install(level: str) -> None:
    """Install one level into the virtual environment, from the locked versions."""
    python = VENV / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-c", ""], check=False).returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        run("Virtual environment", [sys.executable, "-m", "venv", VENV])
    run(
        "Python packages",
        [
            python,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--constraint",
            "constraints.txt",
            "--editable",
            f".{LEVELS[level]}",
        ],
    )
    run("CDK command line", ["npm", "ci", "--no-audit", "--no-fund"])
    if level in ("local", "dev"):
        run("Lambda runtime", [python, "-m", "localcloud.lambda_runtime", BUILD / "lambda-runtime"])
    (VENV / f".complete-{level}").write_text(fingerprint(level))


def main(arguments: Sequence[str]) -> int:
    """Set the level named on the command line up, unless it is."""
    level = arguments[0] if arguments else "dev"
    started = time.monotonic()
    try:
        BUILD.mkdir(exist_ok=True)
        lock = (BUILD / "setup.lock").open("w")
    except OSError as error:
        print(f"error: The folder {BUILD} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another set-up of this folder is running; waiting for it …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed(level):
            print(f"Setting up ({level}); the first time takes some minutes.", flush=True)
            try:
                install(level)
            except SetupError as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
            print(f"Set up in {time.monotonic() - started:.0f} s.", flush=True)
    (BUILD / "setup.seconds").write_text(f"{time.monotonic() - started:.1f}\n")
    return 0


def interrupt(number: int, frame: FrameType | None) -> None:
    """Treat an end that is asked for by signal as Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("Set-up was interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
