"""
StepLog: what the integrations share.
"""

import decimal
import logging
import logging.handlers
import math
import queue
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from hostile import RaisingEverything, RaisingRepr

from mllog.errors import ConfigError
from mllog.integrations.step_log import StepLog


class Tensor:
    """
    A scalar on a device, as torch has it.
    """

    shape = ()
    device = "cuda:0"

    def __init__(self, value):
        self.value = value
        self.asked = 0

    def item(self):
        self.asked += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def log(logger, said):
    return StepLog(logger, logging.INFO, {"model_name": "net"})


def test_log_of_numbers_of_any_kind_logs_numbers_of_python(log, said):
    """
    numpy, tensors, Decimal and arrays of one element are plain floats.
    """
    log.log(
        "Step done",
        {
            "a": np.float32(0.5),
            "b": Tensor(0.25),
            "c": decimal.Decimal("0.125"),
            "d": np.array([2.0]),
            "e": 3,
        },
        np.int64(7),
    )

    message, metrics, step, fields = said[0]
    assert message == "Step done"
    assert metrics == {"a": 0.5, "b": 0.25, "c": 0.125, "d": 2.0, "e": 3}
    assert {type(each) for each in metrics.values()} == {float, int}
    assert (step, type(step)) == (7, int)
    assert fields == {"model_name": "net"}


def test_log_of_a_tensor_asks_the_device_once_for_all_handlers(
    log, logger, said
):
    """
    However many handlers there are, a device is waited for once.
    """
    logger.addHandler(logging.handlers.QueueHandler(queue.Queue()))
    tensor = Tensor(1.5)

    log.log("Step done", {"loss": tensor})

    assert tensor.asked == 1
    assert said[0].metrics == {"loss": 1.5}


def test_log_of_what_is_no_number_logs_the_rest(log, said):
    """
    None, text, bools, arrays and objects that raise do not stop a record.
    """
    log.log(
        "Step done",
        {
            "loss": 0.5,
            "none": None,
            "text": "0.5",
            "bool": True,
            "nan": math.nan,
            "lost": Tensor(RuntimeError("device lost")),
            "image": np.zeros((3, 64, 64)),
            "raises": RaisingEverything(),
            "repr": RaisingRepr(),
            3: 1.0,
        },
    )

    metrics = said[0].metrics
    assert metrics["loss"] == 0.5
    assert metrics["none"] is None
    assert metrics["text"] == "0.5"
    assert metrics["bool"] is True
    assert math.isnan(metrics["nan"])
    assert metrics["image"]["shape"] == [3, 64, 64]
    assert metrics["3"] == 1.0
    assert {"lost", "raises", "repr"} < metrics.keys()


def test_log_of_nested_mappings_takes_them_apart(log, said):
    """
    Names are joined by slashes; what refers to itself comes to an end.
    """
    endless = {"a": 1}
    endless["more"] = endless

    log.log("Step done", {"val": {"loss": 1, "by": {"class": 2}}})
    log.log("Step done", endless)

    assert said[0].metrics == {"val/loss": 1, "val/by/class": 2}
    assert said[1].metrics["more/more/a"] == 1


@pytest.mark.parametrize(
    "metrics",
    [None, {}, 3, RaisingEverything()],
    ids=lambda each: type(each).__name__,
)
def test_log_without_metrics_raises_nothing_and_logs_nothing(
    log, said, metrics, capsys
):
    """
    Whatever a framework hands over, the training goes on.
    """
    log.log("Step done", metrics)

    assert said == []
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "step", [None, math.nan, math.inf, "3", object(), True]
)
def test_log_with_a_step_that_is_none_leaves_it_out(log, said, step):
    """
    A step is a whole number, or it is not logged.
    """
    log.log("Step done", {"loss": 1}, step)

    assert said[0].step is None


def test_log_to_a_handler_that_raises_goes_on(log, logger, said, capsys):
    """
    A foreign handler whose emit raises does not stop the training.
    """
    handler = logging.Handler()
    handler.emit = Mock(side_effect=RuntimeError("broken"))
    logger.addHandler(handler)

    log.log("Step done", {"loss": 1})

    handler.emit.assert_called_once()
    # the control: without StepLog it is raised
    with pytest.raises(RuntimeError):
        logger.info("Step done")


def test_log_below_the_level_looks_at_no_value(log, logger, said):
    """
    Where the logger is off, is_on says so.
    """
    assert log.is_on()

    logger.setLevel(logging.WARNING)

    assert not log.is_on()


def test_fields_of_an_adapter_and_of_names_that_clash_are_kept(logger, said):
    """
    An adapter's fields come along on each Python; ``name`` is ``name_``.
    """
    adapter = logging.LoggerAdapter(logger, {"run_id": "a", "variant": "x"})
    log = StepLog(adapter, "WARNING", {"name": "net", "variant": "y"})

    log.log("Step done", {"loss": 1}, 2, epoch=3, rank=None)

    assert said[0].fields == {
        "run_id": "a",
        "variant": "y",
        "name_": "net",
        "epoch": 3,
    }


@pytest.mark.parametrize(
    ("logger", "level"), [(None, 20), (3, 20), ("", 20), ("a", "LOUD")]
)
def test_wrong_options_raise_config_error(logger, level):
    """
    What cannot work is said where the callback is made.
    """
    with pytest.raises(ConfigError):
        StepLog(logger, level, {})


def test_import_of_the_integrations_loads_no_framework():
    """
    Frameworks are loaded when an object is made, and not before.
    """
    code = (
        "import sys\n"
        "from mllog.integrations import deepsparse, keras, lightgbm\n"
        "from mllog.integrations import lightning, transformers, xgboost\n"
        "keras.LoggingCallback, lightning.MetricsLogger\n"
        "deepsparse.MetricsLogger(), lightgbm.LoggingCallback()\n"
        "names = {'deepsparse', 'keras', 'lightgbm', 'lightning', 'jax',\n"
        "    'transformers', 'xgboost', 'torch', 'numpy', 'sklearn'}\n"
        "print(sorted(names & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert done.stdout.strip() == "[]"
