"""
Delivery to a collector of OpenTelemetry, by OTLP over HTTP or gRPC.
"""

from __future__ import annotations

from .endpoint import Endpoint, Security
from .environment import (
    COMPRESSIONS,
    PROTOCOLS,
    Environment,
    headers_of,
    pairs,
)
from .http import HTTPTransport
from .messages import Requests

__all__ = [
    "COMPRESSIONS",
    "PROTOCOLS",
    "Endpoint",
    "Environment",
    "HTTPTransport",
    "Requests",
    "Security",
    "headers_of",
    "pairs",
]
