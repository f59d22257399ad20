"""What a manifest lists, and what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import DatasetError
from training.manifest import check_splits


def test_a_split_without_a_folder_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    manifest = {"classes": ["a", "b"], "images": [{"split": "test", "file": "test/a/one.png"}]}
    with pytest.raises(DatasetError, match=r"'test/a/one\.png' is in the manifest, but not in the split"):
        check_splits([("test", tmp_path / "missing")], manifest)
