"""
The look-alike of S3: it stores what boto3 puts, and each fault is what it says.
"""

import base64
import hashlib
import http.client
import ssl
import time
import zlib

import pytest

from servers.certificates import Authority
from servers.faulty import server_context
from servers.faulty_s3 import AMBIGUOUS, FAULTS, FaultyS3, Mixture

boto3 = pytest.importorskip("boto3")
config = pytest.importorskip("botocore.config")
errors = pytest.importorskip("botocore.exceptions")


@pytest.fixture
def server():
    with FaultyS3() as running:
        yield running


def _client(server, **options):
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        config=config.Config(
            retries={"total_max_attempts": 1},
            connect_timeout=1,
            read_timeout=0.3,
            s3={"addressing_style": "path"},
        ),
        **options,
    )


def _put(client, key="a/b c+ü.gz", body=b"body", **more):
    return client.put_object(Bucket="logs", Key=key, Body=body, **more)


def test_server_keeps_what_boto3_puts_over_one_connection(server):
    """
    Body, key and headers arrive as they were given.
    """
    client = _client(server)
    for number in range(20):
        _put(client, f"key {number}", b"x" * number, Metadata={"a": "b"})

    assert {
        ("logs", f"key {number}"): b"x" * number for number in range(20)
    } == server.objects
    assert 1 == server.connections
    assert 20 == server.counts("stored")
    assert "b" == server.attempts[0].headers["x-amz-meta-a"]
    digest = hashlib.sha256(b"x").hexdigest()
    assert digest == server.attempts[1].digest


def test_server_refuses_a_second_object_where_there_is_one(server):
    """
    If-None-Match is answered by 412, and the first body stays.
    """
    client = _client(server)
    _put(client, body=b"first", IfNoneMatch="*")
    with pytest.raises(errors.ClientError, match="PreconditionFailed"):
        _put(client, body=b"second", IfNoneMatch="*")

    assert [b"first"] == list(server.objects.values())
    assert ["stored", "exists"] == [each.outcome for each in server.attempts]

    _put(client, body=b"third")

    assert [b"third"] == list(server.objects.values())
    assert "overwritten" == server.attempts[-1].outcome


def test_server_takes_trailers_of_boto3_over_tls(tmp_path):
    """
    Over TLS boto3 sends chunks with a checksum behind them.
    """
    authority = Authority(tmp_path)
    context = server_context(authority.identity("server"))
    with FaultyS3(tls=context) as server:
        client = _client(server, verify=authority.cert)
        _put(client, body=b"body" * 100_000)
        client.close()

    assert [b"body" * 100_000] == list(server.objects.values())
    assert (
        "x-amz-checksum-crc32" == server.attempts[0].headers["x-amz-trailer"]
    )


def _raw(server, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    try:
        connection.request(
            "PUT",
            "/logs/key",
            body,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def _base64(data):
    return base64.b64encode(data).decode()


CRC = _base64(zlib.crc32(b"body").to_bytes(4, "big"))


@pytest.mark.parametrize(
    "headers",
    [
        {"content_md5": _base64(hashlib.md5(b"body").digest())},
        {"x_amz_checksum_crc32": CRC},
        {"x_amz_content_sha256": hashlib.sha256(b"body").hexdigest()},
    ],
)
def test_server_compares_each_digest(server, headers):
    """
    A body that does not fit is a 400, and is not stored.
    """
    assert (200, "") == _raw(server, b"body", **headers)

    status, text = _raw(server, b"another", **headers)

    assert 400 == status
    assert "Digest" in text or "Mismatch" in text
    assert [b"body"] == list(server.objects.values())


@pytest.mark.parametrize(
    ("length", "crc", "status"),
    [("4", CRC, 200), ("5", CRC, 400), ("4", "AAAAAA==", 400)],
)
def test_server_compares_trailers(server, length, crc, status):
    """
    The checksum and the length of a chunked body are those of its content.
    """
    body = f"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()
    told, _ = _raw(
        server,
        body,
        content_encoding="aws-chunked",
        x_amz_decoded_content_length=length,
        x_amz_trailer="x-amz-checksum-crc32",
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )

    assert status == told
    assert ([b"body"] if status == 200 else []) == list(
        server.objects.values()
    )


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_server_commits_each_fault_once(server, name):
    """
    boto3 fails, the object is there where the fault says so, and all is well.
    """
    client = _client(server)
    # boto3 follows the first redirect by itself
    server.script(*([name] * (2 if name == "redirect" else 1)))
    with pytest.raises((errors.ClientError, errors.BotoCoreError)) as failed:
        _put(client, "key", IfNoneMatch="*")
    fault = FAULTS[name]

    assert (name in AMBIGUOUS) == bool(server.objects)
    if fault.how == "answers" and fault.code:
        assert fault.code == failed.value.response["Error"]["Code"]
    if fault.how == "answers":
        reply = failed.value.response["ResponseMetadata"]
        assert fault.status == reply["HTTPStatusCode"]
    elif name != "cut_body":  # which it takes for an error of the server
        assert isinstance(failed.value, errors.BotoCoreError)
    _put(client, "another")
    assert b"body" == server.objects["logs", "another"]


def test_server_notes_who_did_not_wait(server):
    """
    An attempt before the end of a Retry-After is early, a later one is not.
    """
    server.retry_after = 0.2
    client = _client(server)
    for key, pause in (("early", 0), ("late", 0.25)):
        server.script("slow_down_later")
        with pytest.raises(errors.ClientError) as failed:
            _put(client, key, key.encode())
        headers = failed.value.response["ResponseMetadata"]["HTTPHeaders"]
        assert "0.2" == headers["retry-after"]
        time.sleep(pause)
        _put(client, key, key.encode())

    assert ["early"] == [each.key for each in server.early()]


def test_server_notes_who_did_not_wait_under_another_key(server):
    """
    The same body under another key is the same batch.
    """
    client = _client(server)
    server.script("slow_down_later")
    with pytest.raises(errors.ClientError):
        _put(client, "one")
    _put(client, "other")

    assert ["other"] == [each.key for each in server.early()]


def test_server_without_conditional_writes_says_so(server):
    """
    501 is the answer to If-None-Match alone.
    """
    server.has_conditions = False
    client = _client(server)
    with pytest.raises(errors.ClientError, match="NotImplemented"):
        _put(client, IfNoneMatch="*")
    _put(client)

    assert ["NotImplemented", "stored"] == [
        each.outcome for each in server.attempts
    ]


def test_server_knows_its_buckets():
    """
    Another bucket is 404.
    """
    with FaultyS3(buckets={"others"}) as server:
        with pytest.raises(errors.ClientError, match="NoSuchBucket"):
            _put(_client(server))

        assert {} == server.objects


def test_server_that_swallows_answers_nobody_until_it_is_over(server):
    """
    A black hole takes connections, old and new; afterwards all is well.
    """
    old = _client(server)
    _put(old, "before")
    server.is_black_hole = True
    for client in (old, _client(server)):
        with pytest.raises(errors.HTTPClientError):
            _put(client, "meanwhile")
    server.is_black_hole = False
    _put(old, "after")

    assert {("logs", "before"), ("logs", "after")} == set(server.objects)


def test_server_comes_back_at_the_same_port(server):
    """
    What was stored is still there after a restart.
    """
    client = _client(server)
    _put(client, "before")
    server.stop()
    with pytest.raises(errors.EndpointConnectionError):
        _put(client, "meanwhile")
    server.start()
    _put(client, "after")

    assert {("logs", "before"), ("logs", "after")} == set(server.objects)


def test_mixture_of_a_seed_is_always_the_same():
    """
    Two mixtures of one seed give the same faults, about the share of them.
    """
    first, second = (Mixture({"reset": 1, "silence": 3}) for _ in range(2))
    drawn = [first(None) for _ in range(2000)]

    assert drawn == [second(None) for _ in range(2000)]
    assert 340 < sum(map(bool, drawn)) < 460
    assert 2 < drawn.count("silence") / drawn.count("reset") < 4.5
