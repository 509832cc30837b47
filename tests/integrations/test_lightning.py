"""
The logger for Lightning: by its contract, and in Lightning itself.
"""

import abc
import argparse
import copy
import logging
import sys
import types

import pytest

from mllog.errors import MissingPackageError
from mllog.integrations.lightning import MetricsLogger

PACKAGES = ("lightning", "pytorch_lightning", "lightning_fabric")


class Logger(abc.ABC):
    """
    What Lightning asks of a logger.
    """

    @property
    @abc.abstractmethod
    def name(self):
        pass

    @property
    @abc.abstractmethod
    def version(self):
        pass

    @abc.abstractmethod
    def log_metrics(self, metrics, step=None):
        pass

    @abc.abstractmethod
    def log_hyperparams(self, params, *args, **kwargs):
        pass

    def finalize(self, status):
        return status


@pytest.fixture
def rank_zero_only(monkeypatch):
    """
    Lightning's place for the rank of a process.
    """
    for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:
        monkeypatch.delitem(sys.modules, name)
    loggers = types.ModuleType("lightning.pytorch.loggers.logger")
    loggers.Logger = Logger
    monkeypatch.setitem(sys.modules, loggers.__name__, loggers)
    ranks = types.ModuleType("lightning.fabric.utilities.rank_zero")
    ranks.rank_zero_only = types.SimpleNamespace(rank=0)
    monkeypatch.setitem(sys.modules, ranks.__name__, ranks)
    return ranks.rank_zero_only


def test_metrics_are_a_record_with_step_and_epoch(
    rank_zero_only, logger, said
):
    """
    Names stay as the module gave them; epoch is a field.
    """
    made = MetricsLogger(logger, run_id="a1", model_name="net")
    metrics = {"train/loss": 0.5, "epoch": 2}

    made.log_metrics(metrics=metrics, step=7)

    assert isinstance(made, Logger)
    assert made.finalize("success") == "success"
    assert said[0].metrics == {"train/loss": 0.5}
    assert said[0].step == 7
    assert said[0].fields == {
        "run_id": "a1",
        "model_name": "net",
        "epoch": 2,
    }
    assert metrics == {"train/loss": 0.5, "epoch": 2}


@pytest.mark.parametrize(
    "params", [{"lr": 0.1}, argparse.Namespace(lr=0.1)], ids=["dict", "args"]
)
def test_hyperparameters_are_a_field(rank_zero_only, logger, said, params):
    """
    They are no metrics, whether a mapping or a Namespace.
    """
    MetricsLogger(logger).log_hyperparams(params, "more", even=1)

    assert said[0].message == "Hyperparameters"
    assert said[0].metrics is None
    assert said[0].fields == {"hparams": {"lr": 0.1}}


def test_other_ranks_log_nothing_unless_asked(rank_zero_only, logger, said):
    """
    With all_ranks each process logs, and says which it is.
    """
    rank_zero_only.rank = 1

    MetricsLogger(logger).log_metrics({"loss": 1}, 1)
    MetricsLogger(logger).log_hyperparams({"lr": 1})
    MetricsLogger(logger, all_ranks=True).log_metrics({"loss": 2}, 1)

    assert [each.metrics for each in said] == [{"loss": 2}]
    assert said[0].fields == {"rank": 1}


def test_folder_of_checkpoints_is_named_by_logger_and_run(rank_zero_only):
    """
    name and version are what Lightning makes the path of.
    """
    made = MetricsLogger("a.b", run_id=3)

    assert (made.name, made.version) == ("a.b", "3")
    assert MetricsLogger().version == ""


@pytest.mark.parametrize("metrics", [None, 3, {}, {"loss": object()}])
def test_hostile_metrics_raise_nothing(rank_zero_only, logger, said, metrics):
    """
    Whatever comes, the training goes on.
    """
    made = copy.deepcopy(MetricsLogger(logger))

    made.log_metrics(metrics, step=None)
    made.log_hyperparams(metrics)


def test_logger_that_is_off_takes_nothing(rank_zero_only, logger, said):
    """
    The level of the logger is asked first.
    """
    logger.setLevel(logging.ERROR)
    made = MetricsLogger(logger)

    made.log_metrics({"loss": 1}, 1)
    made.log_hyperparams({"lr": 1})

    assert said == []


def test_without_lightning_the_error_names_the_extra(monkeypatch):
    """
    What is to be installed is said when one is made.
    """
    for name in PACKAGES:
        for each in [n for n in sys.modules if n.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, each)
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingPackageError, match=r"handlers\[lightning\]"):
        MetricsLogger()


TRAINING = """
import lightning
import torch
from mllog.integrations.lightning import MetricsLogger

class Module(lightning.LightningModule):
    def __init__(self, rate=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)

    def loss(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x).squeeze(), y)

    def training_step(self, batch, _):
        loss = self.loss(batch)
        self.log("train/loss", loss)
        self.log_dict({"nan": torch.tensor(float("nan"))})
        return loss

    def validation_step(self, batch, _):
        self.log("val/loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)

x = torch.rand(32, 4)
data = torch.utils.data.TensorDataset(x, x.sum(1))
loader = torch.utils.data.DataLoader(data, batch_size=4)
trainer = lightning.Trainer(
    logger=MetricsLogger("training", run_id="a1", model_name="net"),
    max_epochs=2, log_every_n_steps=4, accelerator="cpu",
    enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(Module(), loader, loader)
import pathlib
answer = [
    {k: float(v) for k, v in trainer.logged_metrics.items()},
    sorted(map(str, pathlib.Path().rglob("*.ckpt"))),
]
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
@pytest.mark.parametrize("package", ["lightning", "pytorch_lightning"])
def test_training_in_lightning_logs_what_the_module_logs(
    framework, said_by, package
):
    """
    A real Trainer with a validation and a checkpoint, under both names.
    """
    framework(package)

    said, (last, checkpoints) = said_by(
        TRAINING.replace("import lightning", f"import {package} as lightning")
    )

    assert said[0].fields["hparams"] == {"rate": 0.1}
    # Lightning counts from 0
    assert [(each.step, *each.metrics) for each in said[1:]] == [
        (3, "train/loss", "nan"),
        (7, "train/loss", "nan"),
        (7, "val/loss"),
        (11, "train/loss", "nan"),
        (15, "train/loss", "nan"),
        (15, "val/loss"),
    ]
    assert said[-1].metrics["val/loss"] == last["val/loss"]
    assert said[-2].metrics["train/loss"] == last["train/loss"]
    assert said[-1].fields == {
        "run_id": "a1",
        "model_name": "net",
        "epoch": 1,
    }
    assert len(checkpoints) == 1
    assert checkpoints[0].startswith("training/a1/checkpoints/")
