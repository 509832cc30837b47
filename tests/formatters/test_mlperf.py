"""
mllog.MLPerfFormatter, against MLPerf's own parser and compliance checker.
"""

import io
import json
import logging
import logging.config
import math

import hostile
import numpy as np
import pytest
from hypothesis import given

import mllog

KEYS = ["namespace", "time_ms", "event_type", "key", "value", "metadata"]
RULES = "6.1.0"


@pytest.fixture
def mlperf(missing):
    """
    MLPerf's package: its parser, its checker and its own logger.
    """
    try:
        import mlperf_logging.compliance_checker.mlp_compliance as checker
        import mlperf_logging.compliance_checker.mlp_parser as parser
        import mlperf_logging.mllog as theirs
    except ImportError as exc:
        missing("mlperf-logging", str(exc))
    return parser, checker, theirs


def record_of(message="m", error=None, **fields):
    return logging.getLogger("x").makeRecord(
        "train",
        logging.INFO,
        "/app/train.py",
        12,
        message,
        (),
        hostile.failed_with(error) if error else None,
        "f",
        fields,
    )


def lines_of(record, **options):
    return mllog.MLPerfFormatter(**options).format(record).split("\n")


def read(line):
    assert line.startswith(":::MLLOG ")
    assert line.isascii()
    assert line.isprintable()
    assert 1 == line.count(":::")
    found = hostile.strict(line.removeprefix(":::MLLOG ").encode())
    assert KEYS == list(found)
    return found


def event_of(record, **options):
    (line,) = lines_of(record, **options)
    return read(line)


def run(logger, accuracy=0.5):
    """
    A training run as an application logs it, by the rules for flux1.
    """

    def setting(key, value):
        logger.info(key, extra={"value": value})

    for key, value in {
        "submission_org": "Acme",
        "submission_platform": "8x",
        "submission_division": "closed",
        "submission_benchmark": "flux1",
        "cache_clear": True,
    }.items():
        setting(key, value)
    logger.info("init_start")
    for key, value in {
        "global_batch_size": np.int64(1024),
        "evaluation_frequency": 262144,
        "gradient_accumulation_steps": 1,
        "opt_name": "adamw",
        "opt_adamw_beta_1": 0.9,
        "opt_adamw_beta_2": 0.95,
        "opt_adamw_epsilon": 1e-8,
        "opt_adamw_weight_decay": 0.1,
        "opt_base_learning_rate": np.float64(1e-4),
        "opt_learning_rate_warmup_steps": 0,
        "opt_gradient_clip_norm": 1.0,
        "train_samples": 1_000_000,
        "eval_samples": 29696,
        "seed": 7,
        "lowest_numerical_precision_in_linear": "bfloat16",
        "lowest_numerical_precision_in_attn": "bfloat16",
        "lowest_numerical_precision_in_comm": "fp32",
        "tensor_parallelism": 1,
        "pipeline_parallelism": 1,
        "context_parallelism": 1,
        "expert_parallelism": 1,
        "micro_batch_size": 128,
        "config_filename": "flux.toml",
    }.items():
        setting(key, value)
    logger.info("Loading the data:\n%s", ":::MLLOG {broken")
    logger.info("init_stop")
    logger.info("run_start")
    logger.info("epoch_start", extra={"epoch": 0, "step": 0})
    for step in (128, 256):
        logger.info(
            "Step done",
            extra={"metrics": {"train_loss": np.float32(0.9)}, "step": step},
        )
    logger.info("epoch_stop", extra={"epoch": 0, "step": 256})
    logger.info("eval_start", extra={"step": 256})
    logger.info(
        "Evaluated",
        extra={"metrics": {"eval_accuracy": accuracy}, "step": 256},
    )
    logger.info("eval_stop", extra={"step": 256})
    logger.info("run_stop", extra={"status": "success", "step": 256})


# --- MLPerf's own judgement -------------------------------------------------


@pytest.fixture
def log_of(tmp_path):
    """
    The log of a run through dictConfig, in a file.
    """

    def made(accuracy):
        path = tmp_path / "result_0.txt"
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {
                    "mlperf": {
                        "()": "mllog.MLPerfFormatter",
                        "samples_per_step": 1024,
                    }
                },
                "handlers": {
                    "file": {
                        "class": "mllog.TimestampedRotatingFileHandler",
                        "filename": str(path),
                        "formatter": "mlperf",
                    }
                },
                "loggers": {"train": {"level": "INFO", "handlers": ["file"]}},
            }
        )
        run(logging.getLogger("train"), accuracy)
        logging.getLogger("train").handlers[0].close()
        return path

    return made


def test_run_is_accepted_by_the_compliance_checker(mlperf, log_of):
    """
    Closed division, rules 6.1.0, warnings as errors: no complaint.
    """
    _, checker, _ = mlperf
    check = checker.make_checker("training", RULES, quiet=False, werror=True)

    accepted = check.check_file(
        str(log_of(0.5)), f"training_{RULES}/common.yaml"
    )

    assert accepted, (check.overwritable, check.not_overwritable)


def test_control_run_that_missed_its_target_is_refused(mlperf, log_of):
    """
    The same log with another accuracy fails, so the checker has read it.
    """
    _, checker, _ = mlperf
    check = checker.make_checker("training", RULES, quiet=False, werror=True)

    assert not check.check_file(
        str(log_of(0.9)), f"training_{RULES}/common.yaml"
    )
    assert "eval_accuracy" in check.not_overwritable[0]


def test_run_is_read_by_every_parser_without_an_error(mlperf, log_of):
    """
    From the rules of 0.7.0 to the newest the parser finds each event.
    """
    parser, _, _ = mlperf
    path = log_of(0.5)
    lines = path.read_text().splitlines()

    for rules in ("0.7.0", "1.0.0", "3.0.0", "5.1.0", RULES):
        found, errors = parser.parse_file(str(path), ruleset=rules)
        assert not errors
        assert len(lines) == len(found)
        assert [json.loads(line[9:])["key"] for line in lines] == [
            each.key for each in found
        ]


def test_event_is_that_of_mlperfs_own_logger(mlperf, logger):
    """
    start, end and event give the same, but for time and place of the call.
    """
    _, _, theirs = mlperf
    logger.addHandler(logging.StreamHandler(stream := io.StringIO()))
    own = theirs.mllog.MLLogger(logger)
    own.start("epoch_start", metadata={"epoch_num": 3})
    own.end("run_stop", metadata={"status": "success"})
    own.event("seed", 7, metadata={"note": "é\n"}, namespace="worker0")

    ours = [
        event_of(record_of("epoch_start", epoch=3)),
        event_of(record_of("run_stop", status="success")),
        event_of(record_of("seed", value=7, note="é\n"), namespace="worker0"),
    ]

    lines = stream.getvalue().splitlines()
    assert 3 == len(lines)
    for line, event in zip(lines, ours, strict=True):
        expected = json.loads(line[9:])
        assert KEYS == list(expected)
        assert ["file", "lineno"] == list(expected["metadata"])[:2]
        for each in (expected, event):
            del each["time_ms"], each["metadata"]["file"]
            del each["metadata"]["lineno"]
        assert expected == event


@given(record=hostile.records())
def test_line_of_a_hostile_record_is_read_by_the_parser(record):
    """
    Whatever a record holds: each line is one event, and the record unchanged.
    """
    before = hostile.state_of(record)

    text = mllog.MLPerfFormatter(max_record_bytes=4096).format(record)

    for line in text.split("\n"):
        read(line)
        assert len(line) <= 4096
    assert before == hostile.state_of(record)


# --- what becomes of a record -----------------------------------------------


def test_event_has_time_place_and_fields():
    """
    All six keys, in the order of MLPerf, the fields behind file and line.
    """
    record = record_of("seed", value=7, step=3, file="own", note=None)
    record.created = 1795243512.0004

    assert {
        "namespace": "",
        "time_ms": 1795243512000,
        "event_type": "POINT_IN_TIME",
        "key": "seed",
        "value": 7,
        "metadata": {
            "file": "/app/train.py",
            "lineno": 12,
            "step": 3,
            "file_": "own",
            "note": None,
        },
    } == event_of(record)
    assert (
        "train.py" == (event_of(record, root_dir="/app")["metadata"]["file"])
    )


@pytest.mark.parametrize(
    ("key", "field", "expected"),
    [
        ("run_start", None, "INTERVAL_START"),
        ("run_stop", None, "INTERVAL_END"),
        ("phase_end", None, "INTERVAL_END"),
        ("seed", None, "POINT_IN_TIME"),
        ("warmup", "start", "INTERVAL_START"),
        ("warmup", "END", "INTERVAL_END"),
        ("run_start", "POINT_IN_TIME", "POINT_IN_TIME"),
        ("run_start", "event", "POINT_IN_TIME"),
        ("run_start", "other", "INTERVAL_START"),
    ],
)
def test_event_type_is_that_of_the_field_or_the_key(key, field, expected):
    """
    A field that names no type stays in the metadata.
    """
    fields = {} if field is None else {"event_type": field}

    event = event_of(record_of(key, **fields))

    assert expected == event["event_type"]
    assert ("other" == field) == ("event_type" in event["metadata"])


def test_event_of_a_key_field_keeps_the_message():
    """
    The key is the field, and what was said stands in the metadata.
    """
    event = event_of(record_of("Seeded with 7", mlperf_key="seed", value=7))

    assert ("seed", 7) == (event["key"], event["value"])
    assert "Seeded with 7" == event["metadata"]["message"]


def test_event_of_other_text_is_a_message():
    """
    What is no key is the value of an event that the checker passes over.
    """
    event = event_of(record_of("Loading 3 files", value="v"))

    assert ("message", "Loading 3 files") == (event["key"], event["value"])
    assert ("v", "INFO") == (
        event["metadata"]["value"],
        event["metadata"]["level"],
    )


def test_metrics_are_an_event_each():
    """
    Numbers of any kind, with epoch_num and samples_count; the rest is kept.
    """
    record = record_of(
        "Evaluated",
        metrics={
            "eval_accuracy": np.float32(0.5),
            "train/loss": 1e20,
            "x": "t",
        },
        epoch=3,
        step=np.int64(10),
    )

    events = [read(line) for line in lines_of(record, samples_per_step="8")]

    assert [("eval_accuracy", 0.5), ("train/loss", 1e20)] == [
        (each["key"], each["value"]) for each in events
    ]
    for each in events:
        assert {
            "file": "/app/train.py",
            "lineno": 12,
            "metrics": {"x": "t"},
            "step": 10,
            "epoch_num": 3,
            "samples_count": 80,
        } == each["metadata"]


def test_metrics_beside_a_key_field_are_events_behind_its_own():
    """
    A record with a key is an event even if it has metrics.
    """
    record = record_of("m", mlperf_key="k", metrics={"loss": 0.5})

    assert ["k", "loss"] == [read(line)["key"] for line in lines_of(record)]


def test_samples_count_without_a_step_size_is_not_made_up():
    """
    Steps are no samples; a field that is given stands.
    """
    assert "samples_count" not in event_of(record_of(step=3))["metadata"]
    assert (
        5
        == (
            event_of(record_of(step=3, samples_count=5), samples_per_step=8)[
                "metadata"
            ]["samples_count"]
        )
    )


@pytest.mark.parametrize(
    ("value", "nan", "expected", "lost"),
    [
        (math.nan, "null", None, "NaN"),
        (np.float32("-inf"), "null", None, "-Infinity"),
        (math.inf, "string", "Infinity", "Infinity"),
    ],
)
def test_value_that_is_not_finite_is_null_and_said(value, nan, expected, lost):
    """
    No bare NaN, which is no JSON; the metadata say what it was.
    """
    event = event_of(record_of("loss", value=value), nan=nan)

    assert expected is event["value"] or expected == event["value"]
    assert {"value": lost} == event["metadata"]["nonfinite"]


def test_value_with_the_prefix_in_it_cannot_pass_for_an_event(
    mlperf, tmp_path
):
    """
    The parser takes what follows the last prefix: there is only one.
    """
    parser, _, _ = mlperf
    text = 'x\n:::MLLOG {"key": "run_stop"} é \u2028 :::::MLLOG '
    path = tmp_path / "log"
    path.write_text(
        "\n".join(lines_of(record_of("note", value=text))), encoding="utf-8"
    )

    (found,), errors = parser.parse_file(str(path), ruleset=RULES)

    assert not errors
    assert text == found.value["value"]


def test_exception_is_part_of_the_metadata():
    """
    Type, message and traceback, in the one line.
    """
    event = event_of(
        record_of("run_stop", ValueError("x\ny"), status="aborted")
    )

    assert "x\ny" == event["metadata"]["exception"]["message"]
    assert "aborted" == event["metadata"]["status"]


def test_line_that_is_too_long_is_cut_and_says_so():
    """
    The six keys stay, and text that grows in ASCII counts as it is written.
    """
    record = record_of("k" * 300, value="é" * 9000, x="x" * 9000)
    (line,) = lines_of(record, max_record_bytes=4096)

    event = read(line)

    assert len(line) <= 4096
    assert "k" * 300 == event["key"]
    assert event["metadata"]["mllog_truncated"] is True


def test_bytes_and_events_are_the_lines():
    """
    Handlers of every kind get the same.
    """
    record = record_of("m", metrics={"a": 1, "b": 2})
    formatter = mllog.MLPerfFormatter()
    text = formatter.format(record)

    assert text.encode() == formatter.format_bytes(record)
    assert text.encode() + b"\n" == formatter.format_line(record)
    assert text.encode().split(b"\n") == [
        event.value for event in formatter.events(record)
    ]


def test_formatter_in_ini_works(tmp_path):
    """
    fileConfig names it, and a handler's formatter_options reach it.
    """
    path = tmp_path / "log.txt"
    (tmp_path / "log.ini").write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=file\n"
        "[formatters]\nkeys=mlperf\n"
        "[formatter_mlperf]\nclass=mllog.MLPerfFormatter\n"
        "[logger_root]\nlevel=INFO\nhandlers=file\n[handler_file]\n"
        "class=mllog.TimestampedRotatingFileHandler\nformatter=mlperf\n"
        f"args=({str(path)!r},)\n"
        "kwargs={'formatter_options': {'samples_per_step': '4'}}\n"
    )
    logging.config.fileConfig(
        tmp_path / "log.ini", disable_existing_loggers=False
    )

    logging.getLogger("train").info("epoch_stop", extra={"step": 2})

    (line,) = path.read_text().splitlines()
    assert 8 == read(line)["metadata"]["samples_count"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fmt": "%(message)s"}, "one format"),
        ({"format": "%(message)s"}, "one format"),
        ({"namespace": 3}, "namespace=3"),
        ({"samples_per_step": 0}, "samples_per_step=0"),
        ({"max_record_bytes": 100}, "4096 or more"),
        ({"nan": "NaN"}, "null, string"),
        ({"keyfield": "k"}, "write key_field"),
    ],
)
def test_formatter_with_a_wrong_option_raises_config_error(options, expected):
    """
    The option is named, and what was expected.
    """
    with pytest.raises(mllog.ConfigError, match="MLPerfFormatter") as caught:
        mllog.MLPerfFormatter(**options)

    assert expected in str(caught.value)
