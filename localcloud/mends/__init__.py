"""What ministack 1.5.33 does otherwise than AWS, mended one file each.

Each mend says what AWS does and has a test in `tests/integration/localcloud`; when the emulator does it
right by itself, the mend's file goes.
"""

from localcloud.mends import (
    alarm_evaluation,
    bucket_properties,
    condition_functions,
    deleted_functions,
    event_versions,
    execution_timeouts,
    failed_deletions,
    item_histories,
    lambda_environment,
    lambda_errors,
    lambda_interpreter,
    late_logs,
    metric_namespace,
    missing_types,
    mocked_runs,
    query_language,
    role_permissions,
    sdk_integrations,
    stream_failures,
    succeed_output,
    table_encryption,
    table_names,
    wildcards,
)

MENDS = (
    alarm_evaluation,
    bucket_properties,
    condition_functions,
    deleted_functions,
    event_versions,
    execution_timeouts,
    failed_deletions,
    item_histories,
    lambda_environment,
    lambda_errors,
    lambda_interpreter,
    late_logs,
    metric_namespace,
    missing_types,
    mocked_runs,
    query_language,
    role_permissions,
    sdk_integrations,
    stream_failures,
    succeed_output,
    table_encryption,
    table_names,
    wildcards,
)


def apply() -> None:
    """Apply every mend to the emulator of this process."""
    for mend in MENDS:
        mend.apply()
