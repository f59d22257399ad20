"""From queued upload events to executions."""
