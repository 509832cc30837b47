"""
Addresses: what SysLogHandler takes, URLs, and what is none.
"""

import logging.config
import socket

import pytest

from mllog.delivery.sockets import Address
from mllog.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "socktype", "expected"),
    [
        (("host", 5140), None, "udp://host:5140"),
        (["host", "5140"], None, "udp://host:5140"),
        (["host"], None, "udp://host:514"),
        (("host", 514), socket.SOCK_STREAM, "tcp://host:514"),
        (("host", 514), 2, "udp://host:514"),
        (("::1", 514), "tcp", "tcp://[::1]:514"),
        (("[::1]", 514), "stream", "tcp://[::1]:514"),
        (("host",), "tls", "tls://host:6514"),
        ("host:5140", None, "udp://host:5140"),
        ("host", "tcp", "tcp://host:514"),
        ("[::1]:5140", None, "udp://[::1]:5140"),
        ("[::1]", "SOCK_STREAM", "tcp://[::1]:514"),
        ("udp://host", None, "udp://host:514"),
        ("UDP://host/", None, "udp://host:514"),
        ("tcp://host:1", "stream", "tcp://host:1"),
        ("tcp://host:1", "tls", "tls://host:1"),
        ("tls://host", None, "tls://host:6514"),
        ("tls://[fe80::1]:6515", "tcp", "tls://[fe80::1]:6515"),
        ("/dev/log", None, "unix:///dev/log"),
        ("run/log", None, "unix://run/log"),
        ("unix:///dev/log", "dgram", "unix:///dev/log"),
    ],
)
def test_address_is_what_the_value_says(value, socktype, expected):
    """
    Each way to write an address leads to one that writes itself plainly.
    """
    assert str(Address.parse(value, socktype)) == expected


@pytest.mark.parametrize(
    ("socktype", "stream"),
    [(None, None), ("dgram", False), (socket.SOCK_STREAM, True)],
)
def test_address_of_a_unix_socket_knows_its_kind_if_told(socktype, stream):
    """
    Without a socktype it is left to the socket.
    """
    assert Address.parse("/dev/log", socktype).stream is stream


def test_address_in_dictconfig_is_resolved():
    """
    ext:// inside a list of dictConfig is read by indexing.
    """
    configurator = logging.config.DictConfigurator(
        {"a": ["localhost", "ext://logging.handlers.SYSLOG_UDP_PORT"]}
    )

    assert str(Address.parse(configurator.config["a"])) == (
        "udp://localhost:514"
    )


@pytest.mark.parametrize(
    ("value", "socktype", "word"),
    [
        ("", None, "expected"),
        (None, None, "expected"),
        (b"/dev/log", None, "expected"),
        ([], None, "expected"),
        (("host", 514, 1), None, "expected"),
        ((1, 514), None, "expected"),
        (("host", 0), None, "1 to 65535"),
        (("host", 65536), None, "1 to 65535"),
        (("host", "x"), None, "1 to 65535"),
        (("host", True), None, "1 to 65535"),
        ("host:", None, "1 to 65535"),
        ("::1:514", None, "[::1:514]:514"),
        ("[::1", None, "brackets"),
        ("http://host", None, "unknown scheme"),
        ("tcp://", None, "names no host"),
        ("tcp://user@host", None, "names no host"),
        ("tcp://host/path", None, "names no host"),
        ("tcp://host:1", "udp", "contradicts"),
        ("udp://host:1", "tls", "contradicts"),
        ("unix://dev/log", None, "absolute"),
        ("unix://", None, "absolute"),
        ("/dev/log", "tls", "TLS"),
        ("/" + "x" * 107, None, "107"),
        ("/dev\0/log", None, "NUL"),
        ("host", "raw", "socktype"),
        ("host", 3, "socktype"),
    ],
)
def test_address_that_is_none_raises(value, socktype, word):
    """
    A ConfigError says what was given and what would be right.
    """
    with pytest.raises(ConfigError) as raised:
        Address.parse(value, socktype)

    assert word in str(raised.value)
    assert raised.value.expected
