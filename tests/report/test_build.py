"""
A whole report.
"""

import json
import statistics

import pytest
from report.logged import START, record, served, written

from mllog.report import open_logs, report


@pytest.fixture(scope="module")
def served_logs(tmp_path_factory):
    """
    5000 records of a server.
    """
    folder = tmp_path_factory.mktemp("served")
    records = list(served(5000))
    path = written(folder / "serve.jsonl", records)
    with open_logs(path) as logs:
        yield logs, records


def test_report_of_known_records_has_their_numbers(served_logs):
    """
    Counts, errors and percentiles are those of the records themselves.
    """
    logs, records = served_logs
    latencies = [each["inference_latency"] for each in records]
    errors = sum(each["level"] == "ERROR" for each in records)

    found = report(logs)

    assert 5000 == found.reading.records == found.reading.chosen
    assert START == found.reading.since
    assert "inference_latency" == found.field
    assert ("model_name", "model_version") == found.by
    assert 5000 == sum(each.records for each in found.volume.points)
    assert errors == sum(each.errors for each in found.volume.points)
    assert {"INFO": 5000 - errors, "ERROR": errors} == {
        each.value: each.records for each in found.levels
    }
    (all_of_them,) = found.latency
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    assert pytest.approx(cuts[94]) == all_of_them.p95_seconds
    assert pytest.approx(statistics.fmean(latencies)) == (
        all_of_them.mean_seconds
    )
    assert 4 == len(found.latency_by)
    assert 5000 == sum(each.count for each in found.latency_over_time)
    assert 5000 == sum(
        bar.count for each in found.distribution for bar in each.bars
    )
    assert max(latencies) == found.slowest[0].seconds
    assert "request_id" in found.slowest[0].fields


def test_report_is_plain_data_for_json(served_logs):
    """
    All of it is strict JSON.
    """
    logs, _ = served_logs

    text = json.dumps(report(logs).plain(), allow_nan=False)

    assert "inference_latency" in text


def test_report_of_no_latency_has_none(tmp_path):
    """
    Logs without latencies have volume, and no percentiles.
    """
    path = written(tmp_path / "a.log", [record(n) for n in range(3)])

    with open_logs(path) as logs:
        found = report(logs)

    assert found.field is None
    assert () == found.latency
    assert 3 == sum(each.records for each in found.volume.points)


def test_report_of_nothing_is_empty(tmp_path):
    """
    The report of an empty file has no records.
    """
    path = written(tmp_path / "a.log", [])

    with open_logs(path) as logs:
        found = report(logs)

    assert 0 == found.reading.records
    assert () == found.volume.points


def test_latencies_that_stand_in_csv_as_well_count_once(tmp_path):
    """
    Of a folder with JSON lines and the CSV of the same requests the lines
    count; the CSV counts where it is named, or alone.
    """
    written(tmp_path / "a.jsonl", [record(inference_latency=0.25)])
    csv = tmp_path / "latency.csv"
    csv.write_text(
        "timestamp,inference_latency\n2026-11-21T00:00:00.000000Z,0.25\n"
    )

    for paths, count in (tmp_path, 1), (csv, 1), ([tmp_path, csv], 2):
        with open_logs(paths) as logs:
            assert count == report(logs).reading.records


def test_identifiers_do_not_drift(tmp_path):
    """
    Numbers that only identify requests are not compared.
    """
    rows = [record(n, request_id=n, batch_size=n % 4) for n in range(400)]
    path = written(tmp_path / "a.log", rows)

    with open_logs(path) as logs:
        found = report(logs)

    assert ["batch_size"] == [each.field for each in found.drift]


def test_report_over_time_is_by_a_field_of_few_values(served_logs):
    """
    Two versions have a line each; thousands of requests have one in all.
    """
    logs, _ = served_logs

    few = report(logs, by=["model_version"])
    many = report(logs, by=["request_id"])

    assert {("3",), ("4",)} == {each.group for each in few.latency_over_time}
    assert {("3",), ("4",)} == {each.group for each in few.distribution}
    assert {()} == {each.group for each in many.latency_over_time}
    assert 50 == len(many.latency_by)
