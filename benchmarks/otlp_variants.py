"""
The handlers that the case ``otlp`` measures.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

from .application import call_through
from .shipping import NULL, ShippingVariant, Subject, null, shipped

__all__ = ["VARIANTS"]


def _mllog(**options: Any) -> Callable[[str, str], Subject]:
    def make(port: str, folder: str) -> Subject:
        from mllog import OTLPHandler

        if "spool" in options:
            options["spool_dir"] = os.path.join(folder, "spool")
        handler = OTLPHandler(f"http://127.0.0.1:{port}", **options)
        return shipped(handler, has_spool="spool" in options)

    return make


def _opentelemetry(port: str, folder: str) -> Subject:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (
        OTLPLogExporter,
    )
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    exporter = OTLPLogExporter(
        f"http://127.0.0.1:{port}/v1/logs", compression=Compression.Gzip
    )
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it moved to another package
        handler = LoggingHandler(logger_provider=provider)
    return Subject(call_through(handler))


VARIANTS = {
    NULL: ShippingVariant("NullHandler (sends nothing)", null),
    "mllog": ShippingVariant("**mllog** OTLPHandler", _mllog(), budget=4),
    "overflow": ShippingVariant(
        '**mllog**, spool="overflow"', _mllog(spool="overflow"), budget=4
    ),
    "always": ShippingVariant(
        '**mllog**, spool="always"', _mllog(spool="always"), budget=12
    ),
    "opentelemetry": ShippingVariant(
        "opentelemetry-sdk LoggingHandler, batches",
        _opentelemetry,
        "opentelemetry.exporter.otlp.proto.http",
    ),
}
