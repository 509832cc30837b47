"""
Records are counted, and their metrics become curves and summaries.
"""

import pytest
from report.logged import START, opened, record

from mllog.report import curves, drift, report, summaries, volume
from mllog.timestamps import utc


def test_curves_are_by_metric_run_and_step(tmp_path):
    """
    Nested metrics, known fields of training, two runs.
    """
    records = [
        record(
            n,
            run=run,
            step=n,
            loss=1 / (n + 1),
            metrics={"val/acc": n / 100, "note": "x"},
        )
        for run in ("a", "b")
        for n in range(100)
    ]
    with opened(tmp_path, records) as logs:
        found = {(each.metric, each.run): each for each in curves(logs)}
        few = curves(logs, points=10)

    assert {
        ("loss", "a"),
        ("loss", "b"),
        ("val/acc", "a"),
        ("val/acc", "b"),
    } == set(found)
    assert list(range(100)) == [each.step for each in found["loss", "a"].steps]
    assert pytest.approx(0.99) == found["val/acc", "b"].last
    assert {10} == {len(each.steps) for each in few}
    assert 10 == few[0].steps[0].count


def test_summaries_are_summed_up(tmp_path):
    """
    The newest numbers of each label set, and how many there were.
    """
    records = [
        {
            **record(n),
            "logger": "mllog.summary",
            "field": "inference_latency",
            "kind": "histogram",
            "unit": "seconds",
            "model_name": "bert",
            "count": 10,
            "p95": 0.1 + n,
            "interval_seconds": 60.0,
        }
        for n in range(3)
    ]
    with opened(tmp_path, records) as logs:
        (found,) = summaries(logs)

    assert ("inference_latency", ("model_name=bert",), 3, 30) == (
        found.field,
        found.group,
        found.intervals,
        found.count,
    )
    assert 2.1 == found.last["p95"]


def test_records_without_a_time_are_counted_and_kept(tmp_path):
    """
    They are in everything but what goes over time.
    """
    records = [record(n) for n in range(5)]
    records += [{**record(), "timestamp": each} for each in ("soon", None, "")]
    with opened(tmp_path, records) as logs:
        assert (8, 3) == (logs.reading.chosen, logs.reading.untimed)
        assert 5 == sum(each.records for each in volume(logs).points)


def test_times_of_one_instant_make_one_interval(tmp_path):
    """
    A span of nothing is no division by nothing.
    """
    made = {**record(inference_latency=0.1), "timestamp": utc(START)}
    with opened(tmp_path, [made] * 300) as logs:
        found = report(logs)

    assert 1 == len(found.volume.points)
    assert () == found.drift
