"""
Fields of the running request, step or task: bind() and timed().

Bound fields live in a :class:`contextvars.ContextVar`, so each asyncio task
and each thread has its own.  A new thread starts with none; hand them over
with ``contextvars.copy_context().run``.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

from .fields import renamed

__all__ = ["bind", "bound", "timed", "with_bound"]

F = TypeVar("F", bound=Callable[..., Any])

_EMPTY: Mapping[str, Any] = {}


class _Stack:
    """
    The open ``bind`` blocks of one context, and their fields in one dict.

    A block is taken out by identity, wherever it stands: generators may close
    in another order than they were opened, or in another context.
    """

    __slots__ = ("blocks", "fields")

    def __init__(
        self, blocks: tuple[tuple[object, Mapping[str, Any]], ...]
    ) -> None:
        self.blocks = blocks
        self.fields: Mapping[str, Any] = {}
        for _, fields in blocks:
            self.fields = {**self.fields, **fields}


_STACK: ContextVar[_Stack | None] = ContextVar("mllog_bound", default=None)

#: The open blocks, or None: what a handler asks first, once per record.
stack = _STACK.get


def bound() -> Mapping[str, Any]:
    """
    The fields that are bound here and now.
    """
    here = stack()
    return _EMPTY if here is None else here.fields


def with_bound(record: logging.LogRecord) -> logging.LogRecord:
    """
    *record* with the bound fields that it does not have itself.

    The record is never changed: where something is added, it is to a copy.
    """
    here = stack()
    if here is None:
        return record
    own, fields = record.__dict__, here.fields
    missing = {key: fields[key] for key in fields if key not in own}
    if not missing:
        return record
    return _copied(record, missing)


def _copied(
    record: logging.LogRecord, more: Mapping[str, Any]
) -> logging.LogRecord:
    new = type(record).__new__(type(record))
    new.__dict__.update(record.__dict__)
    new.__dict__.update(more)
    return new


class _Around(AbstractContextManager[Any]):
    """
    A context manager that also decorates functions of every kind.
    """

    def _again(self) -> _Around:
        """
        A fresh one for each call of a decorated function.
        """
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def around(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    async for item in function(*args, **kwargs):
                        yield item

        elif inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def around(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def around(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return (yield from function(*args, **kwargs))

        else:

            @functools.wraps(function)
            def around(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return function(*args, **kwargs)

        return around  # type: ignore[return-value]


class bind(_Around):  # noqa: N801 - read as a verb: with mllog.bind(...)
    """
    Put fields on every record that is logged inside the block.

    ``with mllog.bind(request_id="9f3"):`` or, on a function of any kind,
    ``@mllog.bind(model_name="resnet50")``.  Blocks nest; the innermost wins,
    and a field given in ``extra=`` wins over all.  Handlers of mllog see bound
    fields by themselves, others through :class:`mllog.ContextFilter`.

    Args:
        fields: Names and values.  A name that LogRecord uses itself gets an
            underscore (``name`` becomes ``name_``).
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = renamed(fields)

    def _again(self) -> bind:
        return self  # blocks are told apart when they are entered

    def __enter__(self) -> bind:
        here = stack()
        blocks = () if here is None else here.blocks
        _STACK.set(_Stack((*blocks, (self, self._fields))))
        return self

    def __exit__(self, *exc: object) -> None:
        here = stack()
        blocks = [] if here is None else list(here.blocks)
        for index in reversed(range(len(blocks))):
            if blocks[index][0] is self:
                del blocks[index]
                break
        _STACK.set(_Stack(tuple(blocks)) if blocks else None)


class timed(_Around):  # noqa: N801 - read as a verb: with mllog.timed(...)
    """
    Log how long the block took, in seconds, also when it raises.

    ::

        with mllog.timed(logger, "Inference complete", model_name="resnet50") as t:
            scores = model(batch)
            t.fields["batch_size"] = len(batch)

    It decorates plain, async and generator functions as well.  When the body
    raises, the record carries ``error_type`` and the exception goes on.

    Args:
        logger: A Logger or a LoggerAdapter.

        message: The message, logged as it is.

        level: Level of the record.

        field: Name of the field with the seconds, by ``time.perf_counter``.

        fields: Further fields of the record.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        message: str,
        *,
        level: int = logging.INFO,
        field: str = "inference_latency",
        **fields: Any,
    ) -> None:
        self._logger = logger
        self._message = message
        self._level = level
        self._field = field
        self.fields = fields
        self._start = 0.0

    def _again(self) -> timed:
        again = timed(
            self._logger,
            self._message,
            level=self._level,
            field=self._field,
            **self.fields,
        )
        again._depth = 3
        return again

    # Frames from Logger.log up to the code whose place the record shows.
    _depth = 2

    def __enter__(self) -> timed:
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._start
        fields = {self._field: seconds, **self.fields}
        if kind is not None and kind is not GeneratorExit:
            fields["error_type"] = kind.__name__
        logger, inherited = _unwrapped(self._logger)
        logger.log(
            self._level,
            self._message,
            extra=renamed({**inherited, **fields}),
            stacklevel=self._depth,
        )


def _unwrapped(
    logger: logging.Logger | logging.LoggerAdapter[Any],
) -> tuple[logging.Logger, Mapping[str, Any]]:
    """
    The logger in an adapter, and the fields that the adapter adds.

    Before Python 3.13 an adapter replaces the ``extra`` it is given.
    """
    inherited: dict[str, Any] = {}
    while isinstance(logger, logging.LoggerAdapter):
        inherited = {**(logger.extra or {}), **inherited}
        logger = logger.logger
    return logger, inherited
