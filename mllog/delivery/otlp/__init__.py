"""
Delivery to a collector of OpenTelemetry, by OTLP over HTTP or gRPC.
"""

from __future__ import annotations

from .endpoint import Endpoint, Security
from .environment import (
    endpoint_from_environment,
    from_environment,
    headers_of,
    pairs,
)
from .http import HTTPTransport
from .messages import Requests

__all__ = [
    "Endpoint",
    "HTTPTransport",
    "Requests",
    "Security",
    "endpoint_from_environment",
    "from_environment",
    "headers_of",
    "pairs",
]
