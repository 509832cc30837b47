"""
mllog check on what draws curves: folder, run, fields and metrics.
"""

import sys

import pytest

from mllog import config

TENSORBOARD = "mllog.TensorBoardHandler"


def check(handler, **more):
    """
    The findings on a configuration with one handler *h*.
    """
    return config.check(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"h": {"class": TENSORBOARD, **handler}},
            "root": {"handlers": ["h"]},
            **more,
        }
    )


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    (tmp_path / "in_the_way").write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("handler", "place", "said"),
    [
        ({"logdir": "x"}, "logdir", "write log_dir"),
        ({"log_dir": 3}, "log_dir", "expected a path"),
        ({"log_dir": "in_the_way/runs"}, "log_dir", "nothing can be written"),
        ({"run": "{stat}"}, "run", "write {start}"),
        ({"run": "../x"}, "run", "below log_dir"),
        ({"labels": ["msg"]}, "labels", "LogRecord"),
        ({"step_field": "created"}, "step_field", "LogRecord"),
        ({"hparams_field": "name"}, "hparams_field", "LogRecord"),
        ({"image_fields": 3}, "image_fields", "a list of names"),
        ({"every": "0"}, "every", "1 or more"),
        ({"max_runs": 0}, "max_runs", "1 or more"),
        ({"max_series": 0}, "max_series", "1 or more"),
        ({"automatic": "perhaps"}, "automatic", "true or false"),
        (
            {"image_fields": ["a"], "text_fields": "a, b"},
            "text_fields",
            "only one of them",
        ),
        (
            {"metrics": [{"field": "a", "kind": "gouge"}]},
            "metrics[0].kind",
            "write gauge",
        ),
    ],
)
def test_mistake_is_found_where_it_stands(handler, place, said):
    """
    Each finding names the option, and what to write.
    """
    (found,) = check(handler)
    assert place in str(found)
    assert said in str(found)


@pytest.mark.parametrize(
    "handler",
    [
        {},
        {"log_dir": "new/folder", "run": "exp/7-{host}-{pid}"},
        {"hparams_field": "", "text_fields": ["message"], "every": "10"},
        {"metrics": [{"field": "w", "kind": "histogram", "reduce": "each"}]},
        {"labels": ["level", "logger", "tenant"]},
    ],
)
def test_good_configuration_has_no_findings(handler):
    """
    What the handler takes, the check takes.
    """
    assert [] == check(handler)


def test_metrics_at_the_top_are_looked_at(tmp_path):
    """
    They are checked where they stand, also without a PrometheusHandler.
    """
    (found,) = check(
        {"metrics": "cfg://metrics"}, metrics=[{"field": "a", "kind": "x"}]
    )
    assert "metrics[0].kind" in str(found)


def test_nothing_is_written_by_a_check(tmp_path):
    """
    No folder is made, and no file.
    """
    check({"log_dir": "new"})
    assert ["in_the_way"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("missing", "said"),
    [("tensorboard", "not installed"), ("google_crc32c", "is slow")],
)
def test_missing_package_is_said(monkeypatch, missing, said):
    """
    With what installs it.
    """
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == missing else find(name),
    )
    monkeypatch.delitem(sys.modules, missing, raising=False)
    (found,) = check({})
    assert said in str(found)
    assert "mllog-handlers[tensorboard]" in str(found)
