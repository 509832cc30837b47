"""
Both middlewares where requests are many, clients leave and tasks are cancelled.

Each property is a function that a broken middleware has to fail.
"""

import asyncio
import logging
import socket

import pytest
from requesting import Kept, scope_of, serving, wait_until

import mllog
from mllog.integrations.asgi import AccessMiddleware, InferenceMiddleware

MANY = 50


def access(app, logger):
    return AccessMiddleware(app, logger=logger)


def inference(app, logger):
    return InferenceMiddleware(app, logger=logger)


OURS = pytest.mark.parametrize("wrap", [access, inference])


class Broken:
    """
    What all broken middlewares do: log the status with the id of the request.
    """

    current = None

    def __init__(self, app, logger):
        self.app, self.logger = app, logger

    def log(self, status, request_id):
        extra = {"status_code": status, "request_id": request_id}
        self.logger.info("", extra=extra)

    def answering(self, send, request_id):
        async def answer(message):
            if message["type"] == "http.response.start":
                header = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [header]}
            await send(message)
            is_body = message["type"] == "http.response.body"
            if is_body and not message.get("more_body"):
                self.log(200, request_id)

        return answer


class Shared(Broken):
    """
    The id is the process's, not the request's.
    """

    async def __call__(self, scope, receive, send):
        type(self).current = dict(scope["headers"])[b"x-request-id"].decode()
        with mllog.bind(request_id=self.current):

            async def answer(message):
                await self.answering(send, self.current)(message)

            await self.app(scope, receive, answer)


class AtTheEndOnly(Broken):
    """
    What does not get to its last byte is not logged.
    """

    async def __call__(self, scope, receive, send):
        request_id = dict(scope["headers"])[b"x-request-id"].decode()
        with mllog.bind(request_id=request_id):
            await self.app(scope, receive, self.answering(send, request_id))


class Swallowing(Broken):
    """
    A cancelled task ends as if it had not been.
    """

    async def __call__(self, scope, receive, send):
        request_id = dict(scope["headers"])[b"x-request-id"].decode()
        try:
            await self.app(scope, receive, send)
        except BaseException:
            self.log(499, request_id)


def new_kept():
    kept = Kept()
    logger = logging.Logger("faults")
    logger.addHandler(kept)
    return kept, logger


# --- fifty requests at once -------------------------------------------------


def each_keeps_its_id(wrap):
    """
    Fifty requests that are all open at one time never share an id.
    """
    kept, logger = new_kept()

    async def run():
        arrived, go_on = [], asyncio.Event()
        answers = {}

        async def app(scope, receive, send):
            number = scope["number"]
            logger.info("before %d", number)
            arrived.append(number)
            if len(arrived) == MANY:
                go_on.set()
            await go_on.wait()
            await asyncio.to_thread(logger.info, "thread %d", number)
            await send(
                {"type": "http.response.start", "status": 200, "headers": []}
            )
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"1"})
            logger.info("after %d", number)

        middleware = wrap(app, logger)

        async def one(number):
            sent = []

            async def send(message):
                sent.append(message)

            async def receive():
                return {"type": "http.request"}

            headers = [(b"x-request-id", b"r-%d" % number)]
            scope = scope_of(headers=headers, number=number)
            await middleware(scope, receive, send)
            answers[number] = dict(sent[0]["headers"])[b"x-request-id"]

        await asyncio.gather(*(one(number) for number in range(MANY)))
        return answers

    answers = asyncio.run(run())

    assert {n: b"r-%d" % n for n in range(MANY)} == answers
    ended = [r.request_id for r in kept.records if hasattr(r, "status_code")]
    assert sorted(f"r-{n}" for n in range(MANY)) == sorted(ended)
    said = [
        (request_id, record.args[0])
        for record, request_id in zip(kept.records, kept.ids)
        if record.msg in ("before %d", "thread %d", "after %d")
    ]
    assert 3 * MANY == len(said)
    assert [] == [pair for pair in said if pair[0] != f"r-{pair[1]}"]


@OURS
def test_middleware_fifty_requests_at_once_never_share_an_id(wrap):
    """
    Answers, records of the app, of threads and of requests have their own id.
    """
    each_keeps_its_id(wrap)


def test_ids_that_are_shared_are_found():
    """
    The control: a middleware with one id for all.
    """
    with pytest.raises(AssertionError):
        each_keeps_its_id(Shared)


# --- tasks that are cancelled ----------------------------------------------


def cancelled_is_said_once(wrap):
    """
    A cancelled request is cancelled, and one record with 499.
    """
    kept, logger = new_kept()

    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": []}
        )
        await send({"type": "http.response.body", "more_body": True})
        await asyncio.Event().wait()

    async def run():
        begun = asyncio.Event()

        async def send(message):
            begun.set()

        scope = scope_of(headers=[(b"x-request-id", b"r-1")])
        task = asyncio.create_task(wrap(app, logger)(scope, None, send))
        await begun.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(run())
    assert [(499, "r-1")] == [
        (record.status_code, record.request_id) for record in kept.records
    ]


@OURS
def test_middleware_cancelled_task_is_one_record(wrap):
    """
    The cancellation goes on, and the record says 499.
    """
    cancelled_is_said_once(wrap)


@pytest.mark.parametrize("broken", [AtTheEndOnly, Swallowing])
def test_cancellation_that_is_lost_is_found(broken):
    """
    The controls: one that logs the last byte only, one that swallows it.
    """
    with pytest.raises(AssertionError):
        cancelled_is_said_once(broken)


# --- clients that leave ------------------------------------------------------


def leaving_is_said_once(wrap):
    """
    A client that closes the connection amid a stream is one record with 499.
    """
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    kept, logger = new_kept()
    ended = []

    async def endless():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            ended.append(1)

    async def predict(request):
        return StreamingResponse(endless())

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    with serving(wrap(app, logger), lifespan="off") as address:
        host, _, port = address.rpartition("/")[2].partition(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(
                    b"POST /predict HTTP/1.1\r\nHost: x\r\n"
                    b"X-Request-ID: r-1\r\nContent-Length: 0\r\n\r\n"
                )
                assert client.recv(500).startswith(b"HTTP/1.1 200")
        wait_until(lambda: len(ended) == 5, "end of the streams")

    assert [499] * 5 == [
        r.status_code for r in kept.records if hasattr(r, "status_code")
    ]


@OURS
def test_middleware_client_that_leaves_is_one_record(wrap):
    """
    uvicorn and Starlette notice, and the record says so, once.
    """
    leaving_is_said_once(wrap)


def test_client_that_leaves_unsaid_is_found():
    """
    The control: a middleware that logs the last byte only.
    """
    with pytest.raises(AssertionError):
        leaving_is_said_once(AtTheEndOnly)
