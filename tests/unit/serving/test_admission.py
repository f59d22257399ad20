"""What is refused before it takes a place."""

from __future__ import annotations

import pytest

from serving.admission import MAX_REQUESTS, Admission
from serving.errors import OverloadedError

ADAPTER_CONNECTIONS = 100


def test_requests_are_refused_when_too_many_are_under_way() -> None:
    admission = Admission(max_requests=2)
    with admission.request(), admission.request(), pytest.raises(OverloadedError, match="2 requests"):
        admission.request().__enter__()
    with admission.request():
        assert admission.requests == 1
    assert admission.requests == 0


def test_images_are_refused_when_too_many_are_under_way() -> None:
    admission = Admission(max_images=10)
    with admission.batch(6):
        with pytest.raises(OverloadedError, match="6 images"), admission.batch(5):
            pass
        with admission.batch(4):
            assert admission.images == 10
    assert admission.images == 0


def test_places_are_given_back_when_a_request_fails() -> None:
    admission = Admission()
    with pytest.raises(ValueError, match="bad"), admission.request(), admission.batch(3):
        raise ValueError("bad")
    assert (admission.requests, admission.images) == (0, 0)


def test_it_sheds_before_the_adapter_has_no_connection_left() -> None:
    assert MAX_REQUESTS < ADAPTER_CONNECTIONS
