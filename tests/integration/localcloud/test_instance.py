"""An instance starts, is found again, disturbs no other, and leaves no process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from localcloud.cdk import reason
from localcloud.errors import NotRunningError, PortTakenError, StartError
from localcloud.instance import Instance
from localcloud.inventory import inventory, leftovers
from localcloud.ports import SPAN, free_port
from localcloud.processes import MARKER, belonging
from scones.commands import INTERRUPTED
from tests.integration.localcloud.conftest import ROLE, ROOT, function
from tests.integration.roles import make_role


def test_no_port_is_given_twice_while_its_first_server_starts() -> None:
    given = sorted(free_port() for _ in range(200))
    assert all(second - first >= SPAN for first, second in pairwise(given))


def test_two_instances_do_not_see_each_other(cloud: Instance, tmp_path: Path) -> None:
    other = Instance.start(tmp_path, project=ROOT, owner_pid=os.getpid())
    try:
        before = inventory(cloud)
        other.client("sqs").create_queue(QueueName="elsewhere")
        assert leftovers(before, inventory(cloud)) == []
        assert any("elsewhere" in line for line in inventory(other))
    finally:
        other.stop()


def test_an_instance_is_found_again_and_gone_after_stop(tmp_path: Path) -> None:
    instance = Instance.start(tmp_path, project=ROOT, owner_pid=os.getpid())
    make_role(instance, "any")
    function(instance, "warm", "def handler(event, context):\n    return 1\n")
    instance.client("lambda").invoke(FunctionName="warm", Payload=b"{}")
    assert Instance.load(tmp_path) == instance
    assert len(belonging(instance.identity)) >= 2
    instance.stop()
    assert belonging(instance.identity) == []
    assert not instance.work.exists()
    with pytest.raises(NotRunningError, match="scones local up"):
        Instance.load(tmp_path)
    instance.stop()


def test_a_taken_port_is_named_in_one_sentence(cloud: Instance, tmp_path: Path) -> None:
    with pytest.raises(PortTakenError, match=f"Port {cloud.port} on 127.0.0.1 is in use"):
        Instance.start(tmp_path, port=cloud.port, project=ROOT)


def test_an_instance_ends_with_its_owner(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    instance = Instance.start(tmp_path, project=ROOT, owner_pid=owner.pid)
    try:
        owner.kill()
        owner.wait()
        psutil.wait_procs(
            [psutil.Process(instance.pid)] if psutil.pid_exists(instance.pid) else [], timeout=20
        )
        deadline = time.monotonic() + 5
        while belonging(instance.identity) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert belonging(instance.identity) == []
        assert not instance.work.exists()
    finally:
        instance.stop()


def test_what_a_killed_emulator_left_is_cleared_when_it_is_looked_for(tmp_path: Path) -> None:
    instance = Instance.start(tmp_path, project=ROOT, owner_pid=os.getpid())
    left = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: instance.identity})
    try:
        emulator = psutil.Process(instance.pid)
        emulator.kill()
        emulator.wait(timeout=10)
        with pytest.raises(NotRunningError, match="has ended"):
            Instance.load(tmp_path)
        left.wait(timeout=5)
        assert belonging(instance.identity) == []
        assert not instance.work.exists()
    finally:
        left.kill()
        instance.stop()


def test_a_second_instance_is_refused_where_one_runs(cloud: Instance) -> None:
    with pytest.raises(StartError, match=r"runs in .* already"):
        Instance.start(cloud.directory, project=ROOT, owner_pid=os.getpid())
    assert cloud.running()


def test_of_two_that_start_in_one_folder_at_once_one_is_refused(tmp_path: Path) -> None:
    def start() -> Instance | StartError:
        try:
            return Instance.start(tmp_path / "shared", project=ROOT, owner_pid=os.getpid())
        except StartError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        outcomes = [each.result() for each in [pool.submit(start), pool.submit(start)]]
    (started,) = [each for each in outcomes if isinstance(each, Instance)]
    (refused,) = [each for each in outcomes if isinstance(each, StartError)]
    assert "runs in" in str(refused)
    assert Instance.load(tmp_path / "shared").identity == started.identity
    started.stop()


def test_a_new_instance_knows_nothing_of_an_earlier_one_in_its_folder(tmp_path: Path) -> None:
    first = Instance.start(tmp_path / "one", project=ROOT, owner_pid=os.getpid())
    first.stop()
    (tmp_path / "one" / "demo.json").write_text("{}")
    (tmp_path / "one" / "access.jsonl").write_text('{"allowed": false}\n')
    second = Instance.start(tmp_path / "one", project=ROOT, owner_pid=os.getpid())
    try:
        assert not (tmp_path / "one" / "demo.json").exists()
        assert second.denials() == []
    finally:
        second.stop()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"file.* cannot be written: "):
        Instance.start(tmp_path / "file" / "cloud", project=ROOT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_when_a_terminal_closes_while_a_cloud_starts(number: int) -> None:
    name = f"closed-{number}"
    process = subprocess.Popen(
        [sys.executable, "-c", "from scones.cli import app; app()", "local", "up", "--instance", name],
        cwd=ROOT,
    )
    emulators: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 60
        while not emulators:
            assert time.monotonic() < deadline
            assert process.poll() is None
            emulators = [
                each
                for each in psutil.Process(process.pid).children()
                if "localcloud.launcher" in each.cmdline()
            ]
        process.send_signal(number)
        assert process.wait(30) == INTERRUPTED
        assert psutil.wait_procs(emulators, timeout=10)[1] == []
    finally:
        process.kill()
        for each in emulators:
            with contextlib.suppress(psutil.Error):
                each.kill()
        shutil.rmtree(ROOT / "build" / "local" / name, ignore_errors=True)


def test_profiles_of_this_machine_do_not_matter(
    cloud: Instance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[broken")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "nothere")
    assert cloud.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_loopback_is_reached_directly_when_the_machine_has_a_proxy(
    cloud: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert cloud.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert cloud.environment()["NO_PROXY"] == "example.com,127.0.0.1,localhost"


def test_the_inventory_has_rules_of_every_bus_policies_and_running_executions(cloud: Instance) -> None:
    before = inventory(cloud)
    cloud.client("events").create_event_bus(Name="bakery")
    cloud.client("events").put_rule(Name="rise", EventBusName="bakery", EventPattern='{"source": ["x"]}')
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    cloud.client("iam").create_policy(PolicyName="bake", PolicyDocument=json.dumps(policy))
    states = cloud.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
    machine = states.create_state_machine(
        name="proving", definition=json.dumps(definition), roleArn=ROLE, type="STANDARD"
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    assert {"events:rule/bakery/rise", "iam:policy/bake", f"states:execution/{execution}"} <= set(
        leftovers(before, inventory(cloud))
    )
    states.stop_execution(executionArn=execution)
    assert f"states:execution/{execution}" not in inventory(cloud)


def test_only_loopback_is_listened_on(cloud: Instance) -> None:
    addresses = {
        c.laddr.ip for c in psutil.Process(cloud.pid).net_connections(kind="inet") if c.status == "LISTEN"
    }
    assert addresses == {"127.0.0.1"}


def test_the_reason_of_a_failed_deployment_is_the_resources_own() -> None:
    lines = [
        "stack | 3 | CREATE_FAILED | Custom::Train | Train/Resource (Train1) Error: The model was rejected: 80 %.",
        "❌  stack failed to deploy",
    ]
    assert reason(lines) == "The model was rejected: 80 %."
    assert reason(["error: There is no environment 'x'."]) == "There is no environment 'x'."


def test_a_damaged_state_file_is_cleared_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "instance.json").write_text("")
    with pytest.raises(NotRunningError, match="was damaged and is removed"):
        Instance.load(tmp_path)
    assert not (tmp_path / "instance.json").exists()


def test_a_folder_is_cleared_when_nothing_runs_in_it_and_kept_when_something_does(
    cloud: Instance, tmp_path: Path
) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    (dead / "instance.json").write_text("{}")
    Instance.clear(dead)
    assert not dead.exists()
    Instance.clear(cloud.directory)
    assert cloud.running()
