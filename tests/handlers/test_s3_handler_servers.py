"""
S3Handler against a real OpenStack Swift and against moto.
"""

import datetime
import gzip
import json
import logging
import logging.config
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from servers.forwarder import Forwarder
from servers.moto import moto, moto_signed
from servers.object_store import Keys
from servers.swift import swift
from shipping import drained, unaccounted, wait_until

pytest.importorskip("boto3")

import mllog
from mllog import S3Handler
from mllog.delivery import retry
from mllog.delivery.s3 import BatchTransport
from mllog.delivery.spool import inspect

__all__ = ["moto", "moto_signed", "swift"]

pytestmark = pytest.mark.s3servers

#: Options that make a test quick; a test gives its own over them.
QUICK = {
    "linger_seconds": 0.02,
    "retry_max_seconds": 0.05,
    "close_timeout_seconds": 1.0,
}
KEY = re.compile(
    r"dt=(?P<date>\d{4}-\d\d-\d\d)/hour=(?P<hour>\d\d)/"
    r"(?P<host>[\w.-]+)-(?P<pid>\d+)-(?P<start>\w+)-(?P<sequence>\d{6})"
    r"\.jsonl(?P<suffix>\.gz|\.zst|)"
)
BOTH = pytest.mark.parametrize("store", ["swift", "moto"], indirect=True)
SIGNED = pytest.mark.parametrize(
    "store", ["swift", "moto_signed"], indirect=True
)


@pytest.fixture
def store(request):
    """
    The server that the test is parametrized with.
    """
    return request.getfixturevalue(request.param)


@pytest.fixture
def make(monkeypatch, logger):
    """
    A handler for a server; boto3 finds the credentials in the environment.
    """

    def made(store, bucket, prefix="", keys=None, **options):
        _enter(monkeypatch, store, keys)
        options = {"endpoint_url": store.endpoint_url, **QUICK, **options}
        handler = S3Handler(bucket, prefix, **options)
        logger.addHandler(handler)
        return handler

    return made


@pytest.fixture
def soon(monkeypatch):
    """
    What needs a person is tried again at once, not after half a minute.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.05)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.1)


class Said:
    """
    What was written to standard error in a test.
    """

    def __init__(self, capsys):
        self._capsys = capsys
        self._text = ""

    @property
    def text(self):
        """
        All of it, so far.
        """
        self._text += self._capsys.readouterr().err
        return self._text

    def wait_for(self, words):
        """
        All of it, a while after *words* were in it first.
        """
        assert wait_until(lambda: words in self.text), self.text
        time.sleep(0.5)
        return self.text


@pytest.fixture
def said(capsys):
    """
    What was written to standard error.
    """
    return Said(capsys)


def _enter(monkeypatch, store, keys=None):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in store.environment(keys).items():
        monkeypatch.setenv(name, value)


def _decompressed(key, body):
    if key.endswith(".zst"):
        zstd = pytest.importorskip(
            "compression.zstd"
            if sys.version_info >= (3, 14)
            else "backports.zstd"
        )
        return zstd.decompress(body)
    return gzip.decompress(body) if key.endswith(".gz") else body


def lines(store, bucket, prefix=""):
    """
    The records of each object in *bucket*.
    """
    found = {}
    for key, body in store.objects(bucket, prefix).items():
        text = _decompressed(key, body).decode()
        assert text.endswith("\n")
        found[key] = [json.loads(line) for line in text.splitlines()]
    return found


def messages(store, bucket, prefix=""):
    """
    The messages of all records in *bucket*, object after object.
    """
    found = lines(store, bucket, prefix)
    return [line["message"] for key in sorted(found) for line in found[key]]


@BOTH
@pytest.mark.parametrize(
    ("compression", "suffix", "content_type"),
    [
        ("gzip", ".gz", "application/gzip"),
        ("zstd", ".zst", "application/zstd"),
        ("none", "", "application/x-ndjson"),
    ],
)
def test_s3_objects_are_lines_under_the_keys_of_the_layout(
    store, make, logger, compression, suffix, content_type
):
    """
    Each batch is one object: all fields of all its records, in order.
    """
    bucket = store.new_bucket()
    handler = make(
        store,
        bucket,
        "logs/app",
        compression=compression,
        batch_records=100,
        linger_seconds=0.5,
    )

    for number in range(250):
        logger.info("n %d", number, extra={"step": number, "note": "ü\n日本"})

    assert drained(handler)
    found = lines(store, bucket)
    keys = sorted(found)
    assert [len(found[key]) for key in keys] == [100, 100, 50]
    parts = [KEY.fullmatch(key.removeprefix("logs/app/")) for key in keys]
    assert [part["sequence"] for part in parts] == [
        "000001",
        "000002",
        "000003",
    ]
    assert {part["pid"] for part in parts} == {str(os.getpid())}
    assert {part["suffix"] for part in parts} == {suffix}
    for key, part in zip(keys, parts, strict=True):
        for line in found[key]:
            stamp = f"{part['date']}T{part['hour']}"
            assert line["timestamp"].startswith(stamp)
    together = [line for key in keys for line in found[key]]
    assert [line["step"] for line in together] == list(range(250))
    assert {line["note"] for line in together} == {"ü\n日本"}
    head = store.client().head_object(Bucket=bucket, Key=keys[0])
    assert head["ContentType"] == content_type
    assert "ContentEncoding" not in head
    assert (handler.stats().sent, unaccounted(handler.stats())) == (250, 0)


@BOTH
def test_s3_records_of_many_threads_are_stored_once(store, make, logger):
    """
    4000 records of 8 threads, in batches of 300: each is in one object.
    """
    bucket = store.new_bucket()
    handler = make(store, bucket, batch_records=300)

    def work(thread):
        for number in range(500):
            logger.info("%d-%d", thread, number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert drained(handler)
    assert sorted(messages(store, bucket)) == sorted(
        f"{thread}-{number}" for thread in range(8) for number in range(500)
    )
    assert handler.stats().sent == 4000


@BOTH
def test_s3_batch_is_split_where_the_hour_changes(store, make, logger):
    """
    Records before and after midnight of one batch are in their own folders.
    """
    bucket = store.new_bucket()
    handler = make(store, bucket, "p", linger_seconds=0.3)
    midnight = 1_767_225_600.0  # 2026-01-01 UTC
    times = [midnight - 3600.5, midnight - 1, midnight + 1, midnight + 3]
    factory = logging.getLogRecordFactory()

    def dated(*args, **kwargs):
        record = factory(*args, **kwargs)
        record.created = times[int(args[4])]
        return record

    logging.setLogRecordFactory(dated)
    for number in range(4):
        logger.info(str(number))

    assert drained(handler)
    found = lines(store, bucket)
    assert {
        key.rpartition("/")[0]: [line["message"] for line in found[key]]
        for key in found
    } == {
        "p/dt=2025-12-31/hour=22": ["0"],
        "p/dt=2025-12-31/hour=23": ["1"],
        "p/dt=2026-01-01/hour=00": ["2", "3"],
    }


@BOTH
def test_s3_batch_whose_answer_is_lost_is_stored_once(store, make, logger):
    """
    The server stores and the answer is lost, twice: 412 then means stored.
    """
    bucket = store.new_bucket()
    with Forwarder(store.port) as forwarder:
        forwarder.lose = 2
        handler = make(
            store, bucket, endpoint_url=f"http://127.0.0.1:{forwarder.port}"
        )
        for number in range(50):
            logger.info("%d", number)
        assert drained(handler)

    assert (forwarder.lose, forwarder.sent.count(b"PUT /")) == (0, 3)
    assert messages(store, bucket) == [str(n) for n in range(50)]
    assert (handler.stats().sent, handler.stats().dropped) == (50, {})


def test_control_that_makes_keys_anew_stores_a_batch_twice(
    swift, make, logger, monkeypatch
):
    """
    An attempt under another key stores again what a lost answer was about.
    """
    send = BatchTransport.send

    def forgetful(self, events, deadline):
        self.begin()
        send(self, events, deadline)

    monkeypatch.setattr(BatchTransport, "send", forgetful)
    bucket = swift.new_bucket()
    with Forwarder(swift.port) as forwarder:
        forwarder.lose = 2
        handler = make(
            swift, bucket, endpoint_url=f"http://127.0.0.1:{forwarder.port}"
        )
        logger.info("x")
        assert drained(handler)

    assert messages(swift, bucket) == ["x", "x", "x"]


@BOTH
def test_s3_object_of_somebody_else_stays(store, make, logger):
    """
    An object that has the next key is not replaced, and no record is lost.
    """
    bucket = store.new_bucket()
    handler = make(store, bucket, linger_seconds=0.0)
    logger.info("first")
    assert drained(handler)
    (first,) = store.names(bucket)
    foreign = first.replace("-000001.", "-000002.")
    store.client().put_object(Bucket=bucket, Key=foreign, Body=b"theirs")
    # of the next hour the key would be free
    hour = "/".join(first.split("/")[:2])

    logger.info("second")

    assert drained(handler)
    objects = store.objects(bucket)
    assert objects.pop(foreign) == b"theirs"
    assert [
        json.loads(gzip.decompress(objects[key]))["message"]
        for key in sorted(objects)
    ] == ["first", "second"]
    if all(key.startswith(hour) for key in objects):
        assert first.replace("-000001.", "-000003.") in objects
    assert handler.stats().sent == 2


@SIGNED
@pytest.mark.parametrize("who", ["wrong secret", "unknown key", "reader"])
def test_s3_refused_credentials_are_told_once_and_records_wait(
    store, make, logger, said, soon, who
):
    """
    The report has the server's code and what to mend, and no secret.
    """
    bucket = store.new_bucket()
    keys = {
        "wrong secret": Keys(store.keys.access_key, "a-wrong-secret"),
        "unknown key": Keys("AKIDUNKNOWN", "a-wrong-secret"),
        "reader": store.read_only,
    }[who]
    handler = make(store, bucket, keys=keys)

    for number in range(10):
        logger.info("%d", number)

    text = said.wait_for("cannot send")
    assert text.count("mllog: ") == text.count("cannot send") == 1
    stats = handler.stats()
    assert (stats.queued + stats.in_flight, stats.sent) == (10, 0)
    assert (stats.dropped, unaccounted(stats)) == ({}, 0)
    codes = {
        "wrong secret": "SignatureDoesNotMatch (403)",
        "unknown key": r"(SignatureDoesNotMatch|InvalidAccessKeyId) (403)",
        "reader": "AccessDenied (403)",
    }
    pattern = codes[who].replace("(403)", r"\(403\)")
    assert re.search(rf"s3://{bucket} at http://127\S+: {pattern}", text)
    fix = "allow s3:PutObject" if who == "reader" else "mend the credentials"
    assert f"fix: {fix}" in text
    assert keys.secret_key not in text
    handler.close()
    assert handler.stats().dropped == {"unsent_at_close": 10}


@BOTH
def test_s3_records_for_a_missing_bucket_wait_until_it_is_made(
    store, make, logger, said, soon
):
    """
    A bucket that is made later gets what was logged before.
    """
    bucket = store.new_bucket()
    store.client().delete_bucket(Bucket=bucket)
    handler = make(store, bucket)
    logger.info("early")
    said.wait_for("cannot send")

    store.client().create_bucket(Bucket=bucket)

    assert drained(handler)
    assert messages(store, bucket) == ["early"]
    text = said.wait_for("sends again")
    assert text.count("cannot send") == text.count("sends again") == 1
    assert "NoSuchBucket (404)" in text
    assert "fix: create the bucket, or mend its name" in text


def test_s3_clock_that_is_wrong_is_told_with_the_difference(
    swift, make, logger, said, monkeypatch
):
    """
    The report says by how much this machine's clock is wrong.
    """
    from botocore import auth

    bucket = swift.new_bucket()
    true, hour = auth.get_current_datetime, datetime.timedelta(hours=1)
    monkeypatch.setattr(
        auth, "get_current_datetime", lambda *a, **k: true(*a, **k) - hour
    )
    handler = make(swift, bucket)

    logger.info("late")

    text = said.wait_for("cannot send")
    assert "RequestTimeTooSkewed (403)" in text
    # the request is of an hour ago, the clock that is compared is not
    assert re.search(r"fix: set this machine's clock, .* by -?\d+ s", text)
    assert handler.stats().sent == 0


def test_s3_server_that_is_down_and_up_again_has_each_record_once(
    swift, make, logger, said
):
    """
    What is logged before, in, and after an outage arrives, in order.
    """
    bucket = swift.new_bucket()
    handler = make(swift, bucket)
    for number in range(30):
        if number == 10:
            assert drained(handler)
            swift.stop(kill=True)
        if number == 20:
            said.wait_for("cannot send")
            swift.start()
        logger.info("%d", number)

    assert drained(handler)
    assert messages(swift, bucket) == [str(n) for n in range(30)]
    assert (handler.stats().sent, handler.stats().dropped) == (30, {})
    text = said.wait_for("sends again")
    assert text.count("cannot send") == text.count("sends again") == 1
    assert "EndpointConnectionError" in text


def test_s3_moto_that_is_down_and_up_again_gets_what_waited(
    moto, make, logger, soon
):
    """
    A server that comes back without its buckets gets all when they are there.
    """
    bucket = moto.new_bucket()
    moto.stop()
    handler = make(moto, bucket)
    logger.info("a")
    logger.info("b")
    assert not handler.flush(0.3)
    moto.start()
    time.sleep(0.2)

    moto.client().create_bucket(Bucket=bucket)

    assert drained(handler)
    assert messages(moto, bucket) == ["a", "b"]


@pytest.mark.parametrize("name", ["object", "container", "account"])
def test_s3_server_with_a_dead_process_gets_each_record_once(
    swift, make, logger, soon, name
):
    """
    503, and the 404 of a dead account server, lose nothing.
    """
    bucket = swift.new_bucket()
    handler = make(swift, bucket)
    swift.stop(name, kill=True)
    for number in range(20):
        logger.info("%d", number)
    assert not handler.flush(0.5)

    swift.start()

    assert drained(handler)
    assert messages(swift, bucket) == [str(n) for n in range(20)]
    assert (handler.stats().sent, handler.stats().dropped) == (20, {})


@pytest.mark.parametrize("name", ["object", "proxy"])
def test_s3_server_that_does_not_answer_gets_each_record_once(
    swift, make, logger, name
):
    """
    Attempts time out, and what they may have stored is not stored again.
    """
    bucket = swift.new_bucket()
    handler = make(swift, bucket, send_timeout_seconds=0.5)
    with swift.frozen(name):
        for number in range(20):
            logger.info("%d", number)
        assert not handler.flush(4)

    assert drained(handler)
    assert sorted(messages(swift, bucket)) == sorted(map(str, range(20)))
    assert (handler.stats().sent, handler.stats().dropped) == (20, {})


@pytest.mark.parametrize(
    ("options", "head", "tags"),
    [
        (
            {"storage_class": "STANDARD_IA"},
            {"StorageClass": "STANDARD_IA"},
            {},
        ),
        (
            {"server_side_encryption": "AES256"},
            {"ServerSideEncryption": "AES256"},
            {},
        ),
        (
            {"server_side_encryption": "aws:kms", "kms_key_id": "a-key"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "a-key"},
            {},
        ),
        (
            {"tags": {"team": "vision + more", "größe": 3}},
            {},
            {"team": "vision + more", "größe": "3"},
        ),
        ({"metadata": {"run": 7}}, {"Metadata": {"run": "7"}}, {}),
    ],
    ids=["storage_class", "AES256", "KMS", "tags", "metadata"],
)
def test_s3_objects_have_what_they_are_put_with(
    moto, make, logger, options, head, tags
):
    """
    Storage class, encryption, tags and metadata are those of the options.
    """
    bucket, client = moto.new_bucket(), moto.client()
    handler = make(moto, bucket, **options)

    logger.info("x")

    assert drained(handler)
    (key,) = moto.names(bucket)
    found = client.head_object(Bucket=bucket, Key=key)
    assert {name: found[name] for name in head} == head
    pairs = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert {pair["Key"]: pair["Value"] for pair in pairs} == tags


@pytest.mark.parametrize(
    "options",
    [
        {"tags": {"team": "vision"}},
        {"server_side_encryption": "AES256"},
        {"storage_class": "STANDARD_IA"},
    ],
    ids=["tags", "encryption", "storage_class"],
)
def test_s3_option_that_the_server_does_not_have_is_told_once(
    swift, make, logger, said, soon, options
):
    """
    One report says what to leave out, however often it is tried; no loss.
    """
    bucket = swift.new_bucket()
    handler = make(swift, bucket, **options)

    for number in range(5):
        logger.info("%d", number)

    text = said.wait_for("cannot send")
    assert text.count("mllog: ") == text.count("fix: ") == 1
    stats = handler.stats()
    assert (stats.queued + stats.in_flight, stats.dropped) == (5, {})
    code = (
        r"InvalidStorageClass \(400\)"
        if "storage_class" in options
        else r"NotImplemented \(501\)"
    )
    assert re.search(code, text)
    assert swift.objects(bucket) == {}


@BOTH
@pytest.mark.parametrize("create_only", [True, False])
def test_s3_create_only_decides_whether_a_put_has_a_condition(
    store, make, logger, create_only
):
    """
    With it off a server that knows no conditional writes is asked for none.
    """
    bucket = store.new_bucket()
    with Forwarder(store.port) as forwarder:
        handler = make(
            store,
            bucket,
            create_only=create_only,
            endpoint_url=f"http://127.0.0.1:{forwarder.port}",
        )
        logger.info("x")
        assert drained(handler)

    conditions = forwarder.sent.lower().count(b"if-none-match: *")
    assert conditions == int(create_only)
    assert messages(store, bucket) == ["x"]


@BOTH
def test_s3_repeated_attempt_without_create_only_replaces_itself(
    store, make, logger
):
    """
    An answer that is lost leads to the same key, and so to one object.
    """
    bucket = store.new_bucket()
    with Forwarder(store.port) as forwarder:
        forwarder.lose = 1
        handler = make(
            store,
            bucket,
            create_only=False,
            endpoint_url=f"http://127.0.0.1:{forwarder.port}",
        )
        logger.info("x")
        assert drained(handler)

    assert forwarder.lose == 0
    assert messages(store, bucket) == ["x"]


@BOTH
def test_s3_prefix_may_be_any_text_and_fields_become_safe(store, make, logger):
    """
    A prefix is kept as it is; what records say is reduced to a few letters.
    """
    bucket = store.new_bucket()
    prefix = "modèle 日本/größe +%&=?#'"
    handler = make(
        store,
        bucket,
        prefix,
        key_fields=["model"],
        key_template="model={model}/dt={date}/{host}-{pid}-{start}-{sequence}",
    )

    logger.info("a", extra={"model": "../../résnet 50"})
    logger.info("b", extra={"model": "plain"})
    logger.info("c")

    assert drained(handler)
    found = lines(store, bucket, prefix + "/")
    assert {
        key.removeprefix(prefix + "/").split("/")[0]: [
            line["message"] for line in found[key]
        ]
        for key in found
    } == {
        "model=__.._r_snet_50": ["a"],
        "model=plain": ["b"],
        "model=__HIVE_DEFAULT_PARTITION__": ["c"],
    }


@BOTH
def test_s3_handler_of_a_configuration_stores(store, monkeypatch):
    """
    dictConfig makes it, and close stores what waits.
    """
    _enter(monkeypatch, store)
    bucket = store.new_bucket()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "s3": {
                    "class": "mllog.S3Handler",
                    "bucket": bucket,
                    "prefix": "configured",
                    "endpoint_url": store.endpoint_url,
                    "batch_bytes": "1MB",
                    "linger_seconds": "60",
                }
            },
            "loggers": {"configured": {"handlers": ["s3"], "level": "INFO"}},
        }
    )
    logging.getLogger("configured").info("x", extra={"loss": 0.5})
    assert mllog.shutdown(5)

    ((key, (line,)),) = lines(store, bucket).items()
    assert key.startswith("configured/dt=")
    assert (line["message"], line["loss"]) == ("x", 0.5)


# --- processes that end ---

APPLICATION = """
import json, logging, os, signal, sys, time
from mllog import S3Handler

settings = json.loads(sys.argv[1])
logger = logging.getLogger("app")
logger.setLevel("INFO")
logger.addHandler(S3Handler(**settings["handler"]))
for number in range(settings["records"]):
    logger.info("%d", number)
time.sleep(settings["seconds"])
if settings["kill"]:
    os.kill(os.getpid(), signal.SIGKILL)
print(time.monotonic(), flush=True)
"""


def run(store, bucket, *, records=200, seconds=0.0, kill=False, **options):
    """
    Run an application; gives it, and how long it took from its end on.
    """
    settings = {
        "handler": {
            "bucket": bucket,
            "endpoint_url": store.endpoint_url,
            "linger_seconds": 0.05,
            **options,
        },
        "records": records,
        "seconds": seconds,
        "kill": kill,
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", APPLICATION, json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env={**clean, **store.environment()},
        cwd=Path(mllog.__file__).parents[1],
    )
    took = time.monotonic() - float(done.stdout or "nan")
    return done, took


def test_s3_spool_of_a_killed_process_is_shipped_by_the_next_one(
    swift, make, tmp_path
):
    """
    With the server down and spool="always" a kill -9 loses no record.
    """
    bucket = swift.new_bucket()
    spool = {"spool": "always", "spool_dir": str(tmp_path / "spool")}
    swift.stop()
    done, _ = run(swift, bucket, seconds=0.5, kill=True, **spool)
    assert done.returncode == -signal.SIGKILL
    swift.start()
    assert swift.names(bucket) == []

    handler = make(swift, bucket, **spool)
    handler.start()

    assert wait_until(lambda: handler.stats().sent == 200)
    assert drained(handler)
    assert messages(swift, bucket) == [str(n) for n in range(200)]
    assert handler.stats().adopted == 200
    (key,) = swift.names(bucket)
    assert KEY.fullmatch(key)["pid"] == str(os.getpid())


def test_control_whose_spool_is_for_overflow_loses_what_is_in_memory(
    swift, tmp_path
):
    """
    A kill -9 leaves less on disk than was logged, unless all goes there first.
    """
    swift.stop()

    done, _ = run(
        swift,
        "any",
        kill=True,
        spool="overflow",
        spool_dir=str(tmp_path / "spool"),
    )

    assert done.returncode == -signal.SIGKILL
    folders = (tmp_path / "spool").glob("*")
    kept = [left.records for f in folders for left in inspect(str(f))]
    assert sum(kept) < 200


@pytest.mark.parametrize(
    ("trouble", "spool"),
    [("dead", "off"), ("silent", "off"), ("silent", "overflow")],
)
def test_s3_process_ends_in_time_whatever_the_server_does(
    swift, tmp_path, trouble, spool
):
    """
    In the 5 s that all handlers have, and what a busy machine needs to end
    a process; what was not stored is counted, or in the spool.
    """
    bucket = swift.new_bucket()
    options = {"spool": spool}
    if spool != "off":
        options["spool_dir"] = str(tmp_path / "spool")
    if trouble == "dead":
        swift.stop()
        done, took = run(swift, bucket, seconds=0.3, **options)
    else:
        with swift.frozen("proxy"):
            done, took = run(swift, bucket, seconds=0.3, **options)

    assert took <= 6.5
    assert done.returncode == 0
    if spool == "off":
        assert "200 records were not sent before the close" in done.stderr
    else:
        assert "lost" not in done.stderr
        (folder,) = (tmp_path / "spool").iterdir()
        assert sum(left.records for left in inspect(str(folder))) == 200


def test_s3_process_that_ends_with_a_healthy_server_stores_all(swift):
    """
    What was logged last is stored at the end, whatever it had to wait for.
    """
    bucket = swift.new_bucket()

    done, took = run(swift, bucket, linger_seconds=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert took < 5
    assert messages(swift, bucket) == [str(n) for n in range(200)]


# --- read as a table ---


@BOTH
def test_s3_objects_are_a_table_partitioned_by_day_and_hour(
    store, make, logger, tmp_path, missing
):
    """
    DuckDB finds the columns dt and hour, and reads only what it is asked for.
    """
    try:
        import duckdb
    except ImportError:
        missing("duckdb", "install duckdb, or mllog-handlers[test-s3]")
    bucket = store.new_bucket()
    handler = make(store, bucket, "logs", batch_records=70, linger_seconds=0.2)
    start = 1_767_225_600.0  # 2026-01-01 UTC
    factory = logging.getLogRecordFactory()

    def dated(*args, **kwargs):
        record = factory(*args, **kwargs)
        record.created = start + int(args[5][0]) * 600.0
        return record

    logging.setLogRecordFactory(dated)
    for number in range(300):
        logger.info("step %d", number, extra={"loss": number / 8})
    assert drained(handler)
    for key, body in store.objects(bucket).items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    table = (
        f"read_json('{tmp_path}/logs/**/*.jsonl.gz',"
        " format='newline_delimited', hive_partitioning=true)"
    )
    with duckdb.connect() as database:
        days = database.sql(
            "select dt::varchar, count(*), min(loss), max(loss)"
            f" from {table} group by 1 order by 1"
        ).fetchall()
        hours = database.sql(
            f"select message from {table} where dt = '2026-01-02' and"
            " hour::int = 5 order by loss"
        ).fetchall()

    assert days == [
        ("2026-01-01", 144, 0.0, 143 / 8),
        ("2026-01-02", 144, 144 / 8, 287 / 8),
        ("2026-01-03", 12, 288 / 8, 299 / 8),
    ]
    assert hours == [(f"step {144 + 30 + n}",) for n in range(6)]
