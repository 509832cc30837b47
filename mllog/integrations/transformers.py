"""
LoggingCallback: what a Trainer of Hugging Face logs becomes records.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from ..errors import require
from .based import Based
from .step_log import StepLog

__all__ = ["LoggingCallback"]

_PARTS: Final = ("eval", "test")
_OWN_FIELDS: Final = frozenset({"epoch", "step"})


class LoggingCallback(Based):
    """
    A callback of ``transformers.Trainer``.

    ::

        Trainer(…, callbacks=[LoggingCallback(model_name="bert-base")])

    Whatever the Trainer logs is one record, each ``logging_steps`` and after
    each evaluation.  Names are those of its own TensorBoard: ``loss`` is
    ``train/loss``, ``eval_loss`` is ``eval/loss``.  ``step`` is the
    ``global_step``, ``epoch`` the Trainer's, with its fraction.

    Only the first process of all machines logs.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        all_ranks: Log in every process.

        level: Level of the records.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        MissingPackageError: Transformers is not installed.

        ConfigError: An option cannot work.
    """

    @classmethod
    def base(cls) -> type:
        """
        ``transformers.TrainerCallback``.
        """
        found: type = require("transformers", "transformers").TrainerCallback
        return found

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | str = "training",
        *,
        all_ranks: bool = False,
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        super().__init__()
        self._log = StepLog(logger, level, fields)
        self._all_ranks = all_ranks

    def on_log(
        self,
        args: Any,  # noqa: ARG002
        state: Any,
        control: Any,  # noqa: ARG002
        logs: Any = None,
        **_objects: Any,
    ) -> None:
        """
        Log what the Trainer does.
        """
        if not self._log.is_on() or not isinstance(logs, Mapping):
            return
        is_first = getattr(state, "is_world_process_zero", True)
        if not (is_first or self._all_ranks):
            return
        named = {
            _named(str(key)): value
            for key, value in list(logs.items())
            if key not in _OWN_FIELDS
        }
        epoch = logs.get("epoch", getattr(state, "epoch", None))
        step = getattr(state, "global_step", None)
        self._log.log(_message(named), named, step, epoch=epoch)


def _named(name: str) -> str:
    for part in _PARTS:
        if name.startswith(f"{part}_"):
            return f"{part}/{name[len(part) + 1 :]}"
    return f"train/{name}"


def _message(named: Mapping[str, Any]) -> str:
    is_evaluation = all(not name.startswith("train/") for name in named)
    return "Evaluation done" if is_evaluation else "Step done"
