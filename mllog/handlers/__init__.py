"""
Handlers: where records go.  ``mllog.handlers.ConsoleHandler`` and its kin.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing itself takes 2 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .console import ConsoleHandler as ConsoleHandler
    from .drift import DriftHandler as DriftHandler
    from .file import (
        TimestampedRotatingFileHandler as TimestampedRotatingFileHandler,
    )
    from .kafka import KafkaHandler as KafkaHandler
    from .latency_csv import LatencyCSVHandler as LatencyCSVHandler
    from .otlp import OTLPHandler as OTLPHandler
    from .prometheus import PrometheusHandler as PrometheusHandler
    from .rich import RichHandler as RichHandler
    from .s3 import S3Handler as S3Handler
    from .s3_archive import S3Archive as S3Archive
    from .s3_payload import S3PayloadHandler as S3PayloadHandler
    from .summary import SummaryHandler as SummaryHandler
    from .syslog import SyslogHandler as SyslogHandler
    from .tensorboard import TensorBoardHandler as TensorBoardHandler

__all__ = [
    "ConsoleHandler",
    "DriftHandler",
    "KafkaHandler",
    "LatencyCSVHandler",
    "OTLPHandler",
    "PrometheusHandler",
    "RichHandler",
    "S3Archive",
    "S3Handler",
    "S3PayloadHandler",
    "SummaryHandler",
    "SyslogHandler",
    "TensorBoardHandler",
    "TimestampedRotatingFileHandler",
]

_HOMES = {
    "ConsoleHandler": "console",
    "DriftHandler": "drift",
    "KafkaHandler": "kafka",
    "LatencyCSVHandler": "latency_csv",
    "OTLPHandler": "otlp",
    "PrometheusHandler": "prometheus",
    "RichHandler": "rich",
    "S3Archive": "s3_archive",
    "S3Handler": "s3",
    "S3PayloadHandler": "s3_payload",
    "SummaryHandler": "summary",
    "SyslogHandler": "syslog",
    "TensorBoardHandler": "tensorboard",
    "TimestampedRotatingFileHandler": "file",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(
            importlib.import_module(f".{_HOMES[name]}", __name__), name
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
