"""
mllog.bind and mllog.timed: fields of what runs now, and how long it took.
"""

import asyncio
import contextvars
import gc
import inspect
import io
import json
import logging
import logging.handlers
import pickle
import queue
import threading
import time

import hostile
import pytest
from ids import as_id
from keeping import Kept

import mllog
from mllog.context import bound, with_bound


@pytest.fixture
def kept(logger):
    handler = Kept()
    logger.addHandler(handler)
    return handler.records


def line_of(function):
    return inspect.getsourcelines(function)[1]


def test_bind_nested_innermost_wins_and_all_is_undone():
    """
    Blocks nest, the innermost value holds, and nothing is left behind.
    """
    with mllog.bind(a=1, b=1):
        with mllog.bind(b=2, name="x"):
            assert bound() == {"a": 1, "b": 2, "name_": "x"}
        assert bound() == {"a": 1, "b": 1}

    assert bound() == {}


def test_bind_block_that_raises_is_undone():
    """
    An exception leaves no fields.
    """
    with pytest.raises(ValueError), mllog.bind(a=1):
        raise ValueError

    assert bound() == {}


def test_bind_one_object_entered_twice_is_left_twice():
    """
    The same object may be entered again inside its own block.
    """
    block = mllog.bind(a=1)

    with block:
        with block:
            assert bound() == {"a": 1}
        assert bound() == {"a": 1}
    assert bound() == {}


def test_bind_thread_has_its_own_and_may_be_given_a_copy():
    """
    A new thread has no fields, unless it runs in a copied context.
    """
    found = []

    def look():
        found.append(dict(bound()))

    with mllog.bind(a=1):
        copy = contextvars.copy_context()
        for target in (look, lambda: copy.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    assert found[1] == {"a": 1}
    assert found[0] in ({}, {"a": 1})  # free-threaded builds inherit


def test_bind_one_object_in_many_threads_stays_apart():
    """
    One bind object in eight threads at once is opened and closed in each.
    """
    block, barrier = mllog.bind(a=1), threading.Barrier(8)
    left = []

    def run():
        for _ in range(100):
            with block:
                assert bound() == {"a": 1}
        barrier.wait()
        left.append(dict(bound()))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert left == [{}] * 8
    assert block._opened == []


def test_bind_asyncio_tasks_have_their_own():
    """
    Two tasks that take turns see each its own fields.
    """

    async def work(number):
        with mllog.bind(task=number):
            for _ in range(5):
                await asyncio.sleep(0)
                assert bound() == {"task": number}
        return dict(bound())

    async def main():
        return await asyncio.gather(*(work(n) for n in range(5)))

    assert asyncio.run(main()) == [{}] * 5


def test_bind_task_that_outlives_the_block_keeps_its_fields():
    """
    A background task started inside a block keeps what it was started with.
    """

    async def later():
        await asyncio.sleep(0.01)
        return dict(bound())

    async def main():
        with mllog.bind(request_id="r"):
            task = asyncio.ensure_future(later())
            await asyncio.sleep(0)
        assert bound() == {}
        return await task

    assert asyncio.run(main()) == {"request_id": "r"}


def generator(number):
    with mllog.bind(**{f"g{number}": number}):
        yield number
        yield number


def test_bind_generators_closed_out_of_order_leave_nothing():
    """
    Interleaved generators may close in the order they were opened.
    """
    first, second = generator(1), generator(2)
    next(first), next(second), next(first)

    first.close()
    assert bound() == {"g2": 2}
    second.close()

    assert bound() == {}


def test_bind_generator_closed_in_another_context_leaves_nothing():
    """
    A block that is closed elsewhere is gone from where it was opened.
    """
    open_one = generator(1)
    next(open_one)
    assert bound() == {"g1": 1}

    contextvars.Context().run(open_one.close)
    assert bound() == {}

    again = generator(2)
    next(again)
    contextvars.copy_context().run(again.close)
    assert bound() == {}


def test_bind_generator_closed_by_another_thread_leaves_nothing():
    """
    A generator that another thread finishes leaves this one clean.
    """
    open_one = generator(1)
    next(open_one)

    thread = threading.Thread(target=open_one.close)
    thread.start()
    thread.join()

    with mllog.bind(a=1):
        assert bound() == {"a": 1}
    assert bound() == {}


def test_bind_async_generator_that_is_dropped_leaves_nothing():
    """
    A loop that breaks out of an async generator keeps none of its fields.
    """

    async def numbers():
        with mllog.bind(inside=True):
            for n in range(3):
                yield n

    async def main():
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0.01)
        return dict(bound())

    assert asyncio.run(main()) == {}


def test_bind_decorates_functions_of_every_kind():
    """
    Plain, async, generator and async generator functions see the fields.
    """

    @mllog.bind(a=1)
    def plain(x):
        return x, dict(bound())

    @mllog.bind(a=1)
    async def coroutine(x):
        await asyncio.sleep(0)
        return x, dict(bound())

    @mllog.bind(a=1)
    def steps(x):
        got = yield x, dict(bound())
        yield got, dict(bound())
        return "end"

    @mllog.bind(a=1)
    async def async_steps(x):
        got = yield x, dict(bound())
        yield got, dict(bound())

    async def main():
        running = async_steps(3)
        first = await running.__anext__()
        assert bound() == {}
        second = await running.asend("sent")
        await running.aclose()
        return first, second

    assert plain(1) == (1, {"a": 1})
    assert asyncio.run(coroutine(2)) == (2, {"a": 1})
    running = steps(3)
    assert next(running) == (3, {"a": 1})
    assert bound() == {}  # between steps they are not the caller's
    assert running.send("sent") == ("sent", {"a": 1})
    with pytest.raises(StopIteration, match="end"):
        next(running)
    assert asyncio.run(main()) == ((3, {"a": 1}), ("sent", {"a": 1}))
    assert bound() == {}
    assert inspect.isgeneratorfunction(steps)
    assert inspect.isasyncgenfunction(async_steps)
    assert inspect.iscoroutinefunction(coroutine)
    assert plain.__name__ == "plain"


def test_bind_decorated_generator_takes_what_is_thrown():
    """
    throw() and close() reach the body of a decorated generator.
    """
    seen = []

    @mllog.bind(a=1)
    def steps():
        try:
            yield 1
        except ValueError:
            seen.append(dict(bound()))
        try:
            yield 2
        finally:
            seen.append(dict(bound()))

    running = steps()
    next(running)

    assert running.throw(ValueError()) == 2
    running.close()

    assert seen == [{"a": 1}, {"a": 1}]
    assert bound() == {}


def test_bind_decorated_async_generator_takes_what_is_thrown():
    """
    athrow() and aclose() reach the body of a decorated async generator.
    """
    seen = []

    @mllog.bind(a=1)
    async def steps():
        try:
            yield 1
        except ValueError:
            seen.append(dict(bound()))
        try:
            yield 2
        finally:
            await asyncio.sleep(0)
            seen.append(dict(bound()))

    async def main():
        running = steps()
        await running.__anext__()
        assert await running.athrow(ValueError()) == 2
        await running.aclose()
        return dict(bound())

    assert asyncio.run(main()) == {}
    assert seen == [{"a": 1}, {"a": 1}]


def test_bind_decorated_function_may_call_itself():
    """
    Each call of a decorated function has a block of its own.
    """

    @mllog.bind(a=1)
    def down(n):
        return down(n - 1) if n else dict(bound())

    assert down(5) == {"a": 1}
    assert bound() == {}


def test_with_bound_adds_what_the_record_lacks():
    """
    extra= wins over bound fields, and the record itself is not changed.
    """
    record = logging.makeLogRecord({"msg": "m", "a": "own"})
    before = dict(record.__dict__)

    with mllog.bind(a="bound", b="bound"):
        new = with_bound(record)

    assert (new.a, new.b) == ("own", "bound")
    assert record.__dict__ == before
    assert with_bound(record) is record


def test_timed_logs_seconds_of_the_block(logger, kept):
    """
    The record has the block's seconds, and what was added to fields.
    """
    with mllog.timed(logger, "done", name="resnet50") as timer:
        time.sleep(0.02)
        timer.fields["batch_size"] = 8

    (record,) = kept
    assert 0.02 <= record.inference_latency < 1
    assert record.batch_size == 8
    assert record.name_ == "resnet50"
    assert record.getMessage() == "done"
    assert record.levelno == logging.INFO


def test_timed_block_that_raises_logs_the_error_type(logger, kept):
    """
    The exception goes on, and the record names its type.
    """
    with pytest.raises(KeyError), mllog.timed(logger, "done", field="s"):
        raise KeyError

    assert kept[0].error_type == "KeyError"
    assert kept[0].s >= 0


def test_timed_message_with_percent_is_logged_as_it_is(logger, kept):
    """
    The message is no format.
    """
    with mllog.timed(logger, "100 % done"):
        pass

    assert kept[0].getMessage() == "100 % done"


def test_timed_with_block_shows_the_users_line(logger, kept):
    """
    funcName and lineno are those of the with statement's function.
    """

    def here():
        with mllog.timed(logger, "done"):
            pass

    here()

    assert kept[0].funcName == "here"
    first = line_of(here)
    assert first < kept[0].lineno <= first + 2


def test_timed_decorated_functions_show_their_caller(logger, kept):
    """
    A decorated function's record shows the line that called it.
    """

    @mllog.timed(logger, "plain", x=1)
    def plain():
        return 1

    @mllog.timed(logger, "coroutine")
    async def coroutine():
        await asyncio.sleep(0)
        return 2

    @mllog.timed(logger, "generator")
    def steps():
        yield 3

    @mllog.timed(logger, "async generator")
    async def async_steps():
        yield 4

    def caller():
        return plain(), *steps()

    async def async_caller():
        return await coroutine(), [n async for n in async_steps()]

    assert caller() == (1, 3)
    assert asyncio.run(async_caller()) == (2, [4])

    assert [record.msg for record in kept] == [
        "plain",
        "generator",
        "coroutine",
        "async generator",
    ]
    names = [record.funcName for record in kept]
    assert names[:2] == ["caller", "caller"]
    assert names[2] == "async_caller"
    assert names[3] in ("async_caller", "<listcomp>")
    assert all(record.pathname == __file__ for record in kept)
    assert kept[0].lineno == line_of(caller) + 1
    assert kept[0].x == 1


def test_timed_decorated_calls_are_timed_apart(logger, kept):
    """
    Two calls that overlap have each their own time and fields.
    """

    @mllog.timed(logger, "done")
    async def wait(seconds):
        await asyncio.sleep(seconds)

    async def main():
        await asyncio.gather(wait(0.06), wait(0.01))

    asyncio.run(main())

    short, long = (record.inference_latency for record in kept)
    assert short < 0.05 < long


def test_timed_generator_that_is_closed_is_no_error(logger, kept):
    """
    A generator that is not run to its end is logged without an error.
    """

    @mllog.timed(logger, "done")
    def steps():
        yield 1
        yield 2

    running = steps()
    next(running)
    running.close()

    assert not hasattr(kept[0], "error_type")


def test_timed_adapter_adds_its_fields(logger, kept):
    """
    A LoggerAdapter's extra and process() hold, and our fields win.
    """

    class Prefixed(logging.LoggerAdapter):
        def process(self, msg, kwargs):
            return f"[x] {msg}", kwargs

    inner = logging.LoggerAdapter(logger, {"a": 1, "b": 1})

    with mllog.timed(Prefixed(inner, {}), "done", b=2):
        pass

    (record,) = kept
    assert record.getMessage() == "[x] done"
    assert (record.a, record.b) == (1, 2)
    assert record.funcName == "test_timed_adapter_adds_its_fields"


# --- records that somebody kept ---


class Keeping(logging.Handler):
    """
    Keeps records, and hands them on when it is told to.
    """

    def __init__(self, target):
        super().__init__()
        self.target = target
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def hand_on(self):
        for record in self.records:
            self.target.handle(record)


class OnError(Keeping):
    """
    Hands them on in the log call of another record.
    """

    def emit(self, record):
        super().emit(record)
        if record.levelno >= logging.ERROR:
            self.hand_on()


class Tee(logging.Handler):
    """
    Hands each record on at once.
    """

    def __init__(self, target):
        super().__init__()
        self.target = target

    def emit(self, record):
        self.target.handle(record)

    def hand_on(self):
        pass


class Memory(logging.handlers.MemoryHandler):
    def __init__(self, target):
        super().__init__(100, target=target)

    hand_on = logging.handlers.MemoryHandler.flush


class Queue(logging.handlers.QueueHandler):
    """
    With a consumer in the thread of the next request.
    """

    def __init__(self, target):
        super().__init__(queue.SimpleQueue())
        self.target = target

    def hand_on(self):
        while not self.queue.empty():
            self.target.handle(self.queue.get())


class Listener(Queue):
    """
    With a consumer in another thread, which has a context of its own.
    """

    def hand_on(self):
        listener = logging.handlers.QueueListener(self.queue, self.target)
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._listen, listener))
        thread.start()
        thread.join()

    def _listen(self, listener):
        while not self.queue.empty():
            listener.handle(self.queue.get())


class Pickled(Keeping):
    """
    What SocketHandler sends, and the server of the logging cookbook logs.
    """

    def hand_on(self):
        sender = logging.handlers.SocketHandler("localhost", 9)
        server = logging.Logger("server")
        server.addHandler(self.target)
        for record in self.records:
            copy = logging.makeLogRecord(
                pickle.loads(sender.makePickle(record)[4:])
            )
            copy.process += 1  # another one's
            server.handle(copy)


KEEPERS = [Keeping, OnError, Memory, Queue, Listener, Pickled]


def _target(kind):
    """
    A handler that takes the context, and the records that it wrote.
    """
    stream = io.StringIO()
    if kind == "ours":
        handler = mllog.ConsoleHandler(stream)
    else:
        handler = logging.StreamHandler(stream)
        handler.addFilter(mllog.ContextFilter())
    handler.setFormatter(mllog.JSONFormatter())

    def written():
        found = map(json.loads, stream.getvalue().splitlines())
        return {each["message"]: each.get("request_id") for each in found}

    return handler, written


@pytest.mark.parametrize("kind", ["ours", "stdlib"])
@pytest.mark.parametrize("keeper", KEEPERS, ids=lambda keeper: keeper.__name__)
def test_record_that_was_kept_gets_no_context_of_others(keeper, kind, logger):
    """
    Behind a queue, a buffer or a socket a record has no id, never a wrong one.
    """
    target, written = _target(kind)
    keeping = keeper(target)
    logger.addHandler(keeping)
    with mllog.bind(request_id="a"):
        logger.info("of a")
    with mllog.bind(request_id="b"):
        logger.error("of b")
        keeping.hand_on()

    found = written()

    assert found.keys() == {"of a", "of b"}
    assert found["of a"] is None
    assert found["of b"] in (None, "b")


@pytest.mark.parametrize("kind", ["ours", "stdlib"])
@pytest.mark.parametrize(
    "keeper", [*KEEPERS, Tee], ids=lambda keeper: keeper.__name__
)
def test_context_filter_before_a_keeper_takes_the_context(
    keeper, kind, logger
):
    """
    With a ContextFilter on what keeps it, each record has its own id.
    """
    target, written = _target(kind)
    keeping = keeper(target)
    keeping.addFilter(mllog.ContextFilter())
    logger.addHandler(keeping)
    with mllog.bind(request_id="a"):
        logger.info("of a")
    with mllog.bind(request_id="b"):
        logger.error("of b")
        keeping.hand_on()

    assert written() == {"of a": "a", "of b": "b"}


@pytest.mark.parametrize("kind", ["ours", "stdlib"])
def test_record_that_is_handed_on_at_once_has_its_context(kind, logger):
    """
    A handler within a handler is in the log call.
    """
    target, written = _target(kind)
    logger.addHandler(Tee(target))

    with mllog.bind(request_id="a"):
        logger.info("of a")

    assert written() == {"of a": "a"}


@pytest.mark.parametrize("kind", ["ours", "stdlib"])
def test_record_of_a_logger_that_was_patched_has_its_context(
    kind, logger, monkeypatch
):
    """
    Tools that watch errors put their own code around callHandlers.
    """
    target, written = _target(kind)
    logger.addHandler(target)

    def around(self, record):
        for handler in self.handlers:
            handler.handle(record)

    monkeypatch.setattr(logging.Logger, "callHandlers", around)
    with mllog.bind(request_id="a"):
        logger.info("of a")

    assert written() == {"of a": "a"}


@pytest.mark.parametrize("level", ["warning", "WARNING", "30", 30])
def test_timed_level_is_a_number_or_a_word_in_any_case(level, logger):
    """
    A level by name does not raise where the block ends.
    """
    kept = Kept()
    logger.addHandler(kept)

    with mllog.timed(logger, "done", level=level):
        pass

    assert [each.levelno for each in kept.records] == [logging.WARNING]
    with pytest.raises(mllog.ConfigError):
        mllog.timed(logger, "done", level="loud")


@pytest.mark.parametrize("name", ["thread", "process"])
@pytest.mark.parametrize(
    "value", [hostile.RaisingEverything(), "main", None, 3], ids=as_id
)
def test_record_with_an_odd_thread_or_process_raises_nothing(
    name, value, kept, logger
):
    """
    Whose record it is is asked of numbers only, and a lost one is nobody's.
    """
    record = logging.makeLogRecord({"msg": "x", name: value})
    lost = logging.makeLogRecord({"msg": "x"})
    del lost.__dict__[name]
    handler = mllog.ConsoleHandler(stream=io.StringIO())

    with mllog.bind(request_id="a"):
        handler.handle(record)
        handler.handle(lost)

    assert handler.stats().dropped == {}
