"""
mllog.inference: one record for one call of a model.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import copy
import functools
import inspect
import logging
import threading
import time
import traceback
import types
import uuid
from http import HTTPStatus
from unittest.mock import MagicMock

from ids import as_id
import hostile
import pytest
from keeping import Kept
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog.calls.call import status_of
from mllog.context import bound
from mllog.errors import ConfigError
from mllog.calls.inference import inference


@pytest.fixture
def kept(logger):
    handler = Kept()
    logger.addHandler(handler)
    return handler.records


class Refused(Exception):
    """
    An exception with a status, as FastAPI's HTTPException.
    """

    def __init__(self, status_code):
        super().__init__("no such model")
        self.status_code = status_code


class Coded(Exception):
    """
    An exception with a status, as BentoML's and TorchServe's.
    """

    def __init__(self, error_code):
        super().__init__("no such model")
        self.error_code = error_code


def line_of(function):
    return inspect.getsourcelines(function)[1]


def test_inference_block_logs_one_record_with_all_fields(logger, kept):
    """
    A block that ends well is one INFO record with the fields by name.
    """
    before = time.time()
    with inference(logger, model="resnet50", version=3, variant="a") as call:
        call.inputs = [1, 2]
        time.sleep(0.02)
        call.predictions = [0.5]
        call.add(batch_size=2, name="x")
        assert call.inputs == [1, 2]
        assert call.predictions == [0.5]

    (record,) = kept
    assert "Inference complete" == record.getMessage()
    assert logging.INFO == record.levelno
    assert ([1, 2], [0.5]) == (record.inputs, record.predictions)
    assert ("resnet50", 3) == (record.model_name, record.model_version)
    assert ("a", 2, "x") == (record.variant, record.batch_size, record.name_)
    assert 200 == record.status_code
    assert before <= record.request_time <= time.time()
    assert 0.02 <= record.inference_latency < 10
    assert call.request_id == record.request_id
    assert 4 == uuid.UUID(hex=record.request_id).version
    assert record.exc_info is None
    assert not hasattr(record, "error")


def test_inference_block_shows_the_line_of_the_with(logger, kept):
    """
    The place of the record is the user's with statement, also if async.
    """

    def here():
        with inference(logger):
            pass

    async def async_here():
        async with inference(logger) as call:
            await asyncio.sleep(0)
            call.predictions = 1

    here()
    asyncio.run(async_here())

    assert ["here", "async_here"] == [r.funcName for r in kept]
    assert [__file__] * 2 == [r.pathname for r in kept]
    assert [line_of(f) + 1 for f in (here, async_here)] == [
        r.lineno for r in kept
    ]
    assert 1 == kept[1].predictions


def test_inference_block_without_values_has_no_such_fields(logger, kept):
    """
    What was not set is not on the record, and None that was set is.
    """
    with inference(logger):
        pass
    with inference(logger) as call:
        call.predictions = None

    absent = ("inputs", "predictions", "model_name", "model_version")
    assert not any(hasattr(kept[0], name) for name in absent)
    assert kept[1].predictions is None


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        (ValueError("odd"), 500, logging.ERROR),
        (Refused(404), 404, logging.WARNING),
        (Refused(503), 503, logging.ERROR),
        (Coded(HTTPStatus.BAD_REQUEST), 400, logging.WARNING),
        (Coded(16), 500, logging.ERROR),
        (Refused("404"), 500, logging.ERROR),
        (Refused(7), 500, logging.ERROR),
        (asyncio.CancelledError(), 499, logging.WARNING),
        (KeyboardInterrupt(), 499, logging.WARNING),
        (SystemExit(1), 499, logging.WARNING),
    ],
    ids=as_id,
)
def test_inference_that_raises_is_logged_and_goes_on(
    logger, kept, error, status, level
):
    """
    The very exception arrives, and the record has its status, text and trace.
    """

    @inference(logger)
    def predict(x):
        raise error

    with pytest.raises(type(error)) as raised:
        predict(1)
    frames = [frame.name for frame in traceback.extract_tb(raised.tb)]
    with pytest.raises(type(error)) as block_raised, inference(logger) as call:
        call.inputs = 1
        raise error

    assert error is raised.value
    assert error is block_raised.value
    assert ["around", "predict"] == frames[1:]
    for record in kept:
        assert "Inference failed" == record.getMessage()
        assert (status, level) == (record.status_code, record.levelno)
        assert record.error == f"{type(error).__name__}: {error}"
        assert (type(error), error) == record.exc_info[:2]
        assert 1 == record.inputs
        assert not hasattr(record, "predictions")


@pytest.mark.parametrize(
    ("given", "error", "status", "level"),
    [
        (201, None, 201, logging.INFO),
        (429, None, 429, logging.WARNING),
        (503, None, 503, logging.ERROR),
        (503, ValueError(), 503, logging.ERROR),
        (200, ValueError(), 500, logging.ERROR),
        ("odd", None, "odd", logging.INFO),
        ("odd", ValueError(), "odd", logging.ERROR),
    ],
)
def test_inference_status_given_decides_the_level(
    logger, kept, given, error, status, level
):
    """
    call.status_code is logged unless it says 200 of what then failed.
    """
    try:
        with inference(logger) as call:
            call.status_code = given
            if error is not None:
                raise error
    except ValueError:
        pass

    assert (status, level) == (kept[0].status_code, kept[0].levelno)


def test_inference_level_is_the_least_of_all(logger, kept):
    """
    level= names the level of success, and a failure is never below it.
    """
    with inference(logger, level="DEBUG"):
        pass
    with pytest.raises(Refused), inference(logger, level=logging.CRITICAL):
        raise Refused(404)

    assert [logging.DEBUG, logging.CRITICAL] == [r.levelno for r in kept]


def test_inference_request_id_is_given_or_bound_or_new(logger, kept):
    """
    An id that is given wins over a bound one, and that over a new one.
    """
    with mllog.bind(request_id="outer"):
        with inference(logger):
            assert "outer" == bound()["request_id"]
        with inference(logger, request_id="given"):
            assert "given" == bound()["request_id"]
        assert "outer" == bound()["request_id"]
    with inference(logger) as call:
        assert call.request_id == bound()["request_id"]
    assert {} == bound()

    assert ["outer", "given", call.request_id] == [r.request_id for r in kept]


def test_inference_request_id_set_inside_is_bound_from_then_on(logger, kept):
    """
    call.request_id = … changes the record and what is bound, and is undone.
    """
    with inference(logger) as call:
        call.request_id = "later"
        assert {"request_id": "later"} == bound()
    assert {} == bound()

    assert "later" == kept[0].request_id


def test_inference_decorates_functions_of_every_kind(logger, kept):
    """
    Results are unchanged, kinds stay, and each record is the function's own.
    """
    ids = []

    @inference(logger, "m", 1)
    def plain(x: int) -> int:
        """Doc."""
        ids.append(bound()["request_id"])
        return x * 2

    @inference(logger, "m", 1)
    async def coroutine(x, y=0):
        await asyncio.sleep(0)
        ids.append(bound()["request_id"])
        return x + y

    @inference(logger, "m", 1)
    def tokens(prompt):
        for each in prompt.split():
            ids.append(bound()["request_id"])
            yield each

    @inference(logger, "m", 1)
    async def async_tokens(prompt):
        for each in prompt.split():
            await asyncio.sleep(0)
            yield each

    async def drain():
        found = []
        async for each in async_tokens("c d"):
            assert {} == bound()
            found.append(each)
        return found

    assert 4 == plain(2)
    assert 3 == asyncio.run(coroutine(1, y=2))
    for _ in tokens("a b"):
        assert {} == bound()  # between steps it is not the caller's
    assert ["c", "d"] == asyncio.run(drain())

    assert [2, {"x": 1, "y": 2}, "a b", "c d"] == [r.inputs for r in kept]
    assert [4, 3, ["a", "b"], ["c", "d"]] == [r.predictions for r in kept]
    functions = (plain, coroutine, tokens, async_tokens)
    assert [f.__name__ for f in functions] == [r.funcName for r in kept]
    assert [line_of(f) for f in functions] == [r.lineno for r in kept]
    assert [__file__] * 4 == [r.pathname for r in kept]
    assert ids == [kept[n].request_id for n in (0, 1, 2, 2)]
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(tokens)
    assert inspect.isasyncgenfunction(async_tokens)
    assert ("plain", "Doc.") == (plain.__name__, plain.__doc__)
    assert "(x: 'int') -> 'int'" == str(inspect.signature(plain))


def test_inference_methods_leave_self_out(logger, kept):
    """
    self and cls are no inputs, however the method is made.
    """

    class Model:
        @inference(logger)
        def one(self, x):
            return self, x

        @inference(logger)
        def two(self, x, y):
            return x, y

        @inference(logger)
        @classmethod
        def of_class(cls, x):
            return cls, x

        @classmethod
        @inference(logger)
        def of_class_inside(cls, x):
            return cls, x

        @inference(logger)
        @staticmethod
        def of_none(x):
            return x

        @inference(logger, inputs=lambda x: x + 1)
        def chosen(self, x):
            return x

        def plain(self, x):
            return x

    model = Model()
    assert (model, 1) == model.one(1)
    assert (1, 2) == model.two(1, y=2)
    assert (Model, 3) == model.of_class(3)
    assert (Model, 4) == Model.of_class_inside(4)
    assert 5 == model.of_none(5)
    assert 6 == model.chosen(6)
    assert 7 == inference(logger)(model.plain)(7)

    assert [1, {"x": 1, "y": 2}, 3, 4, 5, 7, 7] == [r.inputs for r in kept]


def test_inference_generator_closed_early_logs_what_it_gave(logger, kept):
    """
    A consumer that stops is no failure: the record has what it took.
    """

    @inference(logger)
    def tokens(n):
        yield from range(n)

    running = tokens(10)
    assert [0, 1] == [next(running), next(running)]
    running.close()

    assert [0, 1] == kept[0].predictions
    assert (200, logging.INFO) == (kept[0].status_code, kept[0].levelno)


def test_inference_generator_that_fails_logs_what_it_gave(logger, kept):
    """
    A stream that breaks is a failure with the predictions so far.
    """

    @inference(logger)
    async def tokens():
        yield "a"
        raise ValueError("broken")

    async def drain():
        return [each async for each in tokens()]

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(drain())

    assert (500, ["a"]) == (kept[0].status_code, kept[0].predictions)
    assert not hasattr(kept[0], "inputs")


def test_inference_generator_without_end_is_bounded(logger, kept):
    """
    max_predictions are kept; beyond that the record says truncated.
    """

    @inference(logger, max_predictions=3, predictions="".join)
    def tokens(text):
        yield from text

    assert list("abcd") == list(tokens("abcd"))
    assert list("abc") == list(tokens("abc"))
    assert [] == list(tokens(""))

    assert ["abc", "abc", ""] == [r.predictions for r in kept]
    assert ["predictions"] == kept[0].truncated
    assert not hasattr(kept[1], "truncated")


def test_inference_generator_takes_what_is_sent_and_returned(logger, kept):
    """
    send() and the generator's return value pass through.
    """

    @inference(logger)
    def steps():
        got = yield 1
        yield got
        return "end"

    running = steps()
    assert 1 == next(running)
    assert "sent" == running.send("sent")
    with pytest.raises(StopIteration, match="end"):
        next(running)

    assert [1, "sent"] == kept[0].predictions


def test_inference_choices_name_or_make_what_is_logged(logger, kept):
    """
    inputs= and predictions= take a name or a callable.
    """

    class Answer:
        scores = (0.1,)

    @inference(logger, inputs="image", predictions="scores")
    def of_item(request, image):
        return {"scores": [0.9], "debug": request}

    @inference(logger, inputs=lambda r, **k: r.upper(), predictions="scores")
    def of_attribute(request, **options):
        return Answer()

    of_item(object(), image=[1])
    of_attribute("r", a=1)

    assert ([1], [0.9]) == (kept[0].inputs, kept[0].predictions)
    assert ("R", (0.1,)) == (kept[1].inputs, kept[1].predictions)


def test_inference_input_that_changes_is_kept_by_a_copy(logger, kept):
    """
    inputs=copy.deepcopy logs the value before the call; without, after it.
    """

    def predict(rows):
        rows.append("changed")

    inference(logger)(predict)([1])
    inference(logger, inputs=copy.deepcopy)(predict)([1])

    assert [[1, "changed"], [1]] == [r.inputs for r in kept]


def test_inference_function_without_signature_is_logged(logger, kept):
    """
    Builtins, partials, classes and callable objects can be decorated.
    """

    class Model:
        def __call__(self, x):
            return x

    assert 3 == inference(logger)(max)(1, 3)
    assert 2 == inference(logger)(Model())(2)
    assert 8 == inference(logger)(functools.partial(pow, 2))(3)
    assert "5" == inference(logger)(str)(5)

    assert [(1, 3), 2] == [r.inputs["args"] for r in kept[:1]] + [
        kept[1].inputs
    ]
    assert [3, 2, 8, "5"] == [r.predictions for r in kept]
    assert {__file__} == {r.pathname for r in kept}


def test_inference_wrong_arguments_are_the_functions_own_error(logger, kept):
    """
    A call that does not fit raises the function's TypeError, and is logged.
    """

    @inference(logger)
    def predict(x):
        return x

    with pytest.raises(TypeError, match=r"predict\(\) missing 1"):
        predict()
    with pytest.raises(TypeError, match=r"predict\(\) takes 1"):
        predict(1, 2)
    with pytest.raises(TypeError, match="unexpected keyword"):
        predict(1, y=2)

    assert [500] * 3 == [r.status_code for r in kept]
    assert {"x": 1, "y": 2} == kept[2].inputs


def test_inference_decorated_function_may_call_itself(logger, kept):
    """
    Nested calls have each a record, and the id of the outermost.
    """

    @inference(logger)
    def down(n):
        return down(n - 1) if n else 0

    assert 0 == down(3)

    assert [0, 1, 2, 3] == [r.inputs for r in kept]
    assert 1 == len({r.request_id for r in kept})


def test_inference_in_many_threads_keeps_calls_apart(logger, kept):
    """
    Eight threads through one decorator: each record has its own values.
    """
    barrier = threading.Barrier(8)

    @inference(logger)
    def predict(x):
        return x * 2, bound()["request_id"]

    def run(first):
        barrier.wait()
        for n in range(first, first + 50):
            predict(n)

    threads = [threading.Thread(target=run, args=(n * 50,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(range(400)) == sorted(r.inputs for r in kept)
    assert 400 == len({r.request_id for r in kept})
    for record in kept:
        assert (record.inputs * 2, record.request_id) == record.predictions


def test_inference_in_many_tasks_keeps_calls_apart(logger, kept):
    """
    Fifty tasks that take turns have each their own id and values.
    """

    @inference(logger)
    async def predict(x):
        mine = bound()["request_id"]
        for _ in range(5):
            await asyncio.sleep(0)
            assert mine == bound()["request_id"]
        return x * 2, mine

    async def main():
        await asyncio.gather(*(predict(n) for n in range(50)))

    asyncio.run(main())

    assert 50 == len({r.request_id for r in kept})
    for record in kept:
        assert (record.inputs * 2, record.request_id) == record.predictions


def test_inference_task_cancelled_is_logged_as_499(logger, kept):
    """
    A task that is cancelled stays cancelled, and the record says 499.
    """

    @inference(logger)
    async def predict(x):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.ensure_future(predict(1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(main())
    assert (499, logging.WARNING) == (kept[0].status_code, kept[0].levelno)


def test_inference_generator_closed_in_another_context_logs(logger, kept):
    """
    A generator that is finished elsewhere is logged and leaves nothing bound.
    """

    @inference(logger)
    def tokens():
        yield 1
        yield 2

    running = tokens()
    next(running)
    contextvars.Context().run(running.close)

    assert [1] == kept[0].predictions
    assert {} == bound()


def test_inference_disabled_logger_is_as_if_not_there(logger, kept):
    """
    Where not even errors are taken nothing is chosen, bound or logged.
    """
    logger.setLevel(logging.CRITICAL)
    chosen = []

    @inference(logger, inputs=chosen.append, predictions=chosen.append)
    def predict(x):
        return dict(bound())

    @inference(logger, predictions=chosen.append)
    def tokens():
        yield 1

    with inference(logger) as call:
        call.inputs = 1
        assert {} == bound()
        assert call.request_id
    assert {} == predict(1)
    assert [1] == list(tokens())

    assert ([], []) == (chosen, kept)


def test_inference_logger_of_errors_logs_only_failures(logger, kept):
    """
    At WARNING a success is not logged, and a failure is, with its inputs.
    """
    logger.setLevel(logging.WARNING)

    @inference(logger)
    def predict(x):
        return 1 / x

    predict(1)
    with pytest.raises(ZeroDivisionError):
        predict(0)

    assert [0] == [r.inputs for r in kept]


def test_inference_adapter_adds_its_fields(logger, kept):
    """
    A LoggerAdapter's extra and process() hold, and our fields win.
    """

    class Prefixed(logging.LoggerAdapter):
        def process(self, msg, kwargs):
            return f"[x] {msg}", kwargs

    inner = logging.LoggerAdapter(logger, {"a": 1, "status_code": 1})
    with inference(Prefixed(inner, {})):
        pass

    assert "[x] Inference complete" == kept[0].getMessage()
    assert (1, 200) == (kept[0].a, kept[0].status_code)


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __bool__(self):
        raise RuntimeError("no truth")

    @property
    def status_code(self):
        raise RuntimeError("no status")


class BrokenHandler(logging.Handler):
    def emit(self, record):
        raise RuntimeError("broken handler")


@pytest.mark.parametrize(
    "kind", ["handler", "inputs", "predictions", "adapter"]
)
def test_inference_own_fault_is_reported_and_not_raised(
    logger, kept, capsys, monkeypatch, kind
):
    """
    What breaks in logging is told on stderr; the caller gets the result.
    """
    from mllog.calls import call as calls

    monkeypatch.setattr(calls.REPORTS, "_kinds", set())

    class Odd(logging.LoggerAdapter):
        def process(self, msg, kwargs):
            raise RuntimeError("broken adapter")

    def broken(*args):
        raise RuntimeError(f"broken {kind}")

    if kind == "handler":
        logger.addHandler(BrokenHandler())
    target = Odd(logger, {}) if kind == "adapter" else logger
    option = {kind: broken} if kind.endswith("s") else {}

    @inference(target, **option)
    def predict(x):
        return x

    assert 1 == predict(1)

    told = capsys.readouterr().err
    assert "mllog.inference failed; the application goes on" in told
    assert f"broken {kind}" in told
    if option:  # the rest of the record is logged
        assert not hasattr(kept[0], kind)
        assert 200 == kept[0].status_code


def test_inference_error_that_cannot_be_described_goes_on(logger, kept):
    """
    An exception without text, truth and status is logged and raised.
    """
    error = HostileError()
    with pytest.raises(HostileError) as raised, inference(logger):
        raise error

    assert raised.value is error
    assert ("<HostileError>", 500) == (kept[0].error, kept[0].status_code)


@given(value=hostile.VALUES, more=st.lists(hostile.VALUES, max_size=2))
def test_inference_any_value_passes_through_unseen(value, more):
    """
    Whatever a function is given and gives arrives, and becomes a JSON line.
    """
    kept = Kept()
    kept.setFormatter(mllog.JSONFormatter())
    logger = logging.Logger("hostile")
    logger.addHandler(kept)

    @inference(logger)
    def predict(*values):
        return values[0]

    assert predict(value, *more) is value

    hostile.strict(kept.format(kept.records[0]).encode())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"logger": "name"}, "logger='name'"),
        ({"level": "LOUD"}, "level='LOUD'"),
        ({"inputs": [1]}, "call.inputs = "),
        ({"predictions": 1}, "call.predictions = "),
        ({"max_predictions": -1}, "max_predictions=-1"),
    ],
)
def test_inference_option_that_cannot_work_raises(logger, options, told):
    """
    A wrong option is a ConfigError that names it.
    """
    with pytest.raises(ConfigError, match=told):
        inference(**{"logger": logger, **options})


def test_inference_choice_that_does_not_fit_raises_at_once(logger):
    """
    inputs= of no such argument, and a choice in a block, are ConfigErrors.
    """
    with pytest.raises(ConfigError, match="write image"):

        @inference(logger, inputs="imge")
        def predict(image):
            return image

    with pytest.raises(ConfigError, match="in a with block"):
        with inference(logger, inputs="Tell me"):
            pass


def test_inference_object_used_again_has_fresh_values(logger, kept):
    """
    One object may be used for several blocks, also one inside another.
    """
    block = inference(logger, "m")
    with block as outer:
        outer.inputs = 1
        with block as inner:
            inner.inputs = 2
    with block:
        pass

    assert [2, 1] == [r.inputs for r in kept[:2]]
    assert not hasattr(kept[2], "inputs")


def test_status_of_nothing_is_200():
    """
    Without an exception the status is 200.
    """
    assert 200 == status_of(None)


# --- what a call only begins ---

SECONDS = 0.03


def _work():
    time.sleep(SECONDS)


class AsyncCall:
    async def __call__(self, x):
        _work()
        return [x]


class GeneratorCall:
    def __call__(self, x):
        _work()
        yield x


class AsyncGeneratorCall:
    async def __call__(self, x):
        _work()
        yield x


async def _coroutine(x):
    _work()
    return [x]


def _generator(x):
    _work()
    yield x


async def _async_generator(x):
    _work()
    yield x


def _decorated(function):
    """
    What a decorator makes that knows nothing of the kind of a function.
    """

    @functools.wraps(function)
    def around(*args):
        return function(*args)

    return around


async def _returns_generator(x):
    return _generator(x)


def _returns_coroutine_of_generator(x):
    return _returns_generator(x)


FOLLOWED = {
    "async": _coroutine,
    "generator": _generator,
    "async generator": _async_generator,
    "async __call__": AsyncCall(),
    "generator __call__": GeneratorCall(),
    "async generator __call__": AsyncGeneratorCall(),
    "bound async __call__": AsyncCall().__call__,
    "partial of async": functools.partial(_coroutine),
    "partial of generator": functools.partial(_generator),
    "partial of async generator": functools.partial(_async_generator),
    "partial of async __call__": functools.partial(AsyncCall()),
    "async behind a decorator": _decorated(_coroutine),
    "generator behind a decorator": _decorated(_generator),
    "async generator behind a decorator": _decorated(_async_generator),
    "lambda of async": lambda x: _coroutine(x),
    "returned generator": lambda x: (each for each in _generator(x)),
    "async that returns a generator": _returns_generator,
    "coroutine of a generator": _returns_coroutine_of_generator,
}


async def _all_of(value):
    """
    What comes of a call in the end, as a list.
    """
    if inspect.isawaitable(value):
        value = await value
    if inspect.isasyncgen(value):
        return [each async for each in value]
    return list(value)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_inference_follows_what_a_call_only_begins(kind, logger, kept):
    """
    One record at the end, with the whole latency, what came and the fields
    that were bound meanwhile; the object is of the kind that it was.
    """
    function = FOLLOWED[kind]
    seen = []

    async def ask(decorated):
        value = decorated(7)
        plain = function(7)
        assert type(value) is type(plain)
        if inspect.iscoroutine(plain):
            plain.close()
        seen.append(len(kept))
        return await _all_of(value)

    decorated = inference(logger, model="m")(function)
    with mllog.bind(tenant="a"):
        assert asyncio.run(ask(decorated)) == [7]

    (record,) = kept
    assert seen == [0]
    assert record.getMessage() == "Inference complete"
    assert record.inference_latency >= SECONDS
    assert (record.inputs, record.predictions) == (7, [7])
    assert record.status_code == 200
    assert bound() == {}


@pytest.mark.parametrize("kind", FOLLOWED)
def test_timed_follows_what_a_call_only_begins(kind, logger, kept):
    """
    The seconds of timed() are those until the end.
    """
    function = FOLLOWED[kind]

    async def ask():
        return await _all_of(decorated(7))

    decorated = mllog.timed(logger, "done")(function)
    assert asyncio.run(ask()) == [7]

    (record,) = kept
    assert record.inference_latency >= SECONDS


@pytest.mark.parametrize("kind", FOLLOWED)
def test_bind_is_around_what_a_call_only_begins(kind, logger, kept):
    """
    Its fields are bound while the work is done, and only then.
    """
    function, seen = FOLLOWED[kind], []

    async def ask():
        found = await _all_of(decorated(7))
        seen.append(dict(bound()))
        return found

    def noting(seconds):
        seen.append(dict(bound()))

    decorated = mllog.bind(tenant="a")(function)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", noting)
        assert asyncio.run(ask()) == [7]

    assert seen == [{"tenant": "a"}, {}]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("way", ["coroutine", "generator", "async generator"])
def test_inference_that_fails_later_is_logged_once(way, failure, logger, kept):
    """
    What a plain function began and did not end is a failure.
    """

    async def coroutine():
        raise failure

    def generator():
        yield 1
        raise failure

    async def async_generator():
        yield 1
        raise failure

    ways = {
        "coroutine": coroutine,
        "generator": generator,
        "async generator": async_generator,
    }

    async def ask():
        with pytest.raises(failure):
            await _all_of(decorated())

    decorated = inference(logger)(lambda: ways[way]())
    asyncio.run(ask())

    (record,) = kept
    assert record.getMessage() == "Inference failed"
    assert record.status_code == (500 if failure is ValueError else 499)
    assert bound() == {}


class Streaming:
    """
    A response of Starlette.
    """

    status_code = 200
    headers = {}

    def __init__(self):
        self.body_iterator = _async_generator(7)


class DjangoStreaming:
    status_code = 200
    headers = {}
    streaming = True


class FlaskStreaming:
    status_code = 200
    headers = {}
    is_streamed = True


class Awaitable:
    def __await__(self):
        yield


class Stream:
    """
    What clients of LLMs give: an iterator with more to it.
    """

    usage = None

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


class AsyncStream:
    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


class Raising:
    def __getattribute__(self, name):
        raise RuntimeError(name)


UNFINISHED = {
    "map": lambda: map(str, [1]),
    "iterator": lambda: iter([1]),
    "stream": Stream,
    "async stream": AsyncStream,
    "awaitable": Awaitable,
    "future": concurrent.futures.Future,
    "starlette": Streaming,
    "django": DjangoStreaming,
    "flask": FlaskStreaming,
    "flask's tuple": lambda: (_generator(1), 200),
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_inference_claims_nothing_of_what_it_cannot_follow(kind, logger, kept):
    """
    There is no latency of microseconds, no status, and no repr.
    """
    value = UNFINISHED[kind]()

    assert inference(logger)(lambda: value)() is value
    assert mllog.timed(logger, "timed")(lambda: value)() is value

    begun, timed = kept
    assert begun.getMessage() == "Inference begun"
    assert begun.predictions is None
    assert not hasattr(begun, "inference_latency")
    assert not hasattr(begun, "status_code")
    assert not hasattr(timed, "inference_latency")


@pytest.mark.parametrize(
    "kind", [list, dict, tuple, str, int, set, Raising, MagicMock]
)
def test_inference_measures_what_is_finished(kind, logger, kept):
    """
    Whatever else is returned is there, and a mock that has any attribute.
    """
    value = kind()

    assert inference(logger)(lambda: value)() is value

    (record,) = kept
    assert record.getMessage() == "Inference complete"
    assert record.inference_latency >= 0
    assert record.predictions is value


@pytest.mark.parametrize(
    ("status", "level"), [(200, "INFO"), (404, "WARNING"), (503, "ERROR")]
)
def test_inference_that_returns_a_response_has_its_status(
    status, level, logger, kept
):
    """
    A route that answers with an error did not succeed.
    """
    response = types.SimpleNamespace(status_code=status, headers={}, body=b"")

    inference(logger)(lambda: response)()
    inference(logger, predictions="body")(lambda: response)()

    for record in kept:
        assert (record.status_code, record.levelname) == (status, level)
        assert record.inference_latency >= 0
    assert [record.predictions for record in kept] == [None, b""]


def test_inference_of_an_object_stays_a_coroutine_function(logger):
    """
    FastAPI asks whether it has to await what it calls.
    """
    assert inspect.iscoroutinefunction(inference(logger)(AsyncCall()))
    assert inspect.isgeneratorfunction(inference(logger)(GeneratorCall()))
    assert inspect.isasyncgenfunction(inference(logger)(AsyncGeneratorCall()))
