"""
S3 under faults: errors, silence, resets after the store, kills, forks, exits.

The server is that of tests/servers/faulty_s3.py, which really stores.  One
oracle serves all: what a log call returned for is in exactly one object, or
counted, or in the spool.  Each safeguard that can be taken away has a control
without it, which the same oracle must catch.
"""

import collections
import contextlib
import gc
import gzip
import json
import logging
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from mllog.delivery import retry, worker
from mllog.delivery.spool import inspect

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from servers.faulty import free_port  # noqa: E402
from servers.faulty_s3 import FaultyS3, Mixture  # noqa: E402
from shipping import drained, unaccounted, wait_until  # noqa: E402

pytest.importorskip("boto3")

from mllog import (  # noqa: E402
    ConfigError,
    Payload,
    S3Handler,
    S3PayloadHandler,
)
from mllog.delivery.s3 import batches, faults, objects  # noqa: E402

pytestmark = pytest.mark.faults

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDthatnobodyshallsee",
    "AWS_SECRET_ACCESS_KEY": "secretthatnobodyshallsee",
    "AWS_SESSION_TOKEN": "tokenthatnobodyshallsee",
}
CHAIN = {
    **SECRETS,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

#: Options that make a test quick; a test gives its own over them.
QUICK = {
    "batch_records": 5,
    "linger_seconds": 0.05,
    "retry_max_seconds": 0.02,
    "connect_timeout_seconds": 0.5,
    "send_timeout_seconds": 0.4,
}

MIXED = {
    "slow_down": 60,
    "slow_down_later": 4,
    "internal_error": 60,
    "internal_error_after": 60,
    "bad_gateway": 40,
    "conflict": 20,
    "silence": 20,
    "silence_after": 20,
    "reset": 60,
    "reset_after": 80,
    "cut": 60,
    "cut_body": 60,
    "garbage": 30,
}


@pytest.fixture(autouse=True)
def chain(monkeypatch):
    """
    Credentials of nobody, and nothing of this machine.
    """
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in CHAIN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server():
    with FaultyS3() as running:
        yield running


@pytest.fixture
def shipper(logger, server):
    """
    Makes handlers of the logger, and ends them without waiting.
    """
    made = []

    def make(**options):
        chosen = {"endpoint_url": server.url, **QUICK, **options}
        handler = S3Handler("logs", "app", **chosen)
        made.append(handler)
        logger.addHandler(handler)
        return handler

    yield make
    for handler in made:
        logger.removeHandler(handler)
        handler.close(0)
        handler._worker.join(time.monotonic() + 5)


@pytest.fixture
def impatient(monkeypatch):
    """
    What needs a person is tried again at once.
    """
    monkeypatch.setattr(retry, "_AUTH_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(retry, "_AUTH_LONGEST_SECONDS", 0.02)


# --- the oracle ---


def _messages(server):
    """
    How often each message is in an object.
    """
    found = collections.Counter()
    for body in list(server.objects.values()):
        for line in gzip.decompress(body).splitlines():
            found[json.loads(line)["message"]] += 1
    return found


def _twice(found):
    return sorted(each for each, times in found.items() if times > 1)


def _keys_twice(server):
    """
    Keys that were stored more than once, whatever with.
    """
    stored = collections.Counter(
        each.key
        for each in server.attempts
        if each.outcome in ("stored", "overwritten")
    )
    return _twice(stored)


def _log(logger, records):
    issued = [str(number) for number in range(records)]
    for message in issued:
        logger.info(message)
    return issued


# --- every batch exactly once ---


def _through_faults(handler, logger, server, batches):
    """
    Ship so many batches of 5; gives what was issued, and whether it ended.
    """
    server.choose = Mixture(MIXED)
    issued = _log(logger, 5 * batches)
    return issued, drained(handler, 60 + batches / 20)


def test_batches_under_faults_are_stored_exactly_once(
    shipper, logger, server, fault_scale
):
    """
    Of 10 000 batches each fifth request fails, and all are there once.
    """
    count = int(10_000 * fault_scale)
    handler = shipper()
    issued, is_done = _through_faults(handler, logger, server, count)
    found, stats = _messages(server), handler.stats()
    attempts, faulted = len(server.attempts), server.faulted()
    met = collections.Counter(each.fault for each in server.attempts)
    print("attempts", attempts, "faults", dict(met))
    print(collections.Counter(each.outcome for each in server.attempts))

    assert is_done
    assert [] == _twice(found)
    assert set(issued) == set(found)
    assert [] == _keys_twice(server)
    assert 0 == server.counts("overwritten")
    assert (len(issued), {}) == (stats.sent, stats.dropped)
    assert 0 == unaccounted(stats)
    assert [] == server.early()
    stored = len(server.objects)
    assert count <= stored <= 1.01 * count + 5
    assert attempts <= 1.5 * stored + faulted
    # the test is worth nothing if they did not happen
    assert 0.15 * attempts < faulted < 0.25 * attempts
    assert set(MIXED) <= set(met)
    assert server.counts("exists") >= 10


def test_control_whose_keys_change_stores_records_twice(
    shipper, logger, server, monkeypatch
):
    """
    The control: each attempt has a key of its own.
    """
    send = batches.BatchTransport.send

    def forgetful(self, events, deadline):
        self.begin()
        send(self, events, deadline)

    monkeypatch.setattr(batches.BatchTransport, "send", forgetful)
    _, is_done = _through_faults(shipper(), logger, server, 150)

    assert is_done
    assert _twice(_messages(server))


def test_control_that_takes_412_for_an_error_never_ends(
    shipper, logger, server, monkeypatch, impatient
):
    """
    The control: what was stored without an answer is tried for ever.
    """
    monkeypatch.setattr(objects, "_says_it_exists", lambda error: False)
    handler = shipper()
    server.script("reset_after")
    _log(logger, 5)

    assert not drained(handler, 2)
    assert 5 == len(_messages(server))
    assert server.counts("exists") > 3


def test_control_that_does_not_hear_retry_after_comes_too_early(
    shipper, logger, server, monkeypatch
):
    """
    The control: SlowDown is like any other error.
    """
    monkeypatch.setattr(faults, "_retry_after", lambda error: None)
    shipper()
    server.script("slow_down_later")
    _log(logger, 5)

    assert wait_until(server.early, 30)


def test_batch_that_is_asked_to_wait_waits(shipper, logger, server):
    """
    After Retry-After: 1 the next attempt comes later, and then all is there.
    """
    handler = shipper()
    server.script("slow_down_later")
    issued = _log(logger, 10)

    assert drained(handler)
    first, second = server.attempts[:2]
    assert 1 <= second.time - first.time < 3
    assert [] == server.early()
    assert set(issued) == set(_messages(server))


def test_batch_that_is_asked_to_wait_waits_while_somebody_flushes(
    shipper, logger, server
):
    """
    flush() is no reason to come before a Retry-After is over.
    """
    handler = shipper()
    server.script("slow_down_later")
    _log(logger, 5)
    assert server.wait_for(lambda each: each.attempts)
    for _ in range(5):
        handler.flush(0.05)

    assert drained(handler)
    assert [] == server.early()


# --- keys that are taken ---


def _taking(server, *numbers):
    """
    Somebody else stores an object at the key of these attempts, just before.
    """

    def choose(attempt):
        if attempt.number in numbers:
            place = attempt.bucket, attempt.key
            server.objects[place] = gzip.compress(b'{"message":"theirs"}\n')
        return ""

    server.choose = choose


def test_key_that_somebody_else_has_is_not_taken_for_ours(
    shipper, logger, server
):
    """
    A 412 for a first attempt is no receipt: the batch gets another key.
    """
    handler = shipper()
    _taking(server, 0, 2)
    issued = _log(logger, 10)

    assert drained(handler)
    found = _messages(server)
    assert 2 == found.pop("theirs")
    assert dict.fromkeys(issued, 1) == found
    assert 0 == server.counts("overwritten")


def test_control_that_trusts_each_412_loses_the_batch(
    shipper, logger, server, monkeypatch
):
    """
    The control: any 412 is a receipt.
    """
    monkeypatch.setattr(
        batches._Lines,
        "__setattr__",
        lambda self, name, value: object.__setattr__(
            self, name, name == "is_tried" or value
        ),
    )
    handler = shipper()
    _taking(server, 0)
    _log(logger, 5)

    assert drained(handler)
    assert ["theirs"] == list(_messages(server))


HOUR = 3600


def _log_at(handler, message, moment):
    record = logging.makeLogRecord({"msg": message, "levelno": logging.INFO})
    record.created = moment
    handler.handle(record)


@pytest.mark.parametrize("fault", ["reset_after", "internal_error", "taken"])
def test_batch_of_two_hours_is_stored_once(shipper, server, fault):
    """
    One of its two objects fails, and the other one is not stored again.
    """
    handler = shipper(linger_seconds=0.3, parallel_uploads=1)
    if fault == "taken":
        _taking(server, 1)
    else:
        server.script("", fault)
    midnight = 1_800_000_000 // HOUR * HOUR
    for number in range(5):
        _log_at(handler, str(number), midnight - 2 + number)

    assert drained(handler)
    found = _messages(server)
    found.pop("theirs", 0)
    assert dict.fromkeys("01234", 1) == found
    hours = {each.key.split("hour=")[1][:2] for each in server.attempts}
    assert 2 == len(hours)


# --- what people are told ---

# for each fault what is told of it, besides bucket and endpoint; "" where it
# passes by itself
TOLD = {
    "slow_down": "SlowDown (503)",
    "internal_error": "InternalError (500)",
    "bad_gateway": "502",
    "conflict": "ConditionalRequestConflict (409)",
    "silence": "timeout",
    "reset": "Connection",
    "cut": "Connection",
    "garbage": "Connection",
    "skewed": "fix: set this machine's clock",
    "denied": "fix: allow s3:PutObject",
    "unknown_access_key": "fix: mend the credentials",
    "wrong_signature": "fix: mend the credentials",
    "expired_token": "fix: mend the credentials",
    "no_bucket": "fix: create the bucket, or mend its name",
    "redirect": "fix: set region",
    "bad_request": "InvalidRequest (400)",
    "not_implemented": "create_only=False",
}


def _assert_no_secrets(*texts):
    for text in texts:
        for name, secret in SECRETS.items():
            assert secret not in text, f"{name} in {text}"


@pytest.mark.parametrize("name", TOLD)
def test_trouble_is_told_once_with_what_to_do(
    shipper, logger, server, name, impatient, capsys
):
    """
    One report for each kind of trouble; it says where, what, and the remedy.
    """
    server.always(name)
    handler = shipper(send_timeout_seconds=0.2)
    issued = _log(logger, 5)
    assert server.wait_for(lambda each: len(each.attempts) >= 6)
    server.always("")
    assert drained(handler)
    assert wait_until(lambda: handler.stats().sent == 5)
    told = capsys.readouterr().err

    assert 1 == told.count("cannot send: ")
    report = told.partition("cannot send: ")[2].partition("sends again")[0]
    assert "s3://logs/app" in report
    assert server.url in report
    assert TOLD[name] in report
    assert "records wait" in report
    assert 1 == told.count("sends again, after")
    assert "Traceback" not in told
    assert set(issued) == set(_messages(server))
    _assert_no_secrets(told, repr(handler), str(vars(handler)))


def test_trouble_of_a_dead_server_is_told_once(
    shipper, logger, server, capsys
):
    """
    Nobody listens; what was logged meanwhile is sent when somebody does.
    """
    server.stop()
    handler = shipper()
    issued = _log(logger, 5)
    assert wait_until(lambda: handler.stats().retried >= 20)
    server.start()
    assert drained(handler)
    told = capsys.readouterr().err

    assert 1 == told.count("cannot send: ")
    assert f"s3://logs/app at {server.url}" in told
    assert dict.fromkeys(issued, 1) == _messages(server)


def test_trouble_of_missing_credentials_is_told_with_what_to_do(
    shipper, logger, server, monkeypatch, impatient, capsys
):
    """
    Credentials that come later are found without a restart.
    """
    for name in SECRETS:
        monkeypatch.delenv(name)
    handler = shipper()
    issued = _log(logger, 5)
    assert wait_until(lambda: handler.stats().retried >= 20)
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    assert drained(handler)
    told = capsys.readouterr().err

    assert 1 == told.count("cannot send: ")
    assert "fix: mend the credentials" in told
    assert dict.fromkeys(issued, 1) == _messages(server)


def test_trouble_with_a_record_is_told_and_the_others_are_stored(
    shipper, logger, server, capsys
):
    """
    What is too large for the server is found by halves, and dropped alone.
    """

    def choose(attempt):
        is_large = int(attempt.headers["content-length"]) > 20_000
        return "too_large" if is_large else ""

    server.choose = choose
    handler = shipper(batch_records=64)
    for number in range(64):
        noise = random.randbytes(20_000).hex() if number == 40 else ""
        logger.info("%d %s", number, noise)

    assert drained(handler)
    told = capsys.readouterr().err
    found = {int(each.split()[0]) for each in _messages(server)}
    assert set(range(64)) - {40} == found
    assert {"rejected": 1} == handler.stats().dropped
    assert "EntityTooLarge (413)" in told
    assert [] == _keys_twice(server)
    _assert_no_secrets(told)


def test_password_in_an_endpoint_is_refused(shipper):
    """
    An endpoint_url with a user and password is refused, and not repeated.
    """
    endpoint = f"http://somebody:hunter2@127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError, match="user or password") as caught:
        shipper(endpoint_url=endpoint)

    assert "hunter2" not in str(caught.value)


def test_server_without_conditional_writes_stores_with_create_only_off(
    shipper, logger, server
):
    """
    With create_only=False a repeated attempt replaces the object by itself.
    """
    server.has_conditions = False
    handler = shipper(create_only=False)
    server.script("reset_after", "internal_error_after", "")
    issued = _log(logger, 10)

    assert drained(handler)
    assert dict.fromkeys(issued, 1) == _messages(server)
    assert 2 == len(server.objects)
    assert 2 == server.counts("overwritten")


# --- callers ---


def _median_and_slow(logger, calls=3000):
    """
    The median of a call in seconds, and how many took 50 ms and more.
    """
    times = []
    for number in range(calls):
        began = time.perf_counter()
        logger.info("%d", number)
        times.append(time.perf_counter() - began)
        if number % 100 == 0:
            time.sleep(0.001)
    return statistics.median(times), sum(each > 0.05 for each in times)


def _unaffected(shipper, logger, server, trouble, emit=None):
    """
    Whether calls cost the same while the endpoint is in trouble.
    """
    handler = shipper(batch_records=100, max_queue_records=100_000)
    if emit is not None:
        handler.emit = emit.__get__(handler)
    logger.info("warm")
    handler.flush(5)
    for _ in range(3):  # others have a part in this machine
        well, _ = _median_and_slow(logger)
        trouble(True)
        ill, slow = _median_and_slow(logger)
        trouble(False)
        if ill < 1.5 * well + 5e-6 and slow <= 2:
            return True
        print("median", well, ill, "slow", slow)
    return False


def _swallows(server):
    def trouble(is_on):
        server.is_black_hole = is_on

    return trouble


def _dawdles(server):
    def trouble(is_on):
        server.delay_seconds = 1.0 if is_on else 0.0

    return trouble


def _dies(server):
    def trouble(is_on):
        server.stop() if is_on else server.start()

    return trouble


@pytest.mark.parametrize("trouble", [_swallows, _dawdles, _dies])
def test_caller_does_not_feel_an_endpoint_in_trouble(
    shipper, logger, server, trouble
):
    """
    A call costs the same while the server swallows, dawdles, or is dead.
    """
    assert _unaffected(shipper, logger, server, trouble(server))


def test_control_that_waits_for_the_server_is_felt(shipper, logger, server):
    """
    The control: each hundredth call waits a little for the sink.
    """

    def emit(self, record):
        S3Handler.emit(self, record)
        if record.args and record.args[0] % 500 == 0:
            self.flush(0.06)

    assert not _unaffected(shipper, logger, server, _swallows(server), emit)


class Watched:
    """
    A lock that knows how long a worker had it, in seconds of its processor.
    """

    def __init__(self, lock):
        self._lock = lock
        self._depth = 0
        self.longest = 0.0

    def __enter__(self):
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self._since = time.thread_time()

    def __exit__(self, *exc):
        self._depth -= 1
        if not self._depth and threading.current_thread().name != "MainThread":
            took = time.thread_time() - self._since
            self.longest = max(self.longest, took)
        self._lock.release()


# as long as any thread may keep the interpreter from all others
SWITCH = 0.005


@pytest.mark.parametrize("spool", ["off", "overflow"])
@pytest.mark.parametrize("is_well", [True, False])
def test_caller_never_waits_while_a_large_batch_is_moved(
    shipper, logger, server, tmp_path, spool, is_well
):
    """
    The lock that a call needs is free again soon, however much is moved.
    """
    more = {} if spool == "off" else {"spool": spool, "spool_dir": tmp_path}
    if not is_well:
        server.stop()
    # the defaults of the handler
    handler = shipper(
        batch_records=50_000,
        linger_seconds=60,
        retry_max_seconds=1,
        max_queue_records=100_000,
        **more,
    )
    # the collector may choose this thread, and this process has much to look at
    gc.collect()
    gc.disable()
    outbox = handler._outbox
    outbox._lock = outbox._stock.lock = watched = Watched(outbox._lock)
    for number in range(150_000):
        logger.info("%d", number)
    if is_well:
        assert handler.flush(30)
    else:
        wait_until(lambda: handler.stats().retried, 5)
    gc.enable()

    assert 0 < watched.longest < SWITCH


# --- what the client logs ---


def _at_the_root(handler, records):
    """
    Log through a handler of the root logger, which takes everything.
    """
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    source = logging.getLogger("application")
    for number in range(records):
        source.debug("%d", number)
    is_done = wait_until(lambda: handler.stats().sent >= records, 20)
    time.sleep(0.3)
    root.setLevel(logging.CRITICAL)
    root.removeHandler(handler)
    return is_done


def test_root_handler_does_not_send_what_its_client_logs(
    shipper, server, fault_scale
):
    """
    botocore logs dozens of records for each object; none of them is sent.
    """
    records = int(10_000 * fault_scale)
    handler = shipper(batch_records=100)

    assert _at_the_root(handler, records)
    stats, found = handler.stats(), _messages(server)
    assert {str(number) for number in range(records)} == set(found)
    assert [] == _twice(found)
    assert stats.suppressed > 5 * stats.batches
    assert len(server.attempts) <= 1.2 * records / 100 + 1
    assert (0, 0) == (stats.queued, stats.in_flight)


def test_control_without_the_guard_never_rests(shipper, server, monkeypatch):
    """
    The control: each object makes the next one.
    """
    monkeypatch.setattr(worker, "mark_as_ours", contextlib.nullcontext)
    monkeypatch.setattr(
        sys.modules["mllog.delivery.s3.uploads"],
        "mark_as_ours",
        contextlib.nullcontext,
    )
    handler = shipper(batch_records=100, max_age_seconds=5)
    _at_the_root(handler, 200)

    assert 0 == handler.stats().suppressed
    assert len(_messages(server)) > 400 or len(server.attempts) > 3


# --- payloads ---


def _index(server):
    """
    Each line of the index, by its message; and all keys that there are.
    """
    found, keys = collections.defaultdict(list), set()
    for (_, key), body in server.objects.items():
        keys.add(key)
        if key.startswith("app/index/"):
            for line in gzip.decompress(body).splitlines():
                line = json.loads(line)
                found[line["message"]].append(line)
    return found, keys


def test_payloads_under_faults_are_all_there_and_indexed_once(
    logger, server, fault_scale
):
    """
    Each record has one line, whose payloads are stored under their content.
    """
    records = int(3000 * fault_scale)
    server.choose = Mixture(MIXED)
    handler = S3PayloadHandler(
        "logs",
        "app",
        endpoint_url=server.url,
        payload_fields=["prompt"],
        **{**QUICK, "batch_records": 10},
    )
    logger.addHandler(handler)
    for number in range(records):
        own, shared = b"own %d" % number, b"shared %d" % (number % 7)
        logger.info(
            "%d", number, extra={"prompt": own, "image": Payload(shared)}
        )

    assert drained(handler, 50 + 300 * fault_scale)
    found, keys = _index(server)
    assert {str(number) for number in range(records)} == set(found)
    assert {1} == {len(lines) for lines in found.values()}
    for number in range(records):
        payloads = found[str(number)][0]["payloads"]
        stored = {
            name: server.objects["logs", about["key"]]
            for name, about in payloads.items()
        }
        assert b"own %d" % number == stored["prompt"]
        assert b"shared %d" % (number % 7) == stored["image"]
    assert records + 7 == sum(key.startswith("app/payloads/") for key in keys)
    assert 0 == server.counts("overwritten")
    assert [] == server.early()


def test_line_of_the_index_is_stored_after_its_payloads(logger, server):
    """
    While a payload is refused there is no line that names it.
    """
    server.choose = lambda attempt: (
        "internal_error" if "/payloads/" in attempt.key else ""
    )
    handler = S3PayloadHandler("logs", "app", endpoint_url=server.url, **QUICK)
    logger.addHandler(handler)
    logger.info("seen", extra={"image": Payload(b"raw")})
    assert wait_until(lambda: handler.stats().retried > 5)
    assert {} == server.objects
    server.choose = lambda attempt: ""

    assert drained(handler)
    assert ["seen"] == list(_index(server)[0])


# --- processes ---

PRELUDE = r"""
import atexit, json, os, sys, time

def say(**facts):
    os.write(1, json.dumps(facts).encode() + b"\n")

# behind all that logging and handlers do at the exit
atexit.register(lambda: say(**last_words()))

def last_words():
    stats = handler.stats()
    return {
        "accepted": stats.accepted, "sent": stats.sent,
        "dropped": stats.dropped, "spooled": stats.spooled,
        "adopted": stats.adopted,
    }

CONTROL = os.environ.get("CONTROL", "")
FOLDER = os.environ["FOLDER"]
sys.path.append(os.environ["TESTS"])
if "one process id" in CONTROL:
    os.getpid = lambda: 7
import logging, logging.config, threading
import mllog
from mllog import S3Handler

def make(**options):
    return S3Handler(
        "logs", "app",
        **{"endpoint_url": os.environ["URL"], "batch_records": 20,
           "linger_seconds": 0.05, "retry_max_seconds": 0.02, **options},
    )

def spooling(mode):
    return {} if mode == "off" else {
        "spool": mode, "spool_dir": FOLDER + "/spool"
    }

logger = logging.getLogger("app")
logger.setLevel(logging.INFO)
logger.propagate = False
"""


class Process:
    """
    A script that logs to S3; it runs from the start, and ends with the block.
    """

    def __init__(self, folder, url, script, *arguments, control=""):
        self.folder = folder
        (folder / "script.py").write_text(PRELUDE + script)
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", str(folder / "script.py")),
                *map(str, arguments),
            ],
            env={
                **os.environ,
                **{"FOLDER": str(folder), "TESTS": str(TESTS), "URL": url},
                "CONTROL": control,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    def hear(self):
        """
        What it says next.
        """
        line = self._process.stdout.readline()
        assert line, self.stderr()
        return json.loads(line)

    def go(self):
        """
        Answer what it waits for.
        """
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait(self, seconds=30):
        """
        Its last words, and when it ended.
        """
        self._process.wait(seconds)
        ended = time.monotonic()
        lines = self._process.stdout.read().splitlines()
        assert 0 == self._process.returncode, self.stderr()
        return json.loads(lines[-1]), ended

    def stderr(self):
        """
        What it wrote there.
        """
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def kill(self):
        """
        End it by SIGKILL.
        """
        self._process.kill()
        if not self._errors.closed:
            with self._process, self._errors:
                pass


def _spooled(folder):
    left = inspect(str(folder / "spool" / os.listdir(folder / "spool")[0]))
    return sum(each.records for each in left)


# --- kill -9 ---

WRITER = r"""
name, fault = sys.argv[1:]
if fault == "acknowledges before it sends":
    import contextlib
    from mllog.delivery.worker import Worker

    def too_early(self, batch, most):
        events = batch.events(most)
        self._outbox.settle(batch, most, "sent")
        with contextlib.suppress(Exception):
            self._transport.open(time.monotonic() + 1)
            self._transport.send(events, time.monotonic() + 1)

    Worker._attempt = too_early

handler = make(
    **spooling("always"), spool_fsync="never", batch_records=50,
    linger_seconds=0.01, send_timeout_seconds=0.5,
)
logger.addHandler(handler)
accepted = os.open(FOLDER + "/accepted", os.O_WRONLY | os.O_APPEND)
if name == "last":
    from shipping import drained
    logger.info("last-0")
    assert drained(handler, 50), handler.stats()
    sys.exit()

import boto3
boto3.client("s3")  # what takes time is loaded before
say(ready=True)
sys.stdin.readline()
number = 0
while True:
    logger.info("%s-%d", name, number)
    os.write(accepted, b"%s-%d\n" % (name.encode(), number))
    number += 1
    if number % 20 == 0:
        time.sleep(0.002)
"""


def _massacre(folder, server, kills, fault=""):
    """
    Kill writers of one spool, one after the other; the last one drains it.

    Gives which accepted records are neither stored nor in the spool, and how
    many are stored twice.
    """
    (folder / "accepted").touch()
    server.choose = Mixture(
        {"reset_after": 2, "silence": 1, "internal_error": 1}
    )
    for number in range(kills):
        with Process(folder, server.url, WRITER, f"w{number}", fault) as one:
            one.hear()
            one.go()
            time.sleep(random.uniform(0.1, 0.5))
            if number % 3 == 1:
                server.is_black_hole = True
                time.sleep(0.1)
            elif number % 3 == 2:  # between a store and its receipt
                server.script("silence_after")
                server.wait_for(
                    lambda each: (
                        each.attempts[-1].fault == "silence_after"
                        and each.attempts[-1].outcome
                    )
                )
            one.kill()
            server.is_black_hole = False
    server.choose = lambda attempt: ""
    with Process(folder, server.url, WRITER, "last", "") as last:
        words, _ = last.wait(55)
    found = _messages(server)
    assert 1 == found.pop("last-0"), "a fresh record did not arrive"
    assert ({}, 0) == (words["dropped"], _spooled(folder))
    # a kill may cut a line at the end of a page, and the next is behind it
    text = (folder / "accepted").read_text()
    accepted = re.findall(r"^[a-z]+\d*-\d+$(?=\n)", text, re.MULTILINE)
    print("accepted", len(accepted), "adopted", words["adopted"])
    return (
        [each for each in accepted if each not in found],
        len(_twice(found)),
        len(accepted),
    )


def test_spool_always_loses_no_record_to_kills(tmp_path, server, fault_scale):
    """
    Writers are killed at random, and each record whose call returned is there.
    """
    kills = max(6, int(50 * fault_scale))
    lost, twice, accepted = _massacre(tmp_path, server, kills)
    print("twice", twice)

    assert [] == lost[:5]
    assert accepted > 50 * kills
    # else nobody was killed between a store and its acknowledgement
    assert 0 < twice <= 50 * kills
    assert [] == _keys_twice(server)


def test_control_that_acknowledges_first_loses_records_to_kills(
    tmp_path, server
):
    """
    The control: what is on its way is no longer in the spool.
    """
    fault = "acknowledges before it sends"
    lost, _, _ = _massacre(tmp_path, server, 4, fault)

    assert lost


# --- the end of a process ---

EXIT = r"""
mode = sys.argv[1]
if CONTROL == "waits for its client":
    from mllog.delivery.worker import Worker
    Worker.join = lambda self, deadline: self._thread.join()

handler = make(**spooling(mode), send_timeout_seconds=8)
logger.addHandler(handler)
for number in range(500):
    logger.info("%d", number)
time.sleep(0.7)  # the worker is in a call
say(ending_at=time.monotonic())
"""


@pytest.fixture(params=["black hole", "dead"])
def endpoint(request, server):
    """
    A URL that is of no use.
    """
    if request.param == "black hole":
        server.is_black_hole = True
        yield server.url
    else:
        yield "http://127.0.0.1:9"


# 5 s, and what a busy machine needs to end a process
IN_TIME = 6.5


def _ended(folder, url, mode, **more):
    with Process(folder, url, EXIT, mode, **more) as process:
        began = process.hear()["ending_at"]
        words, ended = process.wait()
        return words, ended - began, process.stderr()


@pytest.mark.full
def test_process_with_a_useless_endpoint_ends_in_time_and_counts(
    tmp_path, endpoint
):
    """
    It takes the 5 s that all handlers have, and one line says what is lost.
    """
    words, took, told = _ended(tmp_path, endpoint, "off")

    assert took <= IN_TIME
    assert {"unsent_at_close": 500} == words["dropped"]
    assert (500, 0) == (words["accepted"], words["sent"])
    lines = [each for each in told.splitlines() if "500 records" in each]
    assert 1 == len(lines)
    assert "not sent before the close: lost" in lines[0]
    assert "Traceback" not in told
    assert "Exception" not in told
    _assert_no_secrets(told)


@pytest.mark.full
@pytest.mark.parametrize("mode", ["overflow", "always"])
def test_process_with_a_useless_endpoint_leaves_all_in_the_spool(
    tmp_path, server, endpoint, mode
):
    """
    With a spool nothing is lost: the next process sends it, once.
    """
    words, took, told = _ended(tmp_path, endpoint, mode)

    assert took <= IN_TIME
    assert {} == words["dropped"]
    assert 500 == _spooled(tmp_path)
    assert "lost" not in told
    assert "Traceback" not in told
    server.is_black_hole = False
    with Process(tmp_path, server.url, WRITER, "last", "") as heir:
        (tmp_path / "accepted").touch()
        heir.wait()
    found = _messages(server)
    assert {*map(str, range(500)), "last-0"} == set(found)
    assert [] == _twice(found)


@pytest.mark.full
def test_control_that_waits_for_its_client_ends_late(tmp_path, server):
    """
    The control: close() joins a worker that is in a call of the client.
    """
    server.is_black_hole = True
    _, took, _ = _ended(
        tmp_path, server.url, "off", control="waits for its client"
    )

    assert took > IN_TIME


def test_process_that_ends_with_a_healthy_endpoint_stores_all(
    tmp_path, server
):
    """
    What waits for a full batch at the end is stored, without a thread pool.
    """
    script = r"""
handler = make(linger_seconds=60, batch_records=50_000)
logger.addHandler(handler)
for number in range(500):
    logger.info("%d", number)
"""
    with Process(tmp_path, server.url, script) as process:
        words, _ = process.wait()
        told = process.stderr()

    assert (500, {}) == (words["sent"], words["dropped"])
    assert set(map(str, range(500))) == set(_messages(server))
    assert 1 == len(server.objects)
    assert "" == told


def test_process_whose_first_record_comes_at_exit_stores_it(tmp_path, server):
    """
    A record of an atexit handler is stored, though no thread starts any more.
    """
    script = r"""
handler = make()
logger.addHandler(handler)
atexit.register(logger.info, "goodbye")
"""
    with Process(tmp_path, server.url, script) as process:
        words, _ = process.wait()

    assert 1 == words["sent"]
    assert {"goodbye": 1} == _messages(server)


# --- forks ---

FORK = r"""
if CONTROL == "children keep all":
    from mllog.delivery import outbox
    from mllog.delivery.s3 import keys, objects
    outbox.Outbox.forget_parent = outbox.Outbox._reset
children, records = 6, 100
handler = make()
logger.addHandler(handler)
ended = threading.Event()
logged = [0] * 4

def work(number):
    while not ended.is_set():
        logger.info("%d t%d-%d", os.getpid(), number, logged[number])
        logged[number] += 1
        if logged[number] % 20 == 0:
            time.sleep(0.02)

threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
time.sleep(0.5)
pids = []
for number in range(children):
    pid = os.fork()
    if not pid:
        for each in range(records):
            logger.info("%d c%d-%d", os.getpid(), number, each)
        is_sent = mllog.shutdown(2 if CONTROL else 60)
        os._exit(0 if is_sent and handler.stats().sent == records else 1)
    pids.append(pid)
    time.sleep(0.05)
ended.set()
for thread in threads:
    thread.join()
codes = [os.waitpid(pid, 0)[1] for pid in pids]
say(codes=codes, is_sent=mllog.shutdown(20), logged=logged)
"""


def _forked(folder, server, control=""):
    server.choose = Mixture({"reset_after": 1, "internal_error": 1}, 0.1)
    with Process(folder, server.url, FORK, control=control) as process:
        facts = process.hear()
        process.wait()
    return facts


def _of_whom(server):
    """
    For each object the process in its key, and those of its records.
    """
    for (_, key), body in server.objects.items():
        writer = key.rsplit("/", 1)[1].rsplit("-", 3)[1]
        lines = gzip.decompress(body).splitlines()
        logged = {json.loads(line)["message"].split()[0] for line in lines}
        yield writer, logged


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_store_their_own_records_under_their_own_keys(
    tmp_path, server
):
    """
    A process that sends forks: nothing is stored twice, and nothing is lost.
    """
    facts = _forked(tmp_path, server)
    words = collections.Counter()
    for message, times in _messages(server).items():
        words[message.split()[1]] += times

    assert ([0] * 6, True) == (facts["codes"], facts["is_sent"])
    wanted = {f"c{child}-{n}" for child in range(6) for n in range(100)}
    for thread, count in enumerate(facts["logged"]):
        wanted |= {f"t{thread}-{n}" for n in range(count)}
    assert [] == _twice(words)
    assert wanted == set(words)
    assert all({writer} == logged for writer, logged in _of_whom(server))
    assert [] == _keys_twice(server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_control_whose_children_keep_the_queue_stores_records_twice(
    tmp_path, server
):
    """
    The control: a child sends what waits in the queue of its parent.
    """
    server.delay_seconds = 0.02
    _forked(tmp_path, server, "children keep all")

    assert any({writer} != logged for writer, logged in _of_whom(server))
    assert _twice(_messages(server))


# --- neighbours ---

NEIGHBOUR = r"""
if "one start" in CONTROL:
    from mllog.delivery.s3 import keys
    class clock:
        time_ns = staticmethod(lambda: 1_800_000_000 * 10**9)
        strftime, gmtime = time.strftime, time.gmtime
    keys.time = clock
if "one chance" in CONTROL:
    from mllog.delivery.s3 import keys
    keys.secrets.token_hex = lambda size: "0" * 2 * size
name = sys.argv[1]
handler = make()
logger.addHandler(handler)
say(ready=True)
sys.stdin.readline()
for number in range(400):
    logger.info("%s-%d", name, number)
    time.sleep(0.0005)
assert handler.flush(30)
"""


def _logged_by_two(tmp_path, server, control):
    """
    How often each record of two processes is there, and those that should be.
    """
    server.choose = Mixture({"reset_after": 1, "internal_error": 1}, 0.1)
    with (
        Process(tmp_path, server.url, NEIGHBOUR, "a", control=control) as one,
        Process(tmp_path, server.url, NEIGHBOUR, "b", control=control) as two,
    ):
        for each in (one, two):
            each.hear()
        for each in (one, two):
            each.go()
        for each in (one, two):
            each.wait()

    wanted = {f"{name}-{n}" for name in "ab" for n in range(400)}
    assert 0 == server.counts("overwritten")
    return _messages(server), dict.fromkeys(wanted, 1)


@pytest.mark.parametrize(
    "control", ["", "one process id", "one process id and one start"]
)
def test_processes_of_one_host_never_replace_each_others_objects(
    tmp_path, server, control
):
    """
    Nothing is lost even where two containers have host, process and time in
    common.
    """
    found, wanted = _logged_by_two(tmp_path, server, control)

    assert wanted == found


def test_control_of_keys_without_chance_loses_records(tmp_path, server):
    """
    The control: what another stored with the same key passes for our own.
    """
    control = "one process id, one start and one chance"
    found, wanted = _logged_by_two(tmp_path, server, control)

    assert set(found) < set(wanted)


# --- configuration made anew ---

RECONFIGURE = r"""
def configure(number):
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"s3": {
            "class": "mllog.S3Handler", "bucket": "logs", "prefix": "app",
            "endpoint_url": os.environ["URL"], "batch_records": 20,
            "linger_seconds": 0.05, "retry_max_seconds": 0.02,
        }},
        "root": {"level": "DEBUG", "handlers": ["s3"]},
    })
    global handler
    handler = logging.getLogger().handlers[0]
    made.append(handler)

made, logged, ended = [], [0] * 4, threading.Event()
logger.propagate = True

def work(number):
    while not ended.is_set():
        logger.info("%d-%d", number, logged[number])
        logged[number] += 1
        time.sleep(0.0005)

configure(0)
logger.info("warm")
handler.flush(10)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
slowest = 0.0
for number in range(int(sys.argv[1])):
    time.sleep(0.1)
    began = time.monotonic()
    configure(number)
    slowest = max(slowest, time.monotonic() - began)
ended.set()
for thread in threads:
    thread.join()
is_done = mllog.shutdown(20)
for each in made:
    each.close(20)
total = {"dropped": 0, "sent": 0}
for each in made:
    stats = each.stats()
    total["sent"] += stats.sent
    total["dropped"] += sum(stats.dropped.values())
say(slowest=slowest, logged=logged, done=is_done, **total)
"""


def test_configuration_made_anew_while_a_batch_is_sent_loses_nothing(
    tmp_path, server, fault_scale
):
    """
    dictConfig takes no part in the sending, and what was accepted is stored.
    """
    server.choose = Mixture({"reset_after": 1, "internal_error": 1}, 0.1)
    server.delay_seconds = 0.03
    times = max(20, int(200 * fault_scale))
    with Process(tmp_path, server.url, RECONFIGURE, times) as process:
        facts = process.hear()
        process.wait()
        told = process.stderr()
    found = _messages(server)
    print(facts)

    assert facts["slowest"] < 1
    wanted = {
        f"{thread}-{n}"
        for thread, count in enumerate(facts["logged"])
        for n in range(count)
    }
    assert [] == _twice(found)
    lost = wanted - set(found)
    assert len(lost) <= facts["dropped"]
    assert facts["done"]
    assert "Traceback" not in told
