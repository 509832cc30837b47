"""
S3: records and payloads out of real buckets, over a network that breaks.
"""

import contextlib
import gzip
import json
import socket
import sys
import threading

import numpy as np
import pytest
from reading.layout import objects_of
from servers.moto import moto, moto_signed  # noqa: F401
from servers.swift import swift  # noqa: F401

import mllog
from mllog.errors import ConfigError, MissingPackageError
from mllog.reading import objects, read

pytestmark = pytest.mark.s3servers


@pytest.fixture(params=["moto", "swift"])
def store(request, monkeypatch):
    """
    Each server in turn, with credentials where boto3 finds them.
    """
    server = request.getfixturevalue(request.param)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def at_once(monkeypatch):
    """
    No waiting between attempts.
    """
    monkeypatch.setattr(objects, "_FIRST_WAIT_SECONDS", 0.001)


def put(store, found, name="reading"):
    """
    A new bucket with these objects.
    """
    bucket = store.new_bucket(name)
    client = store.client()
    for key, data in found.items():
        client.put_object(Bucket=bucket, Key=key, Body=data)
    return bucket


def line(number):
    return b'{"n":%d}\n' % number


def numbers(store, uri):
    records = read(uri, endpoint_url=store.endpoint_url)
    return [record["n"] for record in records]


def test_prefix_is_read_by_key_and_nothing_beside_it(store):
    """
    A prefix is a folder: not what only begins alike; other files are passed.
    """
    bucket = put(
        store,
        {
            "logs/dt=2026-11-21/hour=06/b.jsonl.gz": gzip.compress(line(2)),
            "logs/dt=2026-11-21/hour=05/z.jsonl": line(1),
            "logs/dt=2026-11-22/hour=00/a.csv": b"n\n3\n",
            "logs/cat.png": b"x",
            "logs2/a.jsonl": line(9),
            "a.jsonl": line(0),
        },
    )

    assert [1, 2, 3] == numbers(store, f"s3://{bucket}/logs")
    assert [1, 2, 3] == numbers(store, f"s3://{bucket}/logs/")
    assert [1, 2] == numbers(store, f"s3://{bucket}/logs/dt=2026-11-21")
    assert [3] == numbers(store, f"s3://{bucket}/logs/dt=2026-11-22/hour=00")
    assert [1, 2, 3] == numbers(store, f"s3://{bucket}/logs/dt=2026-11")
    assert [0] == numbers(store, f"s3://{bucket}/a.jsonl")
    assert [0, 1, 2, 3, 9] == numbers(store, f"s3://{bucket}")


def test_object_that_is_named_is_always_tried(store):
    """
    One object needs no known extension.
    """
    bucket = put(store, {"some/notes.txt": line(1)})

    assert [1] == numbers(store, f"s3://{bucket}/some/notes.txt")


def test_more_objects_than_a_page_holds_are_all_read(store, monkeypatch):
    """
    A listing goes on over its pages.
    """
    found = {f"a/{number:03d}.jsonl": line(number) for number in range(25)}
    bucket = put(store, found)
    source = objects.Objects(
        mllog.s3.Location.parse(f"s3://{bucket}/a"),
        mllog.s3.Access(store.endpoint_url),
    )
    whole = source._client.list_objects_v2
    monkeypatch.setattr(
        source._client,
        "list_objects_v2",
        lambda **options: whole(**{"MaxKeys": 10, **options}),
    )

    assert sorted(found) == [each.name for each in source.files({})]


def test_payloads_of_a_prefix_come_back_with_their_records(store):
    """
    The index is read, its payloads are fetched, and no payload is a log.
    """
    rows = [
        ({"label": n}, {"image": np.full((4, 4), n), "tokens": [n, n]})
        for n in range(40)
    ]
    rows.append(({"label": 40}, {"image": "sampled_out", "tokens": [0, 0]}))
    bucket = put(store, objects_of("digits/", rows))
    records = read(
        f"s3://{bucket}/digits",
        payloads=True,
        endpoint_url=store.endpoint_url,
    )

    for number, record in enumerate(records):
        assert number == record["label"]
        if number < 40:
            assert [number, number] == record["tokens"]
            assert (record["image"] == number).all()
        else:
            assert record["image"] is None
    assert 41 == records.read
    assert not records.skipped


def test_payload_that_is_gone_is_none_and_counted(store):
    """
    Status stored without an object, and a summary without one, count once.
    """
    found = objects_of("p/", [({}, {"a": b"1", "b": b"2"})])
    found = {
        key: data
        for key, data in found.items()
        if "/payloads/" not in key or data == b"1"
    }
    summary = mllog.Payload(b"3").__log_value__()
    known = mllog.Payload(b"1").__log_value__()
    text = json.dumps({"c": summary, "d": known})
    bucket = put(store, {**found, "p/z.jsonl": text.encode()})
    records = read(
        f"s3://{bucket}/p", payloads=True, endpoint_url=store.endpoint_url
    )
    index, ordinary = records

    assert (b"1", None) == (index["a"], index["b"])
    assert (None, b"1") == (ordinary["c"], ordinary["d"])
    assert {"payload_missing": 2} == records.skipped


def test_key_in_another_bucket_or_prefix_is_not_followed(store):
    """
    The index of one prefix cannot name what is in another.
    """
    found = objects_of("mine/", [({}, {"a": b"secret"})])
    stolen = {
        key.replace("mine/", "other/"): data for key, data in found.items()
    }
    bucket = put(
        store,
        {
            **{k: v for k, v in stolen.items() if "/payloads/" in k},
            **{k: v for k, v in found.items() if "/index/" in k},
        },
    )
    records = read(
        f"s3://{bucket}/mine", payloads=True, endpoint_url=store.endpoint_url
    )

    assert [None] == [record["a"] for record in records]
    assert {"payload_missing": 1} == records.skipped


# --- what cannot be read ---


def test_bucket_that_does_not_exist_is_an_error_at_once(store):
    """
    It names the bucket and says what to mend.
    """
    with pytest.raises(ConfigError, match="no-such-bucket-1(?s:.*)fix: mend"):
        read("s3://no-such-bucket-1/x", endpoint_url=store.endpoint_url)


def test_prefix_that_nothing_has_is_an_error_at_once(store):
    """
    A mistyped prefix is no empty dataset; an empty bucket is.
    """
    bucket = put(store, {})

    assert [] == numbers(store, f"s3://{bucket}")
    with pytest.raises(ConfigError, match="there is nothing at s3://"):
        read(f"s3://{bucket}/digts", endpoint_url=store.endpoint_url)


def test_no_credentials_are_an_error_at_once(store, monkeypatch):
    """
    Without any credentials it says where boto3 looks for them.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        read("s3://some-bucket/x", endpoint_url=store.endpoint_url)


def test_wrong_credentials_are_an_error_at_once(moto_signed, monkeypatch):
    """
    A key that the server does not know is named as the trouble.
    """
    environment = moto_signed.environment()
    environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket = put(moto_signed, {"a.jsonl": line(1)})

    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY"):
        read(f"s3://{bucket}", endpoint_url=moto_signed.endpoint_url)


def test_profile_that_does_not_exist_is_an_error_at_once(store):
    """
    It says which option is wrong.
    """
    with pytest.raises(ConfigError, match="mend profile"):
        read("s3://some-bucket", profile="nobody")


def test_server_that_is_not_there_is_an_error(store, at_once):
    """
    It says that the endpoint or the network is at fault.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(ConfigError, match="endpoint_url"):
        read("s3://some-bucket", endpoint_url=f"http://127.0.0.1:{port}")


def test_boto3_that_is_missing_is_named(monkeypatch):
    """
    Without the extra it says how to install it.
    """
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(MissingPackageError, match=r"mllog-handlers\[s3\]"):
        read("s3://some-bucket")


def test_object_deleted_since_it_was_listed_is_counted(store):
    """
    One that a lifecycle rule took costs itself alone.
    """
    bucket = put(
        store, {f"{number}.jsonl": line(number) for number in range(3)}
    )
    records = read(f"s3://{bucket}", endpoint_url=store.endpoint_url)
    assert {"n": 0} == next(records)
    store.client().delete_object(Bucket=bucket, Key="1.jsonl")

    assert [{"n": 2}] == list(records)
    assert {"unreadable": 1} == records.skipped


# --- a network that breaks ---


class Cutting:
    """
    A proxy that ends each connection after so many bytes of answers.
    """

    def __init__(self, target, most):
        self.target, self.most = target, most
        self.cuts = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.sockets = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.server.accept()
                there = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += here, there
                for call in ((here, there, 1 << 60), (there, here, self.most)):
                    thread = threading.Thread(target=self._copy, args=call)
                    self.threads.append(thread)
                    thread.start()

    def _copy(self, source, sink, most):
        with contextlib.suppress(OSError):
            while most > 0 and (data := source.recv(min(most, 65536))):
                sink.sendall(data)
                most -= len(data)
            self.cuts += most <= 0
        # it ends the recv() of the other thread, which close() does not
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for each in self.sockets:
            each.close()


@contextlib.contextmanager
def cutting(store, most):
    proxy = Cutting(store.port, most)
    try:
        yield proxy
    finally:
        proxy.close()


def large(store):
    """
    A bucket with 1.5 MB of records in two objects, plain and gzip.
    """
    from random import Random

    chance = Random(1)
    lines = [
        b'{"n":%d,"x":"%s"}\n' % (n, chance.randbytes(400).hex().encode())
        for n in range(1000)
    ]
    return put(
        store,
        {
            "a.jsonl": b"".join(lines[:500]),
            "b.jsonl.gz": gzip.compress(b"".join(lines[500:])),
        },
    )


def test_read_that_breaks_goes_on_where_it_was(store, at_once):
    """
    With a break every 60 kB each record comes once, plain and gzip.
    """
    bucket = large(store)
    with cutting(store, 60_000) as proxy:
        records = read(f"s3://{bucket}", endpoint_url=proxy.url)
        got = [record["n"] for record in records]

    assert list(range(1000)) == got
    assert not records.skipped
    assert proxy.cuts > 5


def test_control_that_never_asks_again_loses_records(
    store, at_once, monkeypatch
):
    """
    The control: without further attempts a broken read is counted.
    """
    bucket = large(store)
    monkeypatch.setattr(objects, "_ATTEMPTS", 1)
    with cutting(store, 60_000) as proxy:
        records = read(f"s3://{bucket}", endpoint_url=proxy.url)
        got = [record["n"] for record in records]

    assert len(got) < 1000
    assert {"unreadable": 2} == records.skipped


def test_object_changed_between_two_attempts_is_not_mixed(store, at_once):
    """
    What follows a break must be of the same version, or nothing comes.
    """
    bucket = large(store)
    client = store.client()
    with cutting(store, 150_000) as proxy:
        records = read(f"s3://{bucket}/a.jsonl", endpoint_url=proxy.url)
        assert 0 == next(records)["n"]
        client.put_object(
            Bucket=bucket, Key="a.jsonl", Body=b'{"n":-1}\n' * 100_000
        )
        got = [record["n"] for record in records]

    assert -1 not in got
    assert {"unreadable": 1} == records.skipped


def test_server_that_dies_while_reading_is_an_error(store, at_once):
    """
    Half a dataset is never taken for all of it.
    """
    bucket = put(
        store, {f"{number}.jsonl": line(number) for number in range(3)}
    )
    with cutting(store, 1 << 30) as proxy:
        records = read(f"s3://{bucket}", endpoint_url=proxy.url)
        assert {"n": 0} == next(records)
    with pytest.raises(ConfigError, match="endpoint_url"):
        list(records)
