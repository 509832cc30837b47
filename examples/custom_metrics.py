"""
Custom metrics of a training run, from the logger to TensorBoard.

Two models are trained on made data by plain Python: a line, whose metric is
the root-mean-square error, and a logistic regression, whose metric is the log
loss.  The loops only log; what becomes of the numbers is configuration::

    python examples/custom_metrics.py
    tensorboard --logdir runs
"""

from __future__ import annotations

import argparse
import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import mllog

logger = logging.getLogger("training")

Pair = tuple[float, float]


class Sample(NamedTuple):
    """
    An input, and what the model should say of it.
    """

    x: float
    y: float


def rmse(pairs: Sequence[Pair]) -> float:
    """
    Root-mean-square error of predictions and targets.
    """
    return math.sqrt(sum((p - y) ** 2 for p, y in pairs) / len(pairs))


def log_loss(pairs: Sequence[Pair]) -> float:
    """
    Mean of -log of the probability that each true class was given.
    """
    return -sum(math.log(p if y else 1 - p) for p, y in pairs) / len(pairs)


def line(x: float) -> float:
    """
    Regression: the number itself.
    """
    return x


def logistic(x: float) -> float:
    """
    Classification: the probability of the class 1.
    """
    return 1 / (1 + math.exp(-x))


def train(
    samples: Sequence[Sample],
    link: Callable[[float], float],
    *,
    steps: int,
    rate: float,
) -> Iterator[list[Pair]]:
    """
    Gradient descent; gives predictions and targets before each step.
    """
    weight = bias = 0.0
    for _ in range(steps):
        pairs = [(link(weight * x + bias), y) for x, y in samples]
        yield pairs
        errors = [p - y for p, y in pairs]
        weight -= (
            rate
            * sum(e * each.x for e, each in zip(errors, samples, strict=True))
            / len(samples)
        )
        bias -= rate * sum(errors) / len(samples)


def data(link: Callable[[float], float], count: int = 200) -> list[Sample]:
    """
    Numbers that a model can learn from, the same in each run.
    """
    chance = random.Random(7)
    points = [chance.uniform(-2, 2) for _ in range(count)]
    if link is line:
        return [Sample(x, 3 * x + 1 + chance.gauss(0, 0.1)) for x in points]
    return [
        Sample(x, float(chance.random() < logistic(3 * x + 1))) for x in points
    ]


MODELS = {
    "regression": (line, "rmse", rmse),
    "classification": (logistic, "log_loss", log_loss),
}


def main() -> None:
    """
    Train both models, each as two versions with different learning rates.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    mllog.configure("tensorboard")
    for name, (link, metric, measure) in MODELS.items():
        for version, rate in ((1, 0.1), (2, 0.5)):
            with mllog.bind(model_name=name, model_version=version):
                logger.info("Training", extra={"hparams": {"rate": rate}})
                for step, pairs in enumerate(
                    train(data(link), link, steps=arguments.steps, rate=rate)
                ):
                    logger.info(
                        "Step %d",
                        step,
                        extra={
                            "metrics": {f"train/{metric}": measure(pairs)},
                            "step": step,
                        },
                    )
    mllog.shutdown()


if __name__ == "__main__":
    main()
