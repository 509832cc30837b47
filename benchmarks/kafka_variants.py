"""
The handlers that the case ``kafka`` puts before a broker that is well or not.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Any

from .application import PJL, call_through
from .kafka_broker import TOPIC
from .kafka_senders import NaiveHandler, kafka_logger, producer
from .shipping import NULL, ShippingVariant, Subject, Told, null, shipped

__all__ = ["VARIANTS"]


def _mllog(**options: Any) -> Callable[[str, str], Subject]:
    def make(address: str, folder: str) -> Subject:
        from mllog import KafkaHandler

        if "spool" in options:
            options["spool_dir"] = os.path.join(folder, "spool")
        handler = KafkaHandler(address, TOPIC, **options)
        return shipped(handler, has_spool="spool" in options)

    return make


def _naive(address: str, folder: str) -> Subject:
    from pythonjsonlogger.orjson import OrjsonFormatter

    told = Told()
    handler = NaiveHandler(producer(address), TOPIC)
    handler.setFormatter(OrjsonFormatter(PJL))
    told.watch(handler)
    atexit.register(handler.close)
    return Subject(call_through(handler), told.number)


def _kafka_logger(address: str, folder: str) -> Subject:
    told = Told()
    handler = kafka_logger(address, TOPIC, flush_interval=1.0)
    told.watch(handler)
    return Subject(call_through(handler), told.number)


VARIANTS = {
    NULL: ShippingVariant("NullHandler (sends nothing)", null),
    "mllog": ShippingVariant(
        "**mllog** KafkaHandler", _mllog(), "confluent_kafka", budget=4
    ),
    "overflow": ShippingVariant(
        '**mllog**, spool="overflow"',
        _mllog(spool="overflow"),
        "confluent_kafka",
        budget=4,
    ),
    "always": ShippingVariant(
        '**mllog**, spool="always"',
        _mllog(spool="always"),
        "confluent_kafka",
        budget=12,
    ),
    "naive": ShippingVariant(
        "python-json-logger (orjson), `produce` and `poll` per record",
        _naive,
        "confluent_kafka",
    ),
    "kafka_logger": ShippingVariant(
        "kafka-logging-handler, kafka-python", _kafka_logger, "kafka_logger"
    ),
}
