"""
SummaryHandler: every minute a record of what the fields came to.
"""

import json
import logging
import logging.config
import math
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from keeping import Kept, said_to, wait_for

import mllog
from mllog.errors import ConfigError
from mllog.metrics import intervals

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.fixture
def said():
    """
    The records of mllog.summary.
    """
    return said_to("mllog.summary", logging.INFO)


@pytest.fixture(name="make")
def _make(attach):
    def make(interval_seconds=3600, **options):
        return attach(mllog.SummaryHandler(interval_seconds, **options))

    return make


def run(code, *arguments):
    """
    *code* in a process of its own.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr
    return done


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- what is said ---


def test_histogram_is_summed_up_in_one_record_per_label_set(
    make, logger, said
):
    """
    Count, sum, mean, extremes and percentiles stand beside the labels.
    """
    handler = make()
    values = np.random.default_rng(6).lognormal(-4, 1, 2000)
    for n, value in enumerate(values):
        logger.info(
            "done",
            extra={
                "inference_latency": float(value),
                "model_name": f"m{n % 2}",
                "user": n,
            },
        )

    handler.flush()

    assert 2 == len(said)
    for n, record in enumerate(said):
        own = values[n::2]
        assert f"m{n}" == record.model_name
        assert "inference_latency" == record.field
        assert "histogram" == record.kind
        assert "seconds" == record.unit
        assert 1000 == record.count
        assert own.sum() == pytest.approx(record.sum)
        assert own.mean() == pytest.approx(record.mean, rel=1e-5)
        assert own.min() == record.min
        assert own.max() == record.max
        assert os.getpid() == record.pid
        assert (
            record.count / record.interval_seconds
            == pytest.approx(record.rate, rel=0.05)
            or record.interval_seconds < 0.1
        )
        for percent in (50, 90, 95, 99):
            exact = np.quantile(own, percent / 100, method="lower")
            found = getattr(record, f"p{percent}")
            assert exact == pytest.approx(found, rel=0.011)
        assert not hasattr(record, "user")


def test_counter_has_a_sum_and_gauge_its_last(make, logger, said):
    """
    Tokens are added up; of a loss the last, the mean and the extremes count.
    """
    handler = make()
    for loss, tokens in ((0.5, 10), (-0.5, 20), (0.75, 30)):
        logger.info(
            "x", extra={"metrics": {"train/loss": loss}, "tokens_out": tokens}
        )
        logger.info("x", extra={"output_tokens": tokens})

    handler.flush()

    tokens, loss = sorted(said, key=lambda record: record.kind)
    assert ("output_tokens", "counter") == (tokens.field, tokens.kind)
    assert (3, 60) == (tokens.count, tokens.sum)
    assert tokens.rate > 0
    assert ("train/loss", "gauge") == (loss.field, loss.kind)
    assert (0.75, -0.5, 0.75) == (loss.last, loss.min, loss.max)
    assert 0.25 == loss.mean
    assert not hasattr(loss, "rate")


def test_configured_metric_says_its_name_unit_and_reduction(
    make, logger, said
):
    """
    Milliseconds become seconds; a part of a reduction is a label.
    """
    handler = make(
        metrics=[
            {"field": "queue_ms", "kind": "summary", "unit": "ms"},
            {
                "field": "image",
                "kind": "gauge",
                "reduce": "mean_per_channel",
                "name": "brightness",
            },
        ]
    )
    image = np.stack([np.full((4, 4), n) for n in (1.0, 2.0, 3.0)])
    logger.info("x", extra={"queue_ms": 12.0, "image": image})

    handler.flush()

    queue = next(each for each in said if each.field == "queue_ms")
    assert ("summary", "seconds", 0.012) == (queue.kind, queue.unit, queue.max)
    channels = [each for each in said if each.field == "image"]
    assert 3 == len(channels)
    assert {"mean_per_channel"} == {each.reduce for each in channels}
    assert {"brightness"} == {each.metric for each in channels}
    assert [1.0, 2.0, 3.0] == sorted(each.last for each in channels)


def test_label_that_is_called_like_a_number_is_kept_apart(make, logger, said):
    """
    A label `count` does not take the place of the count.
    """
    handler = make(labels=["count", "level"])
    logger.warning("x", extra={"loss": 1.0, "count": "many"})

    handler.flush()

    (record,) = said
    assert (1, "many", "WARNING") == (
        record.count,
        record.count_,
        record.level,
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32("nan")])
def test_value_that_is_not_finite_is_refused_and_not_summed_up(
    make, logger, said, value
):
    """
    NaN is counted among the refused, and spoils no mean.
    """
    handler = make()
    logger.info("x", extra={"inference_latency": value})
    logger.info("x", extra={"inference_latency": 2.0})

    handler.flush()

    (record,) = said
    assert (1, 2.0) == (record.count, record.mean)
    assert {"not_finite": 1} == handler.stats().refused
    assert 1 == handler.stats().written


def test_label_sets_beyond_max_series_are_other(make, logger, said):
    """
    10 000 model names make three series and one more.
    """
    handler = make(max_series=3)
    for n in range(10_000):
        logger.info("x", extra={"loss": 1.0, "model_name": f"m{n}"})

    handler.flush()

    assert 4 == len(said)
    assert {"m0": 1, "m1": 1, "m2": 1, "other": 9997} == {
        record.model_name: record.count for record in said
    }


def test_summary_is_json_with_fields(make, logger, tmp_path):
    """
    A JSON file gets the numbers as numbers.
    """
    file = mllog.TimestampedRotatingFileHandler(
        tmp_path / "a.jsonl",
        formatter_options={"class": "mllog.JSONFormatter"},
    )
    own = logging.getLogger("mllog.summary")
    own.addHandler(file)
    own.setLevel(logging.INFO)
    own.propagate = False
    handler = make()
    logger.info("x", extra={"inference_latency": 0.5, "model_name": "r"})

    handler.flush()

    (line,) = lines_of(tmp_path / "a.jsonl")
    assert 0.5 == line["p99"]
    assert 1 == line["count"]
    assert "mllog.summary" == line["logger"]
    assert line["message"].startswith("inference_latency of r: 1 in ")
    assert line["interval_start"].endswith("Z")


# --- when ---


def test_timer_says_the_last_interval_and_then_ends(make, logger, said):
    """
    Without a further call the summary comes, and no thread is left after.
    """
    handler = make(0.05)
    logger.info("x", extra={"loss": 1.0})

    wait_for(lambda: said)
    wait_for(lambda: handler._intervals._thread is None)

    assert 1 == len(said)
    logger.info("x", extra={"loss": 1.0})
    wait_for(lambda: len(said) == 2)


def test_idle_application_gets_no_summary(make, logger, said):
    """
    An interval in which nothing was measured is passed over in silence.
    """
    handler = make()
    logger.info("nothing to measure", extra={"user": 1})
    handler.flush()
    assert [] == said
    assert handler._intervals._thread is None

    logger.info("x", extra={"loss": 1.0, "model_name": "a"})
    handler.flush()
    logger.info("x", extra={"loss": 1.0, "model_name": "b"})
    handler.flush()

    assert ["a", "b"] == [record.model_name for record in said]


def test_call_says_it_where_no_thread_can_run(make, logger, said, monkeypatch):
    """
    In a server without threads the call that finds the interval over does it.
    """

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    now = [1000.0]
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for module in (intervals, sys.modules[mllog.SummaryHandler.__module__]):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    make(60)
    for second in range(120):
        now[0] = 1000.0 + second
        logger.info("x", extra={"inference_latency": 1.0})

    (record,) = said
    assert (61, 60.0) == (record.count, record.interval_seconds)
    assert 61 / 60 == pytest.approx(record.rate, rel=1e-5)

    now[0] = 99_000.0
    logger.info("x", extra={"inference_latency": 1.0})
    logger.info("x", extra={"inference_latency": 1.0})
    assert 60 == said[1].count  # 59 before, and the one that found it over


def test_aligned_intervals_end_at_full_minutes(
    make, logger, said, monkeypatch
):
    """
    An interval that begins at 12:00:17 ends at 12:01:00.
    """

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    noon = 1_800_000_000 - 1_800_000_000 % 86_400 + 43_200
    now = [17.0]
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(intervals.time, "time", lambda: noon + now[0])
    for module in (intervals, sys.modules[mllog.SummaryHandler.__module__]):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    make(60, aligned=True)
    for second in range(17, 190):
        now[0] = float(second)
        logger.info("x", extra={"inference_latency": 1.0})

    found = [(r.interval_start[11:19], r.interval_seconds) for r in said]
    assert [
        ("12:00:17", 43.0),
        ("12:01:00", 60.0),
        ("12:02:00", 60.0),
    ] == found


# --- its own records ---


def test_handler_on_the_root_never_reads_what_it_said(said, make):
    """
    With the handler on the root and on its own logger nothing goes round.
    """
    own = logging.getLogger("mllog.summary")
    own.propagate = True
    handler = make()
    for each in (logging.getLogger(), own):
        each.addHandler(handler)
        each.setLevel(logging.INFO)
    app = logging.getLogger("app")
    app.info("x", extra={"loss": 1.0})

    for _ in range(5):
        handler.flush()
    own.info("x", extra={"loss": 1.0})
    handler.flush()

    assert 2 == len(said)
    assert 1 == handler.stats().written


def test_drift_is_summed_up_only_where_the_handler_is_put_on_it(make, said):
    """
    On the root it passes by; on mllog.drift its distances are gauges.
    """
    drift = logging.getLogger("mllog.drift")
    extra = {"metrics": {"drift_psi": 0.3}, "field": "age"}
    root = make()
    logging.getLogger().addHandler(root)
    drift.warning("x", extra=extra)
    root.flush()
    assert [] == said

    drift.addHandler(
        make(
            metrics=[
                {"field": "re:drift_.*", "kind": "gauge", "labels": ["field"]}
            ]
        )
    )
    drift.warning("x", extra=extra)
    drift.handlers[0].flush()

    (record,) = said
    assert ("drift_psi", 0.3) == (record.field, record.last)
    assert "age" == record.field_


def test_summary_has_nothing_of_what_is_bound(make, logger, said):
    """
    The request that finds the interval over leaves no id on the summary.
    """
    kept = said

    class Bound(mllog.ConsoleHandler):
        def emit(self, record):
            kept.append(record)

    logging.getLogger("mllog.summary").addHandler(Bound())
    handler = make()

    with mllog.bind(request_id="a"):
        logger.info("x", extra={"loss": 1.0})
        handler.flush()

    assert 2 == len(kept)
    assert not any(hasattr(record, "request_id") for record in kept)


def test_handler_that_raises_is_counted_and_the_next_summary_comes(
    make, logger, said, capsys
):
    """
    A filter that raises costs one summary, and no log call.
    """
    raising = [True, False]

    def fail(_record):
        if raising.pop(0):
            raise ValueError("no")
        return True

    logging.getLogger("mllog.summary").addFilter(fail)
    handler = make()
    for name in "ab":
        logger.info("x", extra={"loss": 1.0, "model_name": name})

    handler.flush()

    assert ["b"] == [record.model_name for record in said]
    assert 1 == handler.stats().failures
    assert "ValueError: no" in capsys.readouterr().err


def test_level_of_its_logger_holds(make, logger, said):
    """
    Beneath WARNING there is no summary.
    """
    logging.getLogger("mllog.summary").setLevel(logging.WARNING)
    handler = make()
    logger.info("x", extra={"loss": 1.0})

    handler.flush()

    assert [] == said


# --- ends ---


def configuration(path, interval=3600):
    """
    The handler and a JSON file.
    """
    return {
        "version": 1,  # and loggers are disabled, as is usual
        "formatters": {"json": {"()": "mllog.JSONFormatter"}},
        "handlers": {
            "a_summary": {
                "class": "mllog.SummaryHandler",
                "interval_seconds": interval,
            },
            "file": {
                "class": "mllog.TimestampedRotatingFileHandler",
                "filename": str(path),
                "formatter": "json",
            },
        },
        "root": {"level": "INFO", "handlers": ["a_summary", "file"]},
    }


def configure(path, interval=3600):
    logging.config.dictConfig(configuration(path, interval))


def summaries(path):
    return [
        line for line in lines_of(path) if line["logger"] == "mllog.summary"
    ]


def test_configuring_twice_loses_no_summary(tmp_path):
    """
    What the first handler measured is said when the second is there.
    """
    path = tmp_path / "a.jsonl"
    for n in range(3):
        configure(path)
        logging.info("x", extra={"loss": float(n)})
    wait_for(lambda: len(summaries(path)) == 2)
    logging.shutdown()

    # two threads may have waited for the end of the same configuration
    assert [0.0, 1.0, 2.0] == sorted(line["last"] for line in summaries(path))
    wait_for(
        lambda: (
            not [
                thread
                for thread in threading.enumerate()
                if thread.name == "mllog-intervals"
            ]
        )
    )


def test_last_summary_comes_at_the_exit(tmp_path):
    """
    A process that ends within the interval leaves its summary in the file.
    """
    path = tmp_path / "a.jsonl"
    run(
        f"import logging, logging.config, sys\n"
        f"sys.path[:0] = [{os.path.dirname(__file__)!r},"
        f" {os.path.dirname(os.path.dirname(__file__))!r}]\n"
        "from test_summary import configure\n"
        "configure(sys.argv[1])\n"
        "for n in range(10):\n"
        "    logging.info('x', extra={'loss': 1.0})\n",
        path,
    )

    (line,) = summaries(path)
    assert 10 == line["count"]


@FORKS
def test_forked_child_begins_with_nothing_and_says_its_own(tmp_path):
    """
    Parent and child each sum up what they logged themselves.
    """
    path = tmp_path / "a.jsonl"
    run(
        f"import logging, os, sys\n"
        f"sys.path[:0] = [{os.path.dirname(__file__)!r},"
        f" {os.path.dirname(os.path.dirname(__file__))!r}]\n"
        "from test_summary import configure\n"
        "configure(sys.argv[1])\n"
        "for n in range(3):\n"
        "    logging.info('x', extra={'loss': 1.0})\n"
        "child = os.fork()\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "else:\n"
        "    logging.info('x', extra={'loss': 2.0})\n",
        path,
    )

    assert {1.0: 3, 2.0: 1} == {
        line["last"]: line["count"] for line in summaries(path)
    }
    assert 2 == len({line["pid"] for line in summaries(path)})


MULTIPROCESSING = """
import json, logging.config, multiprocessing, sys

def work(config, start):
    if start != "fork":
        logging.config.dictConfig(config)
    logging.info("x", extra={"loss": 5.0})

if __name__ == "__main__":
    start, config = sys.argv[1], json.loads(sys.argv[2])
    logging.config.dictConfig(config)
    child = multiprocessing.get_context(start).Process(
        target=work, args=(config, start)
    )
    child.start()
    child.join(50)
    sys.exit(child.exitcode)
"""


@FORKS
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_child_of_multiprocessing_says_its_last_summary(tmp_path, start):
    """
    Though such a child skips atexit, its summary is in the file.
    """
    path, script = tmp_path / "a.jsonl", tmp_path / "app.py"
    # a child that is spawned imports the script of its parent by its path
    script.write_text(MULTIPROCESSING)

    done = subprocess.run(
        [sys.executable, script, start, json.dumps(configuration(path))],
        capture_output=True,
        encoding="utf-8",
        timeout=55,
    )

    assert 0 == done.returncode, done.stderr
    assert [5.0] == [line["last"] for line in summaries(path)]


def test_record_after_close_is_said_by_flush(make, logger, said):
    """
    A handler that was closed too early loses nothing.
    """
    handler = make()
    handler.close()
    logger.info("x", extra={"loss": 1.0})
    assert handler._intervals._thread is None

    handler.close()

    assert 1 == len(said)


def test_threads_lose_no_observation_between_two_intervals(make, logger, said):
    """
    Eight threads log while intervals end all the time, and each call counts.
    """
    handler = make(0.002)

    def work():
        for _ in range(2000):
            logger.info("x", extra={"inference_latency": 1.0})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()

    assert 16_000 == sum(record.count for record in said)
    assert 16_000 == handler.stats().written


def test_close_under_logging_lock_waits_for_nobody(make, logger):
    """
    dictConfig closes a handler whose thread is held up in a sink at once.
    """
    held, go = threading.Event(), threading.Event()

    class Held(logging.Handler):
        def emit(self, _record):
            held.set()
            go.wait(30)

    own = logging.getLogger("mllog.summary")
    own.setLevel(logging.INFO)
    own.propagate = False
    own.addHandler(Held())
    handler = make(0.01)
    logger.info("x", extra={"loss": 1.0})
    assert held.wait(30)

    with logging._lock:
        before = time.monotonic()
        handler.close()
        took = time.monotonic() - before
    go.set()
    wait_for(lambda: handler._intervals._thread is None)

    assert took < 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interval_seconds": 0}, "interval_seconds"),
        ({"interval_seconds": "soon"}, "interval_seconds"),
        ({"aligned": "perhaps"}, "aligned"),
        ({"labels": ["name"]}, "labels"),
        ({"max_series": 0}, "max_series"),
        ({"metrics": [{"field": "a", "kind": "gouge"}]}, "gauge"),
        ({"interval": 3}, "interval_seconds"),
    ],
)
def test_option_that_cannot_work_is_refused(options, said):
    """
    The error names the handler, the option and what is right.
    """
    with pytest.raises(ConfigError, match=said) as raised:
        mllog.SummaryHandler(**options)

    assert "SummaryHandler" in str(raised.value)


def test_ini_gives_every_option(tmp_path):
    """
    fileConfig makes the handler from text.
    """
    path = tmp_path / "a.ini"
    path.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=s\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=s\n"
        "[handler_s]\nclass=mllog.SummaryHandler\nargs=()\n"
        'kwargs={"interval_seconds": "30", "aligned": "true",'
        ' "labels": "a, b", "metrics": [{"field": "x", "kind": "gauge"}],'
        ' "filters": [{"class": "mllog.SamplingFilter", "rate": "0.5"}]}\n'
    )

    logging.config.fileConfig(path)

    (handler,) = [
        each
        for each in logging.root.handlers
        if isinstance(each, mllog.SummaryHandler)
    ]
    assert "<SummaryHandler every 30 s>" == repr(handler)
    assert 1 == len(handler.filters)
