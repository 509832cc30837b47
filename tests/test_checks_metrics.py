"""
mllog check on what measures: ways to Prometheus, and metrics.
"""

import sys

import pytest

from mllog import config
from mllog.cli import main

PROMETHEUS = "mllog.PrometheusHandler"


def make(handler, **more):
    """
    A configuration with one handler *h* on the root logger.
    """
    made = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"h": {"class": PROMETHEUS, **handler}},
        "root": {"handlers": ["h"]},
    }
    return {**made, **more}


@pytest.mark.parametrize(
    ("handler", "place", "said"),
    [
        ({"prot": 1}, "prot", "write port"),
        ({"port": 99999}, "port", "0 to 65535"),
        ({"port": "http"}, "port", "whole number"),
        ({"textfile": "a.txt"}, "textfile", ".prom"),
        ({"textfile": "gone/a.prom"}, "textfile", "is not there"),
        ({"gateway": "host:9091"}, "gateway", "without a job"),
        ({"gateway": "ftp://a", "job": "x"}, "gateway", "http"),
        ({"job": "x"}, "", "without a gateway"),
        ({"interval_seconds": 0}, "interval_seconds", "greater than 0"),
        ({"max_series": 0}, "max_series", "1 or more"),
        ({"labels": ["a.b", "a_b"]}, "labels", "a_b"),
        ({"automatic": "perhaps"}, "automatic", "true or false"),
        ({"metrics": 3}, "metrics", "field"),
        (
            {"metrics": [{"field": "a", "kind": "gouge"}]},
            "metrics[0].kind",
            "write gauge",
        ),
        (
            {"metrics": [{"kind": "gauge"}]},
            "metrics[0]",
            "without field",
        ),
        (
            {"metrics": [{"field": "a", "kind": "gauge", "reduce": "meen"}]},
            "metrics[0].reduce",
            "write mean",
        ),
        (
            {"metrics": {"group": "images"}},
            "metrics[0].group",
            "image_classification",
        ),
    ],
)
def test_check_of_wrong_prometheus_option_says_place_and_fix(
    handler, place, said, tmp_path, monkeypatch
):
    """
    What the constructor would refuse is found without one.
    """
    monkeypatch.chdir(tmp_path)

    found = config.check(make(handler))

    where = "handlers.h" + (f".{place}" if place else "")
    mine = [str(each) for each in found if each.place == where]
    assert mine and said in mine[0], list(map(str, found))
    assert 1 == len(found)


@pytest.mark.parametrize(
    "handler",
    [
        {},
        {"port": "9464", "address": "0.0.0.0"},
        {"port": "ext://mllog.env.METRICS_PORT", "metrics": "cfg://x"},
        {"textfile": "a.prom", "interval_seconds": "30"},
        {"gateway": "host:9091", "job": "j", "grouping": {"run": "{pid}"}},
        {"registry": "prometheus_client.REGISTRY", "prefix": "my_"},
        {"metrics": [{"field": "a", "kind": "gauge", "reduce": "os.abort"}]},
        {"metrics": [{"class": "mllog.Metric", "field": "loss"}]},
        {"metrics": [{"()": "their.metric", "x": 1}, "their.other"]},
        {"metrics": [{"field": "a", "kind": "ext://their.kind"}]},
    ],
)
def test_check_of_right_prometheus_options_finds_nothing(
    handler, tmp_path, monkeypatch
):
    """
    What is only known when it runs is left alone, and nothing is imported.
    """
    monkeypatch.chdir(tmp_path)

    more = {"x": []} if handler.get("metrics") == "cfg://x" else {}

    assert [] == config.check(make(handler, **more))
    assert "their" not in sys.modules


def test_check_of_metrics_at_the_top_says_place_and_fix():
    """
    What handlers take by cfg://metrics is looked at where it stands.
    """
    found = config.check(
        make(
            {"metrics": "cfg://metrics"},
            metrics=[{"field": "a", "kind": "gauge"}, {"field": "b"}],
        )
    )

    assert ["metrics[1]"] == [each.place for each in found]
    assert "counter, gauge, histogram, summary" in str(found[0])


def test_check_of_a_port_that_two_handlers_want_is_an_error():
    """
    The second one is named.
    """
    given = make({"port": 9464})
    given["handlers"]["i"] = {"class": PROMETHEUS, "port": "9464"}
    given["root"]["handlers"].append("i")

    (found,) = config.check(given)

    assert "handlers.i.port" == found.place
    assert "'h'" in found.problem


@pytest.mark.parametrize(
    ("handler", "place"),
    [
        (
            {
                "metrics": [
                    {"field": "a", "kind": "gauge", "reduce": "os.abort"}
                ]
            },
            "handlers.h.metrics[0].reduce",
        ),
        ({"registry": "their.registry"}, "handlers.h.registry"),
    ],
)
def test_check_of_untrusted_refuses_functions_by_name(handler, place):
    """
    A dotted name would be imported, and called for each record.
    """
    found = config.check(make(handler), untrusted=True)

    assert [place] == [
        each.place for each in found if "untrusted:" in each.problem
    ]


def test_check_of_untrusted_takes_reductions_of_ours():
    """
    A name without a dot is one of mllog's.
    """
    metric = {"field": "a", "kind": "gauge", "reduce": "mean"}

    assert [] == config.check(
        make({"metrics": [metric], "registry": "default"}), untrusted=True
    )


def test_check_of_a_missing_prometheus_client_names_the_extra(monkeypatch):
    """
    It is said before the constructor would.
    """
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: (
            None if name == "prometheus_client" else find(name, *more)
        ),
    )

    (found,) = config.check(make({}))

    assert "mllog-handlers[prometheus]" in found.fix


def test_check_command_on_ini_finds_the_metric(tmp_path, capsys):
    """
    An INI file's kwargs are looked at too.
    """
    path = tmp_path / "log.ini"
    path.write_text(
        "[loggers]\nkeys = root\n[handlers]\nkeys = h\n[formatters]\nkeys =\n"
        "[logger_root]\nhandlers = h\n[handler_h]\n"
        f"class = {PROMETHEUS}\nargs = ()\n"
        'kwargs = {"port": 9464, "metrics": [{"field": "a"}]}\n'
    )

    assert 1 == main(["check", str(path)])
    assert "kind" in capsys.readouterr().out
