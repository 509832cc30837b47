"""
DriftHandler: a warning where fields no longer look like they did.
"""

import json
import logging
import logging.config
import math
import os
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from keeping import Kept, said_to, wait_for

import mllog
from mllog.errors import ConfigError

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.fixture
def said():
    """
    The records of mllog.drift.
    """
    return said_to("mllog.drift", logging.DEBUG)


@pytest.fixture(name="make")
def _make(attach):
    def make(*args, **options):
        return attach(mllog.DriftHandler(*args, **options))

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def log(logger, field, values, **more):
    for value in values:
        logger.info("x", extra={field: value, **more})


def levels(said):
    return [record.levelname for record in said]


# --- what is said ---


def test_field_that_drifts_and_comes_back_is_said_once_each(
    make, logger, said, rng
):
    """
    One WARNING when it moves, one INFO when it is back, DEBUG between.
    """
    make(fields="age", reference_records=2000)
    log(logger, "age", rng.normal(40, 10, 2000).tolist(), model_name="m")
    for mean in (40, 60, 60, 40, 40):
        log(logger, "age", rng.normal(mean, 10, 1000).tolist(), model_name="m")

    assert ["DEBUG", "WARNING", "DEBUG", "INFO", "DEBUG"] == levels(said)
    warning, back = said[1], said[3]
    assert "age" == warning.field
    assert "m" == warning.model_name
    assert ("major", 1000, 2000) == (
        warning.severity,
        warning.count,
        warning.reference_count,
    )
    assert warning.value >= warning.threshold
    assert warning.p_value < 1e-9
    assert 60 == pytest.approx(warning.mean, abs=1)
    assert 40 == pytest.approx(warning.reference_mean, abs=1)
    assert {
        "drift_psi",
        "drift_ks",
        "drift_mean_shift",
        "drift_null_rate",
    } == set(warning.metrics)
    assert warning.metrics[f"drift_{warning.statistic}"] == warning.value
    assert "the first 2000" == warning.reference
    assert ("none", "age of m is back") == (
        back.severity,
        back.msg.partition(":")[0],
    )


def test_drift_that_grows_is_said_again(make, logger, said, rng):
    """
    A moderate drift that becomes a major one gives a second WARNING.
    """
    make(fields="x", thresholds={"mean_shift": None, "ks": None})
    log(logger, "x", rng.normal(0, 1, 5000).tolist())
    for mean in (0.4, 0.4, 1.0):
        log(logger, "x", rng.normal(mean, 1, 1000).tolist())

    assert ["WARNING", "DEBUG", "WARNING"] == levels(said)
    assert ["moderate", "moderate", "major"] == [r.severity for r in said]
    assert {"psi"} == {record.statistic for record in said}
    assert [0.1, 0.1, 0.25] == [record.threshold for record in said]


def test_categories_are_compared_by_chi_square(make, logger, said, rng):
    """
    Text and bools are categories, and a new one is a drift.
    """
    make(fields=["country", "returning"])
    for count, new in ((5000, 0.0), (1000, 0.0), (1000, 0.5)):
        for _ in range(count):
            country = "xx" if rng.random() < new else "ab"[rng.integers(2)]
            returning = bool(rng.random() < 0.5)
            extra = {"country": country, "returning": returning}
            logger.info("x", extra=extra)

    country = [record for record in said if record.field == "country"]
    assert ["DEBUG", "WARNING"] == levels(country)
    assert {"drift_psi", "drift_chi_square", "drift_null_rate"} == set(
        country[1].metrics
    )
    assert not hasattr(country[1], "mean")
    returning = [record for record in said if record.field == "returning"]
    assert ["DEBUG", "DEBUG"] == levels(returning)


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), "?"])
def test_missing_values_are_a_rate_and_in_no_sum(
    make, logger, said, rng, missing
):
    """
    None and NaN leave mean and distribution alone, and have their own limit.
    """
    make(fields="age")
    log(logger, "age", rng.normal(40, 10, 5000).tolist())
    values = rng.normal(40, 10, 1000).tolist()
    values[::3] = [missing] * len(values[::3])
    log(logger, "age", values)

    (record,) = said
    assert ("WARNING", "null_rate") == (record.levelname, record.statistic)
    assert (0.334, 0.0) == (record.null_rate, record.reference_null_rate)
    assert "major" == record.severity
    assert record.metrics["drift_psi"] < 0.1
    assert 40 == pytest.approx(record.mean, abs=2)


def test_field_that_is_not_logged_is_not_missing(make, logger, said, rng):
    """
    Other log lines have no age, and that is no null.
    """
    make(fields="age", window_records=1000)
    for value in rng.normal(40, 10, 6000).tolist():
        logger.info("x", extra={"age": value})
        logger.info("something else", extra={"user": 1})

    (record,) = said
    assert (1000, 0.0) == (record.count, record.null_rate)


def test_known_distributions_are_watched_and_a_loss_is_not(
    make, logger, said, rng
):
    """
    A latency is watched without being configured; a loss is meant to move.
    """
    handler = make(min_records=100, window_records=100, reference_records=100)
    for n in range(300):
        logger.info(
            "x",
            extra={
                "inference_latency": float(rng.lognormal(-4, 1)),
                "loss": 1 / (n + 1),
                "metrics": {"train/loss": 1 / (n + 1)},
            },
        )
    handler.flush()

    assert {"inference_latency"} == {record.field for record in said}
    assert 300 == handler.stats().written


def test_reduction_makes_numbers_of_raw_inputs(make, logger, said, rng):
    """
    Each channel of an image is watched by itself, and the red one drifts.
    """
    make(
        metrics=[
            {"field": "image", "kind": "gauge", "reduce": "mean_per_channel"}
        ],
        reference_records=100,
        window_records=100,
    )
    for n in range(300):
        image = rng.normal(100, 20, (3, 8, 8))
        image[0] += 10 * (n >= 200)
        logger.info("x", extra={"image": image})

    assert {"image_mean_per_channel"} == {record.field for record in said}
    found = [record for record in said if record.levelname == "WARNING"]
    assert ["channel_0"] == [
        record.channel
        if "_" in record.channel
        else f"channel_{record.channel}"
        for record in found
    ]


def test_label_set_has_a_reference_of_its_own(make, logger, said, rng):
    """
    Two versions that differ drift only from themselves.
    """
    make(fields="x")
    for count in (5000, 1000):
        for version in (1, 2):
            values = rng.normal(10 * version, 1, count).tolist()
            log(logger, "x", values, model_name="m", model_version=version)

    assert ["DEBUG", "DEBUG"] == levels(said)
    assert ["1", "2"] == [record.model_version for record in said]


def test_variant_is_compared_with_the_latest_of_the_baseline(
    make, logger, said, rng
):
    """
    B drifts from A; when A moves there too, B is back.
    """
    make(
        fields="score",
        compare_by="variant",
        baseline="A",
        reference_records=1000,
    )
    log(logger, "score", rng.normal(1, 1, 1000).tolist(), variant="B")
    assert [] == said
    log(logger, "score", rng.normal(0, 1, 1000).tolist(), variant="A")
    log(logger, "score", rng.normal(0, 1, 1000).tolist())  # of no variant
    log(logger, "score", rng.normal(1, 1, 1000).tolist(), variant="B")
    assert ["WARNING", "DEBUG"] == levels(said)  # the kept window, and this
    log(logger, "score", rng.normal(1, 1, 1000).tolist(), variant="A")
    log(logger, "score", rng.normal(1, 1, 1000).tolist(), variant="B")

    assert ["WARNING", "DEBUG", "INFO"] == levels(said)
    assert {"B"} == {record.variant for record in said}
    assert {"variant A"} == {record.reference for record in said}


def test_window_of_seconds_is_compared_by_the_timer(make, logger, said, rng):
    """
    The last window comes without a further call, if it is large enough.
    """
    handler = make(
        fields="x", window_seconds=0.05, reference_records=500, min_records=100
    )
    log(logger, "x", rng.normal(0, 1, 500).tolist())
    log(logger, "x", rng.normal(3, 1, 5000).tolist())
    handler.flush()

    wait_for(lambda: said)
    wait_for(lambda: handler._intervals._thread is None)

    assert "WARNING" == said[0].levelname
    assert 100 <= sum(record.count for record in said) <= 5000


def test_prometheus_shows_the_drift(make, logger, rng):
    """
    A PrometheusHandler on mllog.drift has a gauge per field and statistic.
    """
    pytest.importorskip("prometheus_client")
    from prometheus_client import CollectorRegistry

    own = logging.getLogger("mllog.drift")
    own.setLevel(logging.DEBUG)
    own.propagate = False
    registry = CollectorRegistry()
    own.addHandler(
        mllog.PrometheusHandler(
            registry=registry,
            accounting=False,
            metrics=[
                {"field": "re:drift_.*", "kind": "gauge", "labels": ["field"]}
            ],
        )
    )
    make(fields=["x", "y"])
    for count, mean in ((5000, 0), (1000, 1)):
        log(logger, "x", rng.normal(mean, 1, count).tolist(), model_name="m")
        log(logger, "y", rng.normal(0, 1, count).tolist(), model_name="m")

    found = {
        field: registry.get_sample_value(
            "drift_psi", {"model_name": "m", "field": field}
        )
        for field in "xy"
    }
    assert found["x"] > 0.5
    assert found["y"] < 0.05


# --- references ---


def write_logs(path, rng, mean=40.0, count=5000, **more):
    """
    A JSON log as mllog writes it.
    """
    writer = logging.getLogger("writer")
    writer.propagate = False
    writer.setLevel(logging.INFO)
    file = mllog.TimestampedRotatingFileHandler(
        path, formatter_options={"class": "mllog.JSONFormatter"}
    )
    writer.addHandler(file)
    log(writer, "age", rng.normal(mean, 10, count).tolist(), **more)
    log(writer, "age", [math.nan, None], **more)
    logging.getLogger("mllog.drift").propagate = False
    writer.removeHandler(file)
    file.close()


def test_earlier_logs_are_the_reference(make, logger, said, rng, tmp_path):
    """
    A folder of JSON lines is read by a thread; live values wait for it.
    """
    write_logs(tmp_path / "a.jsonl", rng, model_name="m")
    make(str(tmp_path), fields="age")

    log(logger, "age", rng.normal(60, 10, 1000).tolist(), model_name="m")
    wait_for(
        lambda: (
            log(logger, "age", rng.normal(60, 10, 10).tolist(), model_name="m")
            or said
        )
    )

    assert "WARNING" == said[0].levelname
    assert (5002, str(tmp_path)) == (
        said[0].reference_count,
        said[0].reference,
    )
    assert said[0].reference_null_rate == pytest.approx(2 / 5002, rel=1e-4)


def test_new_version_is_compared_with_the_nearest_reference(
    make, logger, said, rng, tmp_path
):
    """
    Version 2 of a model, which earlier logs lack, is compared with all of it.
    """
    write_logs(tmp_path / "a.jsonl", rng, 40, model_name="m", model_version=1)
    write_logs(tmp_path / "b.jsonl", rng, 90, model_name="n", model_version=1)
    handler = make(str(tmp_path), fields="age")
    assert handler.load(60)

    for version in (1, 2):
        values = rng.normal(40, 10, 1000).tolist()
        log(logger, "age", values, model_name="m", model_version=version)

    assert ["DEBUG", "DEBUG"] == levels(said)
    assert [5002, 5002] == [record.reference_count for record in said]


def test_saved_reference_is_as_good_as_the_logs(
    make, logger, said, rng, tmp_path
):
    """
    What one process saves, another one compares with, to the last digit.
    """
    write_logs(tmp_path / "a.jsonl", rng)
    first = make(tmp_path / "a.jsonl", fields="age")
    assert first.load(60)
    first.save(tmp_path / "reference.json")
    data = json.loads((tmp_path / "reference.json").read_text())
    for source in (str(tmp_path / "reference.json"), data):
        other = make(source, fields="age")
        assert other.load(60)

    log(logger, "age", rng.normal(44, 10, 1000).tolist())

    assert 3 == len(said)
    assert said[0].metrics == said[1].metrics == said[2].metrics
    assert not [each for each in tmp_path.iterdir() if ".tmp" in each.name]


def test_live_values_are_saved_as_a_reference(
    make, logger, said, rng, tmp_path
):
    """
    The first values of one process are the reference of the next.
    """
    first = make(fields=["age", "country"], reference_records=1000)
    for value in rng.normal(40, 10, 1000).tolist():
        extra = {"age": value, "country": "ab"[value > 40], "model_name": "m"}
        logger.info("x", extra=extra)
    first.save(tmp_path / "reference.json")
    logger.removeHandler(first)
    make(tmp_path / "reference.json", fields=["age", "country"]).load(60)
    for value in rng.normal(40, 10, 1000).tolist():
        extra = {"age": value, "country": "ab"[value > 40], "model_name": "m"}
        logger.info("x", extra=extra)

    assert ["age", "country"] == sorted(record.field for record in said)
    assert {"DEBUG"} == set(levels(said))


def test_reference_that_is_not_there_is_said_once(
    make, logger, said, capsys, tmp_path, rng
):
    """
    The application goes on, one report names the path, and memory is bounded.
    """
    handler = make(str(tmp_path / "gone.jsonl"), fields="age")
    log(logger, "age", rng.normal(40, 10, 3000).tolist())
    wait_for(lambda: handler.stats().failures)
    log(logger, "age", rng.normal(40, 10, 3000).tolist())
    handler.flush()

    assert [] == said
    assert not handler.load(1)
    assert 1 == handler.stats().failures
    assert 1 == capsys.readouterr().err.count("gone.jsonl")
    (series,) = handler._series()
    assert len(series._held) <= 1000


def test_summaries_in_earlier_logs_are_no_reference(
    make, rng, tmp_path, logger
):
    """
    Records of mllog.summary and mllog.drift are passed over there too.
    """
    path = tmp_path / "a.jsonl"
    lines = [
        {"logger": name, "level": "INFO", "message": "x", "age": n}
        for n in range(200)
        for name in ("app", "mllog.summary", "mllog.drift")
    ]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    handler = make(str(path), fields="age")

    assert handler.load(60)
    handler.save(tmp_path / "reference.json")

    data = json.loads((tmp_path / "reference.json").read_text())
    assert [200] == [each["count"] for each in data["references"]]


def test_nested_metrics_of_earlier_logs_are_found(
    make, logger, said, rng, tmp_path
):
    """
    A number in ``metrics`` has the same name in the log.
    """
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(
            json.dumps({"message": "x", "metrics": {"a/b": value}}) + "\n"
            for value in rng.normal(size=2000).tolist()
        )
    )
    make(str(path), fields="a/b").load(60)

    for value in rng.normal(2, 1, 1000).tolist():
        logger.info("x", extra={"metrics": {"a/b": value}})

    assert ["WARNING"] == levels(said)
    assert "a/b" == said[0].field


# --- bounds and ends ---


def test_series_are_bounded(make, logger, said, rng):
    """
    10 000 model names are three series and one more.
    """
    handler = make(fields="x", max_series=3)
    for n in range(10_000):
        logger.info("x", extra={"x": 1.0, "model_name": f"m{n}"})

    assert 4 == len(handler._series())
    assert "<DriftHandler 4 series>" == repr(handler)


def test_memory_is_constant_whatever_the_number_of_values(
    make, logger, said, rng
):
    """
    After the reference, 20 windows need no more than one.
    """
    own = logging.getLogger("mllog.drift")
    own.handlers.clear()
    own.setLevel(logging.WARNING)
    handler = make(fields=["x", "c"], reference_records=1000)
    values = rng.normal(size=1000).tolist()

    def window():
        for value in values:  # pytest keeps what a logger is given
            extra = {"x": value, "c": str(value)}
            handler.handle(
                logger.makeRecord("a", 20, "", 0, "x", (), None, extra=extra)
            )

    window()
    window()
    tracemalloc.start()
    window()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        window()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert after - before < 50_000


def test_handler_never_reads_what_it_said(make, said, rng):
    """
    On the root and on its own logger nothing goes round.
    """
    own = logging.getLogger("mllog.drift")
    own.propagate = True
    handler = make(fields=["x", "value", "re:drift_.*"], reference_records=100)
    for each in (logging.getLogger(), own):
        each.addHandler(handler)
    app = logging.getLogger("app")
    app.setLevel(logging.INFO)

    log(app, "x", rng.normal(size=2100).tolist())
    handler.flush()

    assert {"x"} == {record.field for record in said}
    assert 2100 == handler.stats().written


def test_threads_lose_no_value(make, logger, said, rng):
    """
    Eight threads fill windows, and every value is in one or on its way.
    """
    handler = make(fields="x", reference_records=1000)
    values = rng.normal(size=2000).tolist()
    threads = [
        threading.Thread(target=log, args=(logger, "x", values))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.flush()

    assert 15 == len(said)
    assert {1000} == {record.count for record in said}


def test_log_call_within_a_warning_stops_nobody(make, logger, said, rng):
    """
    A handler of mllog.drift that logs watched fields itself is no deadlock.
    """

    class Logs(logging.Handler):
        def emit(self, _record):
            log(logger, "x", [0.0] * 300)

    logging.getLogger("mllog.drift").addHandler(Logs())
    make(fields="x", reference_records=1000)

    log(logger, "x", rng.normal(size=3000).tolist())

    assert said


@FORKS
def test_forked_child_begins_anew(make, logger, said, rng):
    """
    The child has no series of its parent, and makes its own reference.
    """
    handler = make(fields="x", reference_records=1000)
    log(logger, "x", rng.normal(size=1500).tolist())

    child = os.fork()
    if not child:
        code = 1
        try:
            assert [] == handler._series()
            log(logger, "x", rng.normal(9, 1, size=2000).tolist())
            assert ["DEBUG"] == levels(said)
            code = 0
        finally:
            os._exit(code)

    assert 0 == os.waitpid(child, 0)[1]
    log(logger, "x", rng.normal(size=500).tolist())
    assert ["DEBUG"] == levels(said)


def test_configuring_twice_leaves_one_handler_and_no_thread(tmp_path, rng):
    """
    dictConfig twice is as once.
    """
    for _ in range(2):
        logging.config.dictConfig(
            {
                "version": 1,
                "handlers": {
                    "drift": {
                        "class": "mllog.DriftHandler",
                        "fields": ["x"],
                        "window_seconds": 3600,
                        "thresholds": {"psi": [0.2, 0.4], "ks": None},
                    }
                },
                "root": {"level": "INFO", "handlers": ["drift"]},
            }
        )
        log(logging.getLogger(), "x", rng.normal(size=10).tolist())

    wait_for(
        lambda: (
            1
            == sum(
                thread.name == "mllog-intervals"
                for thread in threading.enumerate()
            )
        )
    )
    logging.root.handlers[-1].close()


def test_ini_gives_every_option(tmp_path):
    """
    fileConfig makes the handler from text.
    """
    path = tmp_path / "a.ini"
    path.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=d\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=d\n"
        "[handler_d]\nclass=mllog.DriftHandler\nargs=()\n"
        'kwargs={"fields": "a, b", "compare_by": "variant",'
        ' "baseline": "A", "reference_records": "200",'
        ' "window_records": "150", "thresholds": "0.2, 0.4",'
        ' "significance": "0.01", "max_categories": "20"}\n'
    )

    logging.config.fileConfig(path)

    assert "<DriftHandler 0 series>" == repr(logging.root.handlers[-1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"field": "age"}, "write fields"),
        ({"fields": "name"}, "fields"),
        ({"window_records": 50}, "min_records=100"),
        ({"window_seconds": 0}, "window_seconds"),
        ({"min_records": 1}, "min_records"),
        ({"reference_records": 10}, "100 or more"),
        ({"compare_by": "user"}, "one of labels"),
        ({"compare_by": "variant", "reference": "a"}, "one of the two"),
        ({"baseline": "A"}, "without compare_by"),
        ({"thresholds": [0.3, 0.1]}, "moderate and major"),
        ({"thresholds": {"pis": [0.1, 0.2]}}, "write psi"),
        ({"thresholds": {"psi": 0.1}}, "moderate and major"),
        ({"reference": {"a": 1}}, "DriftHandler.save"),
        ({"reference_options": {"region_name": "x"}}, "write region"),
        ({"max_categories": 0}, "max_categories"),
        ({"significance": 0}, "significance"),
    ],
)
def test_option_that_cannot_work_is_refused(options, said):
    """
    The error names the handler, the option and what is right.
    """
    with pytest.raises(ConfigError, match=said) as raised:
        mllog.DriftHandler(**options)

    assert "DriftHandler" in str(raised.value)


def test_import_of_the_handler_loads_no_package():
    """
    Neither numpy nor scipy is needed to compare distributions.
    """
    import subprocess

    code = (
        "import sys, mllog; mllog.DriftHandler(fields='a');"
        "assert not {'numpy', 'scipy', 'boto3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
