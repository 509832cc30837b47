"""
A metric: which field is measured, as what kind, and told apart by what.
"""

import logging.config
import math

import pytest

import mllog
from mllog.errors import ConfigError
from mllog.metrics.groups import GROUPS
from mllog.metrics.metric import Metric, metrics_from


def test_metric_of_a_known_field_takes_kind_and_unit_from_the_vocabulary():
    """
    What is not given is what the field is known for.
    """
    metric = mllog.Metric("inference_latency")

    assert "histogram" == metric.kind
    assert "seconds" == metric.in_unit.name
    assert "Time of one inference" == metric.help


def test_metric_from_plain_data_is_a_value():
    """
    Equal data gives equal metrics that can stand in a set.
    """
    spec = {
        "field": "queue_ms",
        "kind": "histogram",
        "unit": "ms",
        "labels": "route, level",
        "buckets": [0.1, 0.5, "+Inf"],
        "every": "10",
    }

    first, second = (metrics_from("metrics", [spec])[0] for _ in range(2))

    assert first == second and len({first, second}) == 1
    assert (0.1, 0.5) == first.buckets
    assert ("route", "level") == first.labels
    assert 10 == first.every
    with pytest.raises(AttributeError):
        first.kind = "gauge"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"kind": "gauge"}, "without field"),
        ({"field": "x"}, "counter, gauge, histogram, summary"),
        ({"field": "x", "kind": "gouge"}, "write gauge"),
        ({"field": "x", "kind": "gauge", "buckets": [1]}, "histogram"),
        ({"field": "x", "kind": "histogram", "buckets": [2, 1]}, "ascend"),
        ({"field": "x", "kind": "histogram", "buckets": []}, "ascend"),
        ({"field": "x", "kind": "histogram", "buckets": ["nan"]}, "ascend"),
        ({"field": "x", "kind": "gauge", "unit": "m s"}, "a unit"),
        ({"field": "x", "kind": "gauge", "logger": "("}, "regular"),
        ({"field": "x", "kind": "gauge", "message": "["}, "regular"),
        ({"field": "re:(", "kind": "gauge"}, "regular"),
        ({"field": "x", "kind": "gauge", "every": 0}, "1 or more"),
        ({"field": "x", "kind": "gauge", "reduce": "meen"}, "write mean"),
        ({"field": "x", "kind": "gauge", "label": "y"}, "write labels"),
        ({"field": "x", "kind": "gauge", "labels": ["msg"]}, "level or"),
        ({"field": "levelname", "kind": "counter"}, "count"),
        ({"field": "", "kind": "counter"}, "text"),
        ({"group": "image"}, "image_classification"),
        ({"group": "segmentation", "fields": {"pixels": "x"}}, "classes"),
        ({"class": "math.sqrt"}, "field"),
        ("x", "imported"),
    ],
)
def test_metric_that_cannot_work_is_refused_with_its_place(spec, said):
    """
    The error names which of the metrics it is, and what was expected.
    """
    with pytest.raises(ConfigError, match=said) as caught:
        metrics_from("metrics", [{"field": "y", "kind": "gauge"}, spec])

    assert "metrics[1]" in str(caught.value)


def test_metric_as_a_class_or_an_object_is_taken():
    """
    A configuration may name the class, and Python may give the object.
    """
    spec = {"class": "mllog.Metric", "field": "x", "kind": "gauge"}

    found = metrics_from("metrics", [spec, Metric("x", "gauge")])

    assert found[0] == found[1]
    assert metrics_from("metrics", None) == ()
    assert (found[0],) == metrics_from(
        "metrics", {"field": "x", "kind": "gauge"}
    )


def test_metric_pattern_is_a_metric_of_each_field_it_matches():
    """
    A regular expression has to match the whole name, and may name it anew.
    """
    metric = Metric("re:(.*)_score", "gauge", name=r"score_of_\1")

    assert "score_of_f1" == metric.of_field("f1_score").name
    assert metric.of_field("f1_scores") is None
    assert metric.of_field("f1_score").field == "f1_score"


@pytest.mark.parametrize(
    ("pattern", "name", "is_taken"),
    [
        (None, "anything", True),
        ("app", "app", True),
        ("app", "app.models", True),
        ("app", "apple", False),
        ("app|lib", "lib.x", True),
        (r".*\.eval", "train.eval", True),
        (r".*\.eval", "train.evaluate", False),
    ],
)
def test_metric_logger_is_the_logger_or_a_parent_of_it(
    pattern, name, is_taken
):
    """
    A plain name means what it means for a logger: it and its children.
    """
    metric = Metric("x", "gauge", logger=pattern)

    assert is_taken is metric.takes_logger(name)


@pytest.mark.parametrize("group", GROUPS)
def test_group_is_several_metrics_with_fields_of_your_own(group):
    """
    Each group of DeepSparse's is there, and its fields can be renamed.
    """
    found = metrics_from("metrics", [{"group": group, "every": 5}])
    field = found[0].field
    renamed = metrics_from(
        "metrics", [{"group": group, "fields": {field: "mine"}}]
    )

    assert len(found) == len(set(found)) >= 4
    assert {5} == {metric.every for metric in found}
    assert "mine" == renamed[0].field


def test_metrics_of_dictconfig_resolve_inside():
    """
    What stands at the top of a configuration is taken by cfg://metrics.
    """
    config = {
        "version": 1,
        "metrics": [
            {"field": "x", "kind": "histogram", "buckets": "ext://math.tau"},
            {"field": "y", "kind": "gauge"},
        ],
    }
    converted = logging.config.DictConfigurator(config).config["metrics"]
    converted[0]["buckets"] = [1.0, "ext://math.tau"]

    found = metrics_from("metrics", converted)

    assert (1.0, math.tau) == found[0].buckets
    assert "y" == found[1].field
