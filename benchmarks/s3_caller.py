"""
Processes of the case ``s3``: one that logs, and one that puts batches.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import random
from collections.abc import Generator
from time import perf_counter
from typing import Any

from .application import call_through
from .calls import timed_calls
from .lines import lines_of
from .s3_variants import BUCKET, ENVIRONMENT, VARIANTS

__all__ = ["batches", "caller", "payloads"]


def caller(name: str, folder: str, port: str) -> Generator[Any, Any, None]:
    """
    Make as many calls as asked, and say how long each took.

    A request is one of ``timed_calls``.
    """
    os.environ.update(ENVIRONMENT)
    logging.raiseExceptions = False
    call, told = VARIANTS[name].make(int(port), folder)
    chance = random.Random(os.getpid())
    request = yield "ready"
    while True:
        request = yield {
            **timed_calls(call, chance, request),
            "told": told(),
        }


def batches(compression: str, port: str) -> Generator[Any, int, None]:
    """
    Send batches of as many records as asked; seconds of each part.

    In turns, so that each pair is of the same moment: S3Handler with records
    waiting in its queue, from ``flush`` to the receipt; a bare ``put_object``
    of equally many bytes of the same lines; their compression alone.
    """
    os.environ.update(ENVIRONMENT)
    from mllog import S3Handler
    from mllog.compression import codec_of

    endpoint = f"http://127.0.0.1:{port}"
    handler = S3Handler(
        BUCKET,
        endpoint_url=endpoint,
        compression=compression,
        linger_seconds=3600,
        max_age_seconds=7200,
        batch_records=1_000_000,
        batch_bytes="1GiB",
        max_queue_records=1_000_000,
        max_queue_bytes="1GiB",
    )
    call = call_through(handler)
    compress = codec_of("compression", compression).compress
    client = _client(endpoint)
    lines: list[bytes] = []
    request = yield "ready"
    while True:
        chance = random.Random(request)
        values = [chance.lognormvariate(-4, 0.7) for _ in range(request)]
        if len(lines) != request:
            lines = [
                line if line.endswith(b"\n") else line + b"\n"
                for line in lines_of(values)
            ]
        gc.collect()
        began = perf_counter()
        for value in values:
            call(value)
        called = perf_counter()
        assert handler.flush(60)
        flushed = perf_counter()
        body = b"".join(lines)
        joined = perf_counter()
        packed = compress(body)
        compressed = perf_counter()
        _put(client, packed)
        put = perf_counter()
        stats = handler.stats()
        assert stats.sent == stats.accepted
        request = yield {
            "called": called - began,
            "mllog": flushed - called,
            "join": joined - flushed,
            "compress": compressed - joined,
            "put": put - compressed,
            "bytes": len(body),
            "packed": len(packed),
        }


def _client(endpoint: str) -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=endpoint)


def _put(client: Any, body: bytes) -> None:
    client.put_object(
        Bucket=BUCKET,
        Key=f"bare/{perf_counter()}",
        Body=body,
        ContentType="application/gzip",
        IfNoneMatch="*",
    )


def payloads(port: str) -> Generator[Any, list[int], None]:
    """
    Calls with an array: ``[calls, floats]``; microseconds at the median.

    In turns: S3PayloadHandler, a NullHandler, and ``np.save`` alone.
    """
    import io

    import numpy as np

    from mllog import Payload, S3PayloadHandler

    os.environ.update(ENVIRONMENT)
    handler = S3PayloadHandler(
        BUCKET,
        endpoint_url=f"http://127.0.0.1:{port}",
        max_queue_bytes="1GiB",
        overflow="drop_newest",
    )
    ours = _logger("ours", handler)
    null = _logger("null", logging.NullHandler())

    def save(array: Any) -> None:
        room = io.BytesIO()
        np.save(room, array)
        room.getvalue()

    def log_on(logger: logging.Logger) -> Any:
        def log(array: Any) -> None:
            logger.info("seen", extra={"tensor": Payload(array)})

        return log

    chance = np.random.default_rng(os.getpid())
    work = {"mllog": log_on(ours), "null": log_on(null), "bare": save}
    turns = list(itertools.permutations(work.items()))
    request = yield "ready"
    while True:
        calls, floats = request
        times: dict[str, list[float]] = {name: [] for name in work}
        for number in range(calls):
            array = chance.random(floats, dtype=np.float32)
            for name, do in turns[number % len(turns)]:
                began = perf_counter()
                do(array)
                times[name].append(perf_counter() - began)
            if number % 20 == 0:
                handler.flush(30)  # what is measured is the caller alone
        handler.flush(30)
        request = yield {
            name: sorted(each)[calls // 2] * 1e6
            for name, each in times.items()
        }


def _logger(name: str, handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger(f"ml.{name}")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger
