"""Put in order what a run that was ended has left: the champion behind the endpoint, or none where it is paused."""

from __future__ import annotations

from aws_cdk import aws_stepfunctions as sfn

from lambda_src.naming import SHADOW_CONFIG
from stacks.workflow import endpoint
from stacks.workflow.context import Context, expression
from stacks.workflow.registry import approval, judge
from stacks.workflow.tasks import Tasks


def settle(
    make: Tasks,
    context: Context,
    again: sfn.IChainable,
    on: sfn.IChainable,
    away: sfn.IChainable,
    done: sfn.IChainable,
) -> sfn.IChainable:
    """Wait until the endpoint changes no more, and look whether it serves the champion.

    If not, or if there is none though it is not paused, roll the champion out by `again`, as a rollback would; if so,
    scale it by `on`, which the run may have switched off. Where it is paused, the endpoint of a resumption that was
    ended goes by `away`: nothing would take images to it, and it costs. Without a champion there is nothing to do.
    """
    settled = {"status": "settled", "gate": {"accuracy": 0, "reason": "The endpoint serves the champion."}}
    serving = sfn.Pass.jsonata(make.scope, "Settled", assign=settled).next(_approved(make, context, on))
    nothing = sfn.Pass.jsonata(
        make.scope,
        "NothingToSettle",
        assign={"status": "settled", "gate": {"accuracy": 0, "reason": "No champion is to serve."}},
    ).next(done)
    find = endpoint.find(make, context, "FindUnsettled")
    wait = endpoint.pause(make, "WaitToSettle")
    ask = endpoint.describe(make, context, "DescribeUnsettled")
    take = sfn.Pass.jsonata(
        make.scope,
        "TakeChampionBack",
        assign={"start": "rollback", "package": expression("$champion.model_package_arn")},
    )
    serves = sfn.Choice.jsonata(make.scope, "ServesChampion")
    serves.when(
        sfn.Condition.jsonata(
            expression(
                "$endpointStatus = 'InService' and ($liveConfig = $champion.endpoint_config_name or "
                f"$substring($liveConfig, -{len(SHADOW_CONFIG)}) = '{SHADOW_CONFIG}')"  # there the champion answers too
            )
        ),
        serving,
    ).otherwise(take.next(again))
    found = sfn.Choice.jsonata(make.scope, "Unsettled")
    found.when(sfn.Condition.jsonata(expression("$endpointStatus = 'None' and $pausedAt != ''")), nothing)
    found.when(sfn.Condition.jsonata(expression("$endpointStatus = 'None'")), take)
    found.when(sfn.Condition.jsonata(expression("$pausedAt != ''")), away)
    found.when(
        sfn.Condition.jsonata(expression(endpoint.AT_REST)),
        ask.next(serves),
    )
    found.otherwise(wait.next(find))
    find.next(found)
    first = sfn.Choice.jsonata(make.scope, "AnyChampion")
    first.when(sfn.Condition.jsonata(expression("$champion.run = ''")), nothing).otherwise(find)
    return first


def _approved(make: Tasks, context: Context, then: sfn.IChainable) -> sfn.IChainable:
    """Say in the registry that the champion is one, where a run was ended between the record and that.

    One that was rejected since, because it is to be gone back from, stays so.
    """
    # Of one that was deleted nothing is said: what serves does so still, and is to be scaled.
    ask = approval(make, context, "DescribeChampion", "$champion.model_package_arn", deleted=then)
    said = "'Became the champion at ' & $champion.recorded_at & ': ' & $champion.reason"
    approve = judge(make, context, "ApproveChampion", "Approved", said, package="$champion.model_package_arn")
    approve.next(then)
    told = sfn.Choice.jsonata(make.scope, "ChampionApproved")
    told.when(sfn.Condition.jsonata(expression("$approval = 'PendingManualApproval'")), approve)
    return ask.next(told.otherwise(then))
