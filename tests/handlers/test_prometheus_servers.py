"""
PrometheusHandler against a real Prometheus, its gateway, and gunicorn.
"""

import contextlib
import json
import logging
import math
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from bisect import bisect_left, bisect_right
from pathlib import Path

import numpy as np
import pytest
from scraping import fetch, samples
from servers.prometheus import ROOT, prometheus
from servers.running import Running, free_ports

import mllog
from mllog.cli import main

__all__ = ["prometheus"]

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(240)]

DASHBOARD = ROOT / "presets" / "grafana" / "mllog.json"


@pytest.fixture(name="make")
def _make(attach):
    def make(port=0, **options):
        return attach(mllog.PrometheusHandler(port, **options))

    return make


def test_server_sees_all_four_kinds(prometheus, make, logger):
    """
    What extra= says is what the query API answers.
    """
    handler = make(
        metrics=[
            {"field": "tokens", "kind": "counter"},
            {"field": "depth", "kind": "gauge"},
            {"field": "took_ms", "kind": "histogram", "unit": "ms"},
            {"field": "size", "kind": "summary"},
        ]
    )
    for number in range(1, 11):
        logger.info(
            "done",
            extra={
                "tokens": number,
                "depth": number,
                "took_ms": number,
                "size": number,
                "model_name": "bert",
                "model_version": 2,
            },
        )

    with prometheus.scraping(handler.port, "kinds"):
        of = '{job="kinds",model_name="bert",model_version="2"}'
        prometheus.wait_for(f"tokens_total{of}", lambda it: it == 55)
        assert 10 == prometheus.number(f"depth{of}")
        assert 10 == prometheus.number(f"took_seconds_count{of}")
        assert 0.055 == pytest.approx(
            prometheus.number(f"took_seconds_sum{of}")
        )
        assert 5 == prometheus.number(
            'took_seconds_bucket{job="kinds",le="0.005"}'
        )
        assert 55 == prometheus.number(f"size_sum{of}")
        assert 5.5 == pytest.approx(
            prometheus.number('size{job="kinds",quantile="0.5"}'), rel=0.1
        )
        assert 10 == prometheus.number(
            'mllog_records_total{job="kinds",handler="PrometheusHandler",'
            'outcome="written"}'
        )


def test_server_takes_a_page_with_everything_odd(prometheus, make, logger):
    """
    NaN, infinities, surrogates and quotes leave the target up.
    """
    handler = make()
    for name in ('qu"ote', "back\\slash", "new\nline", "\ud800", "größe"):
        for value in (0.5, math.nan, math.inf, -math.inf, -1, 1e20):
            logger.info(
                "x",
                extra={
                    "inference_latency": value,
                    "model_name": name,
                    "metrics": {"train/loss": value},
                    "trace_id": name,
                },
            )

    with prometheus.scraping(handler.port, "odd"):
        sums = 'sum(inference_latency_seconds_sum{job="odd"})'
        prometheus.wait_for(sums, lambda it: it == 5e20 + 2.5)
        # a scrape of a busy machine may take longer than it is given
        prometheus.wait_for('up{job="odd"}', lambda it: it == 1)
        names = {
            each["metric"]["model_name"]
            for each in prometheus.query('train_loss{job="odd"}')
        }
        assert {'qu"ote', "back\\slash", "new_line", "_", "größe"} == names
        bad = 'mllog_records_total{job="odd",reason="not_finite"}'
        assert 30 == prometheus.number(bad)


def test_rate_and_samples_agree_with_an_exact_count(prometheus, make, logger):
    """
    Each sample is the number of calls made when it was taken, and rate()
    what these calls were in its window.
    """
    handler = make(metrics=[{"field": "hits", "kind": "counter"}])
    began, ended = [], []
    stop = threading.Event()

    def log():
        chance = random.Random(7)
        while not stop.wait(chance.uniform(0, 0.01)):
            began.append(time.time())
            logger.info("x", extra={"hits": 1})
            ended.append(time.time())

    thread = threading.Thread(target=log)
    thread.start()
    try:
        with prometheus.scraping(handler.port, "rate"):
            samples = 'count_over_time(hits_total{job="rate"}[60s])'
            prometheus.wait_for(samples, lambda it: it >= 12)
            (raw,) = prometheus.query('hits_total{job="rate"}[60s]')
            (rate,) = prometheus.query('rate(hits_total{job="rate"}[8s])')
    finally:
        stop.set()
        thread.join(30)

    for moment, value in raw["values"]:
        # a sample's time is when the scrape began; it took some time
        least = bisect_right(ended, moment - 0.05)
        most = bisect_left(began, moment + 1.0)
        assert least <= float(value) <= most
    until, found = rate["value"]
    calls = bisect_left(began, until) - bisect_left(began, until - 8)
    # the window has whole scrape intervals only, and reaches out at the ends
    assert float(found) == pytest.approx(calls / 8, rel=0.25)


def test_quantiles_agree_with_an_exact_calculation(prometheus, make, logger):
    """
    histogram_quantile() is within a bucket, a summary's within 1 %.
    """
    bounds = [round(0.01 * step, 2) for step in range(1, 101)]
    handler = make(
        metrics=[
            {"field": "took", "kind": "histogram", "buckets": bounds},
            {"field": "size", "kind": "summary"},
        ]
    )
    chance = random.Random(11)
    values = [min(chance.lognormvariate(-2, 0.6), 0.99) for _ in range(5000)]
    for value in values:
        logger.info("x", extra={"took": value, "size": value})

    with prometheus.scraping(handler.port, "quantiles"):
        prometheus.wait_for(
            'took_count{job="quantiles"}', lambda it: it == len(values)
        )
        for part in (0.5, 0.9, 0.95, 0.99):
            exact = float(np.quantile(values, part))
            found = prometheus.number(
                f'histogram_quantile({part}, took_bucket{{job="quantiles"}})'
            )
            assert found == pytest.approx(exact, abs=0.01)
            found = prometheus.number(
                f'size{{job="quantiles",quantile="{part}"}}'
            )
            assert found == pytest.approx(exact, rel=0.011)


def test_server_keeps_the_exemplars(prometheus, make, logger):
    """
    The trace of a slow request is found through its bucket.
    """
    handler = make()
    start = time.time() - 60
    logger.info(
        "x", extra={"inference_latency": 2.2, "trace_id": "0af7651916cd43dd"}
    )

    with prometheus.scraping(handler.port, "exemplars"):
        count = 'inference_latency_seconds_count{job="exemplars"}'
        prometheus.wait_for(count, lambda it: it == 1)
        found = prometheus.get(
            "query_exemplars",
            query='inference_latency_seconds_bucket{job="exemplars"}',
            start=start,
            end=time.time() + 60,
        )

    (exemplar,) = found[0]["exemplars"]
    assert {"trace_id": "0af7651916cd43dd"} == exemplar["labels"]
    assert "2.2" == exemplar["value"]


def test_gateway_has_what_was_pushed_and_prometheus_what_it_has(
    prometheus, make, logger
):
    """
    close() pushes a last time, under job and grouping.
    """
    handler = make(
        None,
        gateway=prometheus.gateway,
        job="nightly",
        grouping={"run": "a/b"},
    )
    logger.info("epoch", extra={"metrics": {"train/loss": 0.5}})
    handler.flush()
    logger.info("epoch", extra={"metrics": {"train/loss": 0.25}})

    handler.close()

    assert 0 == handler.stats().failures
    prometheus.wait_for(
        'train_loss{job="nightly",run="a/b"}', lambda it: it == 0.25
    )


def test_dashboard_and_rules_ask_for_what_is_there(
    prometheus, make, logger, monkeypatch
):
    """
    Each expression is valid, and finds something for the preset's metrics.
    """
    monkeypatch.setenv("MLLOG_METRICS_PORT", "0")
    mllog.configure("prometheus", level="INFO")
    (handler,) = [
        each
        for each in logging.root.handlers
        if isinstance(each, mllog.PrometheusHandler)
    ]
    fields = {name: 0.5 for name in mllog.fields.VOCABULARY}
    fields |= {"model_name": "bert", "model_version": 3}
    syslog = mllog.SyslogHandler(f"127.0.0.1:{free_ports(1)[0]}")
    logger.addHandler(syslog)
    logger.info("x")
    stop = threading.Event()

    def log():
        while not stop.wait(0.05):
            logging.getLogger("app").error("done", extra=fields)

    thread = threading.Thread(target=log)
    thread.start()
    try:
        with prometheus.scraping(handler.port, "mllog"):
            count = 'count_over_time(loss{job="mllog"}[60s])'
            prometheus.wait_for(count, lambda it: it >= 5)
            for expression in _expressions():
                found = prometheus.query(expression)
                assert found or "dropped" in expression, expression
            alerts = {
                rule["name"]: rule["health"]
                for group in prometheus.get("rules")["groups"]
                for rule in group["rules"]
            }
    finally:
        stop.set()
        thread.join(30)

    assert 9 <= len(alerts) and {"ok"} == set(alerts.values()), alerts


def _expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield (
                target["expr"]
                .replace("$__rate_interval", "30s")
                .replace("$job", "mllog")
                .replace("$model", "bert")
            )


APP = """
import logging
import mllog
import os

mllog.configure("prometheus", level="INFO")

def app(environ, start_response):
    logging.getLogger("app").info("done", extra={
        "inference_latency": 0.25, "model_name": "bert", "queue_size": 4})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("preload", [False, True])
def test_gunicorn_with_several_workers_has_one_page(
    prometheus, missing, tmp_path, preload
):
    """
    Every worker's requests are counted, whoever serves, and after a kill.
    """
    try:
        import gunicorn
    except ImportError:
        missing("gunicorn", "pip install gunicorn")
    port, metrics = free_ports(2)
    (tmp_path / "served.py").write_text(APP)
    server = Running(
        [
            *(sys.executable, "-m", "gunicorn", "served:app"),
            *("--workers", "3", "--bind", f"127.0.0.1:{port}"),
            *("--chdir", str(tmp_path)),
            *(["--preload"] if preload else []),
        ],
        lambda: _answer(port) is not None,
        tmp_path / "gunicorn.log",
        {
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
            "MLLOG_METRICS_PORT": str(metrics),
            "PYTHONPATH": str(ROOT),
        },
    )
    server.start(30)
    try:
        with prometheus.scraping(metrics, f"gunicorn{int(preload)}"):
            asked, pids = 1, set()
            deadline = time.monotonic() + 60
            while len(pids) < 3 and time.monotonic() < deadline:
                pids.add(_answer(port))
                asked += 1
            assert len(pids) == 3
            count = (
                "inference_latency_seconds_count{model_name='bert',"
                f"job='gunicorn{int(preload)}'}}"
            )
            prometheus.wait_for(count, lambda it: it == asked)
            os.kill(int(pids.pop()), 9)
            asked += _asked_until_it_answers(port)
            prometheus.wait_for(count, lambda it: it == asked)
    finally:
        server.stop()
    said = (tmp_path / "gunicorn.log").read_text()
    assert "mllog: " not in said, said


RECYCLED = """
import logging
import mllog
import os

app_log = logging.getLogger("app")
app_log.setLevel("INFO")
prometheus = mllog.PrometheusHandler(int(os.environ["METRICS_PORT"]))
prometheus.name = "metrics"
file = mllog.TimestampedRotatingFileHandler(os.environ["LOG_FILE"])
file.name = "file"
app_log.addHandler(file)
app_log.addHandler(prometheus)

def app(environ, start_response):
    app_log.info("done", extra={
        "inference_latency": 0.25, "model_name": "bert",
        "metrics": {"loss": float("nan")}})
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
ASKED = 60
OF = '{handler="%s",outcome="%s"}'
COUNTS = {
    'inference_latency_seconds_count{model_name="bert"}': ASKED,
    f"mllog_records_total{OF % ('metrics', 'written')}": ASKED,
    f"mllog_records_total{OF % ('file', 'written')}": ASKED,
    'mllog_records_total{handler="metrics",outcome="refused",'
    'reason="not_finite"}': ASKED,
}


def _recycled(missing, folder, preload, env, seconds=60):
    """
    Counts on the page after 60 requests, to workers that take 9 to 12 each.
    """
    try:
        import gunicorn
    except ImportError:
        missing("gunicorn", "pip install gunicorn")
    port, metrics = free_ports(2)
    (folder / "served.py").write_text(RECYCLED)
    server = Running(
        [
            *(sys.executable, "-m", "gunicorn", "served:app"),
            *("--workers", "3", "--bind", f"127.0.0.1:{port}"),
            *("--max-requests", "9", "--max-requests-jitter", "3"),
            *("--chdir", str(folder)),
            *(["--preload"] if preload else []),
        ],
        lambda: _is_open(port),
        folder / "gunicorn.log",
        {
            "METRICS_PORT": str(metrics),
            "LOG_FILE": str(folder / "app.log"),
            "PYTHONPATH": str(ROOT),
            **env,
        },
    )
    server.start(60)
    try:
        pids = set()
        for _ in range(ASKED):
            pids.add(_asked(port))
        assert len(pids) > 4  # three cannot take so many
        assert ASKED == len((folder / "app.log").read_text().splitlines())
        return _settled(metrics, seconds)
    finally:
        server.stop()


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _asked(port):
    """
    Who answered; a worker that ends may refuse what it has not read.
    """
    deadline = time.monotonic() + 60
    while (found := _answer(port)) is None:
        assert time.monotonic() < deadline
    return found


def _settled(metrics, seconds):
    """
    The counts as soon as they are what they should be, else at the end.
    """
    found = {}
    deadline = time.monotonic() + seconds
    while found != COUNTS and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            page = samples(fetch(metrics))
            found = {name: page.get(name) for name in COUNTS}
        time.sleep(0.2)
    return found


@pytest.mark.parametrize("preload", [False, True])
def test_counts_of_recycled_workers_add_up_to_what_was_logged(
    missing, tmp_path, preload
):
    """
    Metrics and the accounting of all handlers are there when workers went.
    """
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}

    assert COUNTS == _recycled(missing, tmp_path, preload, env)


def test_control_counts_of_recycled_workers_are_lost_without_the_folder(
    missing, tmp_path
):
    """
    A page of one process has nothing of those that went.
    """
    found = _recycled(missing, tmp_path, False, {}, seconds=8)

    assert all((count or 0) < ASKED for count in found.values())


def _answer(port):
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/", timeout=5
        ) as answer:
            return answer.read().decode()
    except OSError:
        return None


def _asked_until_it_answers(port):
    deadline = time.monotonic() + 30
    while _answer(port) is None:
        assert time.monotonic() < deadline
    return 1


def test_rules_fire_when_they_should(prometheus, tmp_path):
    """
    promtool's own test of rules: NaN, errors, lost records, a slow model.
    """
    (tmp_path / "test.yml").write_text(RULE_TEST)

    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yml")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_rules_that_are_copied_are_clean_for_promtool(tmp_path):
    """
    What ``mllog presets copy prometheus --all`` writes is valid as it stands.
    """
    assert 0 == main(["presets", "copy", "prometheus", str(tmp_path), "--all"])

    # a configuration is checked together with the rules that it names
    for command, name in (
        ("rules", "rules.yml"),
        ("config", "prometheus.yml"),
    ):
        done = subprocess.run(
            ["promtool", "check", command, name],
            cwd=tmp_path / "prometheus",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout
        assert "9 rules found" in done.stdout

    assert json.loads((tmp_path / "grafana" / "mllog.json").read_text())


RULE_TEST = f"""
rule_files: ["{ROOT}/presets/prometheus/rules.yml"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'mllog_records_total{{job="a",instance="i",handler="p",outcome="written"}}'
        values: '0+10x40'
      - series: 'mllog_records_total{{job="a",instance="i",handler="p",outcome="refused",reason="not_finite"}}'
        values: '_x19 1x20'
      - series: 'mllog_records_total{{job="a",instance="i",handler="s",outcome="dropped",reason="queue_full"}}'
        values: '0x19 5x20'
      - series: 'log_records_total{{job="a",instance="i",level="INFO"}}'
        values: '0+60x40'
      - series: 'log_records_total{{job="a",instance="i",level="ERROR"}}'
        values: '0+6x40'
      - series: 'inference_latency_seconds_bucket{{job="a",model_name="m",model_version="1",le="1.0"}}'
        values: '0+50x40'
      - series: 'inference_latency_seconds_bucket{{job="a",model_name="m",model_version="1",le="2.5"}}'
        values: '0+60x40'
      - series: 'inference_latency_seconds_bucket{{job="a",model_name="m",model_version="1",le="+Inf"}}'
        values: '0+60x40'
    alert_rule_test:
      - eval_time: 10m
        alertname: NumberIsNotFinite
      - eval_time: 25m
        alertname: NumberIsNotFinite
        exp_alerts:
          - exp_labels: {{severity: warning, job: a, instance: i, handler: p}}
            exp_annotations:
              summary: "NaN or an infinity was logged as a metric at i"
      - eval_time: 10m
        alertname: RecordsAreDropped
      - eval_time: 25m
        alertname: RecordsAreDropped
        exp_alerts:
          - exp_labels: {{severity: warning, job: a, instance: i, handler: s, reason: queue_full}}
            exp_annotations:
              summary: "s at i dropped records: queue_full"
      - eval_time: 30m
        alertname: ErrorsAreLogged
        exp_alerts:
          - exp_labels: {{severity: warning, job: a, instance: i}}
            exp_annotations:
              summary: "9.091% of what i logs are errors"
      - eval_time: 30m
        alertname: ModelIsSlow
        exp_alerts:
          - exp_labels: {{severity: warning, job: a, model_name: m, model_version: "1"}}
            exp_annotations:
              summary: "m 1: 1 inference in 100 takes more than 2.41s"
"""
