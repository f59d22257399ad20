"""Names that collide or are too long are found."""

from __future__ import annotations

from stacks.checks import names


def _templates(stack: str, name: str) -> names.Templates:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    return {stack: {"Resources": {"Bucket": bucket}}}


def test_a_planted_collision_is_found() -> None:
    assert len(names.collisions(_templates("one", "same"), _templates("two", "same"))) == 1
    assert names.collisions(_templates("one", "one"), _templates("two", "two")) == []


def test_a_planted_long_name_is_found() -> None:
    assert len(names.too_long(_templates("one", "b" * 64))) == 1
    assert names.too_long(_templates("one", "b" * 63)) == []
