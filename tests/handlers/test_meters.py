"""
What a value becomes in every meter: one table for all of them.
"""

import csv
import json
import logging
import math

import numpy as np
import pytest
from curves import EventFileLoader, files, tensor_util
from scraping import of_registry

import mllog

FIELD = "train/loss"
LABELS = 3000
MAX_SERIES = 20
# a reference of DriftHandler takes so many values
TIMES = 100


class Tensor:
    """
    A scalar of torch as it looks from outside.
    """

    shape = ()
    dtype = "torch.float32"

    def item(self):
        return 0.25


@pytest.fixture(
    name="meter",
    params=["prometheus", "tensorboard", "summary", "drift", "csv"],
)
def _meter(request, logger, tmp_path):
    """
    A handler of each kind that measures FIELD, and its way to be asked.
    """
    metric = {"field": FIELD, "kind": "gauge", "labels": ["user"]}
    options = {"metrics": [metric], "labels": [], "max_series": MAX_SERIES}
    handler = {
        "prometheus": lambda: mllog.PrometheusHandler(
            textfile=tmp_path / "a.prom", accounting=False, **options
        ),
        "tensorboard": lambda: mllog.TensorBoardHandler(
            tmp_path, run="one", **options
        ),
        "summary": lambda: mllog.SummaryHandler(**options),
        "drift": lambda: mllog.DriftHandler(
            reference_records=TIMES, **options
        ),
        "csv": lambda: mllog.LatencyCSVHandler(
            tmp_path / "a.csv",
            FIELD,
            labels=["user"],
            max_series=MAX_SERIES,
        ),
    }[request.param]()
    logger.addHandler(handler)
    yield request.param, handler, SEEN[request.param]
    logger.removeHandler(handler)
    handler.close()


# --- what each has, by the label of its series ---


def _of_prometheus(handler, _folder):
    found = of_registry(handler.registry)
    return {_label(name): [value] for name, value in found.items()}


def _label(name):
    """
    The user in ``train_loss{user="u1"}``.
    """
    assert name.startswith("train_loss")
    return name.partition('user="')[2].partition('"')[0]


def _of_tensorboard(handler, _folder):
    found = {}
    for path in files(handler.folder):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                label = value.tag.removeprefix(FIELD).removeprefix("/")
                number = float(tensor_util.make_ndarray(value.tensor))
                found.setdefault(label, []).append(number)
    return found


def _of_summary(handler, _folder):
    said = []
    listener = logging.Handler()
    listener.emit = said.append
    logger = logging.getLogger("mllog.summary")
    logger.addHandler(listener)
    logger.setLevel("INFO")
    try:
        handler.flush()
    finally:
        logger.removeHandler(listener)
        logger.setLevel(logging.NOTSET)
    assert {FIELD} >= {each.field for each in said}
    return {
        getattr(each, "user", ""): [each.last] * each.count for each in said
    }


def _of_drift(handler, folder):
    """
    What the reference has: a number, a category, or ``"null"``.
    """
    handler.save(folder / "references.json")
    saved = json.loads((folder / "references.json").read_text())
    found = {}
    for each in saved["references"]:
        values = ["null"] * each["nulls"]
        if "numbers" in each:
            values += [each["numbers"]["mean"]] * sum(
                each["numbers"]["counts"]
            )
        for text, count in each.get("categories", {}).items():
            values += [text] * count
        found[each["labels"].get("user", "")] = values
    return found


def _of_csv(_handler, folder):
    found = {}
    with open(folder / "a.csv", newline="", encoding="utf-8") as file:
        for row in list(csv.reader(file))[1:]:
            found.setdefault(row[2], []).append(float(row[1]))
    return found


SEEN = {
    "prometheus": _of_prometheus,
    "tensorboard": _of_tensorboard,
    "summary": _of_summary,
    "drift": _of_drift,
    "csv": _of_csv,
}

# what is logged; what it is as a number; why it is refused; a category
VALUES = {
    "float": (0.5, 0.5, None, None),
    "NaN": (math.nan, None, "not_finite", None),
    "infinity": (math.inf, None, "not_finite", None),
    "np.float32": (np.float32(0.5), 0.5, None, None),
    "np.float32 NaN": (np.float32("nan"), None, "not_finite", None),
    "np.longdouble": (np.longdouble(0.5), 0.5, None, None),
    "torch scalar": (Tensor(), 0.25, None, None),
    "1e+20": (1e20, 1e20, None, None),
    "bool": (True, None, "not_a_number", "true"),
    "np.bool_": (np.bool_(True), None, "not_a_number", "true"),
    "numeric string": ("0.5", None, "not_a_number", "0.5"),
    "None": (None, None, "not_a_number", None),
    "complex": (np.clongdouble(1 + 2j), None, "not_a_number", None),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("place", ["field", "metrics"])
@pytest.mark.parametrize("what", VALUES)
def test_value_has_its_stated_result_in_every_meter(
    meter, logger, tmp_path, what, place
):
    """
    A number of any library is one; NaN, a bool and text spoil nothing.
    """
    name, handler, seen = meter
    value, number, reason, category = VALUES[what]
    extra = {FIELD: value} if place == "field" else {"metrics": {FIELD: value}}
    times = TIMES if name == "drift" else 1

    for _ in range(times):
        logger.info("x", extra=extra)

    expected, refused = number, {} if number is not None else {reason: 1}
    if name == "drift":
        given = number if number is not None else category
        expected, refused = "null" if given is None else given, {}
    elif name == "tensorboard" and reason == "not_finite":
        expected, refused = float(value), {}  # a curve shows where it broke
    if isinstance(expected, float):
        expected = pytest.approx(expected, rel=1e-6, nan_ok=True)
    values = [] if expected is None else [expected] * times
    found = seen(handler, tmp_path).get("", [])
    assert values == found
    assert refused == handler.stats().refused
    assert {} == handler.stats().dropped


@pytest.mark.parametrize("value", [True, "0.5", None, object(), 1 + 2j])
@pytest.mark.parametrize("name", ["prometheus", "tensorboard", "summary"])
def test_value_in_metrics_that_nobody_configured_is_passed_over(
    name, logger, tmp_path, value
):
    """
    What is no number is there no metric, and nothing that went wrong.
    """
    handler = {
        "prometheus": lambda: mllog.PrometheusHandler(
            textfile=tmp_path / "a.prom", accounting=False
        ),
        "tensorboard": lambda: mllog.TensorBoardHandler(tmp_path, run="one"),
        "summary": mllog.SummaryHandler,
    }[name]()
    logger.addHandler(handler)

    logger.info("x", extra={"metrics": {FIELD: value, "f1": 0.5}})
    logger.removeHandler(handler)

    assert {} == handler.stats().refused
    assert 1 == handler.stats().written
    handler.close()


def test_labels_without_end_are_max_series_and_one_more(
    meter, logger, tmp_path
):
    """
    What is beyond is `other`, and counted; rows keep their labels.
    """
    name, handler, seen = meter

    for number in range(LABELS):
        logger.info("x", extra={FIELD: number, "user": f"u{number}"})

    assert LABELS == handler.stats().written
    assert LABELS - MAX_SERIES == handler.stats().relabelled
    found = seen(handler, tmp_path)
    if name == "csv":
        assert {f"u{number}" for number in range(LABELS)} == set(found)
        summary = handler.summary()
        found = {label: [] for (label,) in summary}
        found["other"] = [LABELS - 1] * summary[("other",)].count
    kept = {f"u{number}" for number in range(MAX_SERIES)}
    if name == "drift":  # only that of the others has enough for a reference
        assert f"{MAX_SERIES + 1} series" in repr(handler)
        assert {"other"} == set(found)
        return
    assert {*kept, "other"} == set(found)
    assert LABELS - 1 == max(found["other"])
    if name != "prometheus":  # a gauge there is the last one alone
        assert LABELS - MAX_SERIES == len(found["other"])
