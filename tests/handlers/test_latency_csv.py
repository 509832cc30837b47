"""
Latencies as rows of a CSV file, and their percentiles.
"""

import csv
import logging
import logging.config
import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hostile import EACH_OBJECT

import mllog

COLUMNS = [
    "timestamp",
    "inference_latency",
    "model_name",
    "model_version",
    "variant",
]


@pytest.fixture(name="make")
def _make(tmp_path, logger):
    def make(**options):
        handler = mllog.LatencyCSVHandler(tmp_path / "latency.csv", **options)
        logger.addHandler(handler)
        return handler

    return make


def _rows(folder, name="latency.csv"):
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_csv_row_has_time_latency_and_labels(make, logger, tmp_path):
    """
    The header names the columns, and a record with the field is a row.
    """
    make()

    logger.info(
        "done",
        extra={
            "inference_latency": 0.0123,
            "model_name": "resnet50",
            "model_version": 3,
        },
    )

    header, row = _rows(tmp_path)
    assert header == COLUMNS
    assert ["0.0123", "resnet50", "3", ""] == row[1:]
    assert row[0].endswith("Z")


def test_csv_record_without_the_field_is_passed_over(make, logger, tmp_path):
    """
    Other records leave no row and no count.
    """
    handler = make()

    logger.info("starting", extra={"model_name": "resnet50"})

    assert [COLUMNS] == _rows(tmp_path)
    assert mllog.handlers.latency_csv.Handling.stats(handler).written == 0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0.0"),
        (1, "1.0"),
        (0.25, "0.25"),
        (np.float32(0.5), "0.5"),
        (np.float64(0.125), "0.125"),
        (np.int64(2), "2.0"),
        (np.array(0.75), "0.75"),
    ],
)
def test_csv_number_of_any_kind_is_written_as_a_float(
    make, logger, tmp_path, value, written
):
    """
    Python's and numpy's numbers are written alike.
    """
    make()

    logger.info("done", extra={"inference_latency": value})

    assert written == _rows(tmp_path)[1][1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-math.inf, "not_finite"),
        (np.float32("nan"), "not_finite"),
        (-0.1, "negative"),
        ("0.1", "not_a_number"),
        (True, "not_a_number"),
        (None, "not_a_number"),
        (np.array([0.1, 0.2]), "not_a_number"),
        (object(), "not_a_number"),
    ],
)
def test_csv_value_that_is_no_latency_is_refused_and_counted(
    make, logger, tmp_path, value, reason
):
    """
    It leaves no row, does not reach the percentiles, and has its reason.
    """
    handler = make()

    logger.info("done", extra={"inference_latency": value})

    assert [COLUMNS] == _rows(tmp_path)
    assert {reason: 1} == handler.stats().refused
    assert {} == handler.summary()


def test_csv_finds_the_field_among_metrics_and_bound_labels(
    make, logger, tmp_path
):
    """
    extra["metrics"] is looked into, and mllog.bind gives labels.
    """
    make()

    with mllog.bind(model_name="bound"):
        logger.info("done", extra={"metrics": {"inference_latency": 0.5}})

    assert ["0.5", "bound", "", ""] == _rows(tmp_path)[1][1:]


@pytest.mark.parametrize(
    "label",
    [
        "=1+1",
        "+cmd",
        "-x",
        "@SUM(A1)",
        "\ttab",
        "a,b",
        'say "hi"',
        "line\nbreak",
        "-1",
        "\x1b[31m",
        "\ud800",
        "x" * 10_000,
    ],
)
def test_csv_label_of_any_text_is_one_safe_cell(make, logger, tmp_path, label):
    """
    It reads back as one cell of one line, and never as a formula.
    """
    make()

    logger.info("done", extra={"inference_latency": 1, "model_name": label})

    rows = _rows(tmp_path)
    assert 2 == len(rows)
    cell = rows[1][2]
    assert len(rows[1]) == len(COLUMNS)
    assert cell == "-1" or not cell.startswith(("=", "+", "-", "@", "\t"))
    assert cell.isprintable()
    assert len(cell) <= 210


def test_csv_percentiles_are_within_one_percent(make, logger):
    """
    summary() agrees with the exact percentiles, per label set.
    """
    handler = make()
    rng = np.random.default_rng(1)
    values = {"a": rng.lognormal(-4, 0.7, 3000), "b": rng.uniform(1, 2, 3000)}

    for name, latencies in values.items():
        for latency in latencies:
            logger.info(
                "x", extra={"inference_latency": latency, "model_name": name}
            )

    for name, latencies in values.items():
        found = handler.summary()[name, "", ""]
        assert 3000 == found.count
        assert latencies.mean() == pytest.approx(found.mean)
        assert latencies.max() == found.max
        for part, value in (
            (50, found.p50),
            (90, found.p90),
            (95, found.p95),
            (99, found.p99),
        ):
            exact = np.percentile(latencies, part, method="lower")
            assert exact == pytest.approx(value, rel=0.01)


def test_csv_tells_1_and_true_apart_and_not_1_and_its_float(
    make, logger, tmp_path
):
    """
    Whatever came first, a row has the label of its own record.
    """
    handler = make(labels=["variant"])

    for value in (1, True, 1.0, False, 0, True):
        logger.info("x", extra={"inference_latency": 1, "variant": value})

    texts = ["1", "true", "1", "false", "0", "true"]
    assert texts == [row[2] for row in _rows(tmp_path)[1:]]
    found = {labels: each.count for labels, each in handler.summary().items()}
    assert {("1",): 2, ("true",): 2, ("false",): 1, ("0",): 1} == found


def test_csv_row_is_written_whatever_a_label_is(make, logger, tmp_path):
    """
    A label that cannot be written is its type; the row is there.
    """
    handler = make(labels=["variant"])
    values = [10**5000, np.clongdouble(1 + 2j)]
    values += [make_value() for make_value in EACH_OBJECT]

    for value in values:
        logger.info("x", extra={"inference_latency": 1, "variant": value})

    assert 1 + len(values) == len(_rows(tmp_path))
    assert {} == handler.stats().dropped


def test_csv_metrics_that_raise_are_counted_and_the_next_row_comes(
    make, logger, tmp_path
):
    """
    A mapping that cannot be asked is refused, and no record is dropped.
    """
    handler = make()

    logger.info("x", extra={"metrics": RaisingGet()})
    logger.info("x", extra={"metrics": {"inference_latency": 0.5}})

    assert {"unreadable": 1} == handler.stats().refused
    assert {} == handler.stats().dropped
    assert 2 == len(_rows(tmp_path))


class RaisingGet(dict):
    def get(self, *_args):
        raise RuntimeError("get")


def test_csv_labels_without_end_stay_within_max_series(make, logger, tmp_path):
    """
    Beyond max_series label sets percentiles are of others, and counted; rows
    keep their labels.
    """
    handler = make(labels=["user"], max_series=10)

    for number in range(500):
        logger.info(
            "x", extra={"inference_latency": 1, "user": f"user{number}"}
        )

    summary = handler.summary()
    assert 11 == len(summary)
    assert 490 == summary[("other",)].count
    assert 490 == handler.stats().relabelled
    rows = _rows(tmp_path)[1:]
    assert [f"user{number}" for number in range(500)] == [
        row[2] for row in rows
    ]


def test_csv_summary_is_written_on_flush_and_close_once(
    make, logger, tmp_path
):
    """
    The summary file gets a row per label set where there is news.
    """
    handler = make()
    logger.info("x", extra={"inference_latency": 0.5, "model_name": "a"})

    handler.flush()
    handler.flush()
    logger.info("x", extra={"inference_latency": 1.5, "model_name": "a"})
    logger.info("x", extra={"inference_latency": 1.5, "model_name": "b"})
    handler.close()
    handler.close()

    header, *rows = _rows(tmp_path, "latency.summary.csv")
    count = header.index("count")
    assert [("a", "1"), ("a", "2"), ("b", "1")] == [
        (row[2], row[count]) for row in rows
    ]


def test_csv_summary_is_written_each_interval(make, logger, tmp_path):
    """
    While rows come, a summary is written each summary_interval_seconds.
    """
    make(summary_interval_seconds=0.01)

    for _ in range(5):
        logger.info("x", extra={"inference_latency": 0.5})
        threading.Event().wait(0.02)

    assert len(_rows(tmp_path, "latency.summary.csv")) >= 3


@pytest.mark.parametrize(
    "created", [0, 1e12, -1e12, math.inf, math.nan], ids=str
)
def test_csv_summary_is_written_whatever_time_a_record_has(
    make, tmp_path, created
):
    """
    One record of a clock that is ahead silences no summary.
    """
    handler = make(summary_interval_seconds=0.01)
    for moment in (created, time.time(), time.time()):
        handler.handle(
            logging.makeLogRecord(
                {"msg": "x", "inference_latency": 0.5, "created": moment}
            )
        )
        threading.Event().wait(0.02)

    assert len(_rows(tmp_path, "latency.summary.csv")) >= 3


def test_csv_with_other_columns_begins_a_new_file(make, logger, tmp_path):
    """
    Rows of two layouts are never in one file.
    """
    make().close()
    make(labels=["tenant"])

    logger.info("x", extra={"inference_latency": 1, "tenant": "t1"})

    (old,) = tmp_path.glob("latency.csv.*")
    assert [COLUMNS] == _rows(tmp_path, old.name)
    assert ["timestamp", "inference_latency", "tenant"] == _rows(tmp_path)[0]


def test_csv_rotated_files_each_have_the_header_once(make, logger, tmp_path):
    """
    Rotation is that of the file handler, and each file begins with the header.
    """
    make(maxBytes=500, summary_filename="")

    for number in range(60):
        logger.info("x", extra={"inference_latency": number})

    files = [path.name for path in tmp_path.iterdir()]
    tables = [_rows(tmp_path, name) for name in files]
    assert len(files) > 3
    assert all(table[0] == COLUMNS for table in tables)
    assert 60 == sum(len(table) - 1 for table in tables)
    assert all(row[0] != "timestamp" for table in tables for row in table[1:])


def test_csv_started_by_several_processes_has_one_header(tmp_path):
    """
    8 processes that start together write the header exactly once.
    """
    code = """
import logging, mllog, sys
handler = mllog.LatencyCSVHandler("latency.csv", directory=sys.argv[1])
logger = logging.getLogger("x")
logger.addHandler(handler)
sys.stdin.read()
for number in range(200):
    logger.warning("x", extra={"inference_latency": number})
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in processes:
        process.stdin.close()
    assert [0] * 8 == [process.wait() for process in processes]

    header, *rows = _rows(tmp_path)

    assert header == COLUMNS
    assert 1600 == len(rows)
    assert all(row[0] != "timestamp" and len(row) == 5 for row in rows)


def test_csv_empty_file_that_exists_gets_the_header(make, logger, tmp_path):
    """
    A file made by touch, or emptied by copytruncate, begins with the header.
    """
    (tmp_path / "latency.csv").touch()
    make()

    logger.info("x", extra={"inference_latency": 1})
    (tmp_path / "latency.csv").write_bytes(b"")
    logger.info("x", extra={"inference_latency": 2})

    header, row = _rows(tmp_path)
    assert header == COLUMNS
    assert "2.0" == row[1]


def test_csv_under_many_threads_counts_exactly(make, logger, tmp_path):
    """
    8 threads: rows, count and sum agree.
    """
    handler = make()

    def work():
        for _ in range(1000):
            logger.info("x", extra={"inference_latency": 0.5})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = handler.summary()["", "", ""]
    assert (8000, 4000.0) == (found.count, found.sum)
    assert 8001 == len(_rows(tmp_path))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fields": "x"}, "write field"),
        ({"field": "message"}, "field='message'"),
        ({"labels": ["levelname"]}, "labels='levelname'"),
        ({"max_series": 0}, "max_series=0"),
        ({"summary_interval_seconds": "soon"}, "a number"),
    ],
)
def test_csv_with_an_option_that_cannot_work_says_so(tmp_path, options, says):
    """
    The error names the handler, the option, the value and what would do.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        mllog.LatencyCSVHandler(tmp_path / "latency.csv", **options)

    assert "LatencyCSVHandler: " in str(caught.value)
    assert says in str(caught.value)


def test_csv_from_dictconfig_with_nested_lists_works(tmp_path):
    """
    dictConfig's own list and dict types are taken as plain ones.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "csv": {
                    "class": "mllog.LatencyCSVHandler",
                    "filename": "l.csv",
                    "directory": str(tmp_path),
                    "labels": ["model_name"],
                    "filters": [],
                }
            },
            "root": {"level": "INFO", "handlers": ["csv"]},
        }
    )

    logging.info("x", extra={"inference_latency": 1, "model_name": "m"})

    assert ["1.0", "m"] == _rows(tmp_path, "l.csv")[1][1:]
