"""
Blocks of code that also decorate functions of every kind.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

__all__ = ["Around", "Block", "Opened"]

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

    def _returned(self, value: Any) -> None:
        """
        Hear what the function returned.
        """

    def _yielded(self, value: Any) -> None:
        """
        Hear what the generator yielded.
        """


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
        streams = inspect.isgeneratorfunction(function)
        streams_async = inspect.isasyncgenfunction(function)
        opened = self._opener(function, is_stream=streams or streams_async)
        if streams_async:
            around = _around_async_generator(function, opened)
        elif streams:
            around = _around_generator(function, opened)
        elif inspect.iscoroutinefunction(function):

            async def around(*args: Any, **kwargs: Any) -> Any:
                with (block := opened(args, kwargs)):
                    value = await function(*args, **kwargs)
                    block._returned(value)
                    return value

        else:

            def around(*args: Any, **kwargs: Any) -> Any:
                with (block := opened(args, kwargs)):
                    value = function(*args, **kwargs)
                    block._returned(value)
                    return value

        return functools.wraps(function)(around)  # type: ignore[return-value]


def _around_generator(
    function: Callable[..., Any], opened: Opened
) -> Callable[..., Any]:
    def around(*args: Any, **kwargs: Any) -> Any:
        with (block := opened(args, kwargs)):
            generator = function(*args, **kwargs)
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


def _around_async_generator(
    function: Callable[..., Any], opened: Opened
) -> Callable[..., Any]:
    async def around(*args: Any, **kwargs: Any) -> Any:
        with (block := opened(args, kwargs)):
            generator = function(*args, **kwargs)
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
