"""
Train with metrics of your own, in scikit-learn and in Keras, and see them in
TensorBoard and Prometheus.

Run it with ``python examples/framework_metrics.py``.  It writes to ``./logs``
and to nowhere else.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging.config
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

import mllog

LOGS = Path("logs")
EVENTS = LOGS / "tensorboard"
TEXTFILE = LOGS / "metrics.prom"

logger = logging.getLogger("training")


def configuration(port: int | None) -> dict[str, Any]:
    """
    One logger, and a handler for each place that metrics go to.
    """
    handlers: dict[str, dict[str, Any]] = {
        "console": {"class": "mllog.ConsoleHandler"},
        "prometheus": {
            "class": "mllog.PrometheusHandler",
            **({"port": port} if port else {"textfile": str(TEXTFILE)}),
        },
    }
    if is_installed("tensorboard"):
        handlers["tensorboard"] = {
            "class": "mllog.TensorBoardHandler",
            "log_dir": str(EVENTS),
        }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": handlers,
        "loggers": {"training": {"level": "INFO", "handlers": [*handlers]}},
    }


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def train_in_sklearn(version: int, rate: float, epochs: int) -> None:
    """
    A classifier of digits; each epoch logs the log loss of both parts.
    """
    from sklearn.datasets import load_digits
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(images / 16, digits, random_state=0)
    model = SGDClassifier(
        loss="log_loss", learning_rate="constant", eta0=rate, random_state=0
    )
    with mllog.bind(model_name="digits", model_version=version):
        for epoch in range(1, epochs + 1):
            model.partial_fit(x, y, classes=np.unique(digits))
            metrics = {
                "train/log_loss": log_loss(y, model.predict_proba(x)),
                "val/log_loss": log_loss(y_val, model.predict_proba(x_val)),
            }
            logger.info(
                "Epoch done", extra={"metrics": metrics, "step": epoch}
            )


def train_in_keras(version: int, rate: float, epochs: int) -> None:
    """
    A regression with an RMSE of our own, logged by the callback.
    """
    if "KERAS_BACKEND" not in os.environ:
        found = filter(is_installed, ("jax", "torch", "tensorflow"))
        os.environ["KERAS_BACKEND"] = next(found, "tensorflow")
    import keras

    from mllog.integrations.keras import LoggingCallback

    class RMSE(keras.metrics.Metric):
        """
        The root of the mean squared error, over all batches of an epoch.
        """

        def __init__(self, name: str = "rmse", **options: Any) -> None:
            super().__init__(name=name, **options)
            self.squares = self.add_variable((), "zeros", name="squares")
            self.count = self.add_variable((), "zeros", name="count")

        def update_state(
            self, y_true: Any, y_pred: Any, sample_weight: Any = None
        ) -> None:
            error = keras.ops.square(y_true - y_pred)
            self.squares.assign(self.squares + keras.ops.sum(error))
            self.count.assign(self.count + keras.ops.size(error))

        def result(self) -> Any:
            return keras.ops.sqrt(self.squares / self.count)

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
    y = (x @ np.arange(8, dtype="float32"))[:, None]
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=[RMSE()])
    callback = LoggingCallback(
        logger, model_name="regression", model_version=version
    )
    model.fit(
        x,
        y,
        epochs=epochs,
        validation_split=0.25,
        verbose=0,
        callbacks=[callback],
    )


TRAINERS = {
    "sklearn": (train_in_sklearn, {1: 0.001, 2: 0.01}),
    "keras": (train_in_keras, {1: 0.003, 2: 0.03}),
}


def report(port: int | None) -> None:
    """
    Say where the numbers are, and what Prometheus makes of the last ones.
    """
    if port:
        print(f"Prometheus: http://127.0.0.1:{port}/metrics")
    else:
        print(f"Prometheus, from {TEXTFILE}:")
        for line in TEXTFILE.read_text().splitlines():
            if line.startswith(("train_", "val_")):
                print(f"  {line}")
    if EVENTS.is_dir():
        print(f"TensorBoard: tensorboard --logdir {EVENTS}")


def main() -> None:
    """
    Configure, train two versions in each framework, report.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--framework", choices=TRAINERS, action="append")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--port", type=int, help="serve /metrics there, until Ctrl-C"
    )
    options = parser.parse_args()
    chosen = options.framework or [*filter(is_installed, TRAINERS)]

    LOGS.mkdir(exist_ok=True)
    logging.config.dictConfig(configuration(options.port))
    for framework in chosen:
        train, versions = TRAINERS[framework]
        for version, rate in versions.items():
            train(version, rate, options.epochs)
    mllog.flush()
    report(options.port)
    try:
        while options.port:
            time.sleep(1)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
