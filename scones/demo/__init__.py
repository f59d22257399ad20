"""The whole workflow on this machine: deploy, train, classify, destroy."""
