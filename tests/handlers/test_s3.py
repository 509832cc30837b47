"""
S3Handler: what becomes of log calls, whatever the server does.
"""

import gzip
import json
import logging
import logging.config
import os
import re
import sys
import threading
import time

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.faulty_s3 import FaultyS3
from shipping import Watch, drained, unaccounted, wait_until
from storing import (
    PATH_STYLE,
    QUICK,
    SECRET,
    credentials,
    documents,
    lines_in,
    server,
    stored,
)

from mllog.events import Event
from mllog.handlers.s3 import S3Handler
from mllog.payloads import Payload

__all__ = ["credentials", "server"]

BY_USER = {
    "key_template": "user={user}/{host}-{pid}-{start}-{sequence}",
    "key_fields": ["user"],
}


@pytest.fixture
def make(server, logger):
    def make(prefix="p", **options):
        given = {"endpoint_url": server.url, **QUICK, **options}
        handler = S3Handler("logs", prefix, **given)
        logger.addHandler(handler)
        return handler

    return make


def flushed(handler, seconds=10):
    """
    Flush until nothing waits, though a wait between attempts is long.
    """
    end = time.monotonic() + seconds
    while not handler.flush(0.2) or handler.stats().spooled:
        assert time.monotonic() < end, handler.stats()
    return True


# --- what is stored ---


def test_records_become_one_object_of_json_lines(server, logger, make):
    """
    All that came together, in order, with their fields.
    """
    handler = make(linger_seconds=5, compression="gzip")

    for number in range(100):
        logger.info("Inference %d", number, extra={"number": number})

    assert handler.flush(30)
    ((key, body),) = stored(server).items()
    assert re.fullmatch(
        r"p/dt=\d{4}-\d\d-\d\d/hour=\d\d/.+-"
        rf"{os.getpid()}-\d{{8}}T\d{{12}}Z[0-9a-f]{{8}}-000001\.jsonl\.gz",
        key,
    )
    found = [json.loads(each) for each in gzip.decompress(body).splitlines()]
    assert list(range(100)) == [each["number"] for each in found]
    assert "Inference 7" == found[7]["message"]
    stats = handler.stats()
    assert (100, 100, {}) == (stats.accepted, stats.sent, stats.dropped)
    assert 1 == stats.batches


def test_record_is_stored_after_linger_seconds(server, logger, make):
    """
    Without flush or close: a running process is seen.
    """
    make(linger_seconds=0.1)

    logger.info("seen")

    assert wait_until(lambda: stored(server), 30)


def test_records_are_stored_when_a_batch_is_full(server, logger, make):
    """
    By number, long before they have lingered.
    """
    make(linger_seconds=100, batch_records=10)

    for number in range(25):
        logger.info("%d", number)

    assert wait_until(lambda: len(lines_in(server)) == 20, 30)


def test_records_are_in_the_folder_of_their_own_hour(server, logger, make):
    """
    When they were logged, not when they are stored.
    """
    handler = make(linger_seconds=5)
    for created in (1_795_000_000, 1_795_000_001, 1_795_003_600):
        record = logger.makeRecord("x", 20, "f", 1, "m", (), None)
        record.created = created
        handler.handle(record)

    assert handler.flush(30)
    hours = [key.split("/")[1:3] for key in sorted(stored(server))]
    assert [
        time.strftime("dt=%Y-%m-%d hour=%H", time.gmtime(at)).split()
        for at in (1_795_000_000, 1_795_003_600)
    ] == hours


def test_records_of_many_threads_are_all_stored_once(server, logger, make):
    """
    And at each instant each of them is accounted for.
    """
    handler = make(batch_records=100)

    def work(number):
        for count in range(500):
            logger.info("%d of %d", count, number)

    with Watch(handler) as watch:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert handler.flush(30)

    assert not watch.wrong
    found = [each["message"] for each in documents(server)]
    assert sorted(found) == sorted(
        f"{count} of {n}" for n in range(4) for count in range(500)
    )


def test_record_that_cannot_be_formatted_is_counted(
    server, logger, make, capsys
):
    """
    The others are stored; no log call raises.
    """
    handler = make()

    class Failing(logging.Formatter):
        def format(self, record):
            if record.args:
                raise ValueError("broken")
            return super().format(record)

    handler.setFormatter(Failing("%(message)s"))
    logger.info("good")
    logger.info("%s", "bad")
    logger.info("better")

    assert handler.flush(30)
    assert [b"good", b"better"] == lines_in(server)
    assert {"format_error": 1} == handler.stats().dropped
    assert "ValueError: broken" in capsys.readouterr().err


class Keyed(logging.Formatter):
    """
    As one for Kafka: events with keys, headers and media types.
    """

    def events(self, record):
        if record.msg == "nothing":
            return ()
        message = record.getMessage().encode()
        return (
            Event(message, b"payload", (("about", b"x"),), "application/a"),
            Event(message + b"!", b"index", (("payloads", b"{}"),)),
        )


@pytest.mark.parametrize("options", [{}, BY_USER])
def test_formatter_with_events_writes_their_values_as_lines(
    server, logger, make, options
):
    """
    What Kafka would do with keys and headers is nothing to S3; a record
    without events is skipped.
    """
    handler = make(**options)
    handler.setFormatter(Keyed())

    logger.info("one", extra={"user": "u"})
    logger.info("nothing")
    logger.info("two", extra={"user": "u"})

    assert handler.flush(30)
    assert [b"one", b"one!", b"two", b"two!"] == lines_in(server)
    assert (2, 1) == (handler.stats().sent, handler.stats().skipped)


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(BY_USER),
    ],
)
def test_record_without_text_is_skipped(server, logger, make, options):
    """
    With key fields as without: no empty line.
    """
    handler = make(**options)
    handler.setFormatter(logging.Formatter("%(message)s"))

    logger.info("")
    logger.info("text")

    assert handler.flush(30)
    assert [b"text"] == lines_in(server)
    assert 1 == handler.stats().skipped


def test_payload_in_a_line_is_a_summary_with_its_ref(server, logger, make):
    """
    S3Handler stores no payload; its line names it.
    """
    handler = make()
    payload = Payload(b"raw")

    logger.info("m", extra={"image": payload})

    assert handler.flush(30)
    assert payload.ref == documents(server)[0]["image"]["ref"]
    assert 1 == len(stored(server))


# --- keys ---


def test_key_fields_put_records_into_folders(server, logger, make):
    """
    Reduced to safe characters; without the field it is Hive's own name.
    """
    handler = make(**BY_USER, linger_seconds=5)

    logger.info("1", extra={"user": "ann"})
    logger.info("2", extra={"user": "../bob"})
    logger.info("3")
    logger.info("4", extra={"user": "ann"})

    assert handler.flush(30)
    messages = {
        key.split("/")[1]: [
            json.loads(each)["message"] for each in body.splitlines()
        ]
        for key, body in stored(server).items()
    }
    assert messages == {
        "user=ann": ["1", "4"],
        "user=__bob": ["2"],
        "user=__HIVE_DEFAULT_PARTITION__": ["3"],
    }


@settings(max_examples=20)
@given(
    values=st.lists(
        st.text(max_size=100)
        | st.binary(max_size=20)
        | st.none()
        | st.floats()
        | st.builds(hostile.RaisingRepr)
        | st.builds(hostile.RaisingEverything)
        | st.builds(hostile.OddRepr),
        min_size=1,
        max_size=20,
    )
)
def test_key_of_hostile_fields_stays_where_it_belongs(credentials, values):
    """
    Whatever a request puts into a field: below the prefix, of one depth, at
    most 1024 bytes, and no record is lost.
    """
    logger = logging.getLogger("test.hostile.keys")
    logger.propagate = False
    logger.setLevel(10)
    with FaultyS3() as server:
        handler = S3Handler(
            "logs",
            "a/b",
            endpoint_url=server.url,
            **{**QUICK, "linger_seconds": 5},
            **BY_USER,
        )
        logger.addHandler(handler)
        for value in values:
            logger.info("m", extra={"user": value})
        assert handler.flush(30)
        logger.removeHandler(handler)
        handler.close()

        assert len(values) == len(lines_in(server))
        for key in stored(server):
            assert re.fullmatch(
                r"a/b/user=[A-Za-z0-9_-][A-Za-z0-9._-]*/[A-Za-z0-9._-]+", key
            )
            assert len(key) <= 1024


# --- trouble ---


def test_records_wait_for_a_server_that_is_away(server, logger, make, capsys):
    """
    And are stored once when it is back; one message for each.
    """
    handler = make()
    server.stop()
    for number in range(50):
        logger.info("%d", number)
    assert wait_until(lambda: handler.stats().retried > 50 * 3)
    assert 0 == unaccounted(handler.stats())

    server.start()

    assert flushed(handler)
    assert 50 == len(documents(server))
    said = capsys.readouterr().err
    assert 1 == said.count("cannot send: s3://logs/p at http://127.0.0.1")
    assert 1 == said.count("sends again")
    assert SECRET not in said


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("denied", "allow s3:PutObject"),
        ("no_bucket", "create the bucket"),
        ("unknown_access_key", "AWS_ACCESS_KEY_ID"),
        ("expired_token", "AWS_ACCESS_KEY_ID"),
        ("skewed", "set this machine's clock"),
        ("not_implemented", "create_only=False"),
    ],
)
def test_trouble_that_needs_a_person_is_said_at_once_and_once(
    server, logger, make, capsys, fault, remedy
):
    """
    With what to mend; afterwards all is stored.
    """
    handler = make()
    server.always(fault)
    logger.info("1")
    assert wait_until(lambda: server.attempts)
    handler.flush(0.2)
    logger.info("2")
    server.always("")

    assert flushed(handler)
    said = capsys.readouterr().err
    assert 1 == said.count("cannot send: ")
    assert remedy in said
    assert SECRET not in said
    assert {"1", "2"} == {each["message"] for each in documents(server)}


def test_server_that_asks_to_wait_is_not_asked_before(server, logger, make):
    """
    Retry-After counts for the next attempt.
    """
    make()
    server.retry_after = 1
    server.script("slow_down_later")

    logger.info("1")

    assert wait_until(lambda: stored(server), 30)
    assert not server.early()
    first, second = server.attempts
    assert second.time - first.time >= 1


def test_record_that_the_server_refuses_for_its_size_is_counted(
    server, logger, make
):
    """
    A gateway's 413: the batch is halved until the one that is too large is
    alone; all others are stored, each once.
    """
    handler = make(linger_seconds=5)
    server.choose = lambda attempt: (
        "too_large" if int(attempt.headers["content-length"]) > 3000 else ""
    )
    for number in range(20):
        logger.info("%s", "x" * (5000 if number == 13 else 10))

    assert flushed(handler)
    assert 19 == len(lines_in(server))
    stats = handler.stats()
    assert (19, {"rejected": 1}) == (stats.sent, stats.dropped)


def test_records_too_large_for_the_server_become_letters(
    server, logger, make, tmp_path
):
    """
    With a dead-letter file they are kept.
    """
    handler = make(dead_letter_file=str(tmp_path / "letters"))
    server.always("too_large")

    logger.info("1")

    assert flushed(handler)
    assert 1 == handler.stats().dead_lettered


def test_records_that_a_close_cannot_send_are_counted(server, logger, make):
    """
    In the time that it has.
    """
    handler = make(close_timeout_seconds=0.3)
    server.stop()
    logger.info("1")
    began = time.monotonic()

    handler.close()

    assert time.monotonic() - began < 2
    assert {"unsent_at_close": 1} == handler.stats().dropped
    server.start()


def test_records_of_a_batch_that_broke_are_stored_once(server, logger, make):
    """
    A reset after the store is answered by 412, which is as good.
    """
    handler = make()
    server.script("reset_after", "cut", "internal_error_after")

    for number in range(5):
        logger.info("%d", number)
        handler.flush(5)

    assert flushed(handler)
    assert [*"01234"] == [each["message"] for each in documents(server)]
    assert 0 == server.counts("overwritten")
    assert server.counts("exists")


# --- spool ---


def test_records_in_a_spool_are_stored_by_the_next_handler(
    server, logger, make, tmp_path
):
    """
    The server is down, the process ends, another one begins: with the values
    of key fields.
    """
    options = {"spool": "always", "spool_dir": str(tmp_path), **BY_USER}
    server.stop()
    handler = make(**options)
    for number in range(20):
        logger.info("%d", number, extra={"user": f"u{number % 2}"})
    handler.close(0.2)
    logger.removeHandler(handler)
    assert 20 == handler.stats().spooled
    server.start()

    second = make(**options)
    second.start()

    assert wait_until(lambda: second.stats().sent == 20)
    assert drained(second)
    assert 20 == len(documents(server))
    assert 10 == len(documents(server, "p/user=u1/"))


def test_spool_from_before_key_fields_were_added_is_stored(
    server, logger, make, tmp_path
):
    """
    Whoever changes the configuration loses nothing, and blocks nothing.
    """
    options = {"spool": "always", "spool_dir": str(tmp_path)}
    server.stop()
    handler = make(**options)
    logger.info("old")
    handler.close(0.2)
    logger.removeHandler(handler)
    server.start()

    second = make(**options, **BY_USER)
    logger.info("new", extra={"user": "u"})

    assert wait_until(lambda: second.stats().sent == 2, 30)
    assert {"old", "new"} == {each["message"] for each in documents(server)}


# --- configuration ---


def test_handler_works_from_dict_config(server, logger, make):
    """
    With a formatter, filters and options as plain data.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {"()": "mllog.JSONFormatter", "nan": "string"}
            },
            "handlers": {
                "s3": {
                    "class": "mllog.handlers.s3.S3Handler",
                    "formatter": "json",
                    "bucket": "logs",
                    "prefix": "serve",
                    "endpoint_url": server.url,
                    "client_config": PATH_STYLE,
                    "key_fields": ["model_name"],
                    "key_template": "{model_name}/{host}-{pid}-{start}-{sequence}",
                    "tags": {"team": "ml"},
                    "compression": "zstd",
                }
            },
            "loggers": {logger.name: {"handlers": ["s3"]}},
        }
    )

    logger.info("m", extra={"loss": float("nan"), "model_name": "r50"})

    (handler,) = logger.handlers
    assert handler.flush(30)
    ((key, _),) = stored(server).items()
    assert key.startswith("serve/r50/")
    assert "NaN" == documents(server)[0]["loss"]
    assert "team=ml" == server.attempts[0].headers["x-amz-tagging"]


def test_handler_works_from_file_config(server, logger, tmp_path):
    """
    Sizes, numbers and names as an INI file has them.
    """
    path = tmp_path / "logging.ini"
    path.write_text(
        f"""
[loggers]
keys=root
[handlers]
keys=s3
[formatters]
keys=
[logger_root]
handlers=s3
level=INFO
[handler_s3]
class=mllog.handlers.s3.S3Handler
args=()
kwargs={{"bucket": "logs", "prefix": "ini", "endpoint_url": "{server.url}",
    "client_config": {PATH_STYLE!r}, "key_fields": "user, model",
    "key_template": "{{user}}/{{model}}/{{host}}-{{pid}}-{{start}}-{{sequence}}",
    "compression_level": "2", "batch_bytes": "1MiB", "linger_seconds": "0.01",
    "create_only": "yes"}}
"""
    )
    logging.config.fileConfig(path, disable_existing_loggers=False)

    logging.getLogger().info("m", extra={"user": "u", "model": "m"})

    (handler,) = [h for h in logging.root.handlers if type(h) is S3Handler]
    assert handler.flush(30)
    assert list(stored(server))[0].startswith("ini/u/m/")


def test_formatter_options_change_the_lines(server, logger, make):
    """
    Plain data in place of a formatter.
    """
    handler = make(formatter_options={"nan": "string"})

    logger.info("m", extra={"loss": float("inf")})

    assert handler.flush(30)
    assert "Infinity" == documents(server)[0]["loss"]


# --- processes ---


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_forked_children_store_their_own_records(server, logger, make):
    """
    Each under its own process id; what waited in the parent is the parent's.
    """
    handler = make(linger_seconds=5)
    logger.info("parent before")
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            code = 1
            try:
                logger.info("child %d", number)
                code = 0 if handler.flush(10) else 2
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    logger.info("parent after")

    assert handler.flush(30)
    assert sorted(each["message"] for each in documents(server)) == [
        "child 0",
        "child 1",
        "child 2",
        "parent after",
        "parent before",
    ]
    for child in children:
        assert 1 == sum(f"-{child}-" in key for key in stored(server))
