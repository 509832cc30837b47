"""
mllog check on what sums up and compares.
"""

import pytest

from mllog import config


def make(cls, **options):
    """
    A configuration with a handler *h* on the root logger, and a console.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "h": {"class": f"mllog.{cls}", **options},
            "console": {"class": "mllog.ConsoleHandler"},
        },
        "root": {"level": "INFO", "handlers": ["h", "console"]},
    }


@pytest.mark.parametrize(
    ("cls", "options", "place", "said"),
    [
        ("SummaryHandler", {"intervall_seconds": 1}, "", "interval_seconds"),
        ("SummaryHandler", {"interval_seconds": 0}, "interval_seconds", "0"),
        ("SummaryHandler", {"aligned": "perhaps"}, "aligned", "true or false"),
        ("SummaryHandler", {"max_series": 0}, "max_series", "1"),
        (
            "SummaryHandler",
            {"metrics": [{"field": "a", "kind": "gouge"}]},
            "metrics[0].kind",
            "write gauge",
        ),
        ("DriftHandler", {"fields": 3}, "fields", "list of names"),
        ("DriftHandler", {"window_records": 5}, "window_records", "or more"),
        ("DriftHandler", {"window_seconds": -1}, "window_seconds", "0"),
        (
            "DriftHandler",
            {"compare_by": "user"},
            "compare_by",
            "one of labels",
        ),
        ("DriftHandler", {"baseline": "A"}, "baseline", "compare_by"),
        ("DriftHandler", {"thresholds": {"pis": [1, 2]}}, "thresholds", "psi"),
        ("DriftHandler", {"reference": "gone"}, "reference", "not there"),
        ("DriftHandler", {"reference": {"a": 1}}, "reference", "save"),
        ("DriftHandler", {"automatic": False}, "", "watches nothing"),
    ],
)
def test_option_that_cannot_work_is_found(cls, options, place, said):
    """
    The finding says where, and what is right.
    """
    (finding,) = config.check(make(cls, **options))

    assert f"handlers.h{'.' if place else ''}{place}" in str(finding)
    assert said in str(finding)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        ("SummaryHandler", {}),
        (
            "SummaryHandler",
            {"interval_seconds": "30", "aligned": "true", "labels": "a, b"},
        ),
        ("DriftHandler", {"fields": ["age", "re:.*_score"]}),
        ("DriftHandler", {"fields": "age", "reference": "s3://b/p"}),
        (
            "DriftHandler",
            {"compare_by": "route", "labels": ["route"], "baseline": "A"},
        ),
        (
            "DriftHandler",
            {
                "thresholds": {"psi": [0.1, 0.25], "ks": None},
                "window_seconds": 60,
                "reference": "ext://mllog.env.DRIFT_REFERENCE",
            },
        ),
        ("DriftHandler", {"automatic": False, "metrics": "cfg://metrics"}),
    ],
)
def test_option_that_works_is_left_alone(cls, options):
    """
    What the handler takes is nothing to report.
    """
    made = make(cls, **options)
    if options.get("metrics"):
        made["metrics"] = [{"field": "a", "kind": "gauge"}]

    assert [] == config.check(made)
