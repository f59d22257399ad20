"""Fetching one file over HTTP: with progress, retries, resumption, and a checksum before anybody reads it."""

import fcntl
import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, InvalidURL
from pathlib import Path

from training.errors import ChecksumError, DownloadError

CHUNK = 1024 * 1024
ATTEMPTS = 5
TIMEOUT = 60.0
Log = Callable[[str], None]


def download(url: str, target: Path, md5: str, log: Log = print, pause: float = 2.0) -> Path:
    """
    Bring ``url`` to ``target`` and return it; a file that is already there and right is not fetched again.

    Of several processes that want the same, one fetches it and the others wait.

    Parameters
    ----------
    md5
        Expected checksum, hexadecimal. It is the one that the dataset's authors publish; it guards against
        damage and mix-ups, and what the archive can do once read is limited elsewhere.
    pause
        Seconds before the first retry; doubled after each.

    Raises
    ------
    DownloadError
        When the server refuses, does not answer, or breaks off at the same place each time.
    ChecksumError
        When the file, fetched from the start, is not the one that ``md5`` names. It is removed.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"The address {url!r} is no http or https address: correct it in the settings.")
    if _is_there(target, md5):
        return target
    with target.with_name(target.name + ".lock").open("w") as lock:
        # One at a time: two that share a folder would append to the same partial file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _download(url, target, md5, log, pause)


def _download(url: str, target: Path, md5: str, log: Log, pause: float) -> Path:
    partial = target.with_name(target.name + ".part")
    if _is_there(target, md5):
        return target
    resumed = _complete(url, partial, log, pause)
    if resumed and file_md5(partial) != md5.lower():
        log("what was resumed is not the file: fetching it from the start")
        partial.unlink()
        _complete(url, partial, log, pause)
    found = file_md5(partial)
    if found != md5.lower():
        partial.unlink()
        raise ChecksumError(f"The file at {url} has the MD5 {found} and not {md5}: nothing of it was read.")
    return partial.replace(target)


def _is_there(target: Path, md5: str) -> bool:
    return target.is_file() and file_md5(target) == md5.lower()


def _complete(url: str, partial: Path, log: Log, pause: float) -> bool:
    """Fetch what is missing of ``partial``, with retries, and return whether some of it was there before any try."""
    resumed, failed, furthest = False, 0, _size(partial)
    while True:
        resumed = resumed or partial.is_file()
        try:
            _fetch(url, partial, log)
            break
        except urllib.error.HTTPError as error:
            # Nothing is left to fetch of a partial file that is already whole.
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and partial.is_file():
                break
            passing = (
                error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code == HTTPStatus.TOO_MANY_REQUESTS
            )
            failed += 1
            if not passing or failed == ATTEMPTS:
                raise DownloadError(f"The download of {url} failed with status {error.code}.") from error
        except (InvalidURL, ValueError) as error:
            raise DownloadError(
                f"The address {url!r} cannot be read ({error}): correct it in the settings."
            ) from error
        except (OSError, HTTPException) as error:
            # A server that breaks off each time is asked on for as long as each time brings more.
            failed = 1 if _size(partial) > furthest else failed + 1
            furthest = max(furthest, _size(partial))
            if failed == ATTEMPTS:
                raise DownloadError(
                    f"The download of {url} failed {ATTEMPTS} times at the same place: {error}."
                ) from error
        time.sleep(pause * 2 ** (failed - 1))
    return resumed


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.is_file() else 0


def _fetch(url: str, partial: Path, log: Log) -> None:
    """Append what is missing to ``partial``; raise OSError when the server breaks off."""
    have = _size(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - http(s) only, checked above
        if answer.status != 206:
            have = 0  # the server sends it from the start
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        with partial.open("ab" if have else "wb") as out:
            reported = have
            # What has come, and no waiting for more: of a connection that is reset the rest of a chunk is lost.
            while chunk := answer.read1(CHUNK):
                out.write(chunk)
                have += len(chunk)
                if have - reported >= 16 * CHUNK:
                    reported = have
                    log(f"downloaded {have >> 20} of {total >> 20 if total else '?'} MiB")
    if total is not None and have < total:
        raise OSError(f"the server broke off after {have:,} of {total:,} bytes")


def file_md5(path: Path) -> str:
    """MD5 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
