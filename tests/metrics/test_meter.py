"""
From a record to observations: every metric of a handler in one pass.
"""

import collections.abc
import decimal
import fractions
import itertools
import logging
import math
import os
import threading
import tracemalloc

import numpy as np
import pytest
from hostile import Liar, RaisingEverything, RaisingMapping, RaisingRepr
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog.metrics.meter import Meter
from mllog.metrics.metric import metrics_from


class Tensor:
    """
    A scalar of torch as it looks from outside.
    """

    shape = ()
    dtype = "torch.float32"

    def item(self):
        return 0.25


class Kept:
    """
    A cell that keeps what it is given.
    """

    def __init__(self):
        self.seen = []
        self.add = self.seen.append
        self.waiting = ()

    def fold(self):
        raise AssertionError("nothing waits")


class Bench:
    """
    A meter, what it refused and reported, and what is in its series.
    """

    def __init__(self, metrics=None, **options):
        self.refused = []
        self.reported = []
        self.relabelled = 0
        self.meter = Meter(
            lambda instrument, labels: Kept(),
            self.refused.append,
            self.reported.append,
            relabel=self._relabel,
            metrics=metrics_from("metrics", metrics),
            **options,
        )

    def _relabel(self):
        self.relabelled += 1

    def log(self, message="m", *, logger="app", level=logging.INFO, **fields):
        record = logging.makeLogRecord({})
        record = logging.LogRecord(
            logger, level, __file__, 1, message, (), None
        )
        record.__dict__.update(fields)
        return self.meter.take(record)

    def values(self, field):
        """
        Values by label set of all that is measured of *field*.
        """
        return {
            tuple(
                f"{name}={value}"
                for name, value in zip(each.labels, labels, strict=True)
                if value
            ): [seen[0] for seen in cell.seen]
            for each in self.meter.instruments
            if each.metric.field == field
            for labels, cell in each.series.items()
        }


# --- which fields become metrics ---


def test_meter_measures_known_fields_and_the_numbers_in_metrics():
    """
    Other fields are not measured, numbers among them.
    """
    bench = Bench()

    assert bench.log(
        inference_latency=0.5,
        user_age=44,
        metrics={"train/loss": 0.25, "phase": "train", "done": True},
        step=3,
    )

    assert {(): [0.5]} == bench.values("inference_latency")
    assert {(): [0.25]} == bench.values("train/loss")
    kinds = {i.metric.field: i.metric.kind for i in bench.meter.instruments}
    assert {"inference_latency": "histogram", "train/loss": "gauge"} == kinds
    assert [] == bench.refused


def test_meter_puts_a_configured_metric_before_the_vocabulary():
    """
    A configured field is only what it is configured as, for all loggers.
    """
    bench = Bench([{"field": "loss", "kind": "histogram", "logger": "train"}])

    bench.log(loss=1.0, logger="train.x")
    bench.log(loss=2.0, logger="eval")

    (instrument,) = bench.meter.instruments
    assert "histogram" == instrument.metric.kind
    assert {(): [1.0]} == bench.values("loss")


def test_meter_knows_fields_in_metrics_as_on_the_record():
    """
    The vocabulary and configured metrics hold there too; the record's own
    field goes before it.
    """
    bench = Bench([{"field": "f1", "kind": "summary"}])

    bench.log(metrics={"accuracy": 0.5, "f1": 0.75, "loss": 9.0}, loss=1.0)

    assert {(): [0.5]} == bench.values("accuracy")
    assert {(): [0.75]} == bench.values("f1")
    assert {(): [1.0]} == bench.values("loss")


def test_meter_without_automatic_measures_only_what_is_configured():
    """
    Neither known fields nor metrics are then measured.
    """
    bench = Bench([{"field": "x", "kind": "gauge"}], automatic=False)

    assert not bench.log(inference_latency=0.5, metrics={"a": 1})
    assert bench.log(x=1, metrics={"a": 1})
    assert ["x"] == [i.metric.field for i in bench.meter.instruments]


def test_meter_pattern_finds_fields_on_the_record_and_in_metrics():
    """
    Each field that matches is a metric of its own.
    """
    bench = Bench([{"field": "re:.*_score", "kind": "histogram"}])

    bench.log(f1_score=0.5, metrics={"r2_score": 0.25, "other": 1})

    assert {(): [0.5]} == bench.values("f1_score")
    assert {(): [0.25]} == bench.values("r2_score")


def test_meter_counts_records_by_level_and_logger():
    """
    The message is a field of each record.
    """
    bench = Bench(
        [
            {
                "field": "message",
                "kind": "counter",
                "reduce": "count",
                "labels": ["level", "logger"],
                "message": "done",
            }
        ]
    )

    bench.log("all done", logger="a")
    bench.log("done", logger="a", level=logging.ERROR)
    bench.log("begin", logger="a")

    assert {
        ("level=INFO", "logger=a"): [1.0],
        ("level=ERROR", "logger=a"): [1.0],
    } == bench.values("message")


def test_meter_takes_each_so_many():
    """
    The 1st value and then each 10th, whatever the labels are.
    """
    bench = Bench([{"field": "x", "kind": "histogram", "every": 10}])

    for number in range(25):
        bench.log(x=number)

    assert {(): [0, 10, 20]} == bench.values("x")


def test_meter_converts_to_base_units():
    """
    12.3 ms are 0.0123 s.
    """
    bench = Bench([{"field": "t_ms", "kind": "histogram", "unit": "ms"}])

    bench.log(t_ms=12.3)
    bench.log(t_ms=np.float32(0.5))

    assert {(): [0.0123, 0.0005]} == bench.values("t_ms")


# --- values ---

NUMBERS = [
    (0.31, 0.31),
    (7, 7),
    (1e20, 1e20),
    (10**30, 1e30),
    (np.float32(0.5), 0.5),
    (np.int64(3), 3.0),
    (np.array([0.5]), 0.5),
    (Tensor(), 0.25),
    (decimal.Decimal("0.5"), 0.5),
    (fractions.Fraction(1, 4), 0.25),
]
REFUSED = [
    (math.nan, "not_finite"),
    (math.inf, "not_finite"),
    (np.float32("nan"), "not_finite"),
    (10**400, "not_finite"),
    (True, "not_a_number"),
    ("0.5", "not_a_number"),
    (None, "not_a_number"),
    (np.array([1.0, 2.0]), "not_a_number"),
    (object(), "not_a_number"),
]


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram", "summary"])
@pytest.mark.parametrize(("value", "number"), NUMBERS)
def test_meter_takes_numbers_of_any_kind(kind, value, number):
    """
    Python's, numpy's and torch's numbers are measured alike.
    """
    bench = Bench([{"field": "x", "kind": kind}])

    assert bench.log(x=value)
    (found,) = bench.values("x")[()]
    assert number == float(found)
    assert [] == bench.refused


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram", "summary"])
@pytest.mark.parametrize(("value", "reason"), REFUSED)
def test_meter_refuses_what_is_no_finite_number(kind, value, reason):
    """
    It reaches no cell, and is counted with its reason.
    """
    bench = Bench([{"field": "x", "kind": kind}])

    assert not bench.log(x=value)
    assert {(): []} == bench.values("x")
    assert [reason] == bench.refused


@pytest.mark.parametrize(
    ("options", "value", "reason"),
    [
        ({"kind": "counter"}, -1, "negative"),
        ({"kind": "histogram"}, -0.001, "negative"),
        ({"kind": "summary"}, -1, "negative"),
        ({"kind": "gauge"}, -1, None),
        ({"kind": "histogram", "buckets": [-1, 0, 1]}, -0.5, None),
        ({"kind": "counter"}, 1e300, "too_large"),
        ({"kind": "gauge"}, 1e300, None),
    ],
)
def test_meter_refuses_what_the_kind_cannot_take(options, value, reason):
    """
    No sum falls, and none can become infinite.
    """
    bench = Bench([{"field": "x", **options}])

    assert bench.log(x=value) is (reason is None)
    assert ([reason] if reason else []) == bench.refused


def test_meter_counts_nan_in_metrics_and_passes_over_what_is_no_number():
    """
    A NaN loss is refused and counted, a text beside it is just no metric.
    """
    bench = Bench()

    bench.log(metrics={"loss": math.nan, "train/loss": math.nan, "x": "1"})
    bench.log(metrics={7: 1.5, "train/loss": 0.5, "y": RaisingEverything()})

    assert ["not_finite", "not_finite"] == bench.refused
    assert {(): [0.5]} == bench.values("train/loss")
    assert {(): [1.5]} == bench.values("7")
    assert {} == bench.values("x")


class RaisingItems(dict):
    def items(self):
        raise RuntimeError("items")


class HalfReadable(collections.abc.Mapping):
    """
    One number, then a name whose value raises.
    """

    def __getitem__(self, name):
        if name != "a":
            raise RuntimeError(name)
        return 2.5

    def __iter__(self):
        return iter(["a", "b"])

    def __len__(self):
        return 2


class Endless(HalfReadable):
    def items(self):
        return ((f"n{number}", 2.5) for number in itertools.count())


class NoPairs(HalfReadable):
    def items(self):
        return [("a", 2.5), 7]


class NoHash:
    __hash__ = None


class OddNames(HalfReadable):
    def items(self):
        return [(NoHash(), "text"), ("a", 2.5)]


@pytest.mark.parametrize(
    ("make", "values", "refused"),
    [
        (lambda: RaisingItems(a=2.5), [], ["unreadable"]),
        (lambda: RaisingMapping(), [], ["unreadable"]),
        (lambda: HalfReadable(), [2.5], ["unreadable"]),
        (lambda: NoPairs(), [2.5], ["unreadable"]),
        (lambda: OddNames(), [2.5], []),
        (lambda: Endless(), [], []),
        (
            lambda: {NoHash: 1, RaisingRepr(): 2, Liar(str): 3, "a": 2.5},
            [2.5],
            [],
        ),
        (lambda: "a=2.5", [], ["not_a_mapping"]),
        (lambda: [("a", 2.5)], [], ["not_a_mapping"]),
        (lambda: RaisingEverything(), [], ["not_a_mapping"]),
        (lambda: Liar(dict), [], ["not_a_mapping"]),
        (lambda: None, [], []),
    ],
)
def test_meter_with_odd_metrics_measures_all_else(make, values, refused):
    """
    What stands in ``metrics`` costs no other field; what was passed over is
    counted.
    """
    bench = Bench([{"field": "x", "kind": "gauge"}])

    assert bench.log(x=1.0, inference_latency=0.5, metrics=make())

    assert {(): [1.0]} == bench.values("x")
    assert {(): [0.5]} == bench.values("inference_latency")
    assert values == bench.values("a").get((), [])
    assert refused == bench.refused
    assert refused.count("unreadable") == len(bench.reported)


def test_meter_pattern_that_makes_a_bad_name_costs_no_other_field():
    """
    A field that nothing can be called after is counted, and told.
    """
    bench = Bench([{"field": "re:.*", "kind": "gauge"}])

    assert bench.log(**{"": 1.0, "x": 2.0})

    assert {(): [2.0]} == bench.values("x")
    assert ["bad_name"] == bench.refused
    assert 1 == len(bench.reported)


def test_meter_that_asks_nothing_of_metrics_counts_nothing_there():
    """
    Another application's field of that name is none of our business.
    """
    bench = Bench(automatic=False)

    assert not bench.log(metrics="mine")

    assert [] == bench.refused


def test_meter_tells_1_and_true_apart_as_labels_and_as_names():
    """
    They are equal as keys of a dict, and two series.
    """
    bench = Bench(labels=["variant"])

    for value in (1, True, 1.0, "1", False, 0, np.True_, decimal.Decimal(1)):
        bench.log(variant=value, loss=0.5, metrics={value: 1.0})

    found = {
        labels: len(seen) for labels, seen in bench.values("loss").items()
    }
    assert {
        ("variant=1",): 4,
        ("variant=true",): 2,
        ("variant=false",): 1,
        ("variant=0",): 1,
    } == found
    names = {i.metric.field for i in bench.meter.instruments} - {"loss"}
    assert {"1", "true", "1.0", "false", "0", "True"} == names


@given(st.lists(st.floats() | st.integers() | st.booleans() | st.text()))
def test_meter_never_hands_on_what_spoils_a_sum(values):
    """
    Whatever comes, the sum of what reaches a cell is finite.
    """
    bench = Bench([{"field": "x", "kind": "histogram"}])

    for value in values:
        bench.log(x=value)

    seen = bench.values("x").get((), [])
    assert math.isfinite(math.fsum(seen))
    assert all(value >= 0 for value in seen)
    assert len(values) == len(seen) + len(bench.refused)


def test_meter_takes_any_name_in_metrics():
    """
    Names that clash with logging's, that are empty or look like patterns.
    """
    bench = Bench()

    bench.log(metrics={"process": 1.0, "message": 2.0, "": 3.0, "re:(": 4.0})

    fields = ("process", "message", "_", "(")
    found = [bench.values(field)[()] for field in fields]
    assert [[1.0], [2.0], [3.0], [4.0]] == found


# --- reductions ---


def test_meter_tells_parts_of_a_reduction_apart_by_a_label():
    """
    The channels of an image are series of one metric.
    """
    bench = Bench(
        [{"field": "image", "kind": "gauge", "reduce": "mean_per_channel"}]
    )
    image = np.stack([np.zeros((4, 5)), np.full((4, 5), 2.0), np.ones((4, 5))])

    bench.log(image=mllog.Payload(image), model_name="m")

    assert {
        ("model_name=m", "channel=channel_0"): [0.0],
        ("model_name=m", "channel=channel_1"): [2.0],
        ("model_name=m", "channel=channel_2"): [1.0],
    } == bench.values("image")


def test_meter_takes_each_number_of_a_batch():
    """
    A list of a reduction is one observation for each item.
    """
    bench = Bench(
        [{"field": "scores", "kind": "histogram", "reduce": "top_score"}]
    )

    bench.log(scores=np.array([[0.1, 0.75], [0.5, 0.2]]))

    assert {(): [0.75, 0.5]} == bench.values("scores")


def test_meter_takes_what_a_function_of_your_own_gives():
    """
    A number, parts by name, a list or an array of numbers.
    """
    found = {
        "numpy.sqrt": ({(): [2.0]}, 4.0),
        "numpy.cumsum": ({(): [1, 3, 6]}, [1, 2, 3]),
        "collections.Counter": (
            {("part=a",): [2], ("part=b",): [1]},
            ["a", "b", "a"],
        ),
    }
    for name, (expected, value) in found.items():
        bench = Bench([{"field": "x", "kind": "gauge", "reduce": name}])

        bench.log(x=value)

        assert expected == bench.values("x"), name


def test_meter_counts_a_reduction_that_failed_and_goes_on():
    """
    It is refused and reported; what else is in the record is measured.
    """
    bench = Bench(
        [
            {"field": "x", "kind": "gauge", "reduce": "math.sqrt"},
            {"field": "y", "kind": "gauge"},
        ]
    )

    assert bench.log(x=-1.0, y=2)
    assert bench.log(x=4.0, y=3)

    assert ["reduction_failed"] == bench.refused
    assert isinstance(bench.reported[0], ValueError)
    assert {(): [2.0]} == bench.values("x")
    assert {(): [2, 3]} == bench.values("y")


# --- labels and series ---


def test_meter_tells_series_apart_by_the_labels_of_handler_and_metric():
    """
    Only listed fields are labels; equal values of another type are one series.
    """
    bench = Bench([{"field": "x", "kind": "gauge", "labels": ["phase"]}])

    for version in (3, "3", 3.0, np.int64(3)):
        bench.log(x=1, model_version=version, phase="train", user="me")
    for version in (1, True, 1.0, True, 1):
        bench.log(x=2, model_version=version)

    assert {
        ("model_version=3", "phase=train"): [1, 1, 1, 1],
        ("model_version=1",): [2, 2, 2],
        ("model_version=true",): [2, 2],
    } == bench.values("x")


@pytest.mark.parametrize(
    "make",
    [lambda: ["a"], lambda: {"a": 1}, RaisingEverything, lambda: object],
)
def test_meter_takes_any_value_for_a_label(make):
    """
    What cannot be hashed, or raises, is still a label.
    """
    bench, value = Bench(), make()

    assert bench.log(loss=1, model_name=value)
    assert bench.log(loss=2, model_name=value)

    (seen,) = bench.values("loss").values()
    assert [1, 2] == seen


def test_meter_keeps_at_most_max_series_and_one_more():
    """
    Label sets beyond it are one series, and are counted.
    """
    bench = Bench(max_series=10)

    for number in range(100):
        bench.log(loss=number, model_name=f"m{number}")
    bench.log(loss=7, model_name="m3")

    found = bench.values("loss")
    assert 11 == len(found)
    other = tuple(
        f"{name}=other" for name in ("model_name", "model_version", "variant")
    )
    assert list(range(10, 100)) == found[other]
    assert [3, 7] == found[("model_name=m3",)]
    assert 90 == bench.meter.instruments[0].overflowed == bench.relabelled


def test_meter_counts_each_number_in_metrics_that_has_no_series():
    """
    Not only the first with a name, where others of its record have series.
    """
    bench = Bench(max_series=1)
    bench.log(metrics={"loss": 1}, model_name="a")

    for number in range(5):
        bench.log(metrics={"loss": number}, model_name="b")
        bench.log(metrics={"loss": number}, model_name="a")

    assert 5 == bench.relabelled


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=pytest.mark.full)]
)
def test_meter_memory_does_not_grow_with_labels_and_names(count):
    """
    A million label sets, and names made of data, take bounded memory.
    """

    class Dropped(Kept):
        def __init__(self):
            self.add, self.waiting = id, ()

    bench = Bench()
    bench.meter._cell_of = lambda instrument, labels: Dropped()
    bench.meter._refuse = id

    def log(start, end):
        for number in range(start, end):
            bench.log(
                inference_latency=0.5,
                model_name=f"m{number}",
                metrics={f"loss_{number}": 1.0},
            )

    log(0, count // 2)
    tracemalloc.start()
    log(count // 2, count)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert grown < 4_000_000
    assert all(len(each.series) <= 1001 for each in bench.meter.instruments)
    assert len(bench.meter.instruments) <= 1001


def test_meter_pattern_makes_at_most_a_thousand_metrics():
    """
    Names made of data that match it are refused and counted after that.
    """
    bench = Bench([{"field": "re:f.*", "kind": "gauge"}])

    for number in range(1200):
        bench.log(**{f"f{number}": 1})

    assert 1000 == len(bench.meter.instruments)
    assert ["too_many_names"] * 200 == bench.refused


def test_meter_memory_does_not_grow_with_sets_of_fields():
    """
    Field names made of data are compiled and forgotten.
    """
    bench = Bench()

    for number in range(3000):
        bench.log(**{f"field_{number}": 1, "loss": 1})

    assert len(bench.meter._catalogue._plans) <= 1000
    assert 3000 == len(bench.values("loss")[()])


def test_meter_marks_an_observation_with_the_first_field_there_is():
    """
    A trace id goes before a request id; without either there is no mark.
    """
    bench = Bench(marks=("trace_id", "request_id"))

    bench.log(loss=1, request_id="r")
    bench.log(loss=2, request_id="r", trace_id="t")
    bench.log(loss=3)

    (cell,) = bench.meter.instruments[0].series.values()
    assert [
        ("request_id", "r"),
        ("trace_id", "t"),
        ("", None),
    ] == [seen[2:] for seen in cell.seen]


# --- threads and forks ---


def test_meter_takes_records_of_many_threads():
    """
    Nothing is lost, and no series is made twice.
    """
    bench = Bench()

    def run(number):
        for i in range(2000):
            bench.log(loss=1, model_name=f"m{i % 50}")

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    found = bench.values("loss")
    assert 50 == len(found)
    assert 8000 == sum(map(len, found.values()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_meter_in_a_forked_child_begins_at_zero():
    """
    The child has no series, and measures; its lock is free.
    """
    bench = Bench()
    bench.log(loss=1)
    bench.meter._catalogue._lock.acquire()

    pid = os.fork()
    if pid == 0:
        try:
            empty = bench.meter.instruments == []
            bench.log(loss=2)
            os._exit(0 if empty and {(): [2]} == bench.values("loss") else 1)
        finally:
            os._exit(2)
    bench.meter._catalogue._lock.release()

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert {(): [1]} == bench.values("loss")


def test_meter_takes_a_record_that_was_built_otherwise():
    """
    A record from makeLogRecord has its attributes in another order.
    """
    bench = Bench()
    record = logging.makeLogRecord({"name": "x", "loss": 1.5, "msg": "m"})
    odd = logging.makeLogRecord({})
    odd.__dict__ = {"loss": 2.5, **odd.__dict__}

    assert bench.meter.take(record)
    assert bench.meter.take(odd)
    assert {(): [1.5, 2.5]} == bench.values("loss")
