"""
What each error of a client means, and what people are told about it.
"""

import email.utils
import time

import pytest
from servers.faulty_s3 import FAULTS
from storing import SECRET, credentials, server, store_at

from mllog.delivery.retry import Fault
from mllog.delivery.s3.faults import StoreError, fault_of, store_error

exceptions = pytest.importorskip("botocore.exceptions")

__all__ = ["credentials", "server"]

AGAIN, PERSON = Fault.TRANSIENT, Fault.AUTH
REFUSED, UNKNOWN = Fault.POISON, Fault.AMBIGUOUS
URL = "http://localhost:9"


def answer(code="", status=0, message="", **headers):
    """
    What botocore raises for an answer.
    """
    meta = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": meta,
        },
        "PutObject",
    )


ANSWERS = [
    # it passes by itself
    ("SlowDown", 503, AGAIN),
    ("SlowDown", 429, AGAIN),
    ("ServiceUnavailable", 503, AGAIN),
    ("InternalError", 500, AGAIN),
    ("InternalError", 200, AGAIN),
    ("Throttling", 400, AGAIN),
    ("ThrottlingException", 400, AGAIN),
    ("RequestTimeout", 400, AGAIN),
    ("RequestTimeoutException", 408, AGAIN),
    ("IncompleteBody", 400, AGAIN),
    ("BadDigest", 400, AGAIN),
    ("XAmzContentSHA256Mismatch", 400, AGAIN),
    ("XAmzContentChecksumMismatch", 400, AGAIN),
    ("OperationAborted", 409, AGAIN),
    ("ConditionalRequestConflict", 409, AGAIN),
    ("408", 408, AGAIN),
    ("425", 425, AGAIN),
    ("429", 429, AGAIN),
    ("Whatever", 429, AGAIN),
    # a gateway that says no more: the server behind it may have stored it
    ("500", 500, UNKNOWN),
    ("502", 502, UNKNOWN),
    ("503", 503, UNKNOWN),
    ("504", 504, UNKNOWN),
    ("599", 599, UNKNOWN),
    ("", 502, UNKNOWN),
    ("504", 0, UNKNOWN),
    ("Whatever", 500, UNKNOWN),
    # the object's own
    ("EntityTooLarge", 400, REFUSED),
    ("EntityTooLarge", 413, REFUSED),
    ("413", 413, REFUSED),
    ("", 413, REFUSED),
    ("KeyTooLongError", 400, PERSON),
    ("MaxMessageLength", 400, REFUSED),
    # somebody has to mend it
    ("AccessDenied", 403, PERSON),
    ("403", 403, PERSON),
    ("401", 401, PERSON),
    ("AllAccessDisabled", 403, PERSON),
    ("AuthorizationHeaderMalformed", 400, PERSON),
    ("ExpiredToken", 400, PERSON),
    ("InvalidToken", 400, PERSON),
    ("InvalidAccessKeyId", 403, PERSON),
    ("SignatureDoesNotMatch", 403, PERSON),
    ("RequestTimeTooSkewed", 403, PERSON),
    ("NoSuchBucket", 404, PERSON),
    ("404", 404, PERSON),
    ("PermanentRedirect", 301, PERSON),
    ("301", 301, PERSON),
    ("TemporaryRedirect", 307, PERSON),
    ("InvalidStorageClass", 400, PERSON),
    ("InvalidTag", 400, PERSON),
    ("InvalidRequest", 400, PERSON),
    ("InvalidBucketName", 400, PERSON),
    ("IllegalLocationConstraintException", 400, PERSON),
    ("NotImplemented", 501, PERSON),
    ("NotImplemented", 500, PERSON),
    ("501", 501, PERSON),
    ("MethodNotAllowed", 405, PERSON),
    ("KMS.DisabledException", 400, PERSON),
    ("KMS.NotFoundException", 400, PERSON),
    ("Whatever", 400, PERSON),
]


@pytest.mark.parametrize(("code", "status", "fault"), ANSWERS)
def test_answer_of_a_server_has_its_fault(code, status, fault):
    """
    Code and status together say whether to come again.
    """
    assert fault is fault_of(answer(code, status))


@pytest.mark.parametrize(("code", "status", "fault"), ANSWERS)
def test_answer_after_which_an_object_may_be_there_says_so(
    code, status, fault
):
    """
    After all that comes again by itself: a proxy may answer for a server that
    has stored it.  After the others it is not there.
    """
    error = store_error(answer(code, status), "s3://logs")

    assert (fault in (AGAIN, UNKNOWN)) is error.may_be_stored
    assert fault is error.verdict.fault


NEVER_SENT = [
    exceptions.EndpointConnectionError(endpoint_url=URL),
    exceptions.ConnectTimeoutError(endpoint_url=URL),
    exceptions.ProxyConnectionError(proxy_url=URL),
]
UNANSWERED = [
    exceptions.ConnectionClosedError(endpoint_url=URL),
    exceptions.ReadTimeoutError(endpoint_url=URL),
    exceptions.HTTPClientError(error="odd"),
    exceptions.ResponseStreamingError(error="odd"),
    exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError(104, "reset"),
    OSError(32, "broken pipe"),
    TimeoutError("slow"),
    RuntimeError("anything"),
    MemoryError(),
]
MISTAKES = [
    exceptions.NoCredentialsError(),
    exceptions.PartialCredentialsError(provider="env", cred_var="x"),
    exceptions.CredentialRetrievalError(provider="role", error_msg="no"),
    exceptions.ProfileNotFound(profile="nobody"),
    exceptions.ParamValidationError(report="Invalid bucket name"),
    exceptions.NoRegionError(),
    exceptions.UnknownEndpointError(service_name="s3", region_name="x"),
]


@pytest.mark.parametrize("error", NEVER_SENT, ids=lambda e: type(e).__name__)
def test_connection_that_was_never_there_stored_nothing(error):
    """
    It passes, and a 412 after it is somebody else's object.
    """
    found = store_error(error, "s3://logs")

    assert found.verdict.fault is AGAIN
    assert not found.may_be_stored


@pytest.mark.parametrize("error", UNANSWERED, ids=lambda e: type(e).__name__)
def test_connection_without_an_answer_may_have_stored_it(error):
    """
    Nobody knows, so the next attempt asks by its key.
    """
    found = store_error(error, "s3://logs")

    assert found.verdict.fault is UNKNOWN
    assert found.may_be_stored


@pytest.mark.parametrize("error", MISTAKES, ids=lambda e: type(e).__name__)
def test_mistake_that_the_client_finds_needs_a_person(error):
    """
    No credentials, no such profile, no region: nothing was sent.
    """
    found = store_error(error, "s3://logs")

    assert found.verdict.fault is PERSON
    assert not found.may_be_stored


def test_certificate_that_is_not_trusted_needs_a_person():
    """
    And where to put the authority is said.
    """
    error = store_error(
        exceptions.SSLError(
            endpoint_url=URL, error="CERTIFICATE_VERIFY_FAILED"
        ),
        "s3://logs",
    )

    assert error.verdict.fault is PERSON
    assert "AWS_CA_BUNDLE" in str(error)


REAL = {
    "slow_down": AGAIN,
    "slow_down_later": AGAIN,
    "internal_error": AGAIN,
    "internal_error_after": AGAIN,
    "bad_gateway": UNKNOWN,
    "conflict": AGAIN,
    "skewed": PERSON,
    "denied": PERSON,
    "unknown_access_key": PERSON,
    "wrong_signature": PERSON,
    "expired_token": PERSON,
    "no_bucket": PERSON,
    "redirect": PERSON,
    "bad_request": PERSON,
    "too_large": REFUSED,
    "not_implemented": PERSON,
    "silence": UNKNOWN,
    "silence_after": UNKNOWN,
    "reset": UNKNOWN,
    "reset_after": UNKNOWN,
    "cut": UNKNOWN,
    "cut_body": UNKNOWN,
    "garbage": UNKNOWN,
}


def test_faults_of_the_server_are_all_here():
    """
    No fault that the look-alike knows is left out below.
    """
    assert FAULTS.keys() == REAL.keys()


@pytest.mark.parametrize("name", REAL)
def test_real_trouble_has_its_fault(server, name):
    """
    What boto3 makes of real answers and broken connections is understood, and
    whatever may have stored an object says so.
    """
    store = store_at(server, timeout=0.3)
    server.always(name)  # boto3 follows a redirect once

    if name == "cut_body":  # status and headers are there: boto3 is content
        try:
            assert store.put("key", b"body", "text/plain")
        except StoreError as exc:
            assert exc.may_be_stored
        return
    with pytest.raises(StoreError) as caught:
        store.put("key", b"body", "text/plain")

    assert REAL[name] is caught.value.verdict.fault
    if ("logs", "key") in server.objects:
        assert caught.value.may_be_stored
    assert SECRET not in str(caught.value)
    assert "s3://logs at http://127.0.0.1" in str(caught.value)


# --- Retry-After ---


def asked(value):
    return store_error(
        answer("SlowDown", 503, **{"retry-after": value}), "x"
    ).verdict.retry_after


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("7", 7.0), ("1.5", 1.5), (" 3 ", 3.0)]
)
def test_retry_after_in_seconds_is_understood(value, seconds):
    """
    As servers of S3 send it.
    """
    assert seconds == asked(value)


def test_retry_after_as_a_date_is_the_time_until_then():
    """
    As gateways send it; what is past is now.
    """
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    before = email.utils.formatdate(time.time() - 60, usegmt=True)

    assert asked(later) == pytest.approx(60, abs=2)
    assert asked(before) == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "-1",
        "nan",
        "inf",
        "1e999",
        "99 Jan",
        "Mon, 99 Jan 2026 00:00:00 GMT",
        "x" * 5000,
        "\x00",
    ],
)
def test_retry_after_that_makes_no_sense_is_passed_over(value):
    """
    The worker waits as long as it thinks best.
    """
    assert asked(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 9999 23:59:59 -0000",
    ],
)
def test_retry_after_at_the_end_of_time_is_a_number(value):
    """
    No date makes it raise.
    """
    assert asked(value) >= 0


def test_retry_after_of_a_real_server_is_understood(server):
    """
    Through boto3's own parsing.
    """
    store = store_at(server)
    server.retry_after = 3
    server.script("slow_down_later")

    with pytest.raises(StoreError) as caught:
        store.put("key", b"body", "text/plain")

    assert 3.0 == caught.value.verdict.retry_after


# --- what people are told ---


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            answer("AccessDenied", 403, "Access Denied"),
            "s3://logs: AccessDenied (403): Access Denied\n"
            "  fix: allow s3:PutObject on it, and the key of KMS if there is"
            " one",
        ),
        (
            answer("NoSuchBucket", 404),
            "s3://logs: NoSuchBucket (404)\n"
            "  fix: create the bucket, or mend its name",
        ),
        (answer("502", 502), "s3://logs: an error (502)"),
        (
            answer("", 502, "Bad Gateway"),
            "s3://logs: an error (502): Bad Gateway",
        ),
        (answer("InternalError", 500), "s3://logs: InternalError (500)"),
        (
            answer("KMS.DisabledException", 400),
            "s3://logs: KMS.DisabledException (400)\n"
            "  fix: mend kms_key_id, and allow its use",
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url=URL),
            "s3://logs: EndpointConnectionError: Could not connect to the"
            ' endpoint URL: "http://localhost:9"',
        ),
    ],
)
def test_error_says_what_where_and_what_to_mend(error, text):
    """
    Where to, what the server said, and a fix where there is one.
    """
    assert text == str(store_error(error, "s3://logs"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AuthorizationHeaderMalformed", "region"),
        ("ExpiredToken", "AWS_ACCESS_KEY_ID"),
        ("IllegalLocationConstraintException", "region"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("InvalidStorageClass", "storage_class"),
        ("InvalidToken", "AWS_ACCESS_KEY_ID"),
        ("NotImplemented", "create_only=False"),
        ("PermanentRedirect", "region"),
        ("RequestTimeTooSkewed", "clock"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_error_that_a_person_mends_says_what_to_mend(code, words):
    """
    The option, the variable or the thing to look at.
    """
    text = str(store_error(answer(code, 400), "s3://logs"))

    assert words in text.partition("\n  fix: ")[2]


@pytest.mark.parametrize("error", MISTAKES[:3], ids=lambda e: type(e).__name__)
def test_error_of_credentials_says_where_boto3_looks(error):
    """
    Environment, profile, role.
    """
    text = str(store_error(error, "s3://logs"))

    assert "fix: mend the credentials that boto3 finds" in text


@pytest.mark.parametrize("offset", [-4000, 4000])
def test_error_of_a_clock_says_by_how_much_it_is_wrong(offset):
    """
    By what the server's Date says.
    """
    date = email.utils.formatdate(time.time() - offset, usegmt=True)
    text = str(
        store_error(
            answer("RequestTimeTooSkewed", 403, date=date), "s3://logs"
        )
    )

    assert "fix: set this machine's clock" in text
    seconds = float(text.rpartition(" by ")[2].removesuffix(" s"))
    assert seconds == pytest.approx(offset, abs=3)


@pytest.mark.parametrize("date", ["", "noon", "99"])
def test_error_of_a_clock_without_a_date_says_no_number(date):
    """
    What is not known is not said.
    """
    text = str(
        store_error(
            answer("RequestTimeTooSkewed", 403, date=date), "s3://logs"
        )
    )

    assert text.endswith("fix: set this machine's clock")


def test_message_of_a_server_is_cut():
    """
    A page of HTML does not flood standard error.
    """
    text = str(store_error(answer("X", 400, "m" * 10_000), "s3://logs"))

    assert len(text) < 300


def test_message_of_a_server_has_no_control_characters():
    """
    A server cannot write to somebody's terminal.
    """
    message = "a\x1b[2Jb\r\nc\u202ed\x00"

    text = str(store_error(answer("X\x1b[31m", 400, message), "s3://logs"))

    assert text.isprintable()


@pytest.mark.parametrize(
    "response",
    [
        {},
        None,
        5,
        {"Error": None},
        {"Error": {}, "ResponseMetadata": None},
        {"Error": {"Code": None}, "ResponseMetadata": {"HTTPHeaders": None}},
        {"Error": {"Code": 7, "Message": 5}},
    ],
)
def test_error_with_an_odd_response_is_understood(response):
    """
    Whatever a client or a proxy made of it: an error of ours, and no other.
    """
    error = ValueError("odd")
    error.response = response

    assert isinstance(store_error(error, "s3://logs"), StoreError)
