"""
mllog's own accounting of several processes: counters in files they share.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..accounting import DeliveryStats
from ..forking import adopt_lock, fork_safe_lock, tell_child
from ..handling import Handling, every_handler
from ..metrics.intervals import Intervals, Span
from ..metrics.labels import label_text
from ..reports import Reports
from .records import COUNTERS, counts_of

__all__ = ["Totals"]

_SECONDS: Final = 1.0


class Totals:
    """
    What the handlers of this process count, added to what others have.

    No process can ask another one at a scrape, so that each adds its own
    while it logs.

    Guarantee:
        A count is in the files a second after the record, at the latest at
        the end of the process.  It is added once, and stays when the process
        or the handler is gone.

    Limit:
        ``kill -9`` loses the counts of the last second.  Handlers of one
        name, or of one class without a name, are counted together.  What
        goes up and down, such as the length of a queue, is not there: that
        of a process that died would stay for ever.
    """

    def __init__(self) -> None:
        self._counters = {name: _counter(name) for name in COUNTERS}
        self._lock = fork_safe_lock()
        self._added: WeakKeyDictionary[
            Handling, dict[tuple[str, tuple[str, ...]], int]
        ] = WeakKeyDictionary()
        self._reports = Reports(self._label)
        self._intervals = Intervals(self._act, _SECONDS, self._reports.fault)
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: handlers count from zero.
        """
        self._added = WeakKeyDictionary()

    def touch(self) -> None:
        """
        Something was logged: add the counts, now or soon.
        """
        if monotonic() >= self._intervals.check_at:
            self._intervals.touch()

    def add(self) -> bool:
        """
        Add what was counted since; whether there is more to come.
        """
        with self._lock:
            are_busy = [self._add(each) for each in every_handler()]
        return any(are_busy)

    def _act(self, _span: Span) -> bool:
        return self.add()

    def _add(self, handler: Handling) -> bool:
        try:
            return self._added_of(handler)
        except Exception as exc:  # the counts of others are as good
            self._reports.fault(exc)
            return False

    def _added_of(self, handler: Handling) -> bool:
        """
        Add what *handler* counted; whether there is more to come.
        """
        before = self._added.setdefault(handler, {})
        name = label_text(handler.name or type(handler).__name__)
        found = handler.stats()
        is_busy = isinstance(found, DeliveryStats) and bool(
            found.queued or found.in_flight
        )
        for count in counts_of(name, found):
            key = count.name, count.labels
            number = count.number - before.get(key, 0)
            before[key] = count.number
            if number > 0:
                self._counters[count.name].labels(*count.labels).inc(number)
                is_busy = True
        return is_busy

    def _label(self) -> str:
        return "mllog_records_total"


def _counter(name: str) -> Any:
    from prometheus_client import Counter

    said, labels = COUNTERS[name]
    # its values are in files, which a collector reads
    made = Counter(name, said, labels, registry=None)
    adopt_lock(getattr(made, "_lock", None))
    return made
