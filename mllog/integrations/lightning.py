"""
MetricsLogger: what a LightningModule logs becomes records.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from ..errors import MissingPackageError, require
from .based import Based
from .step_log import StepLog

__all__ = ["MetricsLogger"]

# Where the class of loggers and the rank are: of the package, and of its
# former name
_PLACES: Final = (
    ("lightning.pytorch.loggers.logger", "lightning.fabric"),
    ("pytorch_lightning.loggers.logger", "lightning_fabric"),
)


class MetricsLogger(Based):
    """
    A logger of Lightning and of Fabric that logs through ``logging``.

    ::

        trainer = lightning.Trainer(logger=MetricsLogger(model_name="resnet50"))

    What ``self.log("train/loss", loss)`` collects is one record a time, under
    the names that the module gave, with Lightning's ``step`` and ``epoch``.
    Hyperparameters are one record, as the field ``hparams``.

    Only the process of rank 0 logs.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        run_id: Names the run, on each record and in the folder of
            checkpoints, ``<logger>/<run_id>/checkpoints``.

        all_ranks: Log in every process, with its ``rank`` as a field.

        level: Level of the records.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        MissingPackageError: Lightning is not installed.

        ConfigError: An option cannot work.
    """

    @classmethod
    def base(cls) -> type:
        """
        ``lightning.pytorch.loggers.Logger``, or that of ``pytorch_lightning``.
        """
        return _logger_class()

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | str = "training",
        *,
        run_id: str | None = None,
        all_ranks: bool = False,
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        super().__init__()
        known = fields if run_id is None else {"run_id": run_id, **fields}
        self._log = StepLog(logger, level, known)
        self._run_id = run_id
        self._all_ranks = all_ranks

    @property
    def name(self) -> str:
        """
        The folder that Lightning puts checkpoints into.
        """
        return self._log.name

    @property
    def version(self) -> str:
        """
        The folder in it: *run_id*, or none.
        """
        return "" if self._run_id is None else str(self._run_id)

    def log_metrics(
        self, metrics: Mapping[str, Any], step: int | None = None
    ) -> None:
        """
        Log the numbers of a step.
        """
        if not self._log.is_on() or not self._logs_here():
            return
        try:
            found = dict(metrics)
        except Exception:
            return
        epoch = found.pop("epoch", None)
        self._log.log(
            "Step done", found, step, epoch=epoch, rank=self._shown_rank()
        )

    def log_hyperparams(
        self, params: Any, *_args: Any, **_options: Any
    ) -> None:
        """
        Log the settings of a run, a mapping or a Namespace.
        """
        if not self._log.is_on() or not self._logs_here():
            return
        try:
            found = params if isinstance(params, Mapping) else vars(params)
        except TypeError:
            found = {"hparams": params}
        if found:
            self._log.say(
                "Hyperparameters",
                hparams=dict(found),
                rank=self._shown_rank(),
            )

    def _logs_here(self) -> bool:
        return self._all_ranks or _rank() == 0

    def _shown_rank(self) -> int | None:
        return _rank() if self._all_ranks else None


def _logger_class() -> type:
    loaded = [p for p in _PLACES if p[0].split(".")[0] in sys.modules]
    for module, _ in (*loaded, *_PLACES):
        with suppress(MissingPackageError):
            found: type = require(module, "lightning").Logger
            return found
    raise MissingPackageError("lightning", "lightning")


def _rank() -> int:
    """
    The rank of this process, as Lightning knows it.
    """
    for _, fabric in _PLACES:
        module = sys.modules.get(f"{fabric}.utilities.rank_zero")
        rank = getattr(getattr(module, "rank_zero_only", None), "rank", 0)
        if rank:
            return int(rank)
    return 0
