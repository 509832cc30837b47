"""
LoggingCallback: the evaluations of XGBoost become records.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .. import options
from ..errors import require
from .based import Based
from .step_log import REPORTS, StepLog

__all__ = ["LoggingCallback"]


class LoggingCallback(Based):
    """
    A callback of XGBoost that logs what is evaluated in each round.

    ::

        xgboost.train(…, evals=[(d, "train")], callbacks=[LoggingCallback()])

    Names are of the data and the metric: ``train/rmse``.  ``step`` is the
    round as XGBoost prints it.  With ``xgboost.cv`` the standard deviation
    is logged beside the mean, as ``test/rmse_std``.

    Only the worker of rank 0 logs.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        every: Log each so many rounds, and the last.

        all_ranks: Log in every worker.

        level: Level of the records.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        MissingPackageError: XGBoost is not installed.

        ConfigError: An option cannot work.
    """

    @classmethod
    def base(cls) -> type:
        """
        ``xgboost.callback.TrainingCallback``.
        """
        found: type = require("xgboost", "xgboost").callback.TrainingCallback
        return found

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | str = "training",
        *,
        every: int = 1,
        all_ranks: bool = False,
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        super().__init__()
        self._log = StepLog(logger, level, fields)
        self._every = options.integer("every", every, minimum=1)
        self._all_ranks = all_ranks
        self._waiting: tuple[int, dict[str, Any]] | None = None

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """
        Log a round; never stop the training.
        """
        if not evals_log or not self._log.is_on() or not self._logs_here():
            return False
        try:
            found = dict(_scores(evals_log))
        except Exception as fault:
            REPORTS.fault(fault)
            return False
        self._waiting = epoch, found
        if epoch % self._every == 0:
            self._log_waiting()
        return False

    def after_training(self, model: Any) -> Any:
        """
        Log the last round.
        """
        self._log_waiting()
        return model

    def _log_waiting(self) -> None:
        if self._waiting is not None:
            step, found = self._waiting
            self._waiting = None
            self._log.log("Round done", found, step)

    def _logs_here(self) -> bool:
        return self._all_ranks or _rank() == 0


def _scores(evals_log: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for data, metrics in evals_log.items():
        if not isinstance(metrics, Mapping):
            continue
        for metric, scores in metrics.items():
            name, score = f"{data}/{metric}", scores[-1]
            if isinstance(score, tuple):  # of folds
                score, deviation = score[0], score[1]
                found.append((f"{name}_std", deviation))
            found.append((name, score))
    return found


def _rank() -> int:
    try:
        return int(require("xgboost", "xgboost").collective.get_rank())
    except Exception:  # there is only one
        return 0
