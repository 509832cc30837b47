"""
One series that is watched: its reference, and the window that is filling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, shown
from ..forking import fork_safe_lock
from .instruments import Instrument
from .references import Gathered, Reference
from .watching import labels_of, name_of
from .windows import Comparison, Window

__all__ = ["USUAL_WINDOW", "Sizes", "Unwatched", "Watched"]

#: Values of a window, unless told otherwise.
USUAL_WINDOW: Final = 1000


class Sizes(NamedTuple):
    """
    When a window is over.

    Args:
        records: After so many values; None where only time ends it.

        seconds: After so much time; None where only records end it.

        fewest: Of fewer values a window is not compared.
    """

    records: int | None
    seconds: float | None
    fewest: int

    @classmethod
    def of(
        cls,
        window_records: Any = None,
        window_seconds: Any = None,
        min_records: Any = 100,
    ) -> Sizes:
        """
        Read options, as they are given to the handler.

        Raises:
            ConfigError: One of them cannot work.
        """
        seconds = options.optional(
            options.number, "window_seconds", window_seconds
        )
        fewest = options.integer("min_records", min_records, minimum=10)
        records = options.optional(
            options.integer, "window_records", window_records
        )
        if records is None and seconds is None:
            records = max(USUAL_WINDOW, fewest)
        if records is not None and records < fewest:
            raise ConfigError(
                shown("window_records", window_records),
                expected=f"min_records={fewest} or more: of fewer values"
                " nothing can be said",
            )
        return cls(records, seconds, fewest)


class Watched:
    """
    The values of one series.

    Args:
        instrument: What is watched.

        labels: The labels of the series.

        window_records: Values in a window; None where only time ends it.

        min_records: Fewer values are no window.

        held: How many values are kept until there is a reference.

        tell: Told how each window compares, under no lock.
    """

    def __init__(
        self,
        instrument: Instrument,
        labels: tuple[str, ...],
        *,
        window_records: int | None,
        min_records: int,
        held: int,
        tell: Callable[[Watched, Comparison], None],
    ) -> None:
        self.metric = instrument.metric
        self.name = name_of(instrument.metric)
        self.part = instrument.metric.reduction.part
        self.labels: Mapping[str, str] = labels_of(instrument, labels)
        #: How severe a drift was said last.
        self.told = 0
        self.reference: Reference | None = None
        #: Where the reference comes from, if not from the values themselves.
        self.find: Callable[[], Reference | None] | None = None
        #: Who gets a reference that was gathered.
        self.publish: Callable[[Reference], None] | None = None
        self._window_records = window_records
        self._min_records = min_records
        self._tell = tell
        self._lock = fork_safe_lock()
        self._gathered: Gathered | None = None
        self._gather_count = 0
        self._max_categories = 0
        self._held: deque[Any] = deque(maxlen=held)
        self._window: Window | None = None
        self._has_news = False
        self.waiting: deque[Any] = deque()
        self.add = self.waiting.append

    def gather(self, count: int, max_categories: int) -> None:
        """
        Make a reference of the first *count* values.
        """
        self._gather_count, self._max_categories = count, max_categories
        self._gathered = Gathered(max_categories)

    def fold(self) -> None:
        """
        Work off what waits, and tell of the windows that it fills.
        """
        for found in self._folded():
            self._tell(self, found)

    def turn(self) -> bool:
        """
        End the window, because its time is over; whether there was news.
        """
        found = self._folded()
        with self._lock:
            window = self._window
            if window is not None and window.count >= self._min_records:
                found.append(window.compare())
                self._window = None
            has_news, self._has_news = self._has_news, False
        for each in found:
            self._tell(self, each)
        return has_news

    def _folded(self) -> list[Comparison]:
        with self._lock:
            take = self.waiting.popleft
            values = [take() for _ in range(len(self.waiting))]
            found: list[Comparison] = []
            self._has_news |= bool(values)
            if self._gathered is not None:
                values = self._gather(values)
            if self.publish is None:
                self._fill(values, found)
            return found

    def _gather(self, values: list[Any]) -> list[Any]:
        """
        Gather *values*; gives those that are left.
        """
        while values and self._gathered is not None:
            room = self._gather_count - self._gathered.count
            self._gathered.extend(values[:room])
            values = values[room:]
            if self._gathered.count < self._gather_count:
                break
            self.reference = self._gathered.reference()
            self._gathered = None
            if self.publish is not None and self.reference is not None:
                self.publish(self.reference)
                self._gathered = Gathered(self._max_categories)
        return values

    def _fill(self, values: list[Any], found: list[Comparison]) -> None:
        """
        Fill windows with *values*, and compare those that are full.
        """
        while values:
            if self._window is None:
                if self.find is not None:
                    self.reference = self.find()
                if self.reference is None:
                    if self.find is not None:
                        self._held.extend(values)
                    return
                self._window = Window(self.reference)
                values = [*self._held, *values]
                self._held.clear()
            window = self._window
            room = len(values)
            if self._window_records is not None:
                room = self._window_records - window.count
            window.extend(values[:room])
            values = values[room:]
            if window.count == self._window_records:
                found.append(window.compare())
                self._window = None


class Unwatched:
    """
    A series that nothing can be compared with.
    """

    waiting = ()

    def add(self, _value: Any) -> None:
        """
        Nothing is done with it.
        """

    def fold(self) -> None:
        """
        Nothing waits.
        """
