"""
References by field and labels: from earlier logs, from a file, or as they come.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..errors import ConfigError, shown
from ..fields import OUR_KEYS, renamed
from ..forking import fork_safe_lock
from ..threads import sleep
from .instruments import Instrument
from .references import Gathered, Reference
from .saying import DRIFT, SUMMARY
from .watching import Watch, labels_of, name_of

__all__ = ["Library", "gathered_from", "saved_in"]

_MARK: Final = "mllog_drift"
_VERSION: Final = 1
_PAUSE_EVERY: Final = 500
_FOLD_AT: Final = 1024

Labels = Mapping[str, str]


class Library:
    """
    References, and which of them is nearest to a series.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._found: dict[
            tuple[str, frozenset[tuple[str, str]]], Reference
        ] = {}

    def put(self, name: str, labels: Labels, reference: Reference) -> None:
        """
        Keep the reference of a field, in the place of an older one.
        """
        with self._lock:
            self._found[name, frozenset(labels.items())] = reference

    def find(self, name: str, labels: Labels, part: str) -> Reference | None:
        """
        The reference of these labels, or else of the nearest ones.

        Nearest is what differs in the fewest labels, then what agrees in the
        most, then what has seen the most.

        Args:
            name: What the field is called.

            labels: The labels of the series.

            part: The label that has to be the same; ``""`` for none.
        """
        with self._lock:
            own = frozenset(labels.items())
            found = self._found.get((name, own))
            if found is not None:
                return found
            candidates = [
                (_distance(own, theirs), reference)
                for (other, theirs), reference in self._found.items()
                if other == name and dict(theirs).get(part) == labels.get(part)
            ]
        return min(
            candidates,
            key=lambda each: (each[0], -each[1].count),
            default=(None, None),
        )[1]

    def plain(self) -> dict[str, Any]:
        """
        All of it as plain data.
        """
        with self._lock:
            found = [
                {"field": name, "labels": dict(labels), **reference.plain()}
                for (name, labels), reference in self._found.items()
            ]
        found.sort(key=lambda each: (each["field"], sorted(each["labels"])))
        return {_MARK: _VERSION, "references": found}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Library:
        """
        What :meth:`plain` gave.

        Raises:
            ConfigError: It did not.
        """
        made = cls()
        given = data.get("references")
        if data.get(_MARK) != _VERSION or not isinstance(given, Sequence):
            raise ConfigError(
                shown("reference", data),
                expected="what DriftHandler.save wrote",
            )
        for each in given:
            if not isinstance(each, Mapping):
                raise ConfigError(
                    shown("reference", each),
                    expected="what DriftHandler.save wrote",
                )
            labels = {
                str(name): str(value)
                for name, value in dict(each.get("labels") or {}).items()
            }
            made.put(str(each.get("field")), labels, Reference.of(each))
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write it as JSON, whole at any instant.

        Raises:
            OSError: The file cannot be written.
        """
        draft = f"{os.fspath(path)}.{os.getpid()}.{threading.get_ident()}.tmp"
        try:
            with open(draft, "w", encoding="utf-8") as file:
                json.dump(self.plain(), file, separators=(",", ":"))
            os.replace(draft, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise


def _distance(
    own: frozenset[tuple[str, str]], theirs: frozenset[tuple[str, str]]
) -> tuple[int, int]:
    """
    In how many labels two differ, and in how few they agree.
    """
    names = dict(own)
    differing = sum(
        names.get(name, value) != value or name not in names
        for name, value in theirs
    )
    return differing, -len(own & theirs)


def saved_in(source: Any) -> Library | None:
    """
    The library in a file that :meth:`Library.save` wrote; None in any other.

    Raises:
        ConfigError: It begins like one, and is none.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = os.fspath(source)
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        if not file.read(64).lstrip().startswith(b'{"%b"' % _MARK.encode()):
            return None
        file.seek(0)
        try:
            return Library.of(json.load(file))
        except (ValueError, TypeError, RecursionError) as exc:
            raise ConfigError(
                f"{path} cannot be read: {exc}",
                expected="what DriftHandler.save wrote",
            ) from None


class _Cell:
    """
    The values of one series of earlier logs.
    """

    def __init__(self, max_categories: int) -> None:
        self.gathered = Gathered(max_categories)
        self.waiting: deque[Any] = deque()
        self.add = self.waiting.append

    def fold(self) -> None:
        """
        Take what waits.
        """
        values = list(self.waiting)
        self.waiting.clear()
        if values:
            self.gathered.extend(values)


def gathered_from(
    records: Iterable[Mapping[str, Any]],
    measured: Mapping[str, Any],
    max_categories: int,
    go_on: Callable[[], bool],
) -> Library:
    """
    References out of *records*, as :func:`mllog.read` gives them.

    Beside each label set there is a reference of all that share their first
    labels, and one of all.

    Args:
        records: Earlier records.

        measured: Options of :class:`Watch`.

        max_categories: Categories of a field kept apart.

        go_on: Asked now and then whether anybody still wants to know.
    """

    def cell(_instrument: Instrument, _labels: tuple[str, ...]) -> _Cell:
        return _Cell(max_categories)

    watch = Watch(cell, _ignore, _ignore, **{**measured, "fold_at": _FOLD_AT})
    for number, data in enumerate(records):
        if number % _PAUSE_EVERY == _PAUSE_EVERY - 1:
            sleep(0.001)  # the application goes first
            if not go_on():
                break
        if data.get("logger") not in (SUMMARY, DRIFT):
            watch.take(_record(data))
    made = Library()
    for instrument in watch.instruments:
        _pool(made, instrument, max_categories)
    return made


def _record(data: Mapping[str, Any]) -> logging.LogRecord:
    """
    A line of a log as the record that it was.
    """
    record = logging.LogRecord(
        str(data.get("logger", "")), 0, "", 0, data.get("message"), (), None
    )
    record.levelname = str(data.get("level", ""))
    record.__dict__.update(
        renamed({k: v for k, v in data.items() if k not in OUR_KEYS})
    )
    return record


def _pool(
    library: Library, instrument: Instrument, max_categories: int
) -> None:
    """
    Put the references of a field, and of those that share labels.
    """
    pools: dict[frozenset[tuple[str, str]], Gathered] = {}
    part = instrument.metric.reduction.part
    shared = [name for name in instrument.labels if name != part]
    for values, cell in instrument.series.items():
        cell.fold()
        labels = labels_of(instrument, values)
        found: dict[frozenset[tuple[str, str]], None] = {}
        for count in range(len(shared), -1, -1):
            kept = {*shared[:count], part}
            found[
                frozenset(each for each in labels.items() if each[0] in kept)
            ] = None
        for key in found:
            pool = pools.setdefault(key, Gathered(max_categories))
            pool.merge(cell.gathered)  # type: ignore[attr-defined]
    for key, pool in pools.items():
        reference = pool.reference()
        if reference is not None:
            library.put(name_of(instrument.metric), dict(key), reference)


def _ignore(_what: Any) -> None:
    pass
