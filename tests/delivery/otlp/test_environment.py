"""
OpenTelemetry's variables, and its lists of pairs.
"""

import pytest

from mllog.delivery.otlp.environment import (
    Environment,
    headers_of,
    pairs,
)
from mllog.errors import ConfigError


def test_variable_of_logs_wins_over_that_of_all_signals(monkeypatch):
    """
    OTEL_EXPORTER_OTLP_LOGS_X, else OTEL_EXPORTER_OTLP_X, else nothing.
    """
    told = Environment()

    def value():
        return told.value("ENDPOINT", lambda name, text: f"{name}={text}")

    assert value() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", " http://a ")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://a" == value()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://b")
    assert "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://b" == value()
    assert {} == told.problems


def test_variable_of_logs_that_makes_no_sense_leaves_that_of_all_signals(
    monkeypatch,
):
    """
    The next one is asked, and the first one named.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "lz4")
    told = Environment()

    assert "none" == told.compression()
    assert ["OTEL_EXPORTER_OTLP_LOGS_COMPRESSION"] == [*told.problems]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ("", {}),
        ("a=1, b = x%20y ,", {"a": "1", "b": "x y"}),
        ("a=b=c", {"a": "b=c"}),
        ({"a": 1}, {"a": "1"}),
    ],
)
def test_pairs_are_read_from_text_and_mappings(given, expected):
    """
    As OpenTelemetry writes them, percent-encoded.
    """
    assert expected == pairs("x", given)


@pytest.mark.parametrize("given", ["secret", 3, {1: "secret"}, ["secret"]])
def test_pairs_that_are_none_raise_and_keep_secrets(given):
    """
    The error shows the value unless it is a secret.
    """
    with pytest.raises(ConfigError) as raised:
        pairs("headers", given, is_secret=True)
    assert "secret" not in str(raised.value)

    with pytest.raises(ConfigError, match="x="):
        pairs("x", given)


@pytest.mark.parametrize(
    "given", [{"a b": "secret"}, {"a": "secret\r\nx: y"}, {"a": "secreté"}]
)
def test_header_that_cannot_be_sent_raises_and_is_not_shown(given):
    """
    It is refused when the handler is made, not when records are sent.
    """
    with pytest.raises(ConfigError) as raised:
        headers_of(given)

    assert "secret" not in str(raised.value)
