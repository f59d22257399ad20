"""The constructs that the stacks are composed of, one a file."""
