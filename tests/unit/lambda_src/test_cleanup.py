from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_src.adapters.leavings import Leavings
from lambda_src.adapters.training import Training
from lambda_src.errors import CleanupError, ServiceBusyError
from lambda_src.naming import search_prefix
from lambda_src.train_on_deploy import cleanup
from tests.unit.lambda_src.stubs import Stubber

PREFIX = "scones-dev-vehicles"
RUN = "0123456789ab"
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:train"
EXECUTION = f"{MACHINE.replace('stateMachine', 'execution')}:x"
TAGS = {"scones:deployment": "scones-dev", "scones:classifier": "vehicles"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOBS = {
    "hyper_parameter_tuning_job": "HyperParameterTuningJob",
    "training_job": "TrainingJob",
    "processing_job": "ProcessingJob",
    "transform_job": "TransformJob",
}
SEARCH = "hyper_parameter_tuning_job"
LISTS = {"endpoint": "Endpoints", "endpoint_config": "EndpointConfigs", "model": "Models"}
TITLES = {"endpoint": "Endpoint", "endpoint_config": "EndpointConfig", "model": "Model"}


COUNTS = {
    "Strategy": "Random",
    "TrainingJobStatusCounters": {},
    "ObjectiveStatusCounters": {},
}


class Cloud:
    """Awaits the calls of a sweep, in its order."""

    def __init__(self, sagemaker: Stubber, states: Stubber, logs: Stubber, scaling: Stubber) -> None:
        self.sagemaker, self.states, self.logs, self.scaling = sagemaker, states, logs, scaling
        self.training = Training(MACHINE, "state", states.client)
        self.leavings = Leavings(PREFIX, TAGS, PREFIX, sagemaker.client, logs.client, scaling.client)

    def executions(self, *running: str) -> None:
        listed = [
            {
                "executionArn": arn,
                "stateMachineArn": MACHINE,
                "name": "x",
                "status": "RUNNING",
                "startDate": NOW,
            }
            for arn in running
        ]
        self.states.add_response(
            "list_executions", {"executions": listed}, {"stateMachineArn": MACHINE, "statusFilter": "RUNNING"}
        )
        for arn in running:
            expected = {
                "executionArn": arn,
                "error": "DestroyedError",
                "cause": "The stack is being deleted.",
            }
            self.states.add_response("stop_execution", {"stopDate": NOW}, expected)

    def tags(self, arn: str, tags: dict[str, str] | None = None) -> None:
        listed = [{"Key": key, "Value": value} for key, value in (TAGS if tags is None else tags).items()]
        self.sagemaker.add_response("list_tags", {"Tags": listed}, {"ResourceArn": arn})

    def jobs(self, word: str = "", status: str = "", *names: str) -> None:
        """Await the listings of jobs; `names` are found among those of one kind and status."""
        for kind, title in JOBS.items():
            for each in ("InProgress", "Stopping"):
                here = names if (kind, each) == (word, status) else ()
                listed = [
                    {
                        f"{title}Name": name,
                        f"{title}Arn": arn(kind, name),
                        "CreationTime": NOW,
                        f"{title}Status": each,
                        **(COUNTS if kind == SEARCH else {}),
                    }
                    for name in here
                ]
                self.sagemaker.add_response(
                    f"list_{kind}s",
                    {f"{title}Summaries": listed},
                    {
                        "NameContains": search_prefix(PREFIX) if kind == SEARCH else PREFIX,
                        "StatusEquals": each,
                    },
                )
                for name in here:
                    self.tags(arn(kind, name))
                for name in here if each == "InProgress" else ():
                    self.sagemaker.add_response(f"stop_{kind}", {}, {f"{title}Name": name})

    def listed(self, kind: str, *names: str, **more: str) -> None:
        title = TITLES[kind]
        extra = {"LastModifiedTime": NOW, **more} if kind == "endpoint" else more
        found = [
            {f"{title}Name": name, f"{title}Arn": arn(kind, name), "CreationTime": NOW, **extra}
            for name in names
        ]
        self.sagemaker.add_response(f"list_{kind}s", {LISTS[kind]: found}, {"NameContains": PREFIX})

    def deleted(self, kind: str, name: str) -> None:
        self.sagemaker.add_response(f"delete_{kind}", {}, {f"{TITLES[kind]}Name": name})

    def unscaled(self) -> None:
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{PREFIX}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        self.scaling.add_response("deregister_scalable_target", {}, target)

    def packages(self, *arns: str) -> None:
        listed = [
            {"ModelPackageArn": each, "CreationTime": NOW, "ModelPackageStatus": "Completed"} for each in arns
        ]
        self.sagemaker.add_response(
            "list_model_packages", {"ModelPackageSummaryList": listed}, {"ModelPackageGroupName": PREFIX}
        )
        for each in arns:
            self.sagemaker.add_response("delete_model_package", {}, {"ModelPackageName": each})
        self.no_logs()

    def no_logs(self) -> None:
        self.logs.add_client_error("delete_log_group", "ResourceNotFoundException")

    def empty(self) -> None:
        self.executions()
        self.jobs()
        for kind in LISTS:
            self.listed(kind)
        self.packages()

    def clean(self) -> bool:
        return cleanup.clean(self.training, self.leavings)


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:eu-central-1:123456789012:{kind.replace('_', '-')}/{name}"


@pytest.fixture
def cloud(stub: Any) -> Cloud:
    return Cloud(stub("sagemaker"), stub("stepfunctions"), stub("logs"), stub("application-autoscaling"))


def test_cleanup_is_done_when_two_listings_are_empty(cloud: Cloud) -> None:
    cloud.empty()
    cloud.empty()
    assert cloud.clean()


def test_cleanup_goes_on_when_the_second_listing_finds_more(cloud: Cloud) -> None:
    cloud.empty()
    cloud.executions(EXECUTION)
    cloud.jobs()
    assert not cloud.clean()


@pytest.mark.parametrize("word", JOBS)
def test_executions_and_jobs_stop_first_when_they_run(cloud: Cloud, word: str) -> None:
    cloud.executions(EXECUTION)
    name = f"{search_prefix(PREFIX)}-{RUN}-0" if word == SEARCH else f"{PREFIX}-train-{RUN}-0"
    cloud.jobs(word, "InProgress", name)
    assert not cloud.clean()


def test_cleanup_waits_when_a_job_is_stopping(cloud: Cloud) -> None:
    cloud.executions()
    cloud.jobs("training_job", "Stopping", f"{PREFIX}-train-{RUN}-0")
    assert not cloud.clean()


@pytest.mark.parametrize("status", ["InService", "Failed", "OutOfService", "UpdateRollbackFailed"])
def test_endpoint_is_deleted_and_the_rest_waits_when_it_has_settled(cloud: Cloud, status: str) -> None:
    cloud.executions()
    cloud.jobs()
    cloud.listed("endpoint", PREFIX, EndpointStatus=status)
    cloud.tags(arn("endpoint", PREFIX))
    cloud.unscaled()
    cloud.deleted("endpoint", PREFIX)
    assert not cloud.clean()


def test_an_endpoint_that_was_never_scaled_is_deleted_too(cloud: Cloud) -> None:
    cloud.listed("endpoint", PREFIX, EndpointStatus="InService")
    cloud.tags(arn("endpoint", PREFIX))
    cloud.scaling.add_client_error("deregister_scalable_target", "ObjectNotFoundException", "none")
    cloud.deleted("endpoint", PREFIX)
    assert cloud.leavings.delete_endpoints() == [f"endpoint {PREFIX} (InService)"]


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (400, "AccessDeniedException", CleanupError),
        (500, "ConcurrentUpdateException", ServiceBusyError),
        (400, "ValidationException", ClientError),
    ],
)
def test_an_endpoint_stays_when_its_scaling_cannot_be_taken_away(
    cloud: Cloud, status: int, code: str, raised: type[Exception]
) -> None:
    cloud.listed("endpoint", PREFIX, EndpointStatus="InService")
    cloud.tags(arn("endpoint", PREFIX))
    cloud.scaling.add_client_error("deregister_scalable_target", code, "no", http_status_code=status)
    with pytest.raises(raised):
        cloud.leavings.delete_endpoints()


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting"])
def test_endpoint_is_waited_for_when_it_has_not_settled(cloud: Cloud, status: str) -> None:
    cloud.executions()
    cloud.jobs()
    cloud.listed("endpoint", PREFIX, EndpointStatus=status)
    cloud.tags(arn("endpoint", PREFIX))
    assert not cloud.clean()


def test_all_else_is_deleted_when_there_is_no_endpoint(cloud: Cloud) -> None:
    name, package = f"{PREFIX}-{RUN}", arn("model-package", f"{PREFIX}/1")
    cloud.executions()
    cloud.jobs()
    cloud.listed("endpoint")
    for kind in ("endpoint_config", "model"):
        cloud.listed(kind, name)
        cloud.tags(arn(kind, name))
        cloud.deleted(kind, name)
    cloud.packages(package)
    assert not cloud.clean()


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        (f"{PREFIX}-2-{RUN}", None),
        (f"{PREFIX}-two", None),
        (f"other-{PREFIX}-{RUN}", None),
        (f"{PREFIX}-two-{RUN}", {**TAGS, "scones:classifier": "vehicles-two"}),
        (f"{PREFIX}-{RUN}", {**TAGS, "scones:deployment": "other"}),
    ],
)
def test_model_is_left_alone_when_it_is_anothers(
    cloud: Cloud, name: str, tags: dict[str, str] | None
) -> None:
    for _ in range(2):
        cloud.executions()
        cloud.jobs()
        cloud.listed("endpoint")
        cloud.listed("endpoint_config")
        cloud.listed("model", name)
        if tags:
            cloud.tags(arn("model", name), tags)
        cloud.packages()
    assert cloud.clean()


def test_model_is_deleted_when_it_has_our_name_and_no_tags(cloud: Cloud) -> None:
    name = f"{PREFIX}-{RUN}"
    cloud.listed("model", name)
    cloud.tags(arn("model", name), {})
    cloud.deleted("model", name)
    assert cloud.leavings.delete_models() == [f"model {name}"]


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFound", "ConflictException"])
def test_next_sweep_decides_when_a_thing_is_gone_or_settling(cloud: Cloud, code: str) -> None:
    name = f"{PREFIX}-{RUN}"
    cloud.listed("model", name)
    cloud.tags(arn("model", name))
    cloud.sagemaker.add_client_error("delete_model", code, f"Could not find model {name}.")
    assert cloud.leavings.delete_models() == [f"model {name}"]


def test_nothing_is_found_when_group_and_state_machine_are_gone(cloud: Cloud) -> None:
    cloud.sagemaker.add_client_error("list_model_packages", "ValidationException", "does not exist")
    cloud.states.add_client_error("list_executions", "StateMachineDoesNotExist")
    assert cloud.leavings.delete_packages() == []
    assert cloud.training.stop_all() == []


def test_refusal_is_told_after_all_else_was_tried_when_a_thing_cannot_be_removed(cloud: Cloud) -> None:
    name = f"{PREFIX}-{RUN}"
    cloud.executions()
    cloud.jobs()
    cloud.listed("endpoint")
    cloud.listed("endpoint_config", name)
    cloud.tags(arn("endpoint_config", name))
    cloud.sagemaker.add_client_error("delete_endpoint_config", "AccessDeniedException", "Not authorized.")
    cloud.listed("model", name)
    cloud.tags(arn("model", name))
    cloud.deleted("model", name)
    cloud.packages()
    with pytest.raises(CleanupError, match=f"{name} cannot be removed: .*Not authorized"):
        cloud.clean()


def test_another_try_is_asked_for_when_a_service_is_busy(cloud: Cloud) -> None:
    cloud.states.add_client_error("list_executions", "ThrottlingException")
    with pytest.raises(ServiceBusyError):
        cloud.clean()


def test_a_sweep_is_bounded_when_very_much_is_left(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_src.adapters.leavings.MOST", 2)
    names = [f"{PREFIX}-{number:012x}" for number in range(3)]
    cloud.listed("model", *names)
    for name in names[:2]:
        cloud.tags(arn("model", name))
    for name in names[:2]:
        cloud.deleted("model", name)
    assert len(cloud.leavings.delete_models()) == 2


def test_the_endpoints_log_group_goes_with_it(cloud: Cloud) -> None:
    group = f"/aws/sagemaker/Endpoints/{PREFIX}"
    cloud.logs.add_response("delete_log_group", {}, {"logGroupName": group})
    assert cloud.leavings.delete_endpoint_logs() == [f"log_group {group}"]
    cloud.no_logs()
    assert cloud.leavings.delete_endpoint_logs() == []
    cloud.logs.add_client_error("delete_log_group", "AccessDeniedException", "no")
    with pytest.raises(CleanupError, match="cannot be removed"):
        cloud.leavings.delete_endpoint_logs()


def test_the_model_that_evaluation_used_goes_too_where_the_endpoint_has_gpus(cloud: Cloud) -> None:
    name = f"{PREFIX}-{RUN}-cpu"
    cloud.listed("model", name)
    cloud.tags(arn("model", name))
    cloud.deleted("model", name)
    assert cloud.leavings.delete_models() == [f"model {name}"]


def test_the_configuration_with_a_model_in_the_shadow_goes_too(cloud: Cloud) -> None:
    name = f"{PREFIX}-{RUN}-shadow"
    cloud.listed("endpoint_config", name)
    cloud.tags(arn("endpoint_config", name))
    cloud.deleted("endpoint_config", name)
    assert cloud.leavings.delete_configurations() == [f"endpoint_config {name}"]
