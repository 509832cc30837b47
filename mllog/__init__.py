"""
Log machine learning with Python's own logging.

One ``logger.info("Inference complete", extra={"inference_latency": 0.0123})``
becomes a console line, a JSON line in a rotating file and a row in a latency
CSV, by configuration alone::

    logging.config.dictConfig(mllog.preset("inference"))

Every public name is here and is loaded at its first use, so ``import mllog``
costs next to nothing and loads no other package.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing itself takes 2 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .calls.inference import inference as inference
    from .config import configure as configure
    from .config import preset as preset
    from .context import bind as bind
    from .context import timed as timed
    from .delivery.lifecycle import flush as flush
    from .delivery.lifecycle import shutdown as shutdown
    from .delivery.lifecycle import stats as stats
    from .errors import ConfigError as ConfigError
    from .errors import EventError as EventError
    from .errors import MissingPackageError as MissingPackageError
    from .errors import MllogError as MllogError
    from .errors import MllogWarning as MllogWarning
    from .fields import extra as extra
    from .filters import ContextFilter as ContextFilter
    from .filters import RedactingFilter as RedactingFilter
    from .filters import SamplingFilter as SamplingFilter
    from .formatters.inference import InferenceFormatter as InferenceFormatter
    from .formatters.json import JSONFormatter as JSONFormatter
    from .formatters.mlperf import MLPerfFormatter as MLPerfFormatter
    from .formatters.rich import RichFormatter as RichFormatter
    from .formatters.text import TextFormatter as TextFormatter
    from .formatters.torchserve import (
        TorchServeFormatter as TorchServeFormatter,
    )
    from .handlers.console import ConsoleHandler as ConsoleHandler
    from .handlers.drift import DriftHandler as DriftHandler
    from .handlers.file import (
        TimestampedRotatingFileHandler as TimestampedRotatingFileHandler,
    )
    from .handlers.kafka import KafkaHandler as KafkaHandler
    from .handlers.latency_csv import LatencyCSVHandler as LatencyCSVHandler
    from .handlers.otlp import OTLPHandler as OTLPHandler
    from .handlers.prometheus import PrometheusHandler as PrometheusHandler
    from .handlers.rich import RichHandler as RichHandler
    from .handlers.s3 import S3Handler as S3Handler
    from .handlers.s3_archive import S3Archive as S3Archive
    from .handlers.s3_payload import S3PayloadHandler as S3PayloadHandler
    from .handlers.summary import SummaryHandler as SummaryHandler
    from .handlers.syslog import SyslogHandler as SyslogHandler
    from .handlers.tensorboard import TensorBoardHandler as TensorBoardHandler
    from .metrics.metric import Metric as Metric
    from .payloads import Payload as Payload
    from .prints import capture_prints as capture_prints
    from .reading import read as read

__all__ = [
    "ConfigError",
    "ConsoleHandler",
    "ContextFilter",
    "DriftHandler",
    "EventError",
    "InferenceFormatter",
    "JSONFormatter",
    "KafkaHandler",
    "LatencyCSVHandler",
    "MLPerfFormatter",
    "Metric",
    "MissingPackageError",
    "MllogError",
    "MllogWarning",
    "OTLPHandler",
    "Payload",
    "PrometheusHandler",
    "RedactingFilter",
    "RichFormatter",
    "RichHandler",
    "S3Archive",
    "S3Handler",
    "S3PayloadHandler",
    "SamplingFilter",
    "SummaryHandler",
    "SyslogHandler",
    "TensorBoardHandler",
    "TextFormatter",
    "TimestampedRotatingFileHandler",
    "TorchServeFormatter",
    "__version__",
    "bind",
    "capture_prints",
    "configure",
    "extra",
    "flush",
    "inference",
    "preset",
    "read",
    "shutdown",
    "stats",
    "timed",
]

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "errors",
    "ConsoleHandler": "handlers.console",
    "ContextFilter": "filters",
    "DriftHandler": "handlers.drift",
    "EventError": "errors",
    "InferenceFormatter": "formatters.inference",
    "JSONFormatter": "formatters.json",
    "KafkaHandler": "handlers.kafka",
    "LatencyCSVHandler": "handlers.latency_csv",
    "MLPerfFormatter": "formatters.mlperf",
    "Metric": "metrics.metric",
    "MissingPackageError": "errors",
    "MllogError": "errors",
    "MllogWarning": "errors",
    "OTLPHandler": "handlers.otlp",
    "Payload": "payloads",
    "PrometheusHandler": "handlers.prometheus",
    "RedactingFilter": "filters",
    "RichFormatter": "formatters.rich",
    "RichHandler": "handlers.rich",
    "S3Archive": "handlers.s3_archive",
    "S3Handler": "handlers.s3",
    "S3PayloadHandler": "handlers.s3_payload",
    "SamplingFilter": "filters",
    "SummaryHandler": "handlers.summary",
    "SyslogHandler": "handlers.syslog",
    "TensorBoardHandler": "handlers.tensorboard",
    "TextFormatter": "formatters.text",
    "TimestampedRotatingFileHandler": "handlers.file",
    "TorchServeFormatter": "formatters.torchserve",
    "bind": "context",
    "capture_prints": "prints",
    "configure": "config",
    "extra": "fields",
    "flush": "delivery.lifecycle",
    "inference": "calls.inference",
    "preset": "config",
    "read": "reading",
    "shutdown": "delivery.lifecycle",
    "stats": "delivery.lifecycle",
    "timed": "context",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(
            importlib.import_module(f".{_HOMES[name]}", __name__), name
        )
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
