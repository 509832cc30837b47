"""
Fit a line to points by gradient descent: the smallest training there is.
"""

import logging

import mllog

logger = logging.getLogger("train")

POINTS = [(x / 10, 3 * x / 10 + 1) for x in range(10)]


def train(epochs, rate=0.3):
    """
    Slope and intercept after so many epochs.
    """
    slope = intercept = 0.0
    for epoch in range(1, epochs + 1):
        errors = [(slope * x + intercept - y, x) for x, y in POINTS]
        loss = sum(error**2 for error, _ in errors) / len(errors)
        slope -= rate * sum(error * x for error, x in errors) / len(errors)
        intercept -= rate * sum(error for error, _ in errors) / len(errors)
        logger.info("Epoch done", extra={"epoch": epoch, "loss": loss})
    return slope, intercept


def main():
    """
    Train, and tell what was found.
    """
    mllog.configure("logging.json")
    with mllog.bind(model_name="line"):
        slope, intercept = train(5)
        logger.info("Done", extra={"slope": slope, "intercept": intercept})


if __name__ == "__main__":
    main()
