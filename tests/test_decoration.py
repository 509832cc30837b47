"""
Blocks that decorate: what a block hears of each kind of function.
"""

from __future__ import annotations

import asyncio

import pytest

from mllog.decoration import Around, Block


class Heard(Block):
    """
    A block that writes down what happens to it.
    """

    def __init__(self, story):
        self.story = story

    def __enter__(self):
        self.story.append("enter")
        return self

    def __exit__(self, kind, error, traceback):
        self.story.append("exit" if kind is None else kind.__name__)

    def _returned(self, value):
        self.story.append(("returned", value))

    def _yielded(self, value):
        self.story.append(("yielded", value))


class Telling(Around):
    """
    Opens a Heard for each call.
    """

    def __init__(self):
        self.story = []
        self.openings = []

    def __exit__(self, *exc):
        raise AssertionError

    def _opener(self, function, *, is_stream):
        self.openings.append((function.__name__, is_stream))

        def opened(args, kwargs):
            self.story.append((args, kwargs))
            return Heard(self.story)

        return opened


def test_around_plain_and_async_functions_tell_the_result():
    """
    The block gets the arguments, is entered, told the result, and left.
    """
    telling = Telling()

    @telling
    def plain(x, y=0):
        return x + y

    @telling
    async def coroutine(x):
        return x

    assert 3 == plain(1, y=2)
    assert 4 == asyncio.run(coroutine(4))

    assert [("plain", False), ("coroutine", False)] == telling.openings
    assert telling.story == [
        *(((1,), {"y": 2}), "enter", ("returned", 3), "exit"),
        *(((4,), {}), "enter", ("returned", 4), "exit"),
    ]


def test_around_generators_tell_each_step():
    """
    A block hears what is yielded, and GeneratorExit if it is closed.
    """
    telling = Telling()

    @telling
    def tokens():
        yield 1
        yield 2

    @telling
    async def async_tokens():
        yield 3

    async def drain():
        return [each async for each in async_tokens()]

    running = tokens()
    next(running)
    running.close()
    assert [3] == asyncio.run(drain())

    assert [("tokens", True), ("async_tokens", True)] == telling.openings
    assert telling.story == [
        *(((), {}), "enter", ("yielded", 1), "GeneratorExit"),
        *(((), {}), "enter", ("yielded", 3), "exit"),
    ]


def test_around_function_that_raises_tells_no_result():
    """
    The exception passes through the block, which hears of no value.
    """
    telling = Telling()

    @telling
    def broken():
        raise ValueError

    with pytest.raises(ValueError):
        broken()

    assert [((), {}), "enter", "ValueError"] == telling.story


def test_around_static_and_class_methods_stay_what_they_are():
    """
    Decorated from outside, a staticmethod stays one, and so a classmethod.
    """

    class Model:
        static = Telling()(staticmethod(lambda x: x))
        of_class = Telling()(classmethod(lambda cls, x: (cls, x)))

    assert 1 == Model.static(1) == Model().static(1)
    assert (Model, 2) == Model().of_class(2)
