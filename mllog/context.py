"""
Fields of the running request, step or task: bind() and timed().

Bound fields live in a :class:`contextvars.ContextVar`, so each asyncio task
and each thread has its own.  A new thread starts with none; hand them over
with ``contextvars.copy_context().run``.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import Any, Final

from . import forking, options
from .decoration import Around, Block, Opened
from .fields import renamed
from .spans import span_fields

__all__ = [
    "bind",
    "bound",
    "copied",
    "is_being_logged",
    "timed",
    "unwrapped",
    "with_bound",
]

# What hands a record to the handlers of its logger
_CALL_HANDLERS: Final = logging.Logger.callHandlers.__code__
_OF_A_LOGGER: Final = (_CALL_HANDLERS, logging.Logger.handle.__code__)

_EMPTY: Mapping[str, Any] = {}
_OF_A_SPAN = ("trace_id", "span_id", "trace_flags")


class _Block:
    """
    One open ``bind`` block.
    """

    __slots__ = ("fields", "is_open", "owner", "token")

    def __init__(self, owner: object, fields: Mapping[str, Any]) -> None:
        self.owner = owner
        self.fields = fields
        self.is_open = True
        self.token: Token[_Stack | None] | None = None


class _Stack:
    """
    The open ``bind`` blocks of one context, and their fields in one dict.

    A block is taken out by identity, wherever it stands: generators may close
    in another order than they were opened, or in another context.
    """

    __slots__ = ("blocks", "fields", "strays")

    def __init__(self, blocks: tuple[_Block, ...]) -> None:
        self.blocks = blocks
        self._gather()

    def _gather(self) -> None:
        strays = _strays
        fields: dict[str, Any] = {}
        for block in self.blocks:
            if block.is_open:
                fields.update(block.fields)
        # in this order: copies of a context share this object between threads
        self.fields: Mapping[str, Any] = fields
        self.strays = strays

    def current(self) -> Mapping[str, Any]:
        """
        The fields, without those of blocks that another context closed.
        """
        if self.strays != _strays:
            self._gather()
        return self.fields


# How many blocks were closed in another context than they were opened in.
_strays = 0
_STACK: ContextVar[_Stack | None] = ContextVar("mllog_bound", default=None)

#: The open blocks, or None: what a handler asks first, once per record.
stack = _STACK.get


def bound() -> Mapping[str, Any]:
    """
    The fields that are bound here and now.
    """
    here = stack()
    return _EMPTY if here is None else here.current()


def is_being_logged(
    record: logging.LogRecord, caller: FrameType | None = None
) -> bool:
    """
    Whether the log call of *record* is on this stack.

    Who kept it, a ``MemoryHandler``, a queue or a socket, hands it on in the
    context of somebody else.

    Args:
        record: What was logged.

        caller: What called the handler, if that is known.
    """
    own = record.__dict__
    # logging may be told to leave them out, and anybody may change them
    thread, process = own.get("thread"), own.get("process")
    if type(thread) is int and thread != threading.get_ident():
        return False
    if type(process) is int and process != forking.process:
        return False
    if caller is not None and caller.f_code is _CALL_HANDLERS:
        return True  # the usual case, which needs no search
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _OF_A_LOGGER:
            return frame.f_locals.get("record") is record
        frame = frame.f_back
    return False


def with_bound(
    record: logging.LogRecord, *, spans: bool = True
) -> logging.LogRecord:
    """
    *record* with the bound fields that it does not have itself.

    The ids of OpenTelemetry's active span are among them, and win over bound
    ones.  Where the record has a ``trace_id`` or ``span_id`` itself it gets
    neither: ids of different spans would lead nowhere.

    The record is never changed: where something is added, it is to a copy.

    Args:
        record: What was logged.

        spans: Whether the active span is looked at.
    """
    here = stack()
    span = span_fields() if spans else None
    own = record.__dict__
    if here is None:
        if span is None or "trace_id" in own or "span_id" in own:
            return record
        return copied(record, span)
    fields = here.current()
    missing = {key: fields[key] for key in fields if key not in own}
    if "trace_id" in own or "span_id" in own:
        for key in _OF_A_SPAN:
            missing.pop(key, None)
    elif span is not None:
        missing.update(span)
    return copied(record, missing) if missing else record


def copied(
    record: logging.LogRecord, more: Mapping[str, Any]
) -> logging.LogRecord:
    """
    A new record like *record*, with the attributes *more*.
    """
    new = type(record).__new__(type(record))
    new.__dict__.update(record.__dict__)
    new.__dict__.update(more)
    return new


class bind(Around):  # noqa: N801 - read as a verb: with mllog.bind(...)
    """
    Put fields on every record that is logged inside the block.

    ``with mllog.bind(request_id="9f3"):`` or, on a function of any kind,
    ``@mllog.bind(model_name="resnet50")``.  Blocks nest; the innermost wins,
    and a field given in ``extra=`` wins over all.  Handlers of mllog see bound
    fields by themselves, others through :class:`mllog.ContextFilter`.

    Limit:
        Fields are taken in the log call.  Behind a queue, a ``MemoryHandler``
        or a socket, and by a handler that is called without a logger, a
        record gets none, unless a ContextFilter stands before.

    Args:
        fields: Names and values.  A name that LogRecord uses itself gets an
            underscore (``name`` becomes ``name_``).
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = renamed(fields)
        self._opened: list[_Block] = []

    def _again(self) -> bind:
        again = bind()
        again._fields = self._fields
        return again

    def _opener(
        self, function: Callable[..., Any], *, is_stream: bool
    ) -> Opened:
        del function
        if is_stream:
            return lambda _args, _kwargs: _InSteps(self)
        return lambda _args, _kwargs: self._again()

    def _goes_on(self, *, in_steps: bool) -> Block:
        return _InSteps(self) if in_steps else self._again()

    def __enter__(self) -> bind:
        here = stack()
        block = _Block(self, self._fields)
        blocks = () if here is None else here.blocks
        blocks = tuple(each for each in blocks if each.is_open)
        block.token = _STACK.set(_Stack((*blocks, block)))
        self._opened.append(block)
        return self

    def __exit__(self, *exc: object) -> None:
        here = stack()
        blocks = () if here is None else here.blocks
        mine = [block for block in blocks if block in self._opened]
        block = mine[-1] if mine else self._opened[-1]
        self._opened.remove(block)
        if not _closes_here(block):
            _close_elsewhere(block)
        left = tuple(
            each for each in blocks if each is not block and each.is_open
        )
        _STACK.set(_Stack(left) if left else None)


class _InSteps(Block):
    """
    Between its steps a generator's fields are not those of its caller.
    """

    def __init__(self, fields: bind) -> None:
        self._step = fields._again  # type: ignore[method-assign]

    def __exit__(self, *exc: object) -> None:
        pass


def _closes_here(block: _Block) -> bool:
    """
    Whether this is the context that *block* was opened in.
    """
    try:
        if block.token is not None:
            _STACK.reset(block.token)
    except ValueError:
        return False
    return True


def _close_elsewhere(block: _Block) -> None:
    """
    Take *block* out of a context that only it can still name.
    """
    global _strays
    block.is_open = False
    _strays += 1


class timed(Around):  # noqa: N801 - read as a verb: with mllog.timed(...)
    """
    Log how long the block took, in seconds, also when it raises.

    As a decorator it follows a coroutine or a generator to its end; for a
    future, another iterator or a response that streams there is no such field.

    ::

        with mllog.timed(logger, "Inference complete", model_name="resnet50") as t:
            scores = model(batch)
            t.fields["batch_size"] = len(batch)

    It decorates plain, async and generator functions as well.  When the body
    raises, the record carries ``error_type`` and the exception goes on.

    Args:
        logger: A Logger or a LoggerAdapter.

        message: The message, logged as it is.

        level: Level of the record, by number or name.

        field: Name of the field with the seconds, by ``time.perf_counter``.

        fields: Further fields of the record.
    """

    def __init__(
        self,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        message: str,
        *,
        level: int | str = logging.INFO,
        field: str = "inference_latency",
        **fields: Any,
    ) -> None:
        self._logger = logger
        self._message = message
        self._level = options.level_number("level", level)
        self._field = field
        self.fields = fields
        self._start = 0.0
        self._resumed: float | None = None
        self._is_over = False
        self._is_measured = True

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

    def _opener(
        self, function: Callable[..., Any], *, is_stream: bool
    ) -> Opened:
        del function, is_stream
        return lambda _args, _kwargs: self._again()

    def _goes_on(self, *, in_steps: bool) -> Block:
        del in_steps
        again = self._again()
        again._resumed = self._start
        self._is_over = True
        return again

    def _unmeasured(self) -> None:
        self._is_measured = False

    # Frames from Logger.log up to the code whose place the record shows.
    _depth = 2

    def __enter__(self) -> timed:
        resumed = self._resumed
        self._start = time.perf_counter() if resumed is None else resumed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_over:
            return
        fields = dict(self.fields)
        if self._is_measured:
            fields = {self._field: time.perf_counter() - self._start, **fields}
        if kind is not None and kind is not GeneratorExit:
            fields["error_type"] = kind.__name__
        logger, message, fields = unwrapped(
            self._logger, self._message, fields
        )
        logger.log(
            self._level,
            message,
            extra=renamed(fields),
            stacklevel=self._depth,
        )


def unwrapped(
    logger: logging.Logger | logging.LoggerAdapter[Any],
    message: str,
    fields: dict[str, Any],
) -> tuple[logging.Logger, str, dict[str, Any]]:
    """
    The logger in an adapter, and what the adapter makes of message and fields.

    Before Python 3.13 an adapter replaces the ``extra`` it is given.
    """
    while isinstance(logger, logging.LoggerAdapter):
        message, given = logger.process(message, {"extra": fields})
        fields = {**(given.get("extra") or {}), **fields}
        logger = logger.logger
    return logger, message, fields
