"""How a job ends: results behind it, or one sentence where SageMaker and the terminal look for it."""

import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from classifier.errors import ClassifierError
from training.errors import TrainingCodeError

_MOST = 1000


def run_job(work: Callable[[], None], message_files: Iterable[Path]) -> int:
    """
    Run ``work`` and return the process's exit status.

    A refusal or a fault becomes one sentence on the last line of stderr and in each of ``message_files`` whose
    folder exists. A fault of ours also leaves its traceback above that line.
    """
    try:
        work()
    except (TrainingCodeError, ClassifierError) as error:
        sentence = str(error)
    except MemoryError:
        sentence = "The job ran out of memory: choose a larger instance or a smaller batch."
    except Exception as error:
        traceback.print_exc()
        sentence = f"The job met a fault of its own: {type(error).__name__}: {error}."
    else:
        return 0
    sentence = printable(" ".join(sentence.split()))[:_MOST]
    for file in message_files:
        if file.parent.is_dir():
            file.write_text(sentence + "\n", encoding="utf-8")
    sys.stdout.flush()
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a job speaks through its output
    return 1


def log(line: str) -> None:
    """Print one line of progress, at once: jobs' output is followed live."""
    print(printable(line), flush=True)  # noqa: T201 - a job speaks through its output


def printable(text: str) -> str:
    """Return text that every file and terminal takes: a file's name need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def processing_message(folder: Path) -> Path:
    """Return where a processing job that writes to ``folder`` (below …/processing) leaves its exit message."""
    for parent in folder.absolute().parents:
        if parent.name == "processing":
            return parent.parent / "output" / "message"
    return Path("/opt/ml/output/message")
