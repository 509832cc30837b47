"""
One call of a model, from its start to its record.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from .. import options
from ..context import bind, bound, unwrapped
from ..decoration import Block
from ..errors import ConfigError, shown
from ..fields import renamed
from ..reports import Reports
from ..values import name_of
from .arguments import NOTHING, Chosen, part_of
from .places import Place

__all__ = [
    "CANCELLED",
    "REPORTS",
    "Call",
    "Plan",
    "plan_of",
    "status_of",
]

#: The status of an inference that was given up: nginx's for a client that left.
CANCELLED: Final = 499

_MOST_ERROR_CHARS = 2000


class _Teller:
    def label(self) -> str:
        return "mllog.inference"


_teller = _Teller()

#: What went wrong in mllog itself is said here, and nowhere else.
REPORTS: Final = Reports(_teller.label)


@dataclass(frozen=True)
class Plan:
    """
    What all inferences of one ``inference(...)`` have in common.

    Args:
        logger: A Logger or a LoggerAdapter.

        level: Level of the record of an inference that succeeded.

        fields: Fields of each record.

        predictions: What of the result is logged; see :class:`inference`.

        max_predictions: How many of what a generator yields are kept.
    """

    logger: logging.Logger | logging.LoggerAdapter[Any]
    level: int
    fields: Mapping[str, Any]
    predictions: str | Callable[[Any], Any] | None = None
    max_predictions: int = 1000

    def is_on(self) -> bool:
        """
        Whether any record can be logged.
        """
        return self.logger.isEnabledFor(max(self.level, logging.ERROR))

    def level_of(self, status: int, *, failed: bool) -> int:
        """
        The level of a record.
        """
        if not failed:
            return self.level
        least = logging.WARNING if status < 500 else logging.ERROR
        return max(self.level, least)


def plan_of(
    logger: Any,
    model: Any,
    version: Any,
    fields: Mapping[str, Any],
    *,
    level: int | str = logging.INFO,
    **more: Any,
) -> Plan:
    """
    A plan of checked values.

    Raises:
        ConfigError: *logger* or *level* cannot work.
    """
    if not hasattr(logger, "isEnabledFor"):
        raise ConfigError(
            shown("logger", logger),
            expected="a logger of Python's logging, or a LoggerAdapter",
            fix="write logging.getLogger(__name__)",
        )
    level = options.level_number("level", level)
    named = {"model_name": model, "model_version": version}
    known = {name: value for name, value in named.items() if value is not None}
    return Plan(logger, level, {**known, **fields}, **more)


def status_of(error: BaseException | None) -> int:
    """
    The HTTP status that says what *error* means.

    200 without one, :data:`CANCELLED` for what is no ``Exception``
    (``CancelledError``, ``KeyboardInterrupt``), the ``status_code`` of an
    exception that has one, as FastAPI's HTTPException does, or the
    ``error_code``, as BentoML's have, and else 500.
    """
    if error is None:
        return 200
    if not isinstance(error, Exception):
        return CANCELLED
    try:
        for name in ("status_code", "error_code"):
            status = getattr(error, name, None)
            if isinstance(status, int) and 100 <= status <= 599:
                return int(status)
    except Exception:  # a property may do anything
        pass
    return 500


def _answered(value: Any) -> int | None:
    """
    The status of *value*, if it is a response of HTTP.
    """
    try:
        status = getattr(value, "status_code", None)
        is_response = type(status) is int and hasattr(value, "headers")
        return status if is_response else None
    except Exception:  # a property may do anything
        return None


def _message(*, failed: bool, is_measured: bool) -> str:
    if failed:
        return "Inference failed"
    return "Inference complete" if is_measured else "Inference begun"


def _text_of(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = name_of(error)
    return text[:_MOST_ERROR_CHARS]


class Call(Block):
    """
    One inference, from its start to its record.

    Args:
        plan: What is logged, and where to.

        place: Where the record says that it comes from.

        request_id: The id of the request; None for the bound one, or a new one.

        is_stream: Whether it is a generator: its id is bound in its steps
            only, since what is between them is its caller's.
    """

    def __init__(
        self,
        plan: Plan,
        place: Place,
        request_id: Any = None,
        *,
        is_stream: bool = False,
    ) -> None:
        self._plan = plan
        #: Where the record says that it comes from.
        self.place = place
        self._id = request_id
        self._bound: bind | None = None
        self._start: float | None = None
        self._seconds: float | None = None
        self._began = 0.0
        self._result: Any = NOTHING
        self._yields: list[Any] | None = [] if is_stream else None
        self._is_measured = True
        #: Further fields of the record.
        self.fields: dict[str, Any] = {}
        #: The HTTP status; None for what follows from the exception.
        self.status_code: Any = None

    @property
    def inputs(self) -> Any:
        """
        What the model was given.
        """
        return self.fields.get("inputs")

    @inputs.setter
    def inputs(self, value: Any) -> None:
        self.fields["inputs"] = value

    @property
    def predictions(self) -> Any:
        """
        What the model answered.
        """
        return self.fields.get("predictions")

    @predictions.setter
    def predictions(self, value: Any) -> None:
        self.fields["predictions"] = value

    @property
    def request_id(self) -> Any:
        """
        The id of the request, which other records inside the block have too.
        """
        if self._id is None:
            found = bound().get("request_id")
            self._id = uuid.uuid4().hex if found is None else found
        return self._id

    @request_id.setter
    def request_id(self, value: Any) -> None:
        self._id = value
        if self._bound is not None:
            self._unbind()
            self._bind()

    def add(self, **fields: Any) -> None:
        """
        Put further fields on the record.
        """
        self.fields.update(fields)

    def begin(self) -> None:
        """
        Start the clock, and bind the request id.
        """
        if self._yields is None:
            self._bind()
        if self._start is None:  # else it goes on
            self._began = time.time()
            self._start = time.perf_counter()

    def is_open(self) -> bool:
        """
        Whether its record is still to come.
        """
        return self._start is not None

    def stop(self) -> None:
        """
        Stop the clock; the record may be logged later.
        """
        if self._start is not None and self._seconds is None:
            self._seconds = time.perf_counter() - self._start

    def end(self, error: BaseException | None = None) -> None:
        """
        Log the record, unless that was done or begin() was not called.
        """
        if self._start is None:
            return
        try:
            self.stop()
            self._start = None
            self._log(error)
        except Exception as fault:
            REPORTS.fault(fault)

    def __enter__(self) -> Call:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # a consumer that wants no more is no failure
        try:
            self.end(None if kind is GeneratorExit else error)
        finally:
            self._unbind()

    def _bind(self) -> None:
        self._bound = bind(request_id=self.request_id)
        self._bound.__enter__()

    def _unbind(self) -> None:
        opened, self._bound = self._bound, None
        if opened is not None:
            opened.__exit__(None, None, None)

    def _log(self, error: BaseException | None) -> None:
        plan = self._plan
        status = self._status(error)
        number = status if isinstance(status, int) else status_of(error)
        failed = error is not None or number >= 400
        level = plan.level_of(number, failed=failed)
        if not plan.logger.isEnabledFor(level):
            return
        fields = {
            **plan.fields,
            "request_id": self.request_id,
            "request_time": self._began,
        }
        if self._is_measured:
            fields["inference_latency"] = self._seconds
            fields["status_code"] = status
        if error is not None:
            fields["error"] = _text_of(error)
        self._give_result()
        fields.update(self.fields)
        logger, message, fields = unwrapped(
            plan.logger,
            _message(failed=failed, is_measured=self._is_measured),
            fields,
        )
        info = None
        if error is not None:
            info = (type(error), error, error.__traceback__)
        # not logger.log(), which would look for the place: the function that
        # this is about is not on the stack any more
        path, line, function = self.place
        logger.handle(
            logger.makeRecord(
                logger.name,
                level,
                path,
                line,
                message,
                (),
                info,
                function,
                renamed(fields),
            )
        )

    def _status(self, error: BaseException | None) -> Any:
        given = self.status_code
        if given is None:
            answered = _answered(self._result) if error is None else None
            return status_of(error) if answered is None else answered
        if isinstance(given, int):
            if error is not None and given < 400:
                return status_of(error)  # it was set before this failed
            return int(given)
        return given  # whoever reads it says that it is none

    def _give_result(self) -> None:
        """
        Make the predictions of what a decorated function gave.
        """
        value = self._result if self._yields is None else self._yields
        if value is NOTHING:
            return
        chosen = self._plan.predictions
        if chosen is None and (
            not self._is_measured or _answered(value) is not None
        ):
            # a response, or what is still to come, is no prediction
            self.predictions = None
            return
        try:
            self.predictions = part_of(value, chosen)
        except Exception as fault:
            REPORTS.fault(fault)

    def take(
        self, chosen: Chosen, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """
        Keep the inputs out of the arguments of a decorated function.
        """
        try:
            value = chosen(args, kwargs)
        except Exception as fault:
            REPORTS.fault(fault)
        else:
            if value is not NOTHING:
                self.inputs = value

    def _step(self) -> AbstractContextManager[Any]:
        return bind(request_id=self.request_id)

    def _goes_on(self, *, in_steps: bool) -> Block:
        rest = Call(
            self._plan, self.place, self.request_id, is_stream=in_steps
        )
        rest.fields = self.fields
        rest._began, rest._start = self._began, self._start
        self._start = None
        return rest

    def _unmeasured(self) -> None:
        self._is_measured = False

    def _returned(self, value: Any) -> None:
        self._result = value

    def _yielded(self, value: Any) -> None:
        if self._yields is None:
            return
        if len(self._yields) < self._plan.max_predictions:
            self._yields.append(value)
        else:
            self.fields["truncated"] = ["predictions"]
