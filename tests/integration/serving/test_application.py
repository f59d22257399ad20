"""The application behind the adapter: every kind of picture, every kind of request."""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import ANY

import psutil
import pytest

from localcloud.containers.container import MARKER
from localcloud.processes import belonging
from serving.admission import LAST_RETURN_SECONDS, MAX_IMAGES, MAX_REQUESTS, RETURN_SECONDS
from tests.integration.serving.conftest import CLASSES, Answer, Server, tar
from tests.integration.workflow.pictures import UNUSABLE, USABLE

pytestmark = pytest.mark.timeout(180)
REFUSALS = {
    "corrupt.jpg": (400, "UnreadableImageError"),
    "empty.png": (400, "UnreadableImageError"),
    "not an image.txt": (400, "UnreadableImageError"),
    "huge dimensions.png": (413, "ImageTooLargeError"),
}


def check_decision(body: dict[str, object]) -> None:
    """Assert that a body is a whole answer of one image."""
    assert body["class"] in CLASSES
    assert body["model_version"] == "run1"
    probabilities = body["probabilities"]
    assert isinstance(probabilities, dict)
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-4)
    embedding = body["embedding"]
    assert isinstance(embedding, list)
    assert len(embedding) == 8


def refusal(answer: Answer) -> tuple[int, str]:
    """Return the status and the error of a refusal, whose message must be one sentence."""
    message = answer.body["message"]
    assert message.endswith(".")
    assert "\n" not in message
    return answer.status, answer.body["error"]


def retry_after(answer: Answer) -> float:
    """Return the seconds that a busy server asks for."""
    hints = {name.lower(): value for name, value in answer.headers.items()}
    assert refusal(answer) == (429, "OverloadedError")
    return float(hints["x-amzn-sagemaker-custom-attributes"].removeprefix("retry-after="))


def test_health_says_no_until_the_model_can_classify(server: Server) -> None:
    assert server.early
    assert 200 not in {answer.status for answer in server.early}
    assert server.ping() == Answer(200, ANY, "")
    own = server.send(b"", None, method="GET", path="/classifier/-/healthz", direct=True)
    assert own.body == {"status": "ok", "model_version": "run1"}


@pytest.mark.parametrize("name", USABLE)
def test_a_picture_is_answered_when_it_is_usable(server: Server, name: str) -> None:
    answer = server.send(USABLE[name], "image/*")
    assert answer.status == 200, answer
    check_decision(answer.body)
    size = (answer.body["image"]["width"], answer.body["image"]["height"])
    assert size == ((80, 96) if name == "rotated+exif.jpg" else (96, 80))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_picture_is_refused_when_it_is_not_usable(server: Server, name: str) -> None:
    assert refusal(server.send(UNUSABLE[name])) == REFUSALS[name]


def test_a_picture_is_refused_when_it_has_too_many_bytes(server: Server) -> None:
    answer = server.send(USABLE["plain.png"] + bytes(6 * 1024 * 1024), "image/png")
    assert refusal(answer) == (413, "ImageTooLargeError")


def test_bad_images_fail_alone_when_they_come_with_good_ones(server: Server) -> None:
    bad = {name: UNUSABLE[name] for name in REFUSALS}
    answer = server.send(tar({**USABLE, **bad}), "application/x-tar")
    assert answer.status == 200
    assert answer.body["model_version"] == "run1"
    predictions = {each["name"]: each for each in answer.body["predictions"]}
    assert list(predictions) == [*USABLE, *bad]
    for name in USABLE:
        check_decision(predictions[name])
    for name in bad:
        assert predictions[name]["error"] == REFUSALS[name][1]


def test_an_image_gets_the_same_answer_when_it_comes_alone_and_in_an_archive(server: Server) -> None:
    together = server.send(tar(USABLE), "application/x-tar").body["predictions"]
    for name, each in zip(USABLE, together, strict=True):
        alone = server.send(USABLE[name]).body
        assert each["class"] == alone["class"]
        assert each["image"] == alone["image"]
        assert each["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-3)


def test_an_archive_is_answered_when_a_name_is_no_text_and_refused_when_it_is_cut_off(server: Server) -> None:
    whole = tar(dict.fromkeys(("a", "b\udcff"), USABLE["photo.jpg"]))
    assert [each["name"] for each in server.send(whole, "application/x-tar").body["predictions"]] == [
        "a",
        "b\\udcff",
    ]
    cut = whole[: 512 + -(-len(USABLE["photo.jpg"]) // 512) * 512]
    assert refusal(server.send(cut, "application/x-tar")) == (400, "MalformedArchiveError")


def test_an_archive_is_refused_when_it_holds_no_image_or_too_many(server: Server) -> None:
    assert refusal(server.send(b"no archive", "application/x-tar")) == (400, "MalformedArchiveError")
    assert refusal(server.send(tar({}), "application/x-tar")) == (400, "MalformedArchiveError")
    many = tar({str(number): b"" for number in range(513)})
    assert refusal(server.send(many, "application/x-tar")) == (413, "RequestTooLargeError")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/classifier/", 405),
        ("PUT", "/classifier/", 405),
        ("POST", "/classifier/-/healthz", 405),
        ("POST", "/classifier/elsewhere", 404),
        ("POST", "/classifier/elsewhere/classifier", 404),
        ("POST", "/elsewhere", 404),
        ("GET", "/classifier/-/healthz", 200),
    ],
)
def test_each_route_takes_its_method_alone(server: Server, method: str, path: str, status: int) -> None:
    assert server.send(b"", None, method=method, path=path, direct=True).status == status


def test_other_content_types_are_refused_when_an_image_is_wanted(server: Server) -> None:
    answer = server.send(USABLE["plain.png"], "application/json")
    assert refusal(answer) == (415, "UnsupportedContentTypeError")


def test_everyone_is_answered_when_sixty_four_come_at_once(server: Server) -> None:
    contents = [*USABLE.values(), UNUSABLE["corrupt.jpg"]]

    def ask(number: int) -> Answer:
        while (answer := server.send(contents[number % len(contents)])).status == 429:
            time.sleep(retry_after(answer))
        return answer

    with ThreadPoolExecutor(64) as clients:
        answers = list(clients.map(ask, range(256)))
    for number, answer in enumerate(answers):
        assert answer.status == (400 if number % len(contents) == len(USABLE) else 200), answer


def test_an_answer_says_where_its_time_went(server: Server) -> None:
    for answer in (
        server.send(USABLE["photo.jpg"]),
        server.send(tar(dict.fromkeys("abc", USABLE["photo.jpg"])), "application/x-tar"),
    ):
        told = {name.lower(): value for name, value in answer.headers.items()}
        stages = dict(each.split(";dur=") for each in told["x-amzn-sagemaker-custom-attributes"].split(", "))
        assert list(stages) == ["read", "decode", "wait", "infer", "total"]
        assert 0 < float(stages["infer"]) <= float(stages["total"])


def test_some_are_told_to_come_back_when_too_many_come_at_once(server: Server) -> None:
    # Three times what admission remembers, so that a fast machine has to refuse some too.
    count = 200
    many = tar({str(number): USABLE["photo.jpg"] for number in range(count)})
    clients = 3 * MAX_IMAGES // count
    assert clients < MAX_REQUESTS
    with ThreadPoolExecutor(clients) as senders:
        answers = list(senders.map(lambda _: server.send(many, "application/x-tar"), range(clients)))
    shed = [answer for answer in answers if answer.status != 200]
    assert 1 <= len(shed) < len(answers)
    hints = [retry_after(answer) for answer in shed]
    assert all(RETURN_SECONDS <= hint <= LAST_RETURN_SECONDS for hint in hints)
    assert len(set(hints)) > len(hints) / 2
    assert server.send(USABLE["photo.jpg"]).status == 200


def test_a_single_image_finds_room_beside_archives(server: Server) -> None:
    many = tar({str(number): USABLE["photo.jpg"] for number in range(200)})
    singles = []
    with ThreadPoolExecutor(3) as senders:
        archives = [senders.submit(server.send, many, "application/x-tar") for _ in range(3)]
        while not all(each.done() for each in archives):
            singles.append(server.send(USABLE["photo.jpg"]).status)
    assert {each.result().status for each in archives} <= {200, 429}
    assert len(singles) > 5
    assert set(singles) == {200}


def test_it_lives_on_when_clients_leave(server: Server) -> None:
    body = USABLE["photo.jpg"]
    head = f"POST /classifier/ HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head, head + body[: len(body) // 2], head + body):
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", server.container.ray_port)) as client:
                client.sendall(sent)
    time.sleep(0.5)
    # Had they kept their places, admission would refuse these; so few are always let in.
    with ThreadPoolExecutor(4) as clients:
        statuses = {answer.status for answer in clients.map(server.send, [body] * 64)}
    assert statuses == {200}
    assert server.ping().status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux alone")
def test_haproxy_serves_and_all_listen_on_loopback_alone(server: Server) -> None:
    found = belonging(server.container.identity, marker=MARKER)
    assert "haproxy" in {process.name() for process in found}
    addresses = {
        each.laddr.ip.removeprefix("::ffff:")  # as gRPC writes it
        for process in found
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
