"""
Blocks of code that also decorate functions of every kind.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import AbstractContextManager, nullcontext
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any, TypeVar

__all__ = ["Around", "Block", "Opened", "is_unfinished"]

F = TypeVar("F", bound=Callable[..., Any])


class Block(AbstractContextManager[Any]):
    """
    What is around one call of a decorated function.
    """

    def _step(self) -> AbstractContextManager[Any]:
        """
        What is around one step, if the function is a generator.
        """
        return nullcontext()

    def _goes_on(self, *, in_steps: bool) -> Block:
        """
        The block around what the call only began; this one is over.

        Args:
            in_steps: Whether that is a generator.
        """
        del in_steps
        return self

    def _unmeasured(self) -> None:
        """
        Hear that what the call began goes on, and nobody can tell how long.
        """

    def _returned(self, value: Any) -> None:
        """
        Hear what the function returned.
        """

    def _yielded(self, value: Any) -> None:
        """
        Hear what the generator yielded.
        """


#: A block, and the call that it is around.
Begun = tuple[Block, Callable[[], Any]]

# What most functions return is all there is.
_DONE = frozenset({bool, bytes, dict, float, int, list, str, type(None)})

#: Makes the block for one call, given its arguments.
Opened = Callable[[tuple[Any, ...], Mapping[str, Any]], Block]


class Around(Block):
    """
    A block that also decorates functions of every kind.
    """

    def _opener(
        self, function: Callable[..., Any], *, is_stream: bool
    ) -> Opened:
        """
        What makes a fresh block for each call of *function*.

        Args:
            function: What is decorated.

            is_stream: Whether it is a generator, which runs in steps.
        """
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        """
        Decorate *function*, which stays of the kind that it is.
        """
        if isinstance(function, (staticmethod, classmethod)):
            inner = self(function.__func__)
            return type(function)(inner)
        streams = _is(inspect.isgeneratorfunction, function)
        streams_async = _is(inspect.isasyncgenfunction, function)
        opened = self._opener(function, is_stream=streams or streams_async)

        def begun(*args: Any, **kwargs: Any) -> Begun:
            call = functools.partial(function, *args, **kwargs)
            return opened(args, kwargs), call

        if streams_async:
            around = _async_steps(begun)
        elif streams:
            around = _steps(begun)
        elif _is(inspect.iscoroutinefunction, function):
            around = _awaited(begun)
        else:

            def around(*args: Any, **kwargs: Any) -> Any:
                with (block := opened(args, kwargs)):
                    return _given(block, function(*args, **kwargs))

        return functools.wraps(function)(around)  # type: ignore[return-value]


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    """
    Whether *function* is of a kind, or an object whose calls are.
    """
    if isinstance(function, (type, FunctionType, MethodType)):
        return kind(function)
    return kind(function) or kind(type(function).__call__)


def _given(block: Block, value: Any) -> Any:
    """
    What a caller gets: *value*, with the block around what it only began.

    A decorator between, a ``partial`` or a plain function may return a
    coroutine or a generator: the work comes when that runs.
    """
    kind = type(value)
    if kind in _DONE:
        block._returned(value)
        return value
    if kind is CoroutineType:
        return _awaited(_going_on(block, value, in_steps=False))()
    if kind is AsyncGeneratorType:
        return _async_steps(_going_on(block, value, in_steps=True))()
    if kind is GeneratorType and not inspect.isawaitable(value):
        return _steps(_going_on(block, value, in_steps=True))()
    if is_unfinished(value):
        block._unmeasured()
    block._returned(value)
    return value


def _going_on(
    block: Block, value: Any, *, in_steps: bool
) -> Callable[[], Begun]:
    rest = block._goes_on(in_steps=in_steps)
    return lambda: (rest, lambda: value)


def is_unfinished(value: Any) -> bool:
    """
    Whether *value* is a result that is still to come.

    An iterator, a future or a response that streams cannot be followed
    without changing what it is.
    """
    try:
        if type(value) is tuple:  # a body and a status
            return any(map(is_unfinished, value))
        if isinstance(value, Awaitable):
            return True
        # a mock has these methods, too, and is not its own iterator
        if isinstance(value, Iterator) and iter(value) is value:
            return True
        if isinstance(value, AsyncIterator) and value.__aiter__() is value:
            return True
        if hasattr(type(value), "add_done_callback"):  # a future of threads
            return True
        # Starlette's; Django's and Werkzeug's
        return "body_iterator" in getattr(value, "__dict__", ()) or any(
            getattr(value, name, None) is True
            for name in ("streaming", "is_streamed")
        )
    except Exception:  # an object that cannot be looked at
        return False


def _awaited(begun: Callable[..., Begun]) -> Callable[..., Any]:
    async def around(*args: Any, **kwargs: Any) -> Any:
        block, call = begun(*args, **kwargs)
        with block:
            return _given(block, await call())

    return around


def _steps(begun: Callable[..., Begun]) -> Callable[..., Any]:
    def around(*args: Any, **kwargs: Any) -> Any:
        block, call = begun(*args, **kwargs)
        with block:
            generator = call()
            step = functools.partial(next, generator)
            while True:
                try:
                    with block._step():
                        item = step()
                except StopIteration as end:
                    return end.value
                block._yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with block._step():
                        generator.close()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)

    return around


def _async_steps(begun: Callable[..., Begun]) -> Callable[..., Any]:
    async def around(*args: Any, **kwargs: Any) -> Any:
        block, call = begun(*args, **kwargs)
        with block:
            generator = call()
            step = generator.__anext__()
            while True:
                try:
                    with block._step():
                        item = await step
                except StopAsyncIteration:
                    return
                block._yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with block._step():
                        await generator.aclose()
                    raise
                except BaseException as error:
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)

    return around
