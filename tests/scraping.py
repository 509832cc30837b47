"""
Reading a page of metrics, as a scraper does.
"""

from __future__ import annotations

import urllib.request
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def fetch(port: int, accept: str = "", path: str = "/metrics") -> str:
    """
    The page as it is served.
    """
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode("utf-8")


def samples(text: str) -> dict[str, float]:
    """
    Values by name and labels; a series that comes twice is an error.
    """
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = series(sample.name, sample.labels)
            assert key not in found, key
            found[key] = sample.value
    return found


def series(name: str, labels: dict[str, str]) -> str:
    """
    A series as text; an empty label is none, as for Prometheus.
    """
    inside = ",".join(
        f'{key}="{labels[key]}"' for key in sorted(labels) if labels[key]
    )
    return f"{name}{{{inside}}}" if inside else name


def of_registry(registry: Any) -> dict[str, float]:
    """
    What a registry would say.
    """
    return samples(generate_latest(registry).decode())


def exemplars(text: str) -> dict[str, Any]:
    """
    Exemplars of an OpenMetrics page by the name of their series.
    """
    return {
        series(sample.name, sample.labels): sample.exemplar
        for family in parse_openmetrics(text)
        for sample in family.samples
        if sample.exemplar
    }
