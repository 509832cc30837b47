"""
What the answers of a collector mean.
"""

import email.utils
import ssl
import time

from ids import as_id
import pytest
from servers.otlp_receiver import retry_info

from mllog.delivery.otlp.faults import (
    error_of_status,
    error_of_way,
    seconds_of,
)
from mllog.delivery.otlp.grpc import _retry_after
from mllog.delivery.retry import Fault


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.POISON),
        (413, Fault.POISON),
        (401, Fault.AUTH),
        (403, Fault.AUTH),
        (404, Fault.AUTH),
        (301, Fault.AUTH),
        (501, Fault.AUTH),
        (408, Fault.TRANSIENT),
        (429, Fault.TRANSIENT),
        (503, Fault.TRANSIENT),
        (500, Fault.AMBIGUOUS),
        (502, Fault.AMBIGUOUS),
        (504, Fault.AMBIGUOUS),
    ],
)
def test_status_says_whether_to_try_again(status, fault):
    """
    What passes by itself is tried again, what a person mends seldom.
    """
    error = error_of_status("http://c", status, "odd\x1b[31m\r\n", "7")

    assert (fault, 7.0) == error.verdict
    first = str(error).splitlines()[0]
    assert first == f"http://c: HTTP {status}: odd [31m"


def test_retry_after_is_seconds_or_a_date():
    """
    What makes no sense asks for nothing.
    """
    assert 1.5 == seconds_of(" 1.5 ")
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert 90 < seconds_of(later) <= 100
    for odd in (None, "", "soon", "nan", "inf", "-1", "9" * 400):
        assert seconds_of(odd) is None


@pytest.mark.parametrize("seconds", [0, 0.25, 7, 120.5])
def test_retry_info_of_grpc_is_read(seconds):
    """
    The details of a status have the wait that the collector asks for.
    """
    metadata = [("x", "y"), ("grpc-status-details-bin", retry_info(seconds))]

    assert seconds == _retry_after(metadata)


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"\x1a\xff", b"\x1a\x02\x0a\x00", b"\x1a\x01\x08"]
)
def test_retry_info_that_is_odd_asks_for_nothing(value):
    """
    A server may send anything.
    """
    assert _retry_after([("grpc-status-details-bin", value)]) is None


@pytest.mark.parametrize(
    ("error", "is_sent", "fault"),
    [
        (ConnectionRefusedError(), False, Fault.TRANSIENT),
        (ConnectionResetError(), True, Fault.AMBIGUOUS),
        (TimeoutError(), True, Fault.AMBIGUOUS),
        (FileNotFoundError("ca.pem"), False, Fault.AUTH),
        (ssl.SSLCertVerificationError(), False, Fault.AUTH),
    ],
    ids=as_id,
)
def test_error_of_the_connection_says_whether_it_may_have_arrived(
    error, is_sent, fault
):
    """
    What was sent without an answer may be there.
    """
    assert fault is error_of_way("c", error, is_sent=is_sent).verdict.fault
