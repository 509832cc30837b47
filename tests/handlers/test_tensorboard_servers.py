"""
TensorBoardHandler against a real TensorBoard, and a browser that looks at it.
"""

import io
import math
import urllib.request

import numpy as np
import pytest
from PIL import Image
from servers.tensorboard import browser, tensorboard

import mllog

__all__ = ["browser", "tensorboard"]

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(240)]


@pytest.fixture(name="make")
def _make(attach, tmp_path):
    def make(run="", **options):
        return attach(
            mllog.TensorBoardHandler(tmp_path / "runs", run, **options)
        )

    return make


def _points(tensorboard, run, tag, count):
    found = tensorboard.wait_for(
        lambda it: len(it) >= count, "scalars", "scalars", run=run, tag=tag
    )
    return [(step, value) for _, step, value in found]


def test_server_has_the_curves_of_each_version(tensorboard, make, logger):
    """
    Two versions of a model are two runs in its HTTP API, with their steps.
    """
    make("exp", step_field="iteration")
    for version in (1, 2):
        for step in range(5):
            logger.info(
                "step",
                extra={
                    "metrics": {"train/loss": version / (step + 1)},
                    "iteration": 10 * step,
                    "model_name": "bert",
                    "model_version": version,
                },
            )

    for version in (1, 2):
        points = _points(tensorboard, f"exp/bert/{version}", "train/loss", 5)
        steps, values = zip(*points, strict=True)
        assert (0, 10, 20, 30, 40) == steps
        assert pytest.approx([version / n for n in range(1, 6)]) == values


def test_server_shows_nan_and_the_infinities(tensorboard, make, logger):
    """
    Where a loss broke is seen, and 1e300 is no point rather than infinity.
    """
    make("odd")
    values = [1e20, math.nan, math.inf, -math.inf, 0.5]
    for value in [True, 1e300, *values]:
        logger.info("x", extra={"loss": value})

    found = _points(tensorboard, "odd", "loss", 5)
    assert pytest.approx(values, nan_ok=True) == [
        float(value) for _, value in found
    ]


def test_server_sees_points_while_they_are_written(tensorboard, make, logger):
    """
    A point is served before the next one is logged.
    """
    make("live")
    for step in range(3):
        logger.info("x", extra={"loss": float(step)})
        found = _points(tensorboard, "live", "loss", step + 1)
        assert (step, float(step)) == found[-1]


def test_server_has_arrays_images_texts_and_hyperparameters(
    tensorboard, make, logger
):
    """
    Each plugin serves what its field has.
    """
    make(
        "rich",
        histogram_fields="weights",
        image_fields="image",
        text_fields="message",
    )
    logger.info(
        "**hello**",
        extra={
            "weights": np.arange(100.0),
            "image": np.full((4, 6, 3), 200, "uint8"),
            "hparams": {"lr": 0.1, "optimizer": "adam"},
            "loss": 0.5,
            "step": 3,
        },
    )

    ((_, step, bins),) = tensorboard.wait_for(
        len, "histograms", "histograms", run="rich", tag="weights"
    )
    assert (3, 100) == (step, sum(count for _, _, count in bins))
    (image,) = tensorboard.wait_for(
        len, "images", "images", run="rich", tag="image", sample=0
    )
    page = f"{tensorboard.url}/data/plugin/images/individualImage"
    with urllib.request.urlopen(f"{page}?{image['query']}") as answer:
        shown = Image.open(io.BytesIO(answer.read()))
    pixel = shown.convert("RGB").getpixel((0, 0))
    assert (3, (6, 4), (200, 200, 200)) == (image["step"], shown.size, pixel)
    (text,) = tensorboard.wait_for(
        len, "text", "text", run="rich", tag="message"
    )
    assert "<strong>hello</strong>" in text["text"]
    experiment = tensorboard.wait_for(
        lambda it: it.get("hparamInfos"), "hparams", "experiment", request="{}"
    )
    names = {each["name"] for each in experiment["hparamInfos"]}
    assert {"lr", "optimizer"} == names


def _columns(picture):
    """
    How many columns of the first chart's place have a warm colour.
    """
    pixels = np.asarray(Image.open(picture).convert("HSV")).astype(int)
    chart = pixels[225:420, 395:690]
    is_warm = (chart[..., 0] < 30) & (chart[..., 1:] > 120).all(axis=2)
    return int(is_warm.any(axis=0).sum())


def test_browser_shows_the_curve(tensorboard, browser, make, logger, tmp_path):
    """
    Where the page of scalars was empty there is a line, almost as wide as a chart.
    """
    page = "?darkMode=false#scalars"
    before = tensorboard.picture(page, tmp_path / "before.png")
    make("training")
    for step in range(100):
        loss = math.exp(-step / 20) + 0.05 * math.sin(step)
        logger.info(
            "step", extra={"metrics": {"train/loss": loss}, "step": step}
        )
    _points(tensorboard, "training", "train/loss", 100)

    after = tensorboard.picture(page, tmp_path / "after.png")

    assert _columns(before) < 50
    assert _columns(after) > 150
