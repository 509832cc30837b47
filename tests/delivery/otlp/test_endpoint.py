"""
Where a collector listens, and what proves who it is.
"""

import pytest

from mllog.delivery.otlp.endpoint import Endpoint, Security
from mllog.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "protocol", "expected"),
    [
        (None, "http/protobuf", "http://localhost:4318/v1/logs"),
        (None, "grpc", "http://localhost:4317"),
        ("https://c", "http/protobuf", "https://c:443/v1/logs"),
        ("https://c", "grpc", "https://c:4317"),
        ("http://c:1/", "http/protobuf", "http://c:1/v1/logs"),
        ("http://c:1/otlp", "http/protobuf", "http://c:1/otlp/v1/logs"),
        ("http://c:1/v1/logs", "http/protobuf", "http://c:1/v1/logs"),
        ("http://[::1]:1", "grpc", "http://[::1]:1"),
        ("http://c:1/x?key=5", "http/protobuf", "http://c:1/x/v1/logs"),
    ],
)
def test_endpoint_has_the_port_and_the_path_of_its_protocol(
    given, protocol, expected
):
    """
    Logs go to /v1/logs below what is given; gRPC has no path.
    """
    assert expected == str(Endpoint.of(given, protocol, is_whole=False))


def test_endpoint_of_logs_alone_is_taken_as_it_is():
    """
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT has the whole path.
    """
    found = Endpoint.of("http://c:1/in?key=5", "http/protobuf", is_whole=True)

    assert "/in?key=5" == found.path
    assert "http://c:1/in" == str(found)


@pytest.mark.parametrize(
    "given",
    [
        "c:4317",
        "ftp://c",
        "http://",
        "http://c:x",
        5,
        "http://[c",
        "http://a b",
        "http://c/a b",
    ],
)
def test_endpoint_that_is_no_url_raises(given):
    """
    The error shows what was given and what was expected.
    """
    with pytest.raises(ConfigError, match="endpoint="):
        Endpoint.of(given, "grpc", is_whole=False)


@pytest.mark.parametrize("given", ["http://me:secret@c", "x://me:secret@c"])
def test_endpoint_with_a_password_raises_and_does_not_show_it(given):
    """
    Credentials are headers.
    """
    with pytest.raises(ConfigError) as raised:
        Endpoint.of(given, "grpc", is_whole=False)

    assert "secret" not in str(raised.value)


def test_security_key_without_certificate_raises():
    """
    A key alone proves nothing.
    """
    with pytest.raises(ConfigError, match="client_certificate"):
        Security.of(client_key="key.pem")
