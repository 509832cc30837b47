"""
The same report by Spark and by DuckDB.
"""

import gzip
import json
import random
import warnings
from importlib.util import find_spec

import pytest
from report.logged import lines, record, served

from mllog.compression import zstd
from mllog.report import open_logs, report, sides_of

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.timeout(400),
    # of pyspark, about pandas and Python
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def spark(missing):
    """
    A local Spark.
    """
    if find_spec("pyspark") is None:
        missing("pyspark", "make test-frameworks installs it")
    from mllog.report.load.spark import _session
    from mllog.report.load.store import Settings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = _session(Settings(threads=2))
        yield session
        session.stop()


def plain(backend, paths, session=None, **options):
    """
    A report as plain data, without timings and digits after the 12th.
    """
    from mllog.report import Settings

    sides = sides_of(["model_version=3", "model_version=4"])
    with open_logs(
        paths,
        backend=backend,
        fields=sides.fields,
        settings=Settings(threads=2, spark=session),
        **options,
    ) as logs:
        found = report(
            logs, by=options.get("by", ()), sides=sides.of(logs, 0)
        ).plain()
    del found["timings_seconds"], found["reading"]["seconds"]
    return json.loads(
        json.dumps(found), parse_float=lambda text: f"{float(text):.9g}"
    )


@pytest.fixture
def folder(tmp_path):
    """
    Logs of all kinds, in all states.
    """
    chance = random.Random(5)
    good = lines(
        served(3000, slower=lambda made: 1 + 2 * (chance.random() < 0.1))
    )
    trained = lines(
        record(n, step=n, metrics={"train/loss": 1 / (n + 1), "acc": n / 500})
        for n in range(500)
    )
    odd = lines(
        record(inference_latency=each)
        for each in ("0.3", "slow", True, None, -1, "NaN", [1])
    )
    (tmp_path / "serve.jsonl").write_bytes(
        good + b"foreign text\n" + odd + good[:100] + b"\n" + good[:5000]
    )
    (tmp_path / "train.jsonl").write_bytes(trained)
    (tmp_path / "old.jsonl.gz").write_bytes(gzip.compress(good[:100_000]))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(good)[:-2000])
    (tmp_path / "old.jsonl.zst").write_bytes(zstd().compress(trained))
    (tmp_path / "what[1] ä.jsonl").write_bytes(trained[:5000])
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "latency.csv").write_bytes(
        b"timestamp,inference_latency,model_name,model_version,variant\n"
        b"2026-11-21T00:20:12.000317Z,0.25,resnet50,3,\n"
    )
    return tmp_path


def test_report_of_spark_is_that_of_duckdb(folder, spark):
    """
    Every answer is the same, what was passed over included.
    """
    expected = plain("duckdb", folder)
    found = plain("pyspark", folder, spark)

    assert expected["reading"]["records"] > 6000
    assert expected["reading"]["skipped"]
    assert expected["curves"] and expected["slow_segments"]["found"]
    for name in expected:
        assert expected[name] == found[name], name


def test_conditions_mean_the_same_to_both(folder, spark):
    """
    Chosen and grouped records are the same.
    """
    options = {
        "where": 'inference_latency > 0.05 and model_name != "bert"'
        ' and level >= "INFO" and timestamp < "2026-11-21T00:40"',
        "by": ["batch_size"],
    }

    expected = plain("duckdb", folder, **options)
    found = plain("pyspark", folder, spark, **options)

    assert 0 < expected["reading"]["chosen"] < expected["reading"]["records"]
    assert 5 == len(expected["latency_by"])
    for name in ("reading", "latency", "latency_by", "volume"):
        assert expected[name] == found[name], name
