"""
What is planted in logs is found and named; what is not there is not.
"""

import random

import pytest
from report.logged import START, record, served, written

from mllog.report import (
    curves,
    drift,
    error_segments,
    latency_over_time,
    open_logs,
    report,
    slow_segments,
    slowest,
    summaries,
    volume,
)
from mllog.timestamps import utc


def opened(tmp_path, records, **options):
    return open_logs(written(tmp_path / "a.jsonl", records), **options)


def test_bad_segment_is_found_and_named(tmp_path):
    """
    One model of which some requests are slow comes first, with its lift.
    """

    def slower(made):
        return 4 if made["model_name"] == "bert" else 1

    with opened(tmp_path, served(3000, slower=slower)) as logs:
        found = slow_segments(logs, "inference_latency")

    assert ("model_name", "bert") == (
        found.found[0].field,
        found.found[0].value,
    )
    assert found.found[0].is_bad
    assert found.found[0].lift_low > 5
    assert found.found[0].share_of_bad > 0.9
    assert "inference_latency ≥" in found.outcome


def test_bad_segment_of_two_fields_is_found_and_named(tmp_path):
    """
    Where a version of one model is slow, both are named together.
    """

    def slower(made):
        is_bad = made["model_name"] == "bert" and made["model_version"] == "4"
        return 5 if is_bad else 1

    with opened(tmp_path, served(4000, slower=slower)) as logs:
        worst = slow_segments(logs, "inference_latency").found[0]

    assert "model_name & model_version" in (
        worst.field,
        " & ".join(reversed(worst.field.split(" & "))),
    )
    assert {"bert", "4"} == set(worst.value.split(" & "))


def test_bad_time_and_range_of_numbers_are_found(tmp_path):
    """
    An hour and a range of sizes are named as well as values are.
    """
    chance = random.Random(3)

    def made(number):
        size = chance.uniform(0, 1000)
        slow = 5 if size > 900 else 1
        return record(
            number,
            inference_latency=slow * chance.lognormvariate(-3, 0.3),
            image_kb=round(size, 3),
            level="ERROR" if 1000 <= number < 1100 else "INFO",
        )

    with opened(tmp_path, map(made, range(4000))) as logs:
        slow = slow_segments(logs, "inference_latency").found[0]
        failed = error_segments(logs).found[0]

    assert "image_kb" == slow.field
    assert 850 < float(slow.value.split(" … ")[0]) < 950
    assert "time" == failed.field
    assert failed.is_bad


@pytest.mark.parametrize("seed", range(20))
def test_good_logs_have_no_bad_segment(tmp_path, seed):
    """
    Where slowness is by chance nothing is called bad.
    """
    with opened(tmp_path, served(800, seed=seed)) as logs:
        found = slow_segments(logs, "inference_latency")

    assert found.tested > 10
    assert not [each for each in found.found if each.is_bad]


def test_drift_is_found_and_named(tmp_path):
    """
    Confidence that falls, and a label that comes up, are major; others none.
    """
    chance = random.Random(4)
    records = [
        record(
            n,
            confidence=chance.betavariate(8 if n < 1500 else 4, 2),
            label=chance.choice("aabc" if n < 1500 else "abcc"),
            brightness=chance.gauss(100, 10),
        )
        for n in range(3000)
    ]
    with opened(tmp_path, records) as logs:
        found = {
            each.field: each
            for each in drift(
                logs.between(START + 1500, None),
                logs.between(None, START + 1500),
            )
        }
        halves = report(logs).drift

    assert "major" == found["confidence"].severity
    assert found["label"].severity in ("moderate", "major")
    assert "none" == found["brightness"].severity
    assert found["confidence"].mean < found["confidence"].reference_mean
    assert {"psi", "ks", "mean_shift", "null_rate"} == set(
        found["confidence"].distances
    )
    assert "confidence" == halves[0].field


def test_latency_over_time_shows_when_it_became_slow(tmp_path):
    """
    Each interval has its own percentiles.
    """
    records = [
        record(n, inference_latency=0.1 if n < 600 else 0.4)
        for n in range(1200)
    ]
    with opened(tmp_path, records) as logs:
        found = latency_over_time(
            logs, "inference_latency", bucket_seconds=300
        )

    assert [0.1, 0.1, 0.4, 0.4] == [each.p95_seconds for each in found]
    assert [START + 300 * n for n in range(4)] == [
        each.start for each in found
    ]


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


def test_slowest_have_their_context(tmp_path):
    """
    The slowest come first, with their other fields.
    """
    with opened(tmp_path, served(500)) as logs:
        found = slowest(logs, "inference_latency", 3)

    assert 3 == len(found)
    assert found[0].seconds >= found[1].seconds >= found[2].seconds
    assert {"model_name", "model_version", "batch_size", "request_id"} == set(
        found[0].fields
    )


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
