"""
The logger for DeepSparse: by its contract, and in DeepSparse itself.
"""

import abc
import enum
import importlib.util
import json
import logging
import logging.config
import math
import subprocess
import sys
import types

import numpy as np
from ids import as_id
import pytest

import mllog
import mllog.integrations.deepsparse as module
from mllog.errors import ConfigError
from mllog.integrations.deepsparse import METRICS, MetricsLogger

PATH = module.__file__


class BaseLogger(abc.ABC):
    """
    What DeepSparse publishes as the contract of a logger.
    """

    @abc.abstractmethod
    def log(self, identifier, value, category=None, **kwargs):
        raise NotImplementedError


class MetricCategories(enum.Enum):
    """
    DeepSparse's categories.
    """

    SYSTEM = "system"
    DATA = "data"


def loaded_by_path(path):
    """
    The class that DeepSparse finds for ``path: file.py:Class``.
    """
    file, name = path.split(":")
    spec = importlib.util.spec_from_file_location("user_defined_logger", file)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return getattr(found, name)


def say(made, identifier, value, category="data", pipeline="ic"):
    """
    Log a value as a pipeline of DeepSparse does.
    """
    made.log(
        identifier=f"{pipeline}/{identifier}",
        value=value,
        category=MetricCategories(category),
        pipeline_name=pipeline,
    )


def test_logger_loaded_by_path_is_a_base_logger(monkeypatch, logger):
    """
    The file is loaded outside of its package, and its class is accepted.
    """
    loggers = types.ModuleType("deepsparse.legacy.loggers")
    loggers.BaseLogger = BaseLogger
    monkeypatch.setitem(sys.modules, loggers.__name__, loggers)

    made = loaded_by_path(f"{PATH}:MetricsLogger")(logger, model_version=3)

    assert isinstance(made, BaseLogger)
    assert str(made) == f"MetricsLogger:\n  logger: {logger.name}"


def test_numbers_are_metrics_under_the_identifier(logger, said):
    """
    The pipeline's name is a field and no part of the name; step counts.
    """
    made = MetricsLogger(logger, model_version=3)

    for value in (0.25, np.float32(0.5)):
        say(
            made,
            "prediction_latency/total_inference_seconds",
            value,
            "system",
        )

    name = "prediction_latency/total_inference_seconds"
    assert [each.metrics for each in said] == [{name: 0.25}, {name: 0.5}]
    assert [each.step for each in said] == [1, 2]
    assert said[0].fields == {
        "model_version": 3,
        "model_name": "ic",
        "identifier": f"ic/{name}",
        "category": "system",
    }


def test_mappings_and_batches_are_taken_apart(logger, said):
    """
    A number for each part, and of a batch all numbers.
    """
    made = MetricsLogger(logger)

    say(made, "pipeline_inputs.images__image_shape", {"channels": 3, "dim": 8})
    say(made, "pipeline_outputs.scores__identity", [0.5])
    say(made, "pipeline_outputs.scores__mean", [0.5, np.float32(0.25)])
    say(made, "pipeline_outputs__answer_found", True)

    assert [each.metrics for each in said] == [
        {
            "pipeline_inputs.images__image_shape__channels": 3,
            "pipeline_inputs.images__image_shape__dim": 8,
        },
        {"pipeline_outputs.scores": 0.5},
        {"pipeline_outputs.scores__mean": [0.5, 0.25]},
        {"pipeline_outputs__answer_found": 1.0},
    ]


def test_what_is_no_number_is_a_field_of_its_own(logger, said):
    """
    Images and classes are there for a Metric that reduces them.
    """
    made = MetricsLogger(logger)
    image = np.zeros((3, 8, 8))

    say(made, "pipeline_inputs.images__identity", image)
    say(made, "pipeline_outputs.labels__predicted_classes", ["cat", "dog"])

    assert said[0].metrics is None
    assert said[0].fields["pipeline_inputs.images"] is image
    assert said[1].fields["pipeline_outputs.labels__predicted_classes"] == [
        "cat",
        "dog",
    ]


def test_newer_contract_with_tag_and_log_type_is_served(logger, said):
    """
    From version 1.7 on a logger is called by other names.
    """
    made = MetricsLogger(logger, handler=None)

    made.log(value=0.5, tag="cpu", log_type="performance", func="identity")
    made.log(
        value=0.75,
        tag="PostOperator",
        log_type="metric",
        func="max",
        capture="['scores'][1]",
    )

    assert [each.metrics for each in said] == [
        {"cpu": 0.5},
        {"PostOperator.scores[1]__max": 0.75},
    ]
    assert said[0].fields == {
        "identifier": "cpu__identity",
        "category": "performance",
    }


def test_data_logging_applies_functions_to_targets(logger, said):
    """
    DeepSparse's notation works without DeepSparse.
    """
    made = MetricsLogger(
        logger,
        data_logging={
            "pipeline_inputs.images": [
                {"func": "mean_pixels_per_channel", "frequency": 2},
                {"func": "image_shape"},
            ],
            "re:.*/pipeline_outputs": [{"func": "length"}],
        },
    )
    inputs = types.SimpleNamespace(images=np.ones((2, 3, 4, 4)))

    for _ in range(2):
        say(made, "pipeline_inputs", inputs)
    say(made, "pipeline_outputs", [1, 2, 3])
    say(made, "engine_outputs", [1, 2, 3])
    say(made, "resource_utilization/cpu_utilization_percent", 50, "system")

    means = "pipeline_inputs.images__mean_pixels_per_channel"
    assert [each.metrics for each in said] == [
        {f"{means}__channel_{i}": 1.0 for i in range(3)},
        {
            "pipeline_inputs.images__image_shape__channels": 3,
            "pipeline_inputs.images__image_shape__dim_0": 4,
            "pipeline_inputs.images__image_shape__dim_1": 4,
        },
        said[1].metrics,
        {"pipeline_outputs__length": 3},
        {"resource_utilization/cpu_utilization_percent": 50},
    ]


def test_function_that_fails_keeps_no_other_from_its_turn(
    logger, said, capsys
):
    """
    What cannot be reduced is said once; the pipeline and the rest go on.
    """
    made = MetricsLogger(
        logger,
        data_logging={
            "outputs.missing": [{"func": "mean"}],
            "outputs": [{"func": "mean_per_channel"}, {"func": "length"}],
        },
    )

    say(made, "outputs", [1.0, 2.0])

    assert [each.metrics for each in said] == [{"outputs__length": 2}]


@pytest.mark.parametrize(
    "value",
    [None, "text", math.nan, object(), {}, [], {"a": None}, {1: {2: "x"}}],
    ids=as_id,
)
def test_hostile_values_raise_nothing(logger, said, value):
    """
    Whatever is logged, the pipeline goes on.
    """
    made = MetricsLogger(logger)

    made.log("a", value, "data")
    made.log(identifier=None, value=value, category=object())
    made.log()


def test_identifiers_without_end_are_not_remembered(logger, said):
    """
    Beyond a thousand there is no step, and no growth.
    """
    made = MetricsLogger(logger)

    for number in range(1100):
        made.log(f"a{number}", 1, "data")

    assert said[999].step == 1
    assert said[1050].step is None
    assert len(made._counts) == 1000


def test_logger_that_is_off_looks_at_nothing(logger, said):
    """
    The level of the logger is asked first.
    """
    logger.setLevel(logging.ERROR)
    made = MetricsLogger(logger)

    made.log(object(), object(), object())

    assert said == []


def test_wrong_rules_raise_config_error():
    """
    What cannot work is said when the logger is made.
    """
    with pytest.raises(ConfigError, match="frequency"):
        MetricsLogger(data_logging={"a": {"func": "mean", "frequency": 0}})


def samples(handler):
    """
    What Prometheus would see, by name; all labels are in the name.
    """
    from prometheus_client import generate_latest

    lines = generate_latest(handler.registry).decode().splitlines()
    pairs = [each.rsplit(" ", 1) for each in lines if each[:1] != "#"]
    return {name: float(value) for name, value in pairs}


def test_all_kinds_that_deepsparse_fails_at_reach_prometheus(logger):
    """
    Gauges and counters, numpy's float32 and data: each has its number.
    """
    handler = mllog.PrometheusHandler(
        registry=pytest.importorskip("prometheus_client").CollectorRegistry(),
        metrics=METRICS,
        accounting=False,
    )
    logger.addHandler(handler)
    made = MetricsLogger(logger, model_version=3)

    for status in (1, 0, 1):
        made.log(
            "request_details/successful_request_count",
            status,
            MetricCategories.SYSTEM,
        )
    for name, value in (
        ("cpu_utilization_percent", np.float32(50)),
        ("total_memory_available_bytes", 2**30),
    ):
        made.log(
            f"resource_utilization/{name}", value, MetricCategories.SYSTEM
        )
    for seconds in (0.25, np.float32(0.5)):
        say(
            made,
            "prediction_latency/engine_forward_seconds",
            seconds,
            "system",
        )
    say(made, "inference_details/input_batch_size_total", 4, "system")
    say(made, "pipeline_outputs.scores__predicted_top_score", [0.5, 0.75])
    say(
        made,
        "pipeline_inputs.images__mean_pixels_per_channel",
        {"channel_0": [-0.5, 0.25]},
    )

    found = samples(handler)
    server = 'model_version="3"'
    both = 'model_name="ic",model_version="3"'
    means = "pipeline_inputs_images__mean_pixels_per_channel__channel_0"
    top = "pipeline_outputs_scores__predicted_top_score"
    for name, expected in {
        f"request_details_successful_request_count_total{{{server}}}": 2,
        f"resource_utilization_cpu_utilization_ratio{{{server}}}": 0.5,
        f"resource_utilization_total_memory_available_bytes{{{server}}}": 2
        ** 30,
        f"prediction_latency_engine_forward_seconds_count{{{both}}}": 2,
        f"prediction_latency_engine_forward_seconds_sum{{{both}}}": 0.75,
        f'inference_details_input_batch_size_total_bucket{{le="4.0",{both}}}': 1,
        f"{top}_count{{{both}}}": 2,
        f"{top}_sum{{{both}}}": 1.25,
        f"{means}{{{both}}}": 0.25,
    }.items():
        assert found.get(name) == expected, (name, sorted(found))


def test_kinds_are_taken_by_a_configuration(tmp_path):
    """
    METRICS is plain data that dictConfig finds by its name.
    """
    handler = {
        "class": "mllog.PrometheusHandler",
        "textfile": str(tmp_path / "metrics.prom"),
        "metrics": "ext://mllog.integrations.deepsparse.METRICS",
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"prometheus": handler},
            "loggers": {
                "deepsparse.metrics": {
                    "level": "INFO",
                    "handlers": ["prometheus"],
                }
            },
        }
    )

    MetricsLogger().log("request_details/successful_request_count", 1)
    mllog.flush()

    assert (
        "successful_request_count_total 1.0"
        in (tmp_path / "metrics.prom").read_text()
    )


SCRIPT = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import onnx
from onnx import TensorProto, helper

class Kept(logging.Handler):
    said = []
    def emit(self, record):
        self.said.append({
            "metrics": getattr(record, "metrics", None),
            "step": getattr(record, "step", None),
            "identifier": record.identifier,
            "model": getattr(record, "model_name", None),
        })

logger = logging.getLogger("deepsparse.metrics")
logger.addHandler(Kept())
logger.setLevel(logging.INFO)

weights = helper.make_tensor(
    "w", TensorProto.FLOAT, [4, 2], np.arange(8, dtype="float32") / 8)
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"])], "graph",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 2])],
    [weights])
model = helper.make_model(
    graph, opset_imports=[helper.make_opsetid("", 13)])
model.ir_version = 8
onnx.save(model, "model.onnx")

import deepsparse
from deepsparse.legacy import Pipeline
from deepsparse.legacy.loggers import BaseLogger, PrometheusLogger
from mllog.integrations.deepsparse import MetricsLogger

pipeline = Pipeline.create(
    "custom", model_path="model.onnx", engine_type="onnxruntime",
    batch_size=1, process_inputs_fn=lambda x: [x],
    process_outputs_fn=lambda y: y[0],
    logger=f'''
loggers:
  mllog:
    path: {sys.argv[1]}:MetricsLogger
    model_version: 3
system_logging:
  inference_details: {{enable: true}}
  prediction_latency: {{enable: true}}
data_logging:
  engine_outputs:
  - func: np.mean
    frequency: 2
''')
for _ in range(3):
    pipeline(np.ones((1, 4), dtype="float32"))
pipeline.logger._job_pool.shutdown()

from deepsparse.loggers.logger_manager import LoggerManager
newer = LoggerManager(config='''
loggers:
  default:
    name: mllog/integrations/deepsparse.py:MetricsLogger
metric:
  "re:.*Operator":
    - func: max
''')
newer.metric(tag="AnyOperator", value=[1, 5])
newer.wait_for_completion()

theirs = PrometheusLogger.__new__(PrometheusLogger)
theirs._prometheus_metrics = {}
failures = []
for name in ("resource_utilization/cpu_utilization_percent",
             "request_details/successful_request_count"):
    try:
        from deepsparse.legacy.loggers import MetricCategories
        theirs.log(name, 1.0, MetricCategories.SYSTEM)
    except AttributeError as error:
        failures.append(str(error))
assert isinstance(MetricsLogger(), BaseLogger)
with open("said.json", "w") as file:
    json.dump([deepsparse.__version__, Kept.said, failures], file)
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_pipeline_of_deepsparse_logs_through_its_configuration(tmp_path):
    """
    A real pipeline with a model, and the newer manager; theirs is the control.
    """
    if importlib.util.find_spec("deepsparse") is None:
        pytest.skip("deepsparse 1.8.0 needs numpy 1, so a venv of its own")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, PATH],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    _, said, failures = json.loads((tmp_path / "said.json").read_text())

    by_identifier = {}
    for each in said:
        by_identifier.setdefault(each["identifier"], []).append(each)
    latencies = by_identifier[
        "custom/prediction_latency/engine_forward_seconds"
    ]
    assert [each["step"] for each in latencies] == [1, 2, 3]
    assert latencies[0]["model"] == "custom"
    assert (
        0
        < latencies[0]["metrics"]["prediction_latency/engine_forward_seconds"]
    )
    assert [
        each["metrics"]
        for each in by_identifier["custom/engine_outputs__mean"]
    ] == [{"engine_outputs__mean": 1.75}] * 2
    assert by_identifier["AnyOperator__max"][0]["metrics"] == {
        "AnyOperator__max": 5
    }
    # what fails there is what works above
    assert failures == [
        "'Gauge' object has no attribute 'observe'",
        "'Counter' object has no attribute 'observe'",
    ]
