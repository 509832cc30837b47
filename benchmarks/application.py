"""
The application that is measured: one logger, one call, six fields.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = [
    "FIELDS",
    "LOGGER",
    "MESSAGE",
    "PJL",
    "call_on",
    "call_through",
    "tune",
]

LOGGER = "ml.serving"
MESSAGE = "Inference complete"
FIELDS = (
    "inference_latency",
    "model_name",
    "model_version",
    "request_id",
    "batch_size",
    "confidence",
)
#: What python-json-logger is asked for, besides the fields.
PJL = "%(asctime)s %(levelname)s %(name)s %(message)s"


def call_through(handler: logging.Handler) -> Callable[[float], None]:
    """
    The call that an application makes, with *handler* alone behind it.
    """
    logger = logging.getLogger(LOGGER)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return call_on(logger)


def call_on(logger: Any) -> Callable[[float], None]:
    """
    The call that an application makes, on a logger of whatever package.
    """

    def call(latency: float) -> None:
        logger.info(
            MESSAGE,
            extra={
                "inference_latency": latency,
                "model_name": "resnet50",
                "model_version": 3,
                "request_id": "6a7c02df-bbaa-39a9-a8b2-b80aa3e846d3",
                "batch_size": 8,
                "confidence": 0.98,
            },
        )

    return call


def tune() -> None:
    """
    Turn off what the stdlib lets one turn off; it is then without the caller.
    """
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False
    logging.logAsyncioTasks = False
    logging._srcfile = None
