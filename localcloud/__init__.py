"""AWS on one machine: the emulator, plus the SageMaker it lacks."""
