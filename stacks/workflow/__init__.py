"""The training workflow's states, in the order in which they run."""
