"""
The callback for Keras: by Keras' contract, and in Keras itself.
"""

import logging
import pickle
import sys
import types

import pytest

from mllog.errors import ConfigError, MissingPackageError
from mllog.integrations.keras import LoggingCallback


class Callback:
    """
    What Keras asks of a callback.
    """

    def __init__(self):
        self.params, self.model = None, None

    def on_train_batch_end(self, batch, logs=None):
        """
        Nothing, which Keras knows by the mark.
        """

    on_train_batch_end._is_default = True


@pytest.fixture
def _keras(monkeypatch):
    keras = types.ModuleType("keras")
    keras.callbacks = types.SimpleNamespace(Callback=Callback)
    monkeypatch.setitem(sys.modules, "keras", keras)


class Iterations:
    """
    The step of a model, as a variable on a device.
    """

    def __init__(self):
        self.value = 0
        self.asked = 0

    def __int__(self):
        self.asked += 1
        return self.value


def model_with(iterations):
    optimizer = types.SimpleNamespace(iterations=iterations)
    return types.SimpleNamespace(optimizer=optimizer)


def fit(callback, epochs=1, steps=4, at_once=1, **logs):
    """
    Call *callback* as fit() does.
    """
    logs = logs or {"loss": 0.5, "rmse": 0.25}
    callback.params = {"epochs": epochs, "steps": steps}
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(at_once - 1, steps, at_once):
            callback.on_train_batch_end(batch, logs)
            if hasattr(callback.model, "optimizer"):
                callback.model.optimizer.iterations.value += at_once
        callback.on_test_end({"loss": 0.75})
        callback.on_epoch_end(
            epoch, {**logs, "val_loss": 0.75, "learning_rate": 0.1}
        )
    callback.on_train_end()


def test_epochs_are_records_with_train_and_val_names(_keras, logger, said):
    """
    Each epoch is one record; step counts the model's batches.
    """
    callback = LoggingCallback(logger, model_name="net", model_version=3)
    callback.model = model_with(Iterations())

    fit(callback, epochs=2)

    assert isinstance(callback, Callback)
    assert [each.step for each in said] == [4, 8]
    assert [each.fields["epoch"] for each in said] == [1, 2]
    assert said[0].message == "Epoch done"
    assert said[0].fields["model_version"] == 3
    assert said[0].metrics == {
        "train/loss": 0.5,
        "train/rmse": 0.25,
        "val/loss": 0.75,
        "learning_rate": 0.1,
    }


@pytest.mark.parametrize(
    ("every", "at_once", "steps"),
    [(1, 1, [1, 2, 3, 4]), (3, 1, [3]), (3, 2, [4]), (2, 2, [2, 4])],
)
def test_batches_are_records_each_so_many(
    _keras, logger, said, every, at_once, steps
):
    """
    With steps_per_execution the first end of an execution that is due counts.
    """
    callback = LoggingCallback(logger, every=every)
    callback.model = model_with(Iterations())

    fit(callback, at_once=at_once)

    batches = [each for each in said if each.message == "Batch done"]
    assert [each.step for each in batches] == steps
    assert batches[0].metrics == {"batch/loss": 0.5, "batch/rmse": 0.25}
    assert said[-1].step == 4


def test_batches_that_are_not_logged_are_left_to_keras(_keras, logger):
    """
    Keras runs ahead of callbacks whose batch hook is its own.
    """
    assert LoggingCallback(logger).on_train_batch_end._is_default
    assert not hasattr(
        LoggingCallback(logger, every=1).on_train_batch_end, "_is_default"
    )


@pytest.mark.parametrize("every", [None, 1])
def test_model_without_optimizer_has_its_steps_counted(
    _keras, logger, said, every
):
    """
    A model with a training loop of its own has steps all the same.
    """
    callback = LoggingCallback(logger, every=every)

    fit(callback, epochs=2)

    epochs = [each for each in said if each.message == "Epoch done"]
    assert [each.step for each in epochs] == [4, 8]


def test_evaluate_is_a_record_with_test_names(_keras, logger, said):
    """
    evaluate() outside of fit() is logged, validation inside only once.
    """
    callback = LoggingCallback(logger)
    callback.model = model_with(Iterations())
    fit(callback)

    callback.on_test_end({"loss": 0.125})

    assert [each.message for each in said] == ["Epoch done", "Evaluation done"]
    assert said[1].metrics == {"test/loss": 0.125}
    assert said[1].step == 4


def test_logger_that_is_off_asks_the_device_for_nothing(_keras, logger, said):
    """
    Where the level is too high, not even the step is read.
    """
    logger.setLevel(logging.WARNING)
    callback = LoggingCallback(logger, every=1)
    iterations = Iterations()
    callback.model = model_with(iterations)

    fit(callback)

    assert said == []
    assert iterations.asked == 0


@pytest.mark.parametrize("logs", [None, 3, {}, {"loss": object()}])
def test_hostile_logs_raise_nothing(_keras, logger, said, logs):
    """
    Whatever stands in logs, the training goes on.
    """
    callback = LoggingCallback(logger, every=1)

    callback.on_epoch_begin(0, logs)
    callback.on_train_batch_end(0, logs)
    callback.on_epoch_end(0, logs)
    callback.on_test_end(logs)


@pytest.mark.parametrize("every", [None, 2])
def test_pickled_callback_goes_on(_keras, logger, said, every):
    """
    It may be sent to another process.
    """
    again = pickle.loads(pickle.dumps(LoggingCallback(logger, every=every)))

    fit(again)

    assert said[-1].message == "Epoch done"


@pytest.mark.parametrize("every", [0, -1, "often", 1.5])
def test_wrong_every_raises_config_error(_keras, every):
    """
    A number of batches that cannot be is said at once.
    """
    with pytest.raises(ConfigError, match="every"):
        LoggingCallback(every=every)


def test_without_keras_the_error_names_the_extra(monkeypatch):
    """
    What is to be installed is said when one is made.
    """
    monkeypatch.setitem(sys.modules, "keras", None)

    with pytest.raises(MissingPackageError, match=r"mllog-handlers\[keras\]"):
        LoggingCallback()


TRAINING = """
import keras
import numpy as np
from mllog.integrations.keras import LoggingCallback

x = np.random.default_rng(0).random((32, 4)).astype("float32")
y = x.sum(axis=1)
model = keras.Sequential([keras.layers.Dense(1)])
rmse = keras.metrics.RootMeanSquaredError(name="rmse")
model.compile("sgd", "mse", metrics=[rmse], steps_per_execution=AT_ONCE)
callback = LoggingCallback(logger, every=4, model_name="net")
assert isinstance(callback, keras.callbacks.Callback)
history = model.fit(x, y, epochs=2, batch_size=4, validation_split=0.25,
    verbose=0, callbacks=[callback])
model.fit(x, y, epochs=1, batch_size=4, verbose=0,
    callbacks=[LoggingCallback(logger)])
result = model.evaluate(x, y, verbose=0, callbacks=[callback])
answer = [keras.backend.backend(), history.history, result]
"""


@pytest.mark.frameworks
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("backend", "at_once"), [("jax", 1), ("jax", 2), ("torch", 1)]
)
def test_training_in_keras_logs_what_its_history_says(
    framework, said_by, backend, at_once
):
    """
    Epochs, batches and an evaluation of a real training, on each backend.
    """
    framework("keras")
    framework(backend)

    said, answer = said_by(
        TRAINING.replace("AT_ONCE", str(at_once)), KERAS_BACKEND=backend
    )

    used, history, result = answer
    assert used == backend
    assert [(each.message, each.step) for each in said] == [
        ("Batch done", 4),
        ("Epoch done", 6),
        ("Batch done", 8),
        ("Batch done", 12),
        ("Epoch done", 12),
        ("Epoch done", 20),
        ("Evaluation done", 20),
    ]
    assert said[1].fields == {"model_name": "net", "epoch": 1}
    assert said[1].metrics == {
        "train/loss": history["loss"][0],
        "train/rmse": history["rmse"][0],
        "val/loss": history["val_loss"][0],
        "val/rmse": history["val_rmse"][0],
    }
    assert said[-1].metrics == dict(
        zip(("test/loss", "test/rmse"), result, strict=True)
    )
