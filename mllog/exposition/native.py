"""
Several processes with one page: prometheus_client's own metrics, in files.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence, Sized
from typing import Any, Final

from ..errors import ConfigError, shown
from ..forking import adopt_lock, fork_safe_lock
from ..metrics.instruments import Cell, Instrument, Observation
from .book import Claims, Family, Late, family_of
from .names import help_of

__all__ = ["NativeBook", "folder_of_processes"]

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def folder_of_processes(say: Callable[[str], None]) -> str:
    """
    The folder that the processes share, made if need be; ``""`` for none.

    Args:
        say: Told of one that cannot be used, which is passed over.

    Raises:
        ConfigError: It was set too late.
    """
    folder = os.environ.get(_VARIABLE, "")
    if not folder:
        return ""
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("it cannot be written")
    except OSError as exc:
        say(
            f"{shown(_VARIABLE, folder)} is passed over: {exc}; each process"
            " has its own metrics"
        )
        return ""
    from prometheus_client import values

    if not getattr(values.ValueClass, "_multiprocess", False):
        raise ConfigError(
            f"{shown(_VARIABLE, folder)} was set after prometheus_client was"
            " imported, which asks for it only once",
            fix="set it in the environment that the process starts with",
        )
    return folder


class _NativeFamily:
    """
    A metric that prometheus_client keeps, as long as it has its name.
    """

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        #: Counts what is measured, where the application has the name.
        self.refuse: Callable[[], object] | None = None


class _NativeCell:
    """
    A series that prometheus_client keeps.
    """

    __slots__ = ("_family", "_look", "_put", "waiting")

    def __init__(
        self,
        put: Callable[[float], object],
        family: _NativeFamily,
        look: Callable[[], None],
    ) -> None:
        self._put = put
        self._family = family
        self._look = look
        self.waiting: Sized = ()

    def add(self, observation: Observation) -> None:
        """
        Hand on the number; files of processes have no room for exemplars.
        """
        self._look()
        refuse = self._family.refuse
        if refuse is None:
            self._put(observation[0])
        else:
            refuse()

    def fold(self) -> None:
        """
        Nothing waits: other processes read what is in the file.
        """


class NativeBook:
    """
    Metrics of prometheus_client, by name; there is one in a process.

    A name can be registered only once in a process, so they outlive the
    handler that made them.  Metrics of one name are one in the files, whatever
    registry they are in: those of the application are left alone as in
    :class:`mllog.exposition.book.Book`.
    """

    def __init__(self) -> None:
        from prometheus_client import REGISTRY

        self._lock = fork_safe_lock()
        self._families: dict[Family, _NativeFamily] = {}
        self._claims = Claims()
        self._others = 0
        self.heed(REGISTRY)
        kept = _kept()
        adopt_lock(kept.get("lock"))  # the one of all values
        self._values: Sequence[Any] = kept.get("values", ())

    def heed(self, registry: Any) -> None:
        """
        Leave alone the names that the application has in *registry*.
        """
        self._claims.heed(registry)

    def cell(
        self,
        instrument: Instrument,
        labels: tuple[str, ...],
        prefix: str = "",
        late: Late | None = None,
    ) -> Cell:
        """
        The cell of a series.

        Args:
            instrument: What it measures.

            labels: Values of its labels.

            prefix: What its name begins with.

            late: Told if the application takes the name later.

        Raises:
            NameTaken: Something else has the name.
        """
        family = family_of(instrument, prefix)
        with self._lock:
            found = self._families.get(family)
            if found is None or found.refuse is not None:
                more = () if found else self._names_in_files()
                self._claims.claim(family, instrument.metric, late, more)
                found = _NativeFamily(_made(family, instrument))
                self._families[family] = found
            metric = found.metric
            child = metric.labels(*labels) if family.labels else metric
        put = {"counter": "inc", "gauge": "set"}.get(family.kind, "observe")
        return _NativeCell(getattr(child, put), found, self.look)

    def look(self) -> None:
        """
        Give up the names that the application has taken since.
        """
        others = self._claims.others
        if others != self._others:  # it is asked at each observation
            self._others = others
            for family, count in self._claims.lost():
                self._families[family].refuse = count

    def _names_in_files(self) -> set[str]:
        """
        Names that this process writes: those in no registry as well.
        """
        return {
            name
            for value in list(self._values)
            for name in getattr(value, "_params", ())[1:3]
        }


def _kept() -> dict[str, Any]:
    """
    What the values of a process have in common: a lock, and all of them.
    """
    from prometheus_client import values

    try:
        found = inspect.getclosurevars(values.ValueClass.__init__)
    except Exception:  # a version that is built otherwise
        return {}
    return dict(found.nonlocals)


def _made(family: Family, instrument: Instrument) -> Any:
    import prometheus_client

    kind = getattr(prometheus_client, family.kind.capitalize())
    more: dict[str, Any] = {}
    if family.kind == "histogram":
        more["buckets"] = family.buckets
    elif family.kind == "gauge":  # otherwise each process has one for ever
        more["multiprocess_mode"] = "mostrecent"
    made = kind(
        family.name,
        help_of(instrument.metric),
        family.labels,
        registry=None,  # its values are in files, which a collector reads
        **more,
    )
    adopt_lock(getattr(made, "_lock", None))
    return made
