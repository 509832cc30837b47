"""
The S3 servers of the tests: what they store, refuse, and do in an outage.
"""

import base64
import datetime
import hashlib
import socket
from types import SimpleNamespace

import pytest

from servers.moto import moto, moto_signed  # noqa: F401
from servers.object_store import Keys, running
from servers.running import answers
from servers.swift import BACKENDS, Swift, swift  # noqa: F401

pytestmark = pytest.mark.s3servers

STORES = ["swift", "moto", "moto_signed"]
SIGNED = ["swift", "moto_signed"]


@pytest.fixture
def store(request):
    """
    The server that the test is parametrized with.
    """
    return request.getfixturevalue(request.param)


def _refusal(call, **arguments):
    """
    Status and code that the server refuses *call* with.
    """
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
    )


def _unanswered(call, **arguments):
    """
    Name of the error that *call* raises without an answer.
    """
    from botocore.exceptions import BotoCoreError

    with pytest.raises(BotoCoreError) as caught:
        call(**arguments)
    return type(caught.value).__name__


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_store_gives_back_what_was_put(store):
    """
    Any bytes under any key are there as they were put, and in no other bucket.
    """
    bucket, other = store.new_bucket(), store.new_bucket()
    given = {
        "dt=2026-11-21/hour=06/größe 日本 +%&.jsonl": bytes(range(256)),
        "empty": b"",
        "large": b"x" * 3_000_000,
    }
    for key, body in given.items():
        store.client().put_object(Bucket=bucket, Key=key, Body=body)

    assert store.objects(bucket) == given
    assert store.names(bucket, "dt=") == [min(given)]
    assert store.objects(other) == {}


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_store_puts_an_object_once_if_asked_to(store):
    """
    A second put with If-None-Match is 412 and changes nothing.
    """
    bucket, client = store.new_bucket(), store.client()
    put = {"Bucket": bucket, "Key": "k", "IfNoneMatch": "*"}
    client.put_object(**put, Body=b"first")

    assert _refusal(client.put_object, **put, Body=b"second") == (
        412,
        "PreconditionFailed",
    )
    assert store.objects(bucket) == {"k": b"first"}


@pytest.mark.parametrize("store", SIGNED, indirect=True)
def test_store_refuses_strangers(store):
    """
    A wrong secret, an unknown key, and a write by a reader are 403.
    """
    bucket = store.new_bucket()
    store.client().put_object(Bucket=bucket, Key="k", Body=b"x")
    known = store.keys.access_key

    def status(keys, call, **more):
        client = store.client(keys)
        return _refusal(getattr(client, call), Bucket=bucket, Key="k", **more)

    put = {"call": "put_object", "Body": b"y"}
    assert status(Keys(known, "wrong"), **put) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert status(Keys("unknown", "wrong"), **put)[0] == 403
    assert status(store.read_only, **put) == (403, "AccessDenied")
    reader = store.client(store.read_only)
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_store_without_the_bucket_says_so(store):
    """
    A put into a bucket that does not exist is 404, NoSuchBucket.
    """
    put = {"Bucket": "nowhere-to-be-found", "Key": "k", "Body": b"x"}

    assert _refusal(store.client().put_object, **put) == (404, "NoSuchBucket")


def test_swift_refuses_a_body_that_is_not_its_digest(swift):
    """
    A wrong MD5 is 400 and stores nothing; the right one stores.
    """
    bucket, client = swift.new_bucket(), swift.client()

    def put(body):
        md5 = base64.b64encode(hashlib.md5(b"right").digest()).decode()
        client.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=md5)

    assert _refusal(put, body=b"wrong") == (400, "BadDigest")
    assert swift.objects(bucket) == {}
    put(b"right")
    assert swift.objects(bucket) == {"k": b"right"}


@pytest.mark.parametrize(
    ("option", "value"),
    [("Tagging", "a=b"), ("ServerSideEncryption", "AES256")],
)
def test_swift_has_neither_tags_nor_encryption(swift, option, value):
    """
    What it cannot do is 501, NotImplemented.
    """
    put = {"Bucket": swift.new_bucket(), "Key": "k", "Body": b"x"}

    assert _refusal(swift.client().put_object, **put, **{option: value}) == (
        501,
        "NotImplemented",
    )


def test_moto_has_tags_encryption_and_storage_classes(moto):
    """
    What an object was put with is what it is said to have.
    """
    bucket, client = moto.new_bucket(), moto.client()
    client.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"x",
        Tagging="team=vision",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="a-key",
        StorageClass="STANDARD_IA",
        Metadata={"run": "7"},
    )
    head = client.head_object(Bucket=bucket, Key="k")
    tags = client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]

    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == (
        "aws:kms",
        "a-key",
    )
    assert (head["StorageClass"], head["Metadata"]) == (
        "STANDARD_IA",
        {"run": "7"},
    )
    assert tags == [{"Key": "team", "Value": "vision"}]


@pytest.mark.parametrize("kill", [False, True])
def test_swift_restarted_has_its_objects_where_they_were(swift, kill):
    """
    While it is down nobody answers; then all is as before, and it goes on.
    """
    bucket, client = swift.new_bucket(), swift.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    put = {"Bucket": bucket, "Key": "b", "Body": b"2"}
    swift.stop(kill=kill)

    assert not answers(("127.0.0.1", swift.port), socket.SOCK_STREAM)
    assert _unanswered(client.put_object, **put) == "EndpointConnectionError"
    swift.start()
    client.put_object(**put)
    assert swift.objects(bucket) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("object", (503, "ServiceUnavailable")),
        ("container", (503, "ServiceUnavailable")),
        # it is not asked who has the bucket, but which account there is
        ("account", (404, "NoSuchBucket")),
    ],
)
def test_swift_without_one_process_refuses_until_it_is_back(
    swift, name, refusal
):
    """
    Each process that is killed has its own refusal, and no after-effect.
    """
    bucket, client = swift.new_bucket(), swift.client()
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    swift.stop(name, kill=True)

    assert _refusal(client.put_object, **put) == refusal
    swift.start()
    client.put_object(**put)
    assert swift.objects(bucket) == {"k": b"x"}


@pytest.mark.parametrize("name", [*BACKENDS, "proxy"])
def test_swift_with_a_frozen_process_does_not_answer(swift, name):
    """
    A process that is stopped is a timeout, and answers when it goes on.
    """
    bucket, client = swift.new_bucket(), swift.client(read_timeout=0.5)
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    with swift.frozen(name):
        assert _unanswered(client.put_object, **put) == "ReadTimeoutError"
    swift.client().put_object(**put)

    assert swift.objects(bucket) == {"k": b"x"}


@pytest.mark.parametrize("store", ["moto", "moto_signed"], indirect=True)
def test_moto_restarted_is_empty_and_where_it_was(store):
    """
    It forgets its buckets, and is as useful as at first.
    """
    old = store.new_bucket()
    store.stop()
    client = store.client()

    assert _unanswered(client.list_buckets) == "EndpointConnectionError"
    store.start()
    put = {"Bucket": old, "Key": "k", "Body": b"x"}
    assert _refusal(store.client().put_object, **put)[1] == "NoSuchBucket"
    assert store.objects(store.new_bucket()) == {}


@pytest.mark.parametrize("store", SIGNED, indirect=True)
def test_store_refuses_a_clock_that_is_wrong(store, monkeypatch):
    """
    A request of an hour ago is 403; moto does not look at the time.
    """
    from botocore import auth

    hour = datetime.timedelta(hours=1)
    true = auth.get_current_datetime
    monkeypatch.setattr(
        auth, "get_current_datetime", lambda *a, **k: true(*a, **k) - hour
    )
    put = {"Bucket": "b", "Key": "k", "Body": b"x"}

    assert _refusal(store.client().put_object, **put) == (
        (403, "RequestTimeTooSkewed")
        if isinstance(store, Swift)
        else (404, "NoSuchBucket")
    )


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_store_environment_is_all_that_boto3_needs(store, monkeypatch):
    """
    With its variables a client that is given nothing signs rightly.
    """
    import boto3

    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    bucket = store.new_bucket()
    client = boto3.Session().client("s3", endpoint_url=store.endpoint_url)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")

    assert store.objects(bucket) == {"k": b"x"}


def test_store_of_a_test_without_the_mark_is_refused():
    """
    Such a test fails wherever it runs, and not only where no server is.
    """
    node = SimpleNamespace(get_closest_marker=lambda name: None)

    with pytest.raises(pytest.fail.Exception, match="s3servers.*Swift"):
        running(SimpleNamespace(node=node), None, Swift)
