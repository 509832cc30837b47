"""
The callback for Hugging Face's Trainer: by contract, and in the Trainer.
"""

import logging
import sys
import types

import pytest

from mllog.errors import MissingPackageError
from mllog.integrations.transformers import LoggingCallback


class TrainerCallback:
    """
    What the Trainer asks of a callback.
    """

    def on_train_end(self, args, state, control, **kwargs):
        return "theirs"


@pytest.fixture
def _transformers(monkeypatch):
    module = types.ModuleType("transformers")
    module.TrainerCallback = TrainerCallback
    monkeypatch.setitem(sys.modules, "transformers", module)


def state(*, is_first=True, step=40):
    return types.SimpleNamespace(
        is_world_process_zero=is_first, global_step=step, epoch=0.5
    )


def test_logs_are_a_record_with_the_names_of_their_tensorboard(
    _transformers, logger, said
):
    """
    loss is train/loss, eval_loss is eval/loss; epoch and step are fields.
    """
    made = LoggingCallback(logger, model_name="bert")
    logs = {"loss": 0.5, "grad_norm": 2, "learning_rate": 5e-5, "epoch": 0.75}

    made.on_log(None, state(), None, logs=logs, model=object())
    made.on_log(None, state(), None, logs={"eval_loss": 0.25, "eval_f1": 1})

    assert isinstance(made, TrainerCallback)
    assert made.on_train_end(None, None, None) == "theirs"
    assert said[0].message == "Step done"
    assert said[0].step == 40
    assert said[0].fields == {"model_name": "bert", "epoch": 0.75}
    assert said[0].metrics == {
        "train/loss": 0.5,
        "train/grad_norm": 2,
        "train/learning_rate": 5e-5,
    }
    assert said[1].message == "Evaluation done"
    assert said[1].metrics == {"eval/loss": 0.25, "eval/f1": 1}
    assert said[1].fields["epoch"] == 0.5
    assert logs.keys() == {"loss", "grad_norm", "learning_rate", "epoch"}


def test_other_processes_log_nothing_unless_asked(_transformers, logger, said):
    """
    The Trainer says which process is the first of the world.
    """
    other = state(is_first=False)

    LoggingCallback(logger).on_log(None, other, None, logs={"loss": 1})
    LoggingCallback(logger, all_ranks=True).on_log(
        None, other, None, logs={"loss": 2}
    )

    assert [each.metrics for each in said] == [{"train/loss": 2}]


@pytest.mark.parametrize("logs", [None, 3, {}, {"loss": object()}, {3: None}])
def test_hostile_logs_raise_nothing(_transformers, logger, said, logs):
    """
    Whatever comes, the training goes on.
    """
    made = LoggingCallback(logger)

    made.on_log(None, state(), None, logs=logs)
    made.on_log(None, None, None, logs=logs)


def test_logger_that_is_off_takes_nothing(_transformers, logger, said):
    """
    The level of the logger is asked first.
    """
    logger.setLevel(logging.ERROR)

    LoggingCallback(logger).on_log(None, state(), None, logs={"loss": 1})

    assert said == []


def test_without_transformers_the_error_names_the_extra(monkeypatch):
    """
    What is to be installed is said when one is made.
    """
    monkeypatch.setitem(sys.modules, "transformers", None)

    with pytest.raises(MissingPackageError, match=r"handlers\[transformers"):
        LoggingCallback()


TRAINING = """
import torch
from mllog.integrations.transformers import LoggingCallback
from transformers import Trainer, TrainerCallback, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x, labels=None):
        y = self.layer(x).squeeze(-1)
        loss = torch.nn.functional.mse_loss(y, labels)
        return {"loss": loss, "logits": y}

x = torch.rand(32, 4)
data = [{"x": each, "labels": each.sum()} for each in x]
arguments = TrainingArguments("run", num_train_epochs=2, logging_steps=2,
    per_device_train_batch_size=8, eval_strategy="epoch", report_to=[],
    use_cpu=True, disable_tqdm=True, save_strategy="no")
callback = LoggingCallback("training", model_name="net")
assert isinstance(callback, TrainerCallback)
trainer = Trainer(Model(), arguments, train_dataset=data, eval_dataset=data,
    callbacks=[callback])
trainer.train()
answer = trainer.state.log_history
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_training_in_the_trainer_logs_its_history(framework, said_by):
    """
    Each entry of the Trainer's log_history is one record.
    """
    framework("transformers")
    framework("accelerate")

    said, history = said_by(TRAINING)

    assert len(history) == len(said) == 7
    for each, entry in zip(said, history, strict=True):
        assert each.step == entry.pop("step")
        assert each.fields == {
            "model_name": "net",
            "epoch": entry.pop("epoch"),
        }
        names = [
            name.replace("eval_", "eval/")
            if name.startswith("eval_")
            else f"train/{name}"
            for name in entry
        ]
        assert each.metrics == dict(zip(names, entry.values(), strict=True))
