"""
Curves for TensorBoard, out of the fields of records.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from .. import options
from ..errors import ConfigError, shown
from ..fields import FIELD_LABELS, RECORD_ATTRIBUTES
from ..forking import fork_safe_lock, tell_child
from ..handling import Handling
from ..metrics.instruments import Cell, Instrument
from ..metrics.labels import label_text
from ..metrics.meter import Meter
from ..metrics.metric import MESSAGE, RECORD_LABELS, Metric, metrics_from
from ..tensorboard.curves import (
    Curve,
    Now,
    Refusing,
    Steps,
    Total,
    tag_of,
)
from ..tensorboard.events import Encoder, Point
from ..tensorboard.fields import Fields, Source, UnfitError, is_distribution
from ..tensorboard.files import EventFile
from ..tensorboard.runs import RUN, Runs

__all__ = ["TensorBoardHandler"]


class TensorBoardHandler(Handling, logging.Handler):
    """
    Turn numbers, arrays, images and texts in ``extra=`` into TensorBoard's.

    What becomes a curve: configured *metrics*; the known fields, such as
    ``loss``; and every number in ``extra={"metrics": {"train/loss": 0.3}}``,
    under the name that it has.  Each record adds a point; of a counter it is
    the sum so far.  Python, numpy and torch numbers are taken, no bool and no
    text.  NaN and the infinities are points, for TensorBoard shows where a
    loss broke; only a counter refuses them (``not_finite``).

    The step is the field *step_field*; where it is missing, or no whole
    number, it is one more than the last of that tag.  The time is that at
    which the record was made.  A folder is a run:
    ``<log_dir>/<run>/<model_name>/<model_version>``.

    Guarantee:
        The events of a record are in the file when the log call returns, by
        one write, whole, also after a kill -9.  Several processes may write
        in one run: each, a forked child too, has a file of its own.  What
        cannot be written is counted in ``stats()``, and the file can still
        be read.

    Limit:
        Numbers are of 32 bits, for TensorBoard reads no others; what is
        beyond 3.4e38 is refused (``too_large``).  Histograms and images are made in the caller's thread:
        see *every*.  TensorBoard follows several live files of one run only
        with ``--reload_multifile=true``.  Nothing is ever deleted.

    Args:
        log_dir: The folder that TensorBoard is given.

        run: The run's folder in it: text with ``{start}`` (when the
            application made its first handler), ``{host}`` and ``{pid}``;
            ``""`` is *log_dir* itself.

        step_field: The field with the step.

        metrics: What is measured: :class:`mllog.Metric`, or its options.  A
            histogram with ``"reduce": "each"`` is the spread of an array.

        histogram_fields: Fields whose arrays are written as histograms.

        image_fields: Fields that are written as images: arrays, tensors,
            Pillow's images, or bytes of PNG, JPEG and GIF.

        text_fields: Fields that are written as text; ``message`` is the
            record's.

        hparams_field: The field with a mapping of hyperparameters; ``""``
            is none.

        every: Of the last four the 1st value of a field is taken, and then
            each so many.

        labels: Fields whose values are a folder each, in this order.  What
            is not ``A-Z a-z 0-9 . _ -`` in them becomes ``_``.

        automatic: Whether known fields and ``metrics`` are measured without
            being configured.

        max_series: Label sets of a metric kept apart; further ones are in
            the run ``other``.

        max_runs: Sets of *labels* kept apart, each of which has a file open;
            further ones are in the run ``other``.

        filters: Filters, or plain data that names them.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: tensorboard is not installed.
    """

    @options.checked
    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "runs",
        run: str = RUN,
        *,
        step_field: str = "step",
        metrics: Any = None,
        histogram_fields: Sequence[str] | str = (),
        image_fields: Sequence[str] | str = (),
        text_fields: Sequence[str] | str = (),
        hparams_field: str = "hparams",
        every: int | str = 1,
        labels: Sequence[str] | str = FIELD_LABELS,
        automatic: bool | str = True,
        max_series: int | str = 1000,
        max_runs: int | str = 100,
        filters: Any = None,
    ) -> None:
        found = metrics_from("metrics", metrics)
        self._step_field = _field("step_field", step_field)
        self._labels = _fields("labels", labels, *RECORD_LABELS)
        measured: Any = {
            "metrics": [each for each in found if not is_distribution(each)],
            "labels": self._labels,
            "max_series": options.integer("max_series", max_series, minimum=1),
            "automatic": options.boolean("automatic", automatic),
            "marks": (self._step_field,),
            "takes_nonfinite": True,  # a curve shows where it broke
        }
        shapes: Any = {
            "metrics": [each for each in found if is_distribution(each)],
            "histograms": _fields("histogram_fields", histogram_fields),
            "images": _fields("image_fields", image_fields),
            "texts": _fields("text_fields", text_fields, MESSAGE),
            "hparams": hparams_field
            and _field("hparams_field", hparams_field),
            "every": options.integer("every", every, minimum=1),
        }
        most = options.integer("max_runs", max_runs, minimum=1)
        self._encoder = Encoder()
        self._fields = Fields(self._encoder, **shapes)
        super().__init__()
        self.set_up(filters)
        self._runs = Runs(
            log_dir, run, most, self._encoder.head, self.ledger.relabelled
        )
        self._now = Now()
        self._lock_of_cells = fork_safe_lock()
        self._cells: dict[tuple[EventFile, str], tuple[Metric, Cell]] = {}
        self._steps: dict[tuple[EventFile, str], Steps] = {}
        self._clashing: set[Metric] = set()
        self._meter = Meter(
            self._cell,
            self.ledger.refused,
            self.report,
            relabel=self.ledger.relabelled,
            **measured,
        )
        self._take = self._meter.take
        self._wrote = self.ledger.wrote
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: its own files, and its own count of steps.
        """
        self._cells.clear()
        self._steps.clear()

    @property
    def folder(self) -> str:
        """
        The folder of this run.
        """
        return self._runs.folder

    # --- records ---

    emits_alone = False

    def emit(self, record: logging.LogRecord) -> None:
        """
        Write what the record has for TensorBoard, if it has anything.
        """
        now = self._now
        outer = now.points  # a signal handler may log in the midst of it
        points: list[Point] = []
        now.points = points
        try:
            self._take(record)
            plan = self._fields.plan_of(record.__dict__)
            if plan:
                self._take_fields(record, plan, points)
            if points:
                for file, events in self._encoder.frames(
                    record.created, points
                ):
                    file.write(events)
                self._wrote()
        except Exception:
            self.handleError(record)
        finally:
            now.points = outer

    def _take_fields(
        self,
        record: logging.LogRecord,
        plan: Sequence[str],
        points: list[Point],
    ) -> None:
        """
        Add what is more than a number to *points*.
        """
        for source, value in self._fields.found_in(record, plan):
            self._try_field(record, source, value, points)

    def _try_field(
        self,
        record: logging.LogRecord,
        source: Source,
        value: Any,
        points: list[Point],
    ) -> None:
        """
        The same of one field; what cannot be made of it stops no other.
        """
        try:
            self._take_field(record, source, value, points)
        except UnfitError as exc:
            self.ledger.refused(exc.reason)
            if exc.error is not None:
                self.report(exc.error)
        except Exception as exc:
            self.ledger.refused("not_encodable")
            self.report(exc)

    def _take_field(
        self,
        record: logging.LogRecord,
        source: Source,
        value: Any,
        points: list[Point],
    ) -> None:
        own = record.__dict__
        names = (RECORD_LABELS.get(name, name) for name in self._labels)
        file = self._runs.of(tuple(label_text(own.get(n)) for n in names))
        given = own.get(self._step_field)
        for tag, made in source.values(value, record.created):
            steps = self._steps.get((file, tag))
            if steps is None:
                steps = self._steps.setdefault((file, tag), Steps())
            points.append((file, steps.at(given), tag, made))

    def _cell(self, instrument: Instrument, labels: tuple[str, ...]) -> Cell:
        """
        The curve of a metric with these labels: those of runs come first.
        """
        metric = instrument.metric
        cut = len(self._labels)
        file = self._runs.of(labels[:cut])
        tag = "/".join((tag_of(metric), *filter(None, labels[cut:])))
        with self._lock_of_cells:
            owner, cell = self._cells.get((file, tag), (metric, None))
            if cell is None:
                cell = self._curve(metric, file, tag)
                self._cells[file, tag] = metric, cell
        if owner == metric:
            return cell
        if metric not in self._clashing:  # once for all runs
            self._clashing.add(metric)
            self.reports.say(
                f"{metric.field} and {owner.field} are both called {tag!r}:"
                f" {metric.field} is not written; give it a name"
            )
        return Refusing(self.ledger.refused)

    def _curve(self, metric: Metric, file: EventFile, tag: str) -> Cell:
        kind = Total if metric.kind == "counter" else Curve
        return kind(self._now, file, tag, self.ledger.refused)

    # --- ends ---

    def close(self) -> None:
        """
        Let go of the files; everything is in them already.
        """
        self._runs.close()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.folder}>"


def _fields(option: str, value: Any, *more: str) -> tuple[str, ...]:
    """
    Names of fields, or of *more* that records have.
    """
    found = tuple(dict.fromkeys(options.names(option, value)))
    for name in found:
        if name not in more:
            _field(option, name)
    return found


def _field(option: str, name: str) -> str:
    if options.text(option, name) in RECORD_ATTRIBUTES:
        raise ConfigError(
            shown(option, name),
            expected="a field of extra=, not an attribute of LogRecord",
        )
    return name
