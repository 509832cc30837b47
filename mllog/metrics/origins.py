"""
Where references come from: earlier logs, the first values, another variant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final

from .. import options
from ..errors import ConfigError, shown
from ..forking import fork_safe_lock, tell_child
from ..reading import read
from ..threads import SystemThread
from .library import Library, gathered_from, saved_in
from .references import Reference
from .watched import Watched

__all__ = ["Origin"]

_RETRY_SECONDS: Final = 60.0
_LONGEST_NAME: Final = 200


class Origin:
    """
    Gives each series its way to a reference.

    ``of`` reads it from options.

    Guarantee:
        Earlier logs are read by a thread, begun by the first value; nobody
        waits for it but :meth:`load`.
    """

    def __init__(
        self, failed: Callable[[BaseException], None], records: int
    ) -> None:
        self._failed = failed
        self._records = records
        self._source: Any = None
        self._compare_by = ""
        self._baseline = ""
        self._reading: Mapping[str, Any] = {}
        self._measured: Mapping[str, Any] = {}
        self._max_categories = 100
        self._library: Library | None = None
        self._lock = fork_safe_lock()
        self._is_closed = False
        self.forget_parent()
        tell_child(self)

    @classmethod
    def of(
        cls,
        failed: Callable[[BaseException], None],
        measured: Mapping[str, Any],
        *,
        reference: Any = None,
        compare_by: Any = None,
        baseline: Any = None,
        reference_records: Any = 5000,
        reference_options: Any = None,
        max_categories: Any = 100,
    ) -> Origin:
        """
        Read options, as they are given to the handler; *measured* is a Watch's.

        Raises:
            ConfigError: One of them cannot work.
        """
        made = cls(
            failed,
            options.integer(
                "reference_records", reference_records, minimum=100
            ),
        )
        made._measured = measured
        made._max_categories = options.integer(
            "max_categories", max_categories, minimum=1
        )
        made._reading = options.mapping("reference_options", reference_options)
        options.refuse_unknown(made._reading, options.names_of(read)[1:])
        made._compare(compare_by, baseline, measured["labels"])
        if reference is not None and reference != "":
            made._take(reference)
        return made

    def _compare(
        self, compare_by: Any, baseline: Any, labels: tuple[str, ...]
    ) -> None:
        found = options.optional(options.text, "compare_by", compare_by)
        if found is not None and found not in labels:
            raise ConfigError(
                shown("compare_by", compare_by),
                expected=f"one of labels={', '.join(labels)}",
            )
        self._compare_by = found or ""
        self._baseline = "" if baseline is None else str(baseline)
        if self._baseline and not found:
            raise ConfigError(
                f"{shown('baseline', baseline)} without compare_by",
                expected='compare_by="variant" as well',
            )
        self.forget_parent()

    def _take(self, reference: Any) -> None:
        if self._compare_by:
            raise ConfigError(
                f"{shown('compare_by', self._compare_by)} and a reference",
                expected="one of the two",
            )
        if isinstance(reference, Mapping):
            given = options.mapping("reference", reference)
            self._library = Library.of(given)
            self._source = "given"
        else:
            self._library = None
            self._source = reference

    def forget_parent(self) -> None:
        """
        In a forked child: the parent's values are the parent's.
        """
        self._loading: SystemThread | None = None
        self._retry_at = 0.0
        if self._source is None:
            self._library = Library()
            self._first = self._baseline

    def attach(self, series: Watched) -> bool:
        """
        Give *series* its way to a reference; whether there is one.
        """
        labels = dict(series.labels)
        if self._source is not None:
            series.find = lambda: self._found(series, labels)
            return True
        if not self._compare_by:
            series.gather(self._records, self._max_categories)
            return True
        value = labels.pop(self._compare_by, "")
        self._first = self._first or value
        if value and value == self._first:
            series.publish = lambda each: self._put(series, labels, each)
            series.gather(self._records, self._max_categories)
        else:
            series.find = lambda: self._found(series, labels)
        return bool(value)

    def _put(
        self, series: Watched, labels: Mapping[str, str], found: Reference
    ) -> None:
        if self._library is not None:
            self._library.put(series.name, labels, found)

    def _found(
        self, series: Watched, labels: Mapping[str, str]
    ) -> Reference | None:
        library = self._library
        if library is None:
            self._begin()
            return None
        return library.find(series.name, labels, series.part)

    def _begin(self) -> SystemThread | None:
        """
        Begin to read, but not too soon after it failed.
        """
        with self._lock:
            now = monotonic()
            if self._loading is None and now >= self._retry_at:
                self._retry_at = now + _RETRY_SECONDS
                self._loading = SystemThread(self._load, "mllog-drift")
                try:
                    self._loading.start()
                except RuntimeError:  # the interpreter ends
                    self._loading = None
            return self._loading

    def _load(self) -> None:
        try:
            found = saved_in(self._source)
            if found is None:
                found = gathered_from(
                    read(self._source, **self._reading),
                    self._measured,
                    self._max_categories,
                    lambda: not self._is_closed,
                )
            if not self._is_closed:
                self._library = found
        except Exception as exc:
            self._failed(exc)
        finally:
            self._loading = None

    def load(self, timeout: float | None = None) -> bool:
        """
        Read earlier logs now; whether they are there.
        """
        if self._library is None:
            thread = self._begin()
            if thread is not None:
                thread.join(math.inf if timeout is None else timeout)
        return self._library is not None

    def library(self, series: Iterable[Watched]) -> Library:
        """
        What there is of references, with those that *series* made.
        """
        found = self._library or Library()
        for each in series:
            if self._source is None and each.reference is not None:
                labels = dict(each.labels)
                labels.pop(self._compare_by, None)
                found.put(each.name, labels, each.reference)
        return found

    def close(self) -> None:
        """
        Read no further.
        """
        self._is_closed = True

    def __str__(self) -> str:
        if self._compare_by:
            return f"{self._compare_by} {self._first}"
        if self._source is not None:
            return str(self._source)[:_LONGEST_NAME]
        return f"the first {self._records}"
