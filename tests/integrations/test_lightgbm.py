"""
The callback for LightGBM: by its contract, and in LightGBM itself.
"""

import logging
import types

import pytest

from mllog.errors import ConfigError
from mllog.integrations.lightgbm import LoggingCallback


def train(callback, rounds=5, results=None):
    """
    Call *callback* as train() does.
    """
    for number in range(rounds):
        callback(
            types.SimpleNamespace(
                iteration=number,
                begin_iteration=0,
                end_iteration=rounds,
                evaluation_result_list=results
                or [("valid_0", "l2", 1 / (number + 1), False)],
            )
        )


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])]
)
def test_rounds_are_records_and_the_last_is_always_one(
    logger, said, every, steps
):
    """
    step counts from 1, as LightGBM prints it.
    """
    callback = LoggingCallback(logger, every=every, model_name="trees")

    train(callback)

    assert [each.step for each in said] == steps
    assert said[-1].metrics == {"valid_0/l2": 0.2}
    assert said[-1].fields == {"model_name": "trees"}


@pytest.mark.parametrize(
    "result",
    [
        ("cv_agg", "valid l2", 0.5, False, 0.125),
        ("valid", "l2", 0.5, False, 0.125),
    ],
    ids=["before 4.6", "4.6"],
)
def test_folds_are_logged_with_their_deviation(logger, said, result):
    """
    In cv() there is a fifth item, under two ways of naming.
    """
    train(LoggingCallback(logger), 1, [result])

    assert said[0].metrics == {"valid/l2": 0.5, "valid/l2_std": 0.125}


@pytest.mark.parametrize("results", [3, [3], [("a",)], [(1, 2, None, 0)]])
def test_hostile_results_raise_nothing(logger, said, results):
    """
    Whatever comes, the training goes on.
    """
    train(LoggingCallback(logger), 1, results)
    LoggingCallback(logger)(None)


def test_logger_that_is_off_takes_nothing(logger, said):
    """
    The level of the logger is asked first.
    """
    logger.setLevel(logging.ERROR)

    train(LoggingCallback(logger))
    LoggingCallback(logger)(None)

    assert said == []


def test_wrong_every_raises_config_error():
    """
    What cannot work is said where the callback is made.
    """
    with pytest.raises(ConfigError, match="every"):
        LoggingCallback(every="x")


TRAINING = """
import lightgbm
import numpy as np
from mllog.integrations.lightgbm import LoggingCallback

x = np.random.default_rng(0).random((60, 4))
y = x.sum(axis=1)
parameters = {"metric": "rmse", "verbose": -1}
data = lightgbm.Dataset(x, y)
scores = {}
lightgbm.train(parameters, data, 5, valid_sets=[data], callbacks=[
    LoggingCallback("training", every=2, model_name="trees"),
    lightgbm.record_evaluation(scores),
    lightgbm.early_stopping(3, verbose=False)])
folds = lightgbm.cv(parameters, lightgbm.Dataset(x, y), 2, nfold=2,
    stratified=False, callbacks=[LoggingCallback("training")])
model = lightgbm.LGBMRegressor(n_estimators=1, verbose=-1)
model.fit(x, y, eval_set=[(x, y)], callbacks=[LoggingCallback("training")])
answer = [scores["training"]["rmse"], {k: v[-1] for k, v in folds.items()}]
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_training_in_lightgbm_logs_its_evaluations(framework, said_by):
    """
    train, cv and the estimators of scikit-learn's kind.
    """
    framework("lightgbm")
    framework("sklearn")

    said, (scores, folds) = said_by(TRAINING)

    assert [each.step for each in said] == [2, 4, 5, 1, 2, 1]
    assert said[1].metrics == {"training/rmse": scores[3]}
    assert said[4].metrics == {
        "valid/rmse": folds["valid rmse-mean"],
        "valid/rmse_std": folds["valid rmse-stdv"],
    }
    assert len(said[5].metrics) == 1
