"""Why a finding of cdk-nag is left standing: rule and finding, construct, reason."""

from __future__ import annotations

from stacks.checks.reasons import Reason, of_destroyed

IAM5 = r"AwsSolutions-IAM5"
OWN = r"[a-z][a-z0-9]*(-[a-z0-9]+){2,}"
"""What names begin with: the deployment's, the environment's and the classifier's, each with hyphens or without."""

REASONS: tuple[Reason, ...] = (
    (
        rf"{IAM5}\[Resource::\*\]",
        r".*/(Jobs|Endpoint|Analysis)/Role/.*",
        "ECR's login has no resource, and PutMetricData none either: its namespace confines it.",
    ),
    (
        rf"{IAM5}\[Resource::\*\]",
        r".*/((Analysis)?Workflow/(Machine/)?|waiter-state-machine/)Role/.*",
        "Log delivery, X-Ray, PutMetricData and SageMaker's lists have no resource-level permission.",
    ),
    (
        rf"{IAM5}\[Resource::\*\]",
        r".*/(IsComplete|Publish)/Role/.*",
        "ListStreams and the lists of SageMaker have no resource-level permission.",
    ),
    (
        rf"{IAM5}\[Action::(s3:(Abort|DeleteObject|GetBucket|GetObject|List)|kms:(GenerateDataKey|ReEncrypt))\*\]",
        r".*/(Jobs|Endpoint|Analysis|PackageModel|SmokeTest|Classify|Publish|PredictionLog|(Analysis)?Workflow(/Machine)?)/Role/.*",
        "CDK's grants write an action's variants with a star; the resource is one bucket or one key.",
    ),
    (
        rf"{IAM5}\[Resource::{OWN}:ExportsOutputFnGetAtt(Datasets|Models|Inbound|Results)Bucket\w+/([\w-]+/)*\*\]",
        r".*/(Jobs|Endpoint|Analysis|PackageModel|SmokeTest|Classify|Publish|PredictionLog|(Analysis)?Workflow(/Machine)?)/Role/.*",
        "Objects are named at run time; the bucket, and where it can be the classifier's prefix, is not.",
    ),
    (
        rf"{IAM5}\[Resource::arn:<AWS::Partition>:s3:::(cdk-\w+-assets-<AWS::AccountId>-<AWS::Region>/|[a-z0-9.-]+/.*)\*\]",
        r".*/(Jobs|Analysis|PackageModel)/Role/.*",
        "CDK grants assets by their bucket, for the next deployment's asset has another key; S3 data is one prefix.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:log-group:/aws/sagemaker/\*\]",
        r".*/(Jobs|Endpoint|Analysis)/Role/.*",
        "SageMaker makes the groups of its containers itself, by kind of job and by endpoint.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:log-group:/aws/sagemaker/Endpoints/{OWN}:\*\]",
        r".*/TrainOnDeploy/IsComplete/Role/.*",
        "One group, the endpoint's own: this is how CloudWatch Logs writes the ARN of a group for most actions.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:sagemaker:.*:[\w-]+/{OWN}(-|/)?\*\]",
        r".*-(training|monitoring)/((Analysis)?Workflow|TrainOnDeploy/IsComplete)/Role/.*",
        "Jobs, models and package versions are named at run time; the deployment's prefix is not.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:sagemaker:.*:(hyper-parameter-tuning-job|training-job)/[0-9a-f]{{10}}-\*\]",
        r".*-training/(Workflow|TrainOnDeploy/IsComplete)/Role/.*",
        "Searches and their jobs are named at run time; the hash of the deployment's prefix is not.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:cloudwatch:.*:alarm:(TargetTracking-endpoint/{OWN}/variant/)?\*\]",
        r".*-training/(Workflow|Endpoint)/Role/.*",
        "DescribeAlarms filters after authorising, so that no single alarm can be its resource; the alarms of scaling "
        "are named by the service, after the endpoint.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:application-autoscaling:.*:scalable-target/\*\]",
        r".*-training/(Workflow|TrainOnDeploy/IsComplete)/Role/.*",
        "Scalable targets have random ids; conditions confine it to variants of SageMaker's endpoints.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:states:.*:execution:.*\*\]",
        r".*-training/(Workflow|TrainOnDeploy/IsComplete)/Role/.*",
        "Executions are named at run time, and a machine's own role cannot name the machine in a circle.",
    ),
    (
        rf"{IAM5}\[Resource::arn:.*:states:.*:execution:.*:retrain-\*\]",
        r".*/AnalysisWorkflow/Role/.*",
        "The trainings that an analysis has started are named at run time, all of one machine and by one prefix.",
    ),
    (
        rf"{IAM5}\[Resource::<\w+\.Arn>:\*\]",
        r".*/(Workflow/(Machine/)?Role|TrainOnDeploy/(Starting|Waiting|Provider/waiter-state-machine/Role))/.*",
        "Step Functions and CDK's provider may call any version of this one function.",
    ),
    (
        r"AwsSolutions-L1",
        r".*/(PackageModel|SmokeTest|OnEvent|IsComplete|Publish|Classify|Dispatcher)/Function/Resource",
        "The functions run on the Python that the pinned Powertools layer is built for.",
    ),
    (
        r"Serverless-LambdaLatestVersion",
        r".*/(PackageModel|SmokeTest|OnEvent|IsComplete|Publish|Classify|Dispatcher)/Function/Resource",
        "The functions run on the Python that the pinned Powertools layer is built for.",
    ),
    (
        r"Serverless-LambdaDLQ",
        r".*/(Function|framework-\w+)/Resource",
        "Lambda uses such a queue for asynchronous calls alone: these are called synchronously or by an event "
        "source, and CloudFormation, which calls the provider, reports a failure itself.",
    ),
    (
        r"Serverless-LambdaTracing",
        r".*/(Function|framework-\w+)/Resource",
        "The state machines are traced, and show each call of a function with its time.",
    ),
    (
        r"Serverless-LambdaEventSourceMappingDestination",
        r".*/Inbound/Dispatcher/.*SqsEventSource.*",
        "SQS as a source takes no destination: the queue's own redrive policy is it.",
    ),
    (
        r"Serverless-LambdaDefaultMemorySize",
        r".*/TrainOnDeploy/Provider/framework-\w+/Resource",
        "CDK's provider functions only pass a call on, and 128 MiB is their author's choice.",
    ),
    (
        r"AwsSolutions-SF1",
        r".*/(waiter-state-machine|Workflow/Machine)/Resource",
        "Errors are logged; the table and the prediction log hold every decision, and a poll says nothing.",
    ),
    (
        r"AwsSolutions-SQS3|Serverless-SQSRedrivePolicy",
        r".*-(classification|monitoring)/(Review|DeadLetters|Undelivered)/Resource",
        "People read these queues; no consumer fails on a message, and two of them are where dead letters end.",
    ),
)

OF_OPTIONS: tuple[Reason, ...] = (
    (
        r"Serverless-SNSRedrivePolicy",
        r".*-training/Alerts/Topic/[^/]+@[^/]+/Resource",
        "SNS tries a mail for six hours; what is lost then is the news alone. The alarm and the execution stay to be "
        "seen, and a queue for such mails would have no reader.",
    ),
)
"""As above, of findings that only settings bring which no environment of the project has."""
OF_DESTROYED = of_destroyed(r"AwsSolutions-DDB3")
