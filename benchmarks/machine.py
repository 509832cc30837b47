"""
Where it ran: processors, Python, versions of what was measured.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata

__all__ = ["facts"]

_PACKAGES = (
    "aws-logging-handlers",
    "boto3",
    "concurrent-log-handler",
    "confluent-kafka",
    "ddsketch",
    "fastavro",
    "isal",
    "kafka-logging-handler",
    "kafka-python",
    "loguru",
    "numpy",
    "orjson",
    "picologging",
    "python-json-logger",
    "python-logstash-async",
    "rfc5424-logging-handler",
    "rich",
    "structlog",
    "watchtower",
)


def facts() -> list[str]:
    """
    One line per fact.
    """
    return [
        f"{os.cpu_count()} CPUs ({_processor()}), {platform.system()}"
        f" {platform.release()}, load {_load()} before the run",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(missing)"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.machine()


def _load() -> str:
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "?"
