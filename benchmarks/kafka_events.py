"""
Inference events to a topic: a service's calls, in a process of their own.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Generator
from typing import Any

from .calls import timed_calls
from .kafka_broker import TOPIC
from .measure import Variant

__all__ = ["EVENTS", "caller"]

_INPUTS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]
_PREDICTIONS = [0, 1]


def _handler(**options: Any) -> Callable[[str], logging.Handler]:
    def make(address: str) -> logging.Handler:
        from mllog import InferenceFormatter, KafkaHandler

        handler = KafkaHandler(address, TOPIC)
        handler.setFormatter(InferenceFormatter(**options))
        return handler

    return make


EVENTS = {
    "null": Variant(
        "NullHandler (sends nothing)", lambda address: logging.NullHandler()
    ),
    "hopsworks": Variant(
        "**mllog** hopsworks, json: one event",
        _handler(schema="hopsworks"),
        "confluent_kafka",
    ),
    "hopsworks_avro": Variant(
        "**mllog** hopsworks, avro: one event",
        _handler(schema="hopsworks", encoding="avro"),
        "fastavro",
    ),
    "kserve": Variant(
        "**mllog** hopsworks-kserve, json: two events",
        _handler(schema="hopsworks-kserve"),
        "confluent_kafka",
    ),
    "kserve_avro": Variant(
        "**mllog** hopsworks-kserve, avro: two events",
        _handler(schema="hopsworks-kserve", encoding="avro"),
        "fastavro",
    ),
    "cloudevents": Variant(
        "**mllog** cloudevents, binary: two events",
        _handler(schema="cloudevents"),
        "confluent_kafka",
    ),
}


def caller(name: str, address: str) -> Generator[Any, Any, None]:
    """
    Make as many calls as asked, and say how long each took, and what is lost.

    A request is one of ``timed_calls``.
    """
    logging.raiseExceptions = False
    handler = EVENTS[name].make(address)
    logger = logging.getLogger("ml.inference")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)

    def call(latency: float) -> None:
        logger.info(
            "Inference complete",
            extra={
                "inputs": _INPUTS,
                "predictions": _PREDICTIONS,
                "model_name": "iris",
                "model_version": 3,
                "serving_id": 7,
                "request_id": "6a7c02df-bbaa-39a9-a8b2-b80aa3e846d3",
                "request_time": 1795243512.2504,
                "status_code": 200,
                "inference_latency": latency,
            },
        )

    chance = random.Random(os.getpid())
    request = yield "ready"
    while True:
        found = timed_calls(call, chance, request)
        handler.flush()
        request = yield {**found, "lost": _lost(handler)}


def _lost(handler: Any) -> int:
    if isinstance(handler, logging.NullHandler):
        return 0
    stats = handler.stats()
    return int(stats.accepted - stats.sent + stats.skipped)
