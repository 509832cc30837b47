"""
Reports of logs in any state.
"""

import gzip
import json
import os
from collections import Counter

import pytest
from report.logged import lines, record, served, written

import mllog
from mllog.compression import zstd
from mllog.report import (
    counts,
    latency,
    losses,
    open_logs,
    report,
    slowest,
    volume,
)

GOOD = b'{"timestamp":"2026-11-21T00:00:00.000000Z","level":"INFO","n":1}'
TORN = {
    "torn": GOOD[:40],
    "torn_then_whole": GOOD[:40] + GOOD,
    "two_on_a_line": GOOD + GOOD,
    "foreign": b"Traceback (most recent call last):",
    "number": b"123",
    "text": b'"text"',
    "list": b'[{"n": 1}]',
    "null": b"null",
    "empty_object": b"{}",
    "unknown_fields": b'{"q": [1, 2], "r": {"s": 1}}',
    "hole": b"\0\0\0\0" + GOOD,
    "not_utf8": b'{"message": "\xff\xfe"}',
    "binary": bytes(range(256)),
    "surrogate": b'{"level": "INFO", "message": "\\ud800"}',
    "nan": b'{"level": "INFO", "inference_latency": NaN}',
    "single_quotes": b"{'n': 14}",
    "comment": GOOD + b" // x",
    "bom": b"\xef\xbb\xbf" + GOOD,
    "deep": b"[" * 100_000,
    "carriage_return": GOOD + b"\r",
    "blank": b"   ",
    "no_line": b"",
}


def read_by(path):
    """
    What mllog.read yields for the same.
    """
    records = mllog.read(path)
    count = sum(1 for _ in records)
    return count, +records.skipped


@pytest.mark.parametrize("name", TORN)
@pytest.mark.parametrize("end", [b"\n", b""], ids=["whole", "half"])
def test_line_of_any_kind_is_read_or_counted(tmp_path, name, end):
    """
    As many records and skips are found as mllog.read finds.
    """
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b"\n" + GOOD + b"\n" + TORN[name] + end)
    expected, skipped = read_by(path)

    with open_logs(path) as logs:
        found = logs.reading

    assert expected == found.records
    assert skipped == Counter(
        {each.reason: each.count for each in found.skipped}
    )
    assert all(each.file == str(path) for each in found.skipped)


@pytest.fixture
def mixed(tmp_path):
    """
    A folder as it is after a year: files of all kinds and states.
    """
    good = lines(served(300))
    (tmp_path / "serve.log").write_bytes(good + good[:57])
    (tmp_path / "serve.log.20261121T064512Z-0001.gz").write_bytes(
        gzip.compress(good)
    )
    (tmp_path / "serve.log.1").write_bytes(b"")
    (tmp_path / "old.jsonl.zst").write_bytes(zstd().compress(good))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(good)[:-500])
    (tmp_path / "plain.jsonl.gz").write_bytes(good)
    (tmp_path / "empty.json.gz").write_bytes(b"")
    (tmp_path / "junk.log").write_bytes(os.urandom(5000))
    (tmp_path / "text.log").write_bytes(
        b"starting\nmllog: KafkaHandler: 12 records dropped\n" + good
    )
    (tmp_path / "what[1]*'\".jsonl").write_bytes(good)
    (tmp_path / "latency.csv").write_bytes(
        b"timestamp,inference_latency,model_name,model_version,variant\n"
        b"2026-11-21T06:45:12.000317Z,0.25,resnet50,,\n"
        b"2026-11-21T06:45:13.000317Z,0.5,bert,4,A\n"
        b"2026-11-21T06:45:14.0003"
    )
    return tmp_path


def test_folder_of_files_in_any_state_is_read_as_by_read(mixed):
    """
    The records and skips are those of mllog.read, and the report is whole.
    """
    expected, skipped = read_by(mixed)

    # CSV in a folder of others is read where it is named
    with open_logs([mixed, mixed / "latency.csv"]) as logs:
        found = report(logs, spools=[mixed])

    assert expected == found.reading.records
    by_reason = Counter()
    for each in found.reading.skipped:
        by_reason[each.reason] += each.count
    assert skipped == by_reason
    assert by_reason == found.losses.skipped
    assert ("mllog: KafkaHandler: 12 records dropped",) == found.losses.reports
    assert 0 < sum(each.count for each in found.latency)
    json.dumps(found.plain(), allow_nan=False)


def test_control_an_engine_alone_would_not_count(mixed):
    """
    DuckDB's own reader fails at these files, so there is something to test.
    """
    duckdb = pytest.importorskip("duckdb")

    with pytest.raises(duckdb.Error):
        duckdb.sql(
            f"SELECT count(*) FROM read_json('{mixed}/cut.jsonl.gz')"
        ).fetchall()


def test_types_that_clash_cost_no_record(tmp_path):
    """
    A field that is a number here and text there keeps both.
    """
    values = [0.1, "0.3", "slow", None, True, [1], {"a": 1}, "NaN", -1, 1e400]
    records = [record(inference_latency=0.2) for _ in range(200)]
    records += [record(inference_latency=each) for each in values]
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(records))

    with open_logs(path) as logs:
        (found,) = latency(logs, "inference_latency")
        rows = logs.reading.records

    assert 210 == rows
    assert 202 == found.count
    assert 0.3 == found.max_seconds
    assert 0.1 == found.min_seconds
    assert 5 <= found.refused <= 7


def test_shape_that_changes_within_a_file_is_followed(tmp_path):
    """
    Fields that only some records have are fields nevertheless.
    """
    records = [record(early=1) for _ in range(50)]
    records += [record(late={"deep": {"er": 3}}, tag="x") for _ in range(50)]
    path = written(tmp_path / "a.jsonl", records)

    with open_logs(path) as logs:
        assert {"early", "tag"} <= set(logs.reading.fields)
        assert {None: 50, "x": 50} == {
            each.value: each.records for each in counts(logs, "tag")
        }
    with open_logs(path, where="late.deep.er == 3") as logs:
        assert 50 == logs.reading.chosen


@pytest.mark.parametrize(
    "name",
    [
        "a'b",
        'a"b',
        "a]b",
        "a; DROP TABLE records; --",
        "a\\b",
        "$.x",
        "ä/ö",
        " ",
        "select",
        "t0",
        "file",
        "a" * 300,
    ],
)
def test_field_of_any_name_is_a_field(tmp_path, name):
    """
    No name of a field is taken for anything else.
    """
    path = written(
        tmp_path / "a.jsonl", [record(**{name: "x"}) for _ in range(30)]
    )

    with open_logs(path, by=[name]) as logs:
        assert (("x", 30),) == tuple(
            (each.value, each.records) for each in counts(logs, name)
        )


def test_fields_that_differ_by_case_do_not_break_it(tmp_path):
    """
    The first of them is read.
    """
    path = written(tmp_path / "a.jsonl", [record(tag="x", TAG="y", Level="z")])

    with open_logs(path) as logs:
        assert "x" == counts(logs, "tag")[0].value
        assert "INFO" == counts(logs, "level")[0].value


@pytest.mark.parametrize(
    "made",
    [
        {"asctime": "2026-11-21 00:00:00,000", "levelname": "ERROR",
         "name": "serve", "message": "m"},
        {"timestamp": "2026-11-21T00:00:00Z", "level": "error",
         "logger": "serve", "event": "m"},
        {"@timestamp": "2026-11-21T01:00:00+01:00", "log.level": "error",
         "log.logger": "serve", "message": "m"},
        {"time": 1795219200000, "level": 40, "name": "serve", "msg": "m"},
        {"ts": 1795219200.0, "severity": "ERROR", "logger": "serve",
         "msg": "m"},
    ],
    ids=["python-json-logger", "structlog", "ecs", "numbers", "seconds"],
)  # fmt: skip
def test_records_of_others_have_the_same_parts(tmp_path, made):
    """
    Time, level, logger and message are found whoever wrote them.
    """
    path = written(tmp_path / "a.jsonl", [made] * 3)

    with open_logs(path) as logs:
        found = volume(logs)
        (logger,) = counts(logs, "logger")
        (message,) = counts(logs, "message")

    (point,) = found.points
    assert (1795219200.0, 3, 3) == (point.start, point.records, point.errors)
    assert ("serve", "m") == (logger.value, message.value)


def test_nan_is_counted_and_not_added_up(tmp_path):
    """
    Records with NaN are counted, whether mllog or another library wrote them.
    """
    text = '{"level":"INFO","inference_latency":%s}\n'
    made = [text % each for each in ("0.1", "NaN", '"NaN"', "null")]
    made.append('{"level":"INFO","nonfinite":{"loss":"NaN"},"loss":null}\n')
    path = tmp_path / "a.jsonl"
    path.write_text("".join(made * 20))

    with open_logs(path) as logs:
        (found,) = latency(logs, "inference_latency")
        lost = losses(logs)

    assert (20, pytest.approx(0.1)) == (found.count, found.mean_seconds)
    assert 20 <= lost.nonfinite <= 40


def test_large_integers_keep_their_digits(tmp_path):
    """
    An id of 64 bits is no float.
    """
    ids = [2**63 - 1 - n for n in range(3)]
    path = written(
        tmp_path / "a.jsonl",
        [record(inference_latency=0.1 * (1 + n), id=ids[n]) for n in range(3)],
    )

    with open_logs(path) as logs:
        found = slowest(logs, "inference_latency")

    assert [str(each) for each in reversed(ids)] == [
        each.fields["id"] for each in found
    ]


@pytest.mark.parametrize("name", TORN)
def test_few_bad_lines_of_a_large_file_are_read_again_alone(
    tmp_path, monkeypatch, name
):
    """
    A file that is too large to be read again in full has the same result.
    """
    monkeypatch.setattr("mllog.report.load.duckdb.LARGE_BYTES", 0)
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        GOOD + b"\n" + TORN[name] + b"\n" + GOOD + b"\n" + GOOD[:9]
    )
    expected, skipped = read_by(path)

    with open_logs(path) as logs:
        found = logs.reading

    assert expected == found.records
    assert skipped == Counter(
        {each.reason: each.count for each in found.skipped}
    )


TABLES = {
    "plain": b"timestamp,inference_latency,note\n2026-11-21T00:00:00Z,0.5,a\n",
    "quoted": b"inference_latency,timestamp,note\n"
    b'0.5,,"a, ""b""\nc"\n0.25,,\n',
    "short_row": b"timestamp,inference_latency,note\n,0.5,a\n,0.5\n,0.5,b\n",
    "long_row": b"timestamp,inference_latency,note\n,0.5,a,b\n,0.5,b\n",
    "second_header": b"timestamp,inference_latency\n,0.5\n"
    b"timestamp,inference_latency\n,0.25\n",
    "torn_end": b"timestamp,inference_latency\n,0.5\n,0.2",
    "not_utf8": b"timestamp,note\n,a\n,\xff\n",
    "same_names": b"timestamp,note,note\n,a,b\n",
    "carriage_returns": b"timestamp,inference_latency\r\n,0.5\r\n,0.25\r\n",
    "bom": b"\xef\xbb\xbftimestamp,inference_latency\n,0.5\n",
    "header_alone": b"timestamp,inference_latency\n",
    "blank_lines": b"timestamp,inference_latency\n\n,0.5\n\n",
    "open_quote": b'timestamp,note\n,"a\n,b\n,c\n',
    "empty": b"",
    "nul": b"timestamp,note\n,\0\n",
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", TABLES)
def test_table_of_any_kind_is_read_or_counted(tmp_path, name, packed):
    """
    As many rows and skips are found as mllog.read finds, also of several.
    """
    data = gzip.compress(TABLES[name]) if packed else TABLES[name]
    suffix = ".csv.gz" if packed else ".csv"
    (tmp_path / f"a{suffix}").write_bytes(data)
    (tmp_path / "b.csv").write_bytes(TABLES["plain"])
    expected, skipped = read_by(tmp_path)
    values = sorted(
        each["inference_latency"]
        for each in mllog.read(tmp_path)
        if each.get("inference_latency") is not None
    )

    with open_logs(tmp_path) as logs:
        found = logs.reading
        seconds = slowest(logs, "inference_latency")

    assert expected == found.records
    assert values == sorted(each.seconds for each in seconds)
    assert skipped == Counter(
        {each.reason: each.count for each in found.skipped}
    )
