"""
Metrics for Prometheus, out of the fields of records.
"""

import contextlib
import gc
import json
import logging
import logging.config
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error

import numpy as np
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry
from scraping import OPENMETRICS, exemplars, fetch, of_registry, samples

import mllog
from mllog.errors import ConfigError
from servers.running import free_ports

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.fixture(name="make")
def _make(attach):
    def make(port=0, **options):
        return attach(mllog.PrometheusHandler(port, **options))

    return make


def _own(found):
    return {k: v for k, v in found.items() if not k.startswith("mllog_")}


# --- what is exported ---


def test_all_four_kinds_update_through_one_handler(make, logger):
    """
    Counter, gauge, histogram and summary are fed by extra= alone.
    """
    handler = make(
        metrics=[
            {"field": "tokens", "kind": "counter"},
            {"field": "depth", "kind": "gauge"},
            {"field": "took", "kind": "histogram", "buckets": [1, 2]},
            {"field": "size", "kind": "summary"},
        ],
        accounting=False,
    )

    for n in (1, 2, 3):
        logger.info("x", extra={"tokens": n, "depth": n, "took": n, "size": n})

    found = samples(fetch(handler.port))
    quantiles = {k: v for k, v in found.items() if "quantile" in k}
    assert {
        "tokens_total": 6.0,
        "depth": 3.0,
        'took_bucket{le="1.0"}': 1.0,
        'took_bucket{le="2.0"}': 2.0,
        'took_bucket{le="+Inf"}': 3.0,
        "took_count": 3.0,
        "took_sum": 6.0,
        "size_count": 3.0,
        "size_sum": 6.0,
    } == {k: v for k, v in found.items() if k not in quantiles}
    assert 4 == len(quantiles)
    assert 2 == pytest.approx(quantiles['size{quantile="0.5"}'], rel=0.01)


def test_known_fields_need_no_configuration(make, logger):
    """
    A latency is a histogram in seconds, told apart by model and version.
    """
    handler = make(accounting=False)

    logger.info(
        "done",
        extra={
            "inference_latency": 0.0123,
            "model_name": "resnet50",
            "model_version": 3,
            "user": "me",
        },
    )

    found = samples(fetch(handler.port))
    labels = 'model_name="resnet50",model_version="3"'
    assert 0.0123 == found[f"inference_latency_seconds_sum{{{labels}}}"]
    assert 17 + 1 == len(found)


VALUES = [
    (math.nan, None, "not_finite"),
    (math.inf, None, "not_finite"),
    (np.float32(0.5), 0.5, None),
    (1e20, 1e20, None),
    (3, 3.0, None),
    (np.array([2.0]), 2.0, None),
]


@pytest.mark.parametrize(("value", "number", "reason"), VALUES)
def test_value_in_metrics_has_its_stated_result(
    make, logger, value, number, reason
):
    """
    `train/loss` is train_loss, and NaN is counted instead of exported.
    """
    handler = make()
    handler.name = f"of {value} as {number}"

    logger.info("epoch", extra={"metrics": {"train/loss": value}})

    found = samples(fetch(handler.port))
    assert number == found.get("train_loss")
    assert ({reason: 1} if reason else {}) == handler.stats().refused
    if reason:
        key = (
            f'mllog_records_total{{handler="{handler.name}",'
            f'outcome="refused",reason="{reason}"}}'
        )
        assert 1.0 == found[key]


@pytest.mark.parametrize("value", [True, "0.5", None, "nan", object()])
def test_value_in_metrics_that_is_no_number_is_no_metric(make, logger, value):
    """
    Neither a bool nor a numeric text is measured, or refused.
    """
    handler = make(accounting=False)

    logger.info("epoch", extra={"metrics": {"train/loss": value}})

    assert {} == samples(fetch(handler.port))
    assert {} == handler.stats().refused


def test_nan_and_surrogates_never_spoil_a_page(make, logger):
    """
    After each of them the page parses, and the sum is right.
    """
    handler = make()
    for value, name in (
        (0.5, "a\ud800b"),
        (math.nan, "a\ud800b"),
        (math.inf, 'quo"te\\'),
        (-1.0, "new\nline"),
        (0.25, 'quo"te\\\nnew'),
    ):
        logger.info(
            "x", extra={"inference_latency": value, "model_name": name}
        )
    logger.info("x", extra={"metrics": {"lo\udfffss": 1.0, "": 2.0}})

    text = fetch(handler.port)
    found = samples(text)
    assert fetch(handler.port, OPENMETRICS).endswith("# EOF\n")
    sums = [
        v
        for k, v in found.items()
        if k.startswith("inference_latency_seconds_sum")
    ]
    assert 0.75 == sum(sums)
    assert 1.0 == found["lo_ss"] and 2.0 == found["_"]
    assert {"not_finite": 2, "negative": 1} == handler.stats().refused


def test_million_labels_are_max_series_and_one_more(make, logger):
    """
    Label sets beyond max_series are one series, whose labels are other.
    """
    handler = make(max_series=50, accounting=False)

    for number in range(5000):
        logger.info("x", extra={"loss": number, "model_name": f"m{number}"})

    found = samples(fetch(handler.port))
    assert 51 == len(found)
    other = 'model_name="other",model_version="other",variant="other"'
    assert 4999.0 == found[f"loss{{{other}}}"]


def test_name_that_another_metric_has_is_refused_and_said_once(
    make, logger, capsys
):
    """
    train/loss has the name first; train.loss is counted, and not mixed in.
    """
    handler = make()

    for version in range(3):
        logger.info(
            "x",
            extra={
                "metrics": {"train/loss": 1.0, "train.loss": 2.0},
                "model_version": version,
            },
        )

    found = _own(samples(fetch(handler.port)))
    assert {1.0} == set(found.values())
    assert {"name_clash": 3} == handler.stats().refused
    said = capsys.readouterr().err
    assert 1 == said.count("train.loss") and "another name" in said
    assert "Traceback" not in said


def test_fields_with_the_same_given_name_are_one_metric(make, logger):
    """
    A name that is given to both is what was meant.
    """
    handler = make(
        metrics=[
            {"field": "a_ms", "kind": "counter", "unit": "ms", "name": "busy"},
            {"field": "b", "kind": "counter", "unit": "s", "name": "busy"},
        ],
        accounting=False,
    )

    logger.info("x", extra={"a_ms": 500, "b": 1.5})

    assert {"busy_seconds_total": 2.0} == samples(fetch(handler.port))


def test_exemplar_leads_from_a_bucket_to_the_trace(make, logger):
    """
    OpenMetrics has the trace id, or the request id; the plain page has none.
    """
    handler = make(accounting=False)

    logger.info("x", extra={"inference_latency": 0.3, "request_id": "r1"})
    logger.info(
        "x",
        extra={
            "inference_latency": 3.0,
            "request_id": "r2",
            "trace_id": "4bf92f3577b34da6",
        },
    )
    logger.info("x", extra={"inference_latency": 30, "request_id": "x" * 300})

    found = exemplars(fetch(handler.port, OPENMETRICS))
    assert {
        'inference_latency_seconds_bucket{le="0.5"}': {"request_id": "r1"},
        'inference_latency_seconds_bucket{le="5.0"}': {
            "trace_id": "4bf92f3577b34da6"
        },
    } == {name: each.labels for name, each in found.items()}
    assert all(
        abs(float(each.timestamp) - time.time()) < 300
        for each in found.values()
    )
    assert "r1" not in fetch(handler.port)


def test_bound_fields_are_labels_and_exemplars(make, logger):
    """
    What mllog.bind has bound is on the record that is measured.
    """
    handler = make(accounting=False)

    with mllog.bind(model_name="bert", request_id="r"):
        logger.info("x", extra={"batch_size": 8})

    found = exemplars(fetch(handler.port, OPENMETRICS))
    (name,) = found
    assert 'model_name="bert"' in name


def test_accounting_has_the_counts_of_all_handlers(make, logger, tmp_path):
    """
    What mllog.stats() says of other handlers is on the page.
    """
    handler = make()
    file = mllog.TimestampedRotatingFileHandler(tmp_path / "a.jsonl")
    file.name = "accounted file"
    logger.addHandler(file)
    syslog = mllog.SyslogHandler(
        f"127.0.0.1:{free_ports(1)[0]}",
        overflow="drop_newest",
        close_timeout_seconds=0.1,
    )
    syslog.name = "accounted syslog"
    logger.addHandler(syslog)

    for _ in range(3):
        logger.info("x")

    found = samples(fetch(handler.port))
    key = 'mllog_records_total{handler="accounted file",outcome="written"}'
    assert 3.0 == found[key]
    assert (
        3.0
        == found['mllog_records_accepted_total{handler="accounted syslog"}']
    )
    assert 'mllog_queue_records{handler="accounted syslog"}' in found


def test_record_with_nothing_to_measure_is_no_written_record(make, logger):
    """
    stats() counts the records that were measured.
    """
    handler = make()

    logger.info("starting", extra={"user": "me"})
    logger.info("done", extra={"loss": 0.5})

    assert 1 == handler.stats().written


# --- registries ---


@pytest.mark.parametrize(
    "registry", [None, "default", "prometheus_client.REGISTRY"]
)
def test_handler_without_a_way_uses_the_default_registry(
    make, logger, registry
):
    """
    What the application serves already has our metrics, until close.
    """
    handler = make(None, registry=registry, accounting=False)

    logger.info(
        "x", extra={"mllog_test_depth": 1, "metrics": {"only_here": 2}}
    )

    assert 2.0 == prometheus_client.REGISTRY.get_sample_value("only_here")
    handler.close()
    assert prometheus_client.REGISTRY.get_sample_value("only_here") is None


def test_handlers_of_one_registry_share_a_page(make, logger):
    """
    Two handlers that measure the same give each name once.
    """
    registry = CollectorRegistry()
    first = make(None, registry=registry)
    second = make(None, registry=registry)

    logger.info("x", extra={"examples": 3, "loss": 0.5})

    found = _own(of_registry(registry))
    assert {"examples_total": 6.0, "loss": 0.5} == found
    first.close()
    assert found == _own(of_registry(registry))
    second.close()
    assert {} == of_registry(registry)


def test_name_that_the_application_has_is_refused(make, logger, capsys):
    """
    The application's metric stays as it is, whoever came first.
    """
    registry = CollectorRegistry()
    make(None, registry=registry, accounting=False)
    ours = prometheus_client.Gauge(
        "loss", "the application's", registry=registry
    )
    ours.set(7)

    logger.info("x", extra={"loss": 0.5, "accuracy": 0.5})
    prometheus_client.Gauge("accuracy_ratio", "later", registry=registry)

    assert {"loss": 7.0, "accuracy_ratio": 0.0} == of_registry(registry)
    assert "another metric of this process" in capsys.readouterr().err


def test_registry_is_let_go_with_its_handler(logger):
    """
    Nothing of mllog keeps a registry alive after close.
    """
    import weakref

    registry = CollectorRegistry()
    handler = mllog.PrometheusHandler(registry=registry)
    handler.close()
    seen = weakref.ref(registry)
    del registry, handler
    gc.collect()

    assert seen() is None


# --- serving ---


def test_page_is_compressed_for_whom_takes_it(make, logger):
    """
    A scraper that says gzip gets gzip.
    """
    import gzip
    import urllib.request

    handler = make()
    logger.info("x", extra={"loss": 0.5})
    request = urllib.request.Request(
        f"http://127.0.0.1:{handler.port}/metrics",
        headers={"Accept-Encoding": "gzip"},
    )

    with urllib.request.urlopen(request, timeout=20) as answer:
        body = answer.read()

    assert b"loss 0.5" in gzip.decompress(body)


def test_page_elsewhere_is_not_found(make):
    """
    Only /metrics is served.
    """
    handler = make()

    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(handler.port, path="/etc/passwd")


def test_page_with_a_collector_that_fails_is_an_error_and_reported(
    make, logger, capsys
):
    """
    The scraper sees 500, standard error sees why, and logging goes on.
    """

    class Broken:
        def collect(self):
            raise ValueError("broken collector")

        def describe(self):
            return []

    registry = CollectorRegistry()
    registry.register(Broken())
    handler = make(registry=registry)

    with pytest.raises(urllib.error.HTTPError, match="500"):
        fetch(handler.port)

    assert "broken collector" in capsys.readouterr().err
    assert 1 == handler.stats().failures


def test_port_that_is_taken_is_said_once_and_served_when_free(
    make, logger, capsys, monkeypatch
):
    """
    Neither the constructor nor a log call raises; the port is taken later.
    """
    from mllog.exposition import server

    monkeypatch.setattr(server, "_AGAIN_SECONDS", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        handler = make(port)
        for _ in range(3):
            logger.info("x", extra={"loss": 0.5})
        assert handler.port is None
        _until(lambda: handler.stats().failures == 1)

    _until(lambda: handler.port == port)
    assert 0.5 == samples(fetch(port))["loss"]
    said = capsys.readouterr().err
    assert 1 == said.count(f"cannot serve metrics on 127.0.0.1:{port}")
    assert "Traceback" not in said


def _until(is_so, seconds=30):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.01)


def test_configuration_applied_again_serves_the_same_port(logger):
    """
    dictConfig twenty times: the port is there, and there is one thread.
    """
    (port,) = free_ports(1)
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "metrics": [{"field": "depth", "kind": "gauge", "labels": ["phase"]}],
        "handlers": {
            "prometheus": {
                "class": "mllog.PrometheusHandler",
                "port": port,
                "metrics": "cfg://metrics",
                "accounting": False,
            }
        },
        "loggers": {
            logger.name: {"handlers": ["prometheus"], "level": "INFO"}
        },
    }
    for number in range(20):
        logging.config.dictConfig(json.loads(json.dumps(config)))
        logger.info("x", extra={"depth": number, "phase": "train"})
        assert {'depth{phase="train"}': number} == samples(fetch(port))

    names = [each.name for each in threading.enumerate()]
    assert 1 == names.count("mllog-metrics")


def test_configuration_while_others_log_neither_hangs_nor_raises(
    logger, capsys
):
    """
    dictConfig over and over, with threads that log and one that scrapes.
    """
    (port,) = free_ports(1)
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"p": {"class": "mllog.PrometheusHandler", "port": port}},
        "loggers": {logger.name: {"handlers": ["p"], "level": "INFO"}},
    }
    stop = threading.Event()

    def log():
        while not stop.is_set():
            logger.info("x", extra={"loss": 0.5, "inference_latency": 0.1})

    def scrape():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                fetch(port)

    threads = [threading.Thread(target=each) for each in (log, log, scrape)]
    for each in threads:
        each.start()
    for _ in range(10):
        logging.config.dictConfig(config)
    stop.set()
    for each in threads:
        each.join(30)

    assert not any(each.is_alive() for each in threads)
    assert "Traceback" not in capsys.readouterr().err


def test_scrape_while_threads_log_sees_counts_that_never_fall(make, logger):
    """
    Each page is whole: buckets ascend, and the count is the last bucket.
    """
    handler = make(accounting=False)
    stop = threading.Event()

    def log():
        while not stop.is_set():
            logger.info("x", extra={"inference_latency": 0.1})

    threads = [threading.Thread(target=log) for _ in range(3)]
    for each in threads:
        each.start()
    last = 0.0
    for _ in range(30):
        found = samples(fetch(handler.port))
        count = found.get("inference_latency_seconds_count", 0.0)
        assert count >= last
        assert count == found.get(
            'inference_latency_seconds_bucket{le="+Inf"}', 0.0
        )
        last = count
    stop.set()
    for each in threads:
        each.join(30)

    found = samples(fetch(handler.port))
    written = handler.stats().written
    assert written == found["inference_latency_seconds_count"]


# --- files and gateways ---


def test_textfile_is_written_at_flush_and_whole_at_any_instant(
    make, logger, tmp_path
):
    """
    Nothing but the file is left in the folder.
    """
    path = tmp_path / "train.prom"
    handler = make(None, textfile=path, accounting=False)

    logger.info("x", extra={"loss": 0.5})
    handler.flush()

    assert {"loss": 0.5} == samples(path.read_text())
    logger.info("x", extra={"loss": 0.25})
    handler.close()
    assert {"loss": 0.25} == samples(path.read_text())
    assert [path] == list(tmp_path.iterdir())


def test_textfile_is_written_every_so_often(make, logger, tmp_path):
    """
    The interval alone brings it there.
    """
    path = tmp_path / "train.prom"
    make(None, textfile=path, interval_seconds=0.05)

    logger.info("x", extra={"loss": 0.5})

    _until(path.exists)


def test_textfile_has_the_last_values_after_a_new_configuration(
    logger, tmp_path
):
    """
    dictConfig() does not wait, and the file is written with what was there.
    """
    path = tmp_path / "train.prom"
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "p": {
                "class": "mllog.PrometheusHandler",
                "textfile": str(path),
                "registry": "default",
            }
        },
        "loggers": {logger.name: {"handlers": ["p"], "level": "INFO"}},
    }
    logging.config.dictConfig(config)
    logger.info("x", extra={"loss": 0.5})

    logging.config.dictConfig({**config, "handlers": {}, "loggers": {}})

    _until(path.exists)
    assert 0.5 == samples(path.read_text())["loss"]
    _until(lambda: prometheus_client.REGISTRY.get_sample_value("loss") is None)


@pytest.mark.skipif(os.name == "nt", reason="no such folder")
def test_textfile_that_cannot_be_written_is_said_once(
    make, logger, tmp_path, capsys
):
    """
    The application goes on, and the failures are counted.
    """
    folder = tmp_path / "gone"
    handler = make(None, textfile=folder / "train.prom")
    logger.info("x", extra={"loss": 0.5})

    for _ in range(3):
        handler.flush()

    said = capsys.readouterr().err
    assert 1 == said.count("cannot write metrics")
    assert "Traceback" not in said
    assert 3 <= handler.stats().failures
    folder.mkdir()
    handler.flush()
    assert (folder / "train.prom").exists()


def test_gateway_that_is_not_there_costs_no_more_than_the_deadline(
    make, logger, capsys
):
    """
    close() returns; what happened is said once, without the password.
    """
    (port,) = free_ports(1)
    handler = make(
        None,
        gateway=f"http://me:secret@127.0.0.1:{port}",
        job="train",
        close_timeout_seconds=2,
    )
    logger.info("x", extra={"loss": 0.5})
    start = time.monotonic()

    handler.flush()
    handler.close()

    assert time.monotonic() - start < 30
    said = capsys.readouterr().err
    assert 1 == said.count("cannot push metrics")
    assert "secret" not in said
    assert handler.stats().failures >= 1


# --- forks ---

FORKED = """
import logging, os, sys, threading, time
import mllog

handler = mllog.PrometheusHandler(0, accounting=False)
logger = logging.getLogger("app")
logger.addHandler(handler)
logger.setLevel("INFO")
stop = threading.Event()

def log():
    while not stop.is_set():
        logger.info("x", extra={"inference_latency": 0.1, "model_name": "m"})

def scrape():
    import prometheus_client
    while not stop.is_set():
        prometheus_client.generate_latest(handler.registry)

threads = [threading.Thread(target=each) for each in (log, log, scrape)]
for each in threads:
    each.start()
failed = 0
for _ in range(60):
    pid = os.fork()
    if pid == 0:
        for _ in range(300):
            logger.info("x", extra={"inference_latency": 0.2})
        import prometheus_client
        text = prometheus_client.generate_latest(handler.registry).decode()
        lines = [l for l in text.splitlines() if "seconds_count" in l]
        os._exit(lines != ["inference_latency_seconds_count 300.0"])
    deadline = time.monotonic() + 20
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            failed += status != 0
            break
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            failed += 1000
            break
        time.sleep(0.002)
stop.set()
for each in threads:
    each.join()
print("failed", failed)
os._exit(0)
"""


@FORKS
def test_forked_children_of_a_process_that_logs_and_is_scraped_begin_at_zero():
    """
    Sixty forks under load: no child hangs, and each counts only its own.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=55,
    )

    assert "failed 0\n" == done.stdout, done.stderr


CONTROL = (
    FORKED.replace(
        "handler = mllog.PrometheusHandler(0, accounting=False)",
        """
import prometheus_client
from prometheus_client import CollectorRegistry, Histogram

class Naive(logging.Handler):
    def __init__(self):
        super().__init__()
        self.registry = CollectorRegistry()
        self.histogram = Histogram(
            "inference_latency_seconds", "x", registry=self.registry
        )
    def handle(self, record):
        self.histogram.observe(record.inference_latency)

handler = Naive()
""",
    )
    .replace("time.monotonic() + 20", "time.monotonic() + 2")
    .replace("range(60)", "range(3)")
)


@FORKS
def test_control_children_of_a_naive_handler_keep_the_counts_of_the_parent():
    """
    The control: with prometheus_client's own histogram each child fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", CONTROL],
        capture_output=True,
        text=True,
        timeout=55,
    )

    assert done.stdout.startswith("failed "), done.stderr
    assert "failed 0\n" != done.stdout


@FORKS
def test_forked_child_does_not_hold_the_port(make, logger):
    """
    The port is free once the parent has closed, though a child lives on.
    """
    (port,) = free_ports(1)
    handler = make(port)
    logger.info("x", extra={"loss": 0.5})
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    try:
        handler.close()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            probe.listen()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@FORKS
def test_forked_child_leaves_the_textfile_of_its_parent_alone(
    logger, tmp_path
):
    """
    A file with {pid} in its name is written by each, another by the first.
    """
    for name in ("one.prom", "each-{pid}.prom"):
        handler = mllog.PrometheusHandler(
            textfile=tmp_path / name, accounting=False
        )
        logger.addHandler(handler)
    logger.info("x", extra={"loss": 1.0})
    mllog.flush()
    pid = os.fork()
    if pid == 0:
        try:
            logger.info("x", extra={"loss": 2.0})
            mllog.flush()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    found = {
        path.name: samples(path.read_text())["loss"]
        for path in tmp_path.iterdir()
    }
    assert {
        "one.prom": 1.0,
        f"each-{os.getpid()}.prom": 1.0,
        f"each-{pid}.prom": 2.0,
    } == found


# --- several processes on one page ---

WORKERS = """
import logging, os, sys
import mllog

handler = mllog.PrometheusHandler(
    int(sys.argv[1]),
    metrics=[
        {"field": "depth", "kind": "gauge"},
        {"field": "size", "kind": "summary"},
        {"field": "hits", "kind": "counter"},
    ],
)
logger = logging.getLogger("app")
logger.addHandler(handler)
logger.setLevel("INFO")
logger.info("x", extra={"hits": 1})
for number in range(4):
    pid = os.fork()
    if pid == 0:
        for _ in range(100):
            logger.info("x", extra={
                "inference_latency": 0.3, "model_name": "m", "hits": 1,
                "depth": 5, "size": 2, "metrics": {"train/loss": 0.5},
                "trace_id": "t",
            })
        handler.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
logger.info("x", extra={"hits": float("nan")})
again = mllog.PrometheusHandler(accounting=False)
again.close()
handler.flush()
handler.flush()
print("ready", flush=True)
sys.stdin.read()
"""


@FORKS
def test_processes_with_a_common_folder_have_one_page(tmp_path):
    """
    With PROMETHEUS_MULTIPROC_DIR the parent serves what all have counted.
    """
    (port,) = free_ports(1)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKERS, str(port)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "m")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "ready\n" == worker.stdout.readline(), worker.stderr.read()
        found = samples(fetch(port))
    finally:
        _, said = worker.communicate(timeout=30)

    assert 400.0 == found['inference_latency_seconds_count{model_name="m"}']
    assert 120.0 == pytest.approx(
        found['inference_latency_seconds_sum{model_name="m"}']
    )
    assert 1.0 == found["hits_total"]
    assert 400.0 == found['hits_total{model_name="m"}']
    assert 5.0 == found['depth{model_name="m"}']
    assert 0.5 == found['train_loss{model_name="m"}']
    assert 800.0 == found['size_sum{model_name="m"}']
    written = 'mllog_records_total{handler="PrometheusHandler",outcome='
    assert 401.0 == found[f'{written}"written"}}']
    assert 1.0 == found[f'{written}"refused",reason="not_finite"}}']
    assert "Traceback" not in said


ACCOUNTS = """
import logging, logging.config, os, sys
import mllog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONFIG = {
    "version": 1,
    "handlers": {
        "metrics": {"class": "mllog.PrometheusHandler"},
        "file": {
            "class": "mllog.TimestampedRotatingFileHandler",
            "filename": sys.argv[1],
        },
    },
    "loggers": {"app": {"level": "INFO", "handlers": ["file", "metrics"]}},
}
logger = logging.getLogger("app")
for _ in range(2):
    logging.config.dictConfig(CONFIG)
    for number in range(50):
        logger.info("x", extra={"inference_latency": 0.3})
for handler in logger.handlers:
    handler.flush()
registry = CollectorRegistry()
MultiProcessCollector(registry)
sys.stdout.write(generate_latest(registry).decode())
"""


def test_accounting_of_handlers_configured_twice_is_the_sum(tmp_path):
    """
    Counts stay when their handler goes, on the application's own page too.
    """
    done = subprocess.run(
        [sys.executable, "-c", ACCOUNTS, str(tmp_path / "app.log")],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "m")},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "" == done.stderr
    found = samples(done.stdout)
    written = 'mllog_records_total{handler="%s",outcome="written"}'
    assert 100.0 == found[written % "file"]
    assert 100.0 == found[written % "metrics"]


def test_folder_of_processes_set_too_late_is_an_error(monkeypatch, tmp_path):
    """
    prometheus_client asks for it once; the error says so.
    """
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    with pytest.raises(ConfigError, match="after prometheus_client"):
        mllog.PrometheusHandler(0)


# --- options ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 70000}, "0 to 65535"),
        ({"port": "http"}, "whole number"),
        ({"prot": 9464}, "write port"),
        ({"textfile": "train.txt"}, ".prom"),
        ({"gateway": "host:9091"}, "job"),
        ({"gateway": "ftp://host", "job": "x"}, "http"),
        ({"job": "x"}, "gateway"),
        ({"metrics": [{"field": "x", "kind": "gouge"}]}, "write gauge"),
        ({"labels": ["a.b", "a_b"]}, "a_b"),
        ({"labels": ["levelname"]}, "level or"),
        ({"prefix": "my-"}, "letters"),
        ({"registry": "math.pi"}, "registry"),
        ({"interval_seconds": 0}, "greater"),
        ({"max_series": 0}, "1 or more"),
        ({"accounting": "perhaps"}, "true or false"),
    ],
)
def test_option_that_cannot_work_is_refused(options, said):
    """
    The error names the handler and what was expected, and nothing is opened.
    """
    with pytest.raises(ConfigError, match=said) as caught:
        mllog.PrometheusHandler(**options)

    assert str(caught.value).startswith("PrometheusHandler: ")


def test_package_that_is_missing_is_an_error_that_says_which():
    """
    The extra is named.
    """
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import mllog\n"
        "try: mllog.PrometheusHandler(0)\n"
        "except ImportError as exc: print(exc)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert "mllog-handlers[prometheus]" in done.stdout


def test_ini_strings_are_taken(tmp_path, logger):
    """
    fileConfig knows only literals, and text works for each option.
    """
    (port,) = free_ports(1)
    path = tmp_path / "logging.ini"
    path.write_text(
        f"""
[loggers]
keys = root
[handlers]
keys = p
[formatters]
keys =
[logger_root]
level = INFO
handlers = p
[handler_p]
class = mllog.PrometheusHandler
args = ()
kwargs = {{
    "port": "{port}",
    "labels": "model_name, phase",
    "accounting": "false",
    "max_series": "10",
    "metrics": [{{"field": "took_ms", "kind": "summary", "unit": "ms"}}],
    }}
"""
    )
    logging.config.fileConfig(path, disable_existing_loggers=False)

    logging.getLogger("any").info("x", extra={"took_ms": 5, "phase": "train"})

    found = samples(fetch(port))
    assert 0.005 == found['took_seconds_sum{phase="train"}']


def test_program_ends_with_the_handler_open(tmp_path):
    """
    Neither thread keeps the process alive, and the textfile is there.
    """
    code = (
        "import logging, mllog\n"
        "logging.basicConfig(level='INFO', handlers=["
        "mllog.PrometheusHandler(0, textfile='a.prom')])\n"
        "logging.info('x', extra={'loss': 0.5})\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        env={
            **os.environ,
            "PYTHONPATH": os.path.dirname(os.path.dirname(mllog.__file__)),
        },
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert 0.5 == samples((tmp_path / "a.prom").read_text())["loss"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
def test_page_is_clean_for_promtool(make, logger):
    """
    promtool check metrics finds nothing to say.
    """
    handler = make(
        metrics=[
            {"field": "took_ms", "kind": "summary", "unit": "ms"},
            {
                "field": "message",
                "kind": "counter",
                "reduce": "count",
                "name": "log_records",
                "labels": ["level"],
            },
        ]
    )
    from mllog.fields import VOCABULARY

    for name in VOCABULARY:
        logger.info("x", extra={name: 0.5, "took_ms": 1, "trace_id": "t"})
    logger.info("x", extra={"metrics": {"train/loss": 1.0}})

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=fetch(handler.port),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
