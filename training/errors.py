"""Errors of the jobs: each message is the one sentence that an operator reads as the job's failure reason."""


class TrainingCodeError(Exception):
    """Something a job refuses; the message is one sentence for a person."""


class HyperparameterError(TrainingCodeError):
    """A hyperparameter that is unknown or has a value that makes no sense."""


class SourceError(TrainingCodeError):
    """The source of images is missing, empty or cannot make a dataset."""


class ChecksumError(SourceError):
    """A download is not the file that the settings name."""


class DownloadError(SourceError):
    """A download did not end."""


class UnsafeArchiveError(SourceError):
    """An archive holds what no dataset needs: code to run, or paths that leave its folder."""


class DatasetError(TrainingCodeError):
    """A staged dataset is not what training or evaluation needs."""


class TrainingError(TrainingCodeError):
    """Training cannot go on: a loss is no finite number, or a checkpoint belongs to another job."""


class EvaluationError(TrainingCodeError):
    """Transform outputs that cannot be evaluated."""


class AnalysisError(TrainingCodeError):
    """Something without which the analysis cannot be made at all."""


class StorageError(AnalysisError):
    """A place that cannot be listed or read; trying again may help."""


class StateError(AnalysisError):
    """A state that the analysis cannot go on from."""
