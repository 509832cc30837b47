"""
What ``mllog.config.check`` finds in configurations that send OTLP.
"""

from __future__ import annotations

import sys

from ids import as_id
import pytest

from mllog import config


def found(**options):
    """
    What is found in a configuration with one OTLPHandler on the root.
    """
    handler = {"class": "mllog.OTLPHandler", **options}
    return config.check(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"h": handler},
            "root": {"handlers": ["h"]},
        }
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"endpoint": "http://localhost:4318"},
        {"endpoint": "https://c:4317", "protocol": "grpc"},
        {"endpoint": "ext://mllog.env.OTLP_ENDPOINT", "protocol": ""},
        {"headers": {"Authorization": "ext://mllog.env.SERVICE_NAME"}},
        {"headers": "a=1", "resource_attributes": "a=1", "compression": ""},
        {"resource_attributes": {"n": 5}, "timeout_seconds": "5"},
    ],
    ids=as_id,
)
def test_options_that_work_are_not_reported(options):
    """
    There is nothing to say.
    """
    assert [] == [str(each) for each in found(**options)]


@pytest.mark.parametrize(
    ("options", "place", "said"),
    [
        ({"endpoint": "c:4317"}, "endpoint", "expected a URL"),
        ({"protocol": "http/json"}, "protocol", "http/protobuf, grpc"),
        ({"compression": "zstd"}, "compression", "gzip, none"),
        ({"headers": "hunter2"}, "headers", "a=1,b=2"),
        ({"headers": {"a b": "hunter2"}}, "headers", "no header can have"),
        ({"max_attributes": 0}, "max_attributes", "1 or more"),
        ({"resource_attributes": "a"}, "resource_attributes", "a=1,b=2"),
        ({"timeout_seconds": 0}, "timeout_seconds", "greater than 0"),
        ({"service_name": 5}, "service_name", "text"),
        ({"client_key": __file__}, "client_key", "client_certificate"),
        ({"endpont": "http://c"}, "endpont", "write endpoint"),
        (
            {"endpoint": "http://c:4318", "protocol": "grpc"},
            "endpoint",
            "port 4318 is usually that of http/protobuf",
        ),
        (
            {"endpoint": "http://c:4317"},
            "endpoint",
            "port 4317 is usually that of grpc",
        ),
        (
            {"endpoint": "http://c:4318", "headers": "a=hunter2"},
            "headers",
            "whoever is on the way reads the headers",
        ),
        (
            {"endpoint": "http://c:4318", "certificate": __file__},
            "certificate",
            "has no TLS",
        ),
        ({"certificate": "/no/such.pem"}, "certificate", "is no file"),
        ({"linger_seconds": 400}, "linger_seconds", "max_age_seconds=300"),
    ],
    ids=as_id,
)
def test_option_that_does_not_work_is_reported_at_its_place(
    options, place, said
):
    """
    One finding, at the option, that shows no secret.
    """
    (finding,) = found(**options)

    text = str(finding)
    assert place in text
    assert said in text
    assert "hunter2" not in text


def test_package_that_is_missing_is_reported(monkeypatch):
    """
    The extra is named that installs it.
    """
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.setattr(
        "mllog.checks.exporting._is_there", lambda module: module != "grpc"
    )

    (finding,) = found(protocol="grpc")

    assert "mllog-handlers[otlp-grpc]" in str(finding)
