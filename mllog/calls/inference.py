"""
inference(): what a predict function got, gave and took, as one record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

from .. import options
from ..decoration import Around, Block, Opened
from ..errors import ConfigError, shown
from .arguments import arguments_of
from .call import Call, plan_of
from .places import place_here, place_of

__all__ = ["inference"]


class _Off(Block):
    """
    Around a call that is not logged.
    """

    def __exit__(self, *exc: object) -> None:
        pass


_OFF: Final = _Off()


class inference(Around):  # noqa: N801 - read as a verb
    """
    Log the inputs, predictions, latency and status of a predict function.

    ::

        @mllog.inference(logger, model="resnet50", version=3)
        def predict(image): ...

        with mllog.inference(logger, model="resnet50", version=3) as call:
            call.inputs = image
            call.predictions = predict(image)

    It decorates plain, async and generator functions, methods and objects
    that are called, and is a block for ``with`` and ``async with``.  One record comes at the end, from
    the place of the decorated function or of the ``with``.  Its fields are
    ``inputs``, ``predictions``, ``model_name``, ``model_version``,
    ``request_id``, ``request_time`` (epoch seconds), ``inference_latency``
    (seconds), ``status_code`` and, if it failed, ``error``.

    Inputs are the value of a function's one argument, or a dict by name of
    what it was given; ``self`` is left out.  Predictions are what it returns;
    a generator's are the list of what it yielded, logged when it ends or is
    closed.  A coroutine or a generator that a plain function returns is
    followed in the same way.  Of a response of HTTP its ``status_code`` is
    taken, and its body is no prediction.

    The request id is the given one, else the bound one (``mllog.bind``), else
    a new one.  It is bound during the call, so that other records of the
    request have it.

    In a block ``call`` has ``inputs``, ``predictions``, ``request_id``,
    ``status_code`` and ``fields``, and ``call.add(batch_size=8)``.

    "Inference complete" is logged with *level*, "Inference failed" as ERROR
    with the exception, or as WARNING for a status from 400 to 499.  The status
    of an exception is its ``status_code`` or ``error_code`` if it has one, 499
    for one that is no ``Exception`` (cancelled, interrupted), and else 500.

    Guarantee:
        The function's exception goes on unchanged, and nothing that goes
        wrong in logging reaches the application.

    Limit:
        The record holds the objects themselves, as they are when the call
        ends.  Where a function changes its argument, give
        ``inputs=copy.deepcopy``.  The latency of a generator includes what its
        consumer does between the steps.  A future, another iterator or a
        response that streams cannot be followed: "Inference begun" has
        neither latency nor status, and its predictions are None.  A block is
        for one thread or task; a decorator is for any number.

    Args:
        logger: A Logger or a LoggerAdapter; where it does not take errors
            either, calls cost next to nothing.

        model: Name of the model.

        version: Its version.

        level: Level of the record of an inference that succeeded.

        inputs: For a decorator: the name of the argument that is the input, or
            a callable that makes the inputs of the arguments, before the call.

        predictions: For a decorator: the name of an item or attribute of the
            result, or a callable that makes the predictions of it.

        max_predictions: How many of what a generator yields are kept; if there
            were more, ``truncated`` is ``["predictions"]``.

        request_id: The id of the request.

        fields: Further fields of the record.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        model: Any = None,
        version: Any = None,
        *,
        level: int | str = logging.INFO,
        inputs: str | Callable[..., Any] | None = None,
        predictions: str | Callable[[Any], Any] | None = None,
        max_predictions: int = 1000,
        request_id: Any = None,
        **fields: Any,
    ) -> None:
        for name, value in (("inputs", inputs), ("predictions", predictions)):
            if not (
                value is None or isinstance(value, str) or callable(value)
            ):
                raise _misplaced(name, value)
        self._inputs = inputs
        self._request_id = request_id
        self._open: list[Call] = []
        self._plan = plan_of(
            logger,
            model,
            version,
            fields,
            level=level,
            predictions=predictions,
            max_predictions=options.integer(
                "max_predictions", max_predictions
            ),
        )

    def _opener(
        self, function: Callable[..., Any], *, is_stream: bool
    ) -> Opened:
        plan, request_id = self._plan, self._request_id
        chosen = arguments_of(function, self._inputs)
        place = place_of(function, place_here(3))

        def opened(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Block:
            if not plan.is_on():
                return _OFF
            call = Call(plan, place, request_id, is_stream=is_stream)
            call.take(chosen, args, kwargs)
            return call

        return opened

    def __enter__(self) -> Call:
        return self._enter(2)

    async def __aenter__(self) -> Call:
        """
        As ``with`` does.
        """
        return self._enter(2)

    def _enter(self, depth: int) -> Call:
        for name, value in (
            ("inputs", self._inputs),
            ("predictions", self._plan.predictions),
        ):
            if value is not None:
                raise _misplaced(name, value)
        call = Call(self._plan, place_here(depth + 1), self._request_id)
        self._open.append(call)
        if self._plan.is_on():
            call.begin()
        return call

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.pop().__exit__(kind, error, traceback)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        As ``with`` does.
        """
        self.__exit__(kind, error, traceback)


def _misplaced(name: str, value: Any) -> ConfigError:
    return ConfigError(
        f"{shown(name, value)} says which part of a decorated function's call"
        " is logged",
        expected="a name or a callable, on a decorator",
        fix=f"in a with block write call.{name} = …",
        owner="inference",
    )
