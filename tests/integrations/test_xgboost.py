"""
The callback for XGBoost: by its contract, and in XGBoost itself.
"""

import abc
import logging
import sys
import types

from ids import as_id
import pytest

from mllog.errors import ConfigError, MissingPackageError
from mllog.integrations.xgboost import LoggingCallback


class TrainingCallback(abc.ABC):
    """
    What XGBoost asks of a callback.
    """

    def before_training(self, model):
        return model


@pytest.fixture
def collective(monkeypatch):
    """
    XGBoost's place for the rank of a worker.
    """
    module = types.ModuleType("xgboost")
    module.callback = types.SimpleNamespace(TrainingCallback=TrainingCallback)
    module.collective = types.SimpleNamespace(get_rank=lambda: 0)
    monkeypatch.setitem(sys.modules, "xgboost", module)
    return module.collective


def train(callback, rounds=5):
    """
    Call *callback* as train() does.
    """
    model = callback.before_training(object())
    scores = []
    for number in range(rounds):
        scores.append(1 / (number + 1))
        log = {"train": {"rmse": scores}, "valid": {"mae": scores}}
        assert callback.after_iteration(model, number, log) is False
    assert callback.after_training(model) is model


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [0, 1, 2, 3, 4]), (3, [0, 3, 4]), (4, [0, 4])]
)
def test_rounds_are_records_and_the_last_is_always_one(
    collective, logger, said, every, steps
):
    """
    step is the round as XGBoost prints it.
    """
    callback = LoggingCallback(logger, every=every, model_name="trees")

    train(callback)

    assert isinstance(callback, TrainingCallback)
    assert [each.step for each in said] == steps
    assert said[-1].metrics == {"train/rmse": 0.2, "valid/mae": 0.2}
    assert said[-1].fields == {"model_name": "trees"}


def test_folds_are_logged_with_their_deviation(collective, logger, said):
    """
    In cv() a score is a pair.
    """
    LoggingCallback(logger).after_iteration(
        None, 0, {"test": {"rmse": [(0.5, 0.125)]}}
    )

    assert said[0].metrics == {"test/rmse": 0.5, "test/rmse_std": 0.125}


def test_other_workers_log_nothing_unless_asked(collective, logger, said):
    """
    XGBoost says which worker it is.
    """
    collective.get_rank = lambda: 1

    train(LoggingCallback(logger), rounds=1)
    assert said == []

    train(LoggingCallback(logger, all_ranks=True), rounds=1)
    assert len(said) == 1


@pytest.mark.parametrize(
    "log",
    [None, {}, {"a": None}, {"a": {"b": []}}, {"a": {"b": [object()]}}, 3],
    ids=as_id,
)
def test_hostile_scores_raise_nothing(collective, logger, said, log):
    """
    Whatever comes, the training goes on.
    """
    callback = LoggingCallback(logger)

    assert callback.after_iteration(None, 0, log) is False
    assert callback.after_training("model") == "model"


def test_logger_that_is_off_takes_nothing(collective, logger, said):
    """
    The level of the logger is asked first.
    """
    logger.setLevel(logging.ERROR)

    train(LoggingCallback(logger))

    assert said == []


def test_wrong_options_and_a_missing_package_are_said(monkeypatch, collective):
    """
    Both when the callback is made.
    """
    with pytest.raises(ConfigError, match="every"):
        LoggingCallback(every=0)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingPackageError, match=r"handlers\[xgboost\]"):
        LoggingCallback()


TRAINING = """
import numpy as np
import xgboost
from mllog.integrations.xgboost import LoggingCallback

x = np.random.default_rng(0).random((32, 4))
y = x.sum(axis=1)
data = xgboost.DMatrix(x, y)
callback = LoggingCallback("training", every=3, model_name="trees")
assert isinstance(callback, xgboost.callback.TrainingCallback)
result = {}
xgboost.train({"max_depth": 2}, data, 5, evals=[(data, "train")],
    evals_result=result, callbacks=[callback], verbose_eval=False)
folds = xgboost.cv({"max_depth": 2}, data, 2,
    callbacks=[LoggingCallback("training")])
model = xgboost.XGBRegressor(n_estimators=1,
    callbacks=[LoggingCallback("training")])
model.fit(x, y, eval_set=[(x, y)], verbose=False)
answer = [result["train"]["rmse"], folds.iloc[-1].to_dict()]
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_training_in_xgboost_logs_its_evaluations(framework, said_by):
    """
    train, cv and the estimators of scikit-learn's kind.
    """
    framework("xgboost")
    framework("sklearn")
    framework("pandas")

    said, (scores, folds) = said_by(TRAINING)

    assert [each.step for each in said] == [0, 3, 4, 0, 1, 0]
    assert said[2].metrics == {"train/rmse": scores[4]}
    assert said[4].metrics == {
        "train/rmse": folds["train-rmse-mean"],
        "train/rmse_std": folds["train-rmse-std"],
        "test/rmse": folds["test-rmse-mean"],
        "test/rmse_std": folds["test-rmse-std"],
    }
    assert set(said[5].metrics) == {"validation_0/rmse"}
