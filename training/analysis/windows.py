"""Gathers decisions into windows, of a number of pictures or of an age, for each model by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from training.analysis.records import Prediction


@dataclass(frozen=True)
class Span:
    """How much a window holds: pictures, and hours from its oldest one."""

    images: int
    hours: float
    minimum: int


@dataclass
class Window:
    """Answers of one model in order of arrival, one at least."""

    version: str
    records: list[Prediction] = field(default_factory=list)

    @property
    def start(self) -> float:
        """When its oldest decision was, seconds since 1970."""
        return min(each.at for each in self.records)

    @property
    def opened(self) -> float:
        """When the decision was that opened it: a late one that is older does not age it."""
        return self.records[0].at

    @property
    def end(self) -> float:
        """When its newest decision was, seconds since 1970."""
        return max(each.at for each in self.records)


@dataclass
class Gathering:
    """
    The windows that are not full yet.

    Parameters
    ----------
    serving, served_at
        The model of the newest answer, and when that was, seconds since 1970: a late file says nothing of who serves.
    """

    span: Span
    opened: dict[str, Window] = field(default_factory=dict)
    serving: str = ""
    served_at: float = 0.0

    def add(self, records: Iterable[Prediction], now: float) -> list[Window]:
        """Add new answers, and return the windows that this closes; ``now`` in seconds since 1970."""
        closed = []
        for record in sorted(records, key=lambda each: (each.at, each.decision_id)):
            closed += self._put(record)
        for version, window in sorted(self.opened.items()):
            if self._aged(window, now):
                closed.append(self.opened.pop(version))
        return sorted(closed, key=lambda window: window.end)

    def _put(self, record: Prediction) -> list[Window]:
        version = record.model_version
        if record.at >= self.served_at:
            self.serving, self.served_at = version, record.at
        closed = []
        if version in self.opened and self._aged(self.opened[version], record.at):
            closed.append(self.opened.pop(version))
        window = self.opened.setdefault(version, Window(version))
        window.records.append(record)
        if len(window.records) >= self.span.images:
            closed.append(self.opened.pop(version))
        return closed

    def _aged(self, window: Window, now: float) -> bool:
        return now - window.opened >= self.span.hours * 3600
