"""
Metrics for Prometheus, out of the fields of records.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .. import options
from ..accounting import Stats
from ..errors import ConfigError, masked, require, shown
from ..exposition.book import NameTaken, book_of, let_go
from ..exposition.names import label_names
from ..exposition.native import NativeBook, folder_of_processes
from ..exposition.pushing import Trouble
from ..exposition.totals import Totals
from ..exposition.ways import Ways
from ..fields import FIELD_LABELS, RECORD_ATTRIBUTES
from ..forking import fork_safe_lock, tell_child
from ..handling import Handling
from ..metrics.instruments import Cell, Instrument, Observation
from ..metrics.meter import Meter
from ..metrics.metric import Metric, metrics_from

__all__ = ["PrometheusHandler"]

_MOST_SAID = 20

# one in a process: a name of prometheus_client's can be made only once
_native: NativeBook | None = None
_totals: Totals | None = None


class PrometheusHandler(Handling, logging.Handler):
    """
    Turn numbers in ``extra=`` into counters, gauges, histograms and summaries.

    Without any option it adds to the registry that prometheus_client's own
    functions serve.  With *port* it serves ``/metrics`` itself; *textfile*
    and *gateway* may be given beside or instead.

    What is measured: configured *metrics*; the known fields, such as
    ``inference_latency``, which is ``inference_latency_seconds``; and every
    number in ``extra={"metrics": {…}}``, as a gauge (``train/loss`` is
    ``train_loss``).  A counter grows by what is logged, a gauge is what was
    logged last.

    Where ``PROMETHEUS_MULTIPROC_DIR`` is set, as under gunicorn, the metrics
    are prometheus_client's own, in files that all processes share, and
    mllog's accounting with them.

    Guarantee:
        A record costs a few appends: no lock is taken, so that neither a
        fork nor a signal can find one held, and a forked child begins at
        zero.  Nothing that a record holds can spoil a sum or a page: NaN,
        the infinities (``not_finite``), what is no number
        (``not_a_number``), and what the kind cannot take (``negative``,
        ``too_large``) are refused and counted in ``stats().refused``; a name
        that another metric has is refused as ``name_clash``.  At most
        *max_series* series of a metric, and one more.

    Limit:
        One process has a port.  Others say so once, and take it over when it
        is free; set ``PROMETHEUS_MULTIPROC_DIR`` to have all on one page.  A
        textfile and a group of a gateway belong to the process that made the
        handler, unless they have ``{pid}`` in them.  The files of
        ``PROMETHEUS_MULTIPROC_DIR`` have no room for exemplars, nor for
        quantiles, which cannot be added up: a histogram's can be asked for.
        mllog's accounting gets there a second after the record, and has no
        lengths of queues and no times of sending; ``kill -9`` loses its last
        second.

    Args:
        port: Where ``/metrics`` is served; 0 lets the system choose, None
            serves nothing.

        address: The address to listen on; ``0.0.0.0`` is all of them.

        registry: A registry of prometheus_client, ``"default"``, or its
            dotted name; None is one of its own where *port*, *textfile* or
            *gateway* is given, else the default one.

        textfile: A file for the textfile collector of the node exporter.

        gateway: URL of a Pushgateway; a user and a password in it are sent
            as the header ``Authorization``, and shown nowhere.

        job: The job under which it is pushed.

        grouping: Further labels of the group that is pushed.

        interval_seconds: How often *textfile* and *gateway* are written.

        metrics: What is measured: :class:`mllog.Metric`, or its options.

        labels: Fields that tell series apart.

        prefix: What all names begin with.

        exemplar_fields: Fields that lead from a number to its request; the
            first that a record has.

        automatic: Whether known fields and ``metrics`` are measured without
            being configured.

        accounting: Whether the counts of all handlers of mllog are exported,
            as ``mllog_records_total`` and its kin.

        max_series: Label sets of a metric kept apart; further ones count as
            ``other``.

        close_timeout_seconds: How long ``close`` waits for *gateway*.

        filters: Filters, or plain data that names them.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: prometheus-client is not installed.
    """

    @options.checked
    def __init__(
        self,
        port: int | str | None = None,
        *,
        address: str = "127.0.0.1",
        registry: Any = None,
        textfile: str | os.PathLike[str] | None = None,
        gateway: str | None = None,
        job: str | None = None,
        grouping: Mapping[str, Any] | None = None,
        interval_seconds: float | str = 15.0,
        metrics: Any = None,
        labels: Sequence[str] | str = FIELD_LABELS,
        prefix: str = "",
        exemplar_fields: Sequence[str] | str = ("trace_id", "request_id"),
        automatic: bool | str = True,
        accounting: bool | str = True,
        max_series: int | str = 1000,
        close_timeout_seconds: float | str = 5.0,
        filters: Any = None,
    ) -> None:
        found = metrics_from("metrics", metrics)
        names = _labels("labels", labels)
        for each in found:
            label_names(tuple(dict.fromkeys((*names, *each.labels))))
        self._prefix = prefix if prefix == "" else _prefix(prefix)
        measured: Any = {
            "metrics": found,
            "labels": names,
            "max_series": options.integer("max_series", max_series, minimum=1),
            "automatic": options.boolean("automatic", automatic),
            "marks": options.names("exemplar_fields", exemplar_fields),
        }
        ways = Ways.of(
            port=port,
            address=address,
            textfile=textfile,
            gateway=gateway,
            job=job,
            grouping=grouping,
            interval_seconds=interval_seconds,
            close_timeout_seconds=close_timeout_seconds,
        )
        has_accounting = options.boolean("accounting", accounting)
        require("prometheus_client", "prometheus")
        chosen = _registry(registry, is_served=ways.is_any)
        untold: list[str] = []
        is_shared = bool(folder_of_processes(untold.append))
        super().__init__()
        self.set_up(filters)
        for problem in untold:
            self.reports.say(problem)
        self.registry: Any = None
        self._book: Any = None
        self._totals: Totals | None = None
        if is_shared:
            self._open_shared(chosen, ways, has_accounting)
        else:
            self._open_own(chosen, has_accounting)
        self._ways = ways
        self._is_idle = True
        self._failures = 0
        self._said: set[str] = set()
        self._counting = fork_safe_lock()
        self._clashing: set[Metric] = set()
        self._wrote = self.ledger.wrote
        self._meter = Meter(
            self._cell,
            self.ledger.refused,
            self.report,
            relabel=self.ledger.relabelled,
            **measured,
        )
        self._take = self._meter.take
        ways.open(self.registry, self._failed)
        tell_child(self)

    def _open_own(self, registry: Any, has_accounting: bool) -> None:
        self.registry = registry
        self._book = book_of(registry)
        self._book.has_accounting |= has_accounting
        self._cell_in: Callable[..., Cell] = self._book.cell
        self._look: Callable[[], None] = self._book.look

    def _open_shared(
        self, registry: Any, ways: Ways, has_accounting: bool
    ) -> None:
        """
        Write into files; read all of them where this process has a page.
        """
        global _native, _totals
        from prometheus_client import CollectorRegistry, multiprocess

        if _native is None:
            _native = NativeBook()
        _native.heed(registry)
        self._look = _native.look
        if has_accounting:
            _totals = self._totals = _totals or Totals()
        self._cell_in = _native.cell
        if ways.is_any:
            self.registry = CollectorRegistry()
            collector: Any = multiprocess.MultiProcessCollector
            collector(self.registry)

    def forget_parent(self) -> None:
        """
        In a forked child: serve and push again at the first record.
        """
        self._is_idle = True

    @property
    def port(self) -> int | None:
        """
        The port that is served; None while there is none.
        """
        return self._ways.port

    @property
    def ways(self) -> Ways:
        """
        How what is measured gets to Prometheus.
        """
        return self._ways

    # --- records ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Measure the record, if it has anything to measure.
        """
        if self._is_idle:
            self._is_idle = False
            self._ways.start()
        try:
            if self._take(record):
                self._wrote()
            if self._totals is not None:
                self._totals.touch()
        except Exception:
            self.handleError(record)

    def _cell(self, instrument: Instrument, labels: tuple[str, ...]) -> Cell:
        try:
            return self._cell_in(
                instrument, labels, self._prefix, self._clashes
            )
        except NameTaken as exc:
            return _Refusing(self._clashes(instrument.metric, exc))

    def _clashes(
        self, metric: Metric, error: NameTaken
    ) -> Callable[[], object]:
        """
        Say that *metric* has no name; gives what counts its observations.
        """
        if metric not in self._clashing:  # once for all series
            self._clashing.add(metric)
            self.reports.say(str(error))
        return partial(self.ledger.refused, "name_clash")

    # --- ends ---

    def _failed(self, error: BaseException) -> None:
        """
        Count what did not get out, and say it once in so many times.
        """
        with self._counting:
            self._failures += 1
            first = str(error) not in self._said
            self._said.add(str(error))
        if not isinstance(error, Trouble):
            self.report(error)
        elif first and len(self._said) <= _MOST_SAID:
            self.reports.say(str(error))

    def stats(self) -> Stats:
        """
        How many records were measured, and how many values were refused.
        """
        look = self.__dict__.get("_look")  # None while it is made
        if look is not None:
            look()
        return replace(self.ledger.stats(), failures=self._failures)

    def nudge(self) -> None:
        """
        Have the textfile written and the gateway pushed to, and do not wait.
        """
        self._ways.nudge()

    def flush(self) -> None:
        """
        Write the textfile and push to the gateway, if there are any.
        """
        if self._totals is not None:
            self._totals.add()
        self._ways.flush()

    def close(self) -> None:
        """
        Write and push a last time, and give up port and names.
        """
        if self._totals is not None:
            self._totals.add()
        self._ways.close(self._let_go)
        super().close()

    def _let_go(self) -> None:
        """
        Take what was measured off the page.
        """
        with self._counting:
            book, self._book = self._book, None
        if book is not None:
            let_go(self.registry, book)

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} {self._ways}>")


class _Refusing:
    """
    The cell of a metric that cannot have its name.
    """

    waiting = ()

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse = refuse

    def add(self, _observation: Observation) -> None:
        """
        Count it.
        """
        self._refuse()

    def fold(self) -> None:
        """
        Nothing waits.
        """


def _registry(value: Any, *, is_served: bool) -> Any:
    """
    The registry that is meant.
    """
    from prometheus_client import REGISTRY, CollectorRegistry

    if value is None or value == "":
        return CollectorRegistry() if is_served else REGISTRY
    found = REGISTRY if value == "default" else options.load("registry", value)
    if not all(
        callable(getattr(found, name, None))
        for name in ("register", "unregister", "collect")
    ):
        raise ConfigError(
            shown("registry", value),
            expected='a registry of prometheus_client, or "default"',
        )
    return found


def _labels(option: str, value: Any) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(options.names(option, value)))
    for name in found:
        if name in RECORD_ATTRIBUTES:
            raise ConfigError(
                shown(option, value),
                expected="fields of extra=, level or logger",
            )
    label_names(found)
    return found


def _prefix(value: Any) -> str:
    from ..exposition.names import valid

    if valid(options.text("prefix", value)) != value:
        raise ConfigError(
            shown("prefix", value),
            expected="letters, digits and _, no digit first",
        )
    return str(value)
