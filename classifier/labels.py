"""Class names: their order is the order of the model's outputs, so it is checked once, here."""

import re
from collections.abc import Sequence

from classifier.errors import LabelsError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_classes(names: Sequence[str]) -> tuple[str, ...]:
    """
    Return the class names as a tuple if they can label a model.

    Raises
    ------
    LabelsError
        With fewer than two names, with one that is twice there, or with one that is not a plain word.
    """
    classes = tuple(names)
    if len(classes) < 2:
        named = f"only {classes[0]!r}" if classes else "none"
        raise LabelsError(f"A classifier needs at least two classes, and there is {named}: name another one.")
    for name in classes:
        if not _NAME.fullmatch(name):
            raise LabelsError(
                f"The class name {name!r} cannot be used: take letters, digits, '_', '.' and '-', 64 at most, and a "
                "letter or digit first."
            )
    repeated = sorted({name for name in classes if classes.count(name) > 1})
    if repeated:
        raise LabelsError(f"The class {repeated[0]!r} is named more than once: name each class once.")
    return classes
