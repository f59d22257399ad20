"""The custom resource: train at deploy, leave nothing at destroy."""
