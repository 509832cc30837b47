"""
LoggingCallback: what Keras trains and evaluates becomes records.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from .. import options
from ..errors import require
from .based import Based
from .step_log import StepLog, whole

__all__ = ["LoggingCallback"]

_VALIDATION: Final = "val_"
# what callbacks of Keras add, and is no result of training
_SETTINGS: Final = frozenset({"learning_rate", "lr"})


class LoggingCallback(Based):
    """
    A callback of Keras that logs epochs, batches and evaluations.

    ::

        model.fit(x, y, callbacks=[LoggingCallback(model_name="resnet50")])

    Each epoch is one record: ``loss`` is logged as ``train/loss`` and
    ``val_loss`` as ``val/loss``, and so with each metric; ``learning_rate``
    stays as it is.  ``step`` counts the batches of the model's life
    (``optimizer.iterations``), ``epoch`` the epochs of this ``fit``.
    ``model.evaluate()`` is one record, with names such as ``test/loss``.

    With *every* there are also records of batches.  Keras gives the mean over
    the epoch so far there, which is logged as ``batch/loss``.

    Limit:
        With *every* Keras has to wait for each batch, as with any callback
        that looks at batches.

    Args:
        logger: A Logger, a LoggerAdapter, or the name of a logger.

        every: Log a record each so many batches; None for no batch.

        level: Level of the records.

        fields: Further fields of each record, such as ``model_version``.

    Raises:
        MissingPackageError: Keras is not installed.

        ConfigError: An option cannot work.
    """

    model: Any
    params: Any

    @classmethod
    def base(cls) -> type:
        """
        ``keras.callbacks.Callback``.
        """
        return _callback()

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any] | str = "training",
        *,
        every: int | None = None,
        level: int | str = logging.INFO,
        **fields: Any,
    ) -> None:
        super().__init__()
        self._log = StepLog(logger, level, fields)
        self._every = 0
        if every is None:
            # Keras runs ahead of callbacks that leave batches alone
            self.on_train_batch_end = super().on_train_batch_end  # type: ignore[method-assign,misc]
        else:
            self._every = options.integer("every", every, minimum=1)
        self._before = 0  # steps before this epoch
        self._step = 0
        self._is_fitting = False

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """
        Know that evaluations are part of the training.
        """
        self._is_fitting = True

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """
        Know that evaluations stand for themselves.
        """
        self._is_fitting = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """
        Remember the step that the epoch begins with.
        """
        if self._log.is_on():
            self._before = self._step = self._seen(self._step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """
        Log each so many batches.
        """
        if not self._every or not self._log.is_on():
            return
        step = self._before + batch + 1
        # several at once with steps_per_execution
        is_due = step // self._every > self._step // self._every
        self._step = step
        if is_due:
            self._log.log("Batch done", _named(logs, "batch"), step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """
        Log an epoch.
        """
        if not self._log.is_on():
            return
        counted = self._step
        if not self._every:
            counted += whole((self.params or {}).get("steps")) or 0
        self._step = self._seen(counted)
        metrics = _named(logs, "train")
        self._log.log("Epoch done", metrics, self._step, epoch=epoch + 1)

    def on_test_end(self, logs: Any = None) -> None:
        """
        Log an evaluation that is not part of an epoch.
        """
        if not self._is_fitting and self._log.is_on():
            metrics = _named(logs, "test")
            self._log.log("Evaluation done", metrics, self._seen(self._step))

    def _seen(self, counted: int) -> int:
        """
        The batches that the model was trained on, which a file may come with.
        """
        try:
            return int(self.model.optimizer.iterations)
        except Exception:  # not compiled, or with steps of its own
            return counted


def _callback() -> type:
    found: type = require("keras", "keras").callbacks.Callback
    return found


def _named(logs: Any, part: str) -> dict[str, Any]:
    """
    Keras' names with the part of the data before a slash.
    """
    if not isinstance(logs, Mapping):
        return {}
    found: dict[str, Any] = {}
    for key, value in logs.items():
        name = str(key)
        if name in _SETTINGS:
            found[name] = value
        elif name.startswith(_VALIDATION):
            found[f"val/{name[len(_VALIDATION) :]}"] = value
        else:
            found[f"{part}/{name}"] = value
    return found
