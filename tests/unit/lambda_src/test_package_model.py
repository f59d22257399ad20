from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from lambda_src.adapters.objects import Objects, split
from lambda_src.environment import PackageModelEnvironment
from lambda_src.errors import (
    ArchiveMemberMissingError,
    ArchiveTooLargeError,
    ArchiveUnreadableError,
    InvalidEventError,
    UnsafeArchiveError,
)
from lambda_src.package_model import logic
from tests.unit.lambda_src.stubs import Stubber

TRAINED = {
    "model.safetensors": b"weights",
    "model.json": b'{"threshold": 0.8, "classes": ["a", "b"]}',
    "metrics.json": b"{}",
    "checkpoints/1": b"left out",
}
CODE = {
    "config.yaml": b"applications: []",
    "code/serving/app.py": b"app",
    "code/classifier/__init__.py": b"",
    "model.safetensors": b"an impostor",
}
ENVIRONMENT = PackageModelEnvironment("models", "assets", "serving.tar.gz", "vehicles")
Tar = Callable[[dict[str, bytes]], bytes]


@pytest.fixture
def s3(stub: Any) -> Stubber:
    return stub("s3")  # type: ignore[no-any-return]


def test_archive_is_stored_and_described_when_all_is_there(s3: Stubber, tar: Tar, body: Any) -> None:
    archive = logic.pack(logic.serving_files(TRAINED, CODE, "0123456789ab"))
    key = "vehicles/runs/0123456789ab/archive/model.tar.gz"
    s3.add_response("get_object", {"Body": body(tar(TRAINED))}, {"Bucket": "models", "Key": "x/model.tar.gz"})
    s3.add_response("get_object", {"Body": body(tar(CODE))}, {"Bucket": "assets", "Key": "serving.tar.gz"})
    s3.add_response("put_object", {}, {"Bucket": "models", "Key": key, "Body": archive})
    answer = logic.package("s3://models/x/model.tar.gz", "0123456789ab", ENVIRONMENT, Objects(s3.client))
    assert answer == {
        "archive_uri": f"s3://models/{key}",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "threshold": 0.8,
    }


def test_archive_holds_what_serving_reads_when_packed() -> None:
    packed = logic.members(logic.pack(logic.serving_files(TRAINED, CODE, "run")), "archive")
    assert list(packed) == sorted(
        ["code/classifier/__init__.py", "code/serving/app.py", "config.yaml", *logic.TRAINED]
    )
    assert packed["model.safetensors"] == b"weights"
    assert json.loads(packed["model.json"]) == {
        "threshold": 0.8,
        "classes": ["a", "b"],
        "model_version": "run",
    }


def test_bytes_are_the_same_when_files_come_in_another_order() -> None:
    assert logic.pack({"a": b"1", "b": b"2"}) == logic.pack({"b": b"2", "a": b"1"})


@pytest.mark.parametrize("missing", ["model.safetensors", "model.json", "metrics.json"])
def test_member_is_named_when_the_artifact_lacks_it(missing: str) -> None:
    trained = {name: content for name, content in TRAINED.items() if name != missing}
    with pytest.raises(ArchiveMemberMissingError, match=rf"The training artifact lacks {missing}\."):
        logic.serving_files(trained, CODE, "run")


def test_member_is_named_when_the_code_lacks_it() -> None:
    with pytest.raises(
        ArchiveMemberMissingError, match=r"The serving code lacks config\.yaml, code/serving/app\.py"
    ):
        logic.serving_files(TRAINED, {}, "run")


@pytest.mark.parametrize("card", [b"[]", b"{}", b"not json", b'{"threshold": null}', b"\xff"])
def test_card_is_refused_when_it_has_no_threshold(card: bytes) -> None:
    with pytest.raises(ArchiveUnreadableError, match=r"model\.json must be a JSON object with a threshold"):
        logic.serving_files({**TRAINED, "model.json": card}, CODE, "run")


@pytest.mark.parametrize("name", ["../model.json", "/etc/passwd", "code/../../x"])
def test_archive_is_unsafe_when_a_name_leads_out(tar: Tar, name: str) -> None:
    with pytest.raises(UnsafeArchiveError, match="which leads out of it"):
        logic.members(tar({name: b"x"}), "training artifact")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_archive_is_unsafe_when_a_member_is_no_plain_file(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("model.json")
        entry.type, entry.linkname = kind, "elsewhere"
        archive.addfile(entry)
    with pytest.raises(UnsafeArchiveError, match=r"'model\.json', which is no plain file"):
        logic.members(buffer.getvalue(), "training artifact")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x1f\x8b\x08\x00"])
def test_archive_is_unreadable_when_it_is_no_tar(content: bytes) -> None:
    with pytest.raises(ArchiveUnreadableError, match=r"is no \.tar\.gz archive"):
        logic.members(content, "training artifact")


def test_archive_is_unreadable_when_cut_short(tar: Tar) -> None:
    whole = tar({"model.safetensors": hashlib.sha256(b"noise").digest() * 4000})
    with pytest.raises(ArchiveUnreadableError):
        logic.members(whole[: len(whole) // 2], "training artifact")


def test_archive_is_refused_when_it_unpacks_to_more_than_memory(
    tar: Tar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic, "MOST_BYTES", 100)
    with pytest.raises(ArchiveTooLargeError, match="more than 100 bytes"):
        logic.members(tar({"a": b"x" * 60, "b": b"x" * 60}), "training artifact")


def test_uri_is_split_when_its_key_has_odd_letters() -> None:
    assert split("s3://bucket/a b?c#d%20/é") == ("bucket", "a b?c#d%20/é")


def test_uri_is_refused_when_it_is_not_of_s3() -> None:
    with pytest.raises(InvalidEventError, match="no S3 URI"):
        split("https://example.com/x")
