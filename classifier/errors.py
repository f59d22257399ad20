"""Errors whose class name is part of the contract: the endpoint answers with it, training fails with it."""


class ClassifierError(Exception):
    """Something the model code refuses; the message is one sentence for a person."""


class UnreadableImageError(ClassifierError):
    """The bytes are no image that can be decoded: empty, corrupt, truncated or of a foreign format."""


class ImageTooLargeError(ClassifierError):
    """The image has more bytes or more pixels than the limits allow."""


class ArtifactError(ClassifierError):
    """A model artifact or a weights file is missing, incomplete or belongs to another network."""


class CalibrationError(ClassifierError):
    """Predictions that no temperature or threshold can be fitted to."""


class LabelsError(ClassifierError):
    """A list of class names that cannot label a model's outputs."""
