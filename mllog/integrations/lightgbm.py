"""
LoggingCallback: the evaluations of LightGBM become records.
"""

from __future__ import annotations

import logging
from typing import Any

from .. import options
from .step_log import REPORTS, StepLog

__all__ = ["LoggingCallback"]


class LoggingCallback:
    """
    A callback of LightGBM that logs what is evaluated in each round.

    ::

        lightgbm.train(…, valid_sets=[valid], callbacks=[LoggingCallback()])

    Names are of the data and the metric: ``valid_0/l2``.  ``step`` counts the
    rounds from 1, as LightGBM prints them.  With ``lightgbm.cv`` the standard
    deviation is logged beside the mean, as ``valid/l2_std``.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        every: Log each so many rounds, and the last.

        level: Level of the records.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        ConfigError: An option cannot work.
    """

    #: LightGBM calls callbacks in this order: behind its own log_evaluation.
    order = 11
    before_iteration = False

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | str = "training",
        *,
        every: int = 1,
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        self._log = StepLog(logger, level, fields)
        self._every = options.integer("every", every, minimum=1)

    def __call__(self, env: Any) -> None:
        """
        Log a round.
        """
        if not self._log.is_on():
            return
        try:
            step = env.iteration + 1
            is_last = step == env.end_iteration
            if step % self._every and not is_last:
                return
            found = dict(_scores(env.evaluation_result_list or ()))
        except Exception as fault:
            REPORTS.fault(fault)
            return
        self._log.log("Round done", found, step)


def _scores(results: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for data, metric, score, _, *deviation in results:
        name = f"{data}/{metric}"
        if data == "cv_agg":  # cross-validation before LightGBM 4.6
            name = metric.replace(" ", "/", 1)
        found.append((name, score))
        if deviation:
            found.append((f"{name}_std", deviation[0]))
    return found
