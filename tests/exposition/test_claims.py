"""
Who has which name: each rule of one implementation against the other.

With PROMETHEUS_MULTIPROC_DIR metrics are prometheus_client's own, in files;
without it they are mllog's.  prometheus_client asks for the variable once, so
each implementation has a process.
"""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = r"""
import contextlib, io, json, logging, os, sys
import prometheus_client as client
import mllog

is_shared = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
logger = logging.getLogger("app")
logger.setLevel("INFO")
logger.propagate = False

def page(registry):
    if is_shared:
        from prometheus_client import multiprocess
        registry = client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return client.generate_latest(registry).decode()

class Rule:
    def __init__(self, **options):
        self.handlers = []
        self.said = io.StringIO()
        self.add(**options)

    def add(self, **options):
        options = {"registry": "default", "labels": (), **options}
        made = mllog.PrometheusHandler(accounting=False, **options)
        logger.addHandler(made)
        self.handlers.append(made)

    def log(self, **fields):
        with contextlib.redirect_stderr(self.said):
            logger.info("x", extra=fields)

    def found(self, name):
        with contextlib.redirect_stderr(self.said):
            text = page(client.REGISTRY)
            refused = [each.stats().refused for each in self.handlers]
        for each in self.handlers:
            logger.removeHandler(each)
        lines = [
            each.replace(", ", ",") for each in text.splitlines()
            if each.startswith(name)
        ]
        return {
            "refused": [each.get("name_clash", 0) for each in refused],
            "is_said": "another metric" in self.said.getvalue()
            or "is already" in self.said.getvalue(),
            "lines": sorted(lines),
        }

def before():
    own = client.Counter("b4", "Of the application")
    own.inc(3)
    rule = Rule(metrics=[{"field": "b4", "kind": "counter"}])
    rule.log(b4=8)
    rule.log(b4=8)
    return rule.found("b4_total")

def sample_of_a_histogram():
    own = client.Histogram("hist", "Of the application", buckets=[1])
    own.observe(3)
    rule = Rule(metrics=[{"field": "hist_count", "kind": "gauge"}])
    rule.log(hist_count=8)
    return rule.found("hist_count")

def registry_of_its_own():
    registry = client.CollectorRegistry()
    client.Gauge("apart", "Of the application", registry=registry)
    made = mllog.PrometheusHandler(
        registry=registry, labels=(), accounting=False,
        metrics=[{"field": "apart", "kind": "gauge"}],
    )
    logger.addHandler(made)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        logger.info("x", extra={"apart": 8})
    logger.removeHandler(made)
    return {
        "refused": [made.stats().refused.get("name_clash", 0)],
        "is_said": "another metric" in said.getvalue(),
    }

def later():
    rule = Rule(metrics=[{"field": "late", "kind": "counter"}])
    rule.log(late=1)
    client.Counter("late", "Of the application")
    rule.found("late")
    logger.addHandler(rule.handlers[0])
    rule.log(late=1)
    rule.log(late=1)
    found = rule.found("late_total")
    # what it had before: only a file cannot be taken back
    found.pop("lines")
    found["refused"] = [each >= 2 for each in found["refused"]]
    return found

def two_fields():
    rule = Rule()
    rule.log(metrics={"two/x": 1.0})
    rule.log(metrics={"two_x": 2.0})
    return rule.found("two_x")

def two_kinds():
    rule = Rule(metrics=[
        {"field": "kind", "kind": "counter"},
        {"field": "kind_total", "kind": "gauge"},
    ])
    rule.log(kind=1)
    rule.log(kind_total=5)
    return rule.found("kind_total")

def names_of_mllog():
    rule = Rule(metrics=[{"field": "mllog_records", "kind": "counter"}])
    rule.log(mllog_records=1)
    return rule.found("mllog_records_total")

def two_handlers():
    rule = Rule(metrics=[{"field": "both", "kind": "counter"}])
    rule.add(metrics=[{"field": "both", "kind": "counter"}])
    rule.log(both=1)
    return rule.found("both_total")

def two_handlers_that_differ():
    rule = Rule(metrics=[{"field": "differ", "kind": "counter"}])
    rule.add(
        metrics=[{"field": "differ", "kind": "counter"}], labels=["user"]
    )
    rule.log(differ=1, user="u")
    return rule.found("differ_total")

def one_prefix_more():
    rule = Rule(metrics=[{"field": "fixed", "kind": "counter"}])
    rule.add(
        metrics=[{"field": "fixed", "kind": "counter"}], prefix="p_"
    )
    rule.log(fixed=1)
    return rule.found("fixed_total")

RULES = [
    before, sample_of_a_histogram, registry_of_its_own, later, two_fields,
    two_kinds, names_of_mllog, two_handlers, two_handlers_that_differ,
    one_prefix_more,
]
print(json.dumps({each.__name__: each() for each in RULES}))
"""
# refused by each handler; whether it is said; what is on the page
RULES = {
    "before": ([2], True, ["b4_total 3.0"]),
    "sample_of_a_histogram": ([1], True, ["hist_count 1.0"]),
    "registry_of_its_own": ([1], True, None),
    "later": ([True], True, None),
    "two_fields": ([1], True, ["two_x 1.0"]),
    "two_kinds": ([1], True, ["kind_total 1.0"]),
    "names_of_mllog": ([1], True, []),
    "two_handlers": ([0, 0], False, ["both_total 2.0"]),
    "two_handlers_that_differ": ([0, 1], True, ["differ_total 1.0"]),
    "one_prefix_more": ([0, 0], False, ["fixed_total 1.0"]),
}


@pytest.fixture(scope="module", params=["own", "shared"])
def outcomes(request, tmp_path_factory):
    """
    What came of each rule, in one implementation.
    """
    env = {**os.environ}
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if request.param == "shared":
        folder = tmp_path_factory.mktemp("metrics")
        env["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("rule", RULES)
def test_name_is_had_by_one_in_both_implementations(outcomes, rule):
    """
    Whoever is first, or is the application, has a name; the other is refused,
    counted and told, whether metrics are in memory or in files.
    """
    refused, is_said, lines = RULES[rule]
    found = outcomes[rule]

    assert refused == found["refused"]
    assert is_said == found["is_said"]
    if lines is not None:
        assert lines == found["lines"]
