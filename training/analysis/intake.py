"""Counts what arrives and what of it is no picture, which no model answers and no window of answers has."""

from collections.abc import Iterable
from dataclasses import dataclass

from training.analysis.records import Prediction
from training.analysis.windows import Span


@dataclass
class Intake:
    """
    Arrivals that are not a window yet.

    Parameters
    ----------
    arrived, rejected
        How many came, and how many of them were no picture.
    opened
        When the first of them came, seconds since 1970.
    """

    arrived: int = 0
    rejected: int = 0
    opened: float = 0.0

    def add(self, records: Iterable[Prediction], span: Span, now: float) -> list[float]:
        """
        Count new decisions; return the shares that were no picture of the windows that this closes.

        A window has so many arrivals as one of answers has pictures, or ends with its age; one that is too small has no
        share. ``now`` in seconds since 1970.
        """
        shares = []
        for record in sorted(records, key=lambda each: (each.at, each.decision_id)):
            shares += self._close(span, record.at)
            self.opened = self.opened if self.arrived else record.at
            self.arrived += 1
            self.rejected += record.rejected
        return shares + self._close(span, now)

    def _close(self, span: Span, now: float) -> list[float]:
        if self.arrived < span.images and now - self.opened < span.hours * 3600:
            return []
        shares = [round(self.rejected / self.arrived, 4)] if self.arrived >= span.minimum else []
        self.arrived = self.rejected = 0
        return shares
