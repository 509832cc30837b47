"""
Several processes with one page: prometheus_client's own metrics, in files.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sized
from typing import Any, Final

from ..errors import ConfigError, shown
from ..forking import adopt_lock, fork_safe_lock
from ..metrics.instruments import Cell, Instrument, Observation
from .book import Family, NameTaken, family_of
from .names import help_of, sample_names
from .records import OWN_NAMES

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


class _NativeCell:
    """
    A series that prometheus_client keeps.
    """

    __slots__ = ("_put", "waiting")

    def __init__(self, put: Callable[[float], object]) -> None:
        self._put = put
        self.waiting: Sized = ()

    def add(self, observation: Observation) -> None:
        """
        Hand on the number; files of processes have no room for exemplars.
        """
        self._put(observation[0])

    def fold(self) -> None:
        """
        Nothing waits: other processes read what is in the file.
        """


class NativeBook:
    """
    Metrics of prometheus_client, by name; there is one in a process.

    A name can be registered only once in a process, so they outlive the
    handler that made them.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._metrics: dict[Family, Any] = {}
        self._owners: dict[str, Family] = {}
        self._adopt()

    def _adopt(self) -> None:
        """
        Have the one lock of all values be free in a forked child.
        """
        from prometheus_client import values

        try:
            found = inspect.getclosurevars(values.ValueClass.inc).nonlocals
        except Exception:  # a version that is built otherwise
            return
        adopt_lock(found.get("lock"))

    def cell(
        self, instrument: Instrument, labels: tuple[str, ...], prefix: str = ""
    ) -> Cell:
        """
        The cell of a series.

        Raises:
            NameTaken: Something else has the name.
        """
        family = family_of(instrument, prefix)
        with self._lock:
            if family not in self._metrics:
                self._claim(family)
                self._metrics[family] = _made(family, instrument)
            metric = self._metrics[family]
            child = metric.labels(*labels) if family.labels else metric
        put = {"counter": "inc", "gauge": "set"}.get(family.kind, "observe")
        return _NativeCell(getattr(child, put))

    def _claim(self, family: Family) -> None:
        names = sample_names(family.name, family.kind)
        for name in names:
            if name in self._owners or name in OWN_NAMES:
                raise NameTaken(
                    f"{' '.join(family.source)} would be {family.name} in"
                    " Prometheus, which is another metric already; give one"
                    " of them another name"
                )
        self._owners.update(dict.fromkeys(names, family))


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
