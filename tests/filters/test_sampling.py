"""
mllog.SamplingFilter: which records are kept, and how many.
"""

import decimal
import io
import json
import logging
import logging.config
import logging.handlers
import math
import os
import random
import subprocess
import sys
import threading

import pytest
from hostile import VALUES, Liar, RaisingMapping
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog.filters import (
    SamplingFilter,
    filters_from,
    passed,
)


def _record(**fields):
    return logging.makeLogRecord({"msg": "m", "levelno": 20, **fields})


def _kept(sampling, values):
    """
    Those of *values* whose record is kept.
    """
    return {
        value for value in values if sampling.keeps(_record(request_id=value))
    }


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 1.0, "0.25"])
@pytest.mark.parametrize("by", [None, "request_id"])
def test_sampling_by_rate_keeps_that_share(rate, by):
    """
    Of 20 000 records the share is within three standard deviations.
    """
    sampling = SamplingFilter(rate=rate, by=by)
    rate = float(rate)
    sampling._chance.seed(1)
    number = 20_000

    kept = len(_kept(sampling, [f"request-{n}" for n in range(number)]))

    assert (
        abs(kept - rate * number)
        <= 3 * math.sqrt(rate * (1 - rate) * number) + 1e-9
    )
    assert (kept, number - kept) == (sampling.kept, sampling.sampled_out)


def test_sampling_every_keeps_the_first_and_each_so_many():
    """
    Of ten records with every=4 the 1st, 5th and 9th are kept.
    """
    sampling = SamplingFilter(every="4")

    kept = [n for n in range(1, 11) if sampling.keeps(_record())]

    assert [1, 5, 9] == kept


@given(
    value=st.one_of(st.text(min_size=1), st.integers(), st.binary()),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_sampling_by_field_is_nested(value, low, high):
    """
    What a rate keeps, every higher rate keeps too, however often it is asked.
    """
    low, high = sorted([low, high])
    first = SamplingFilter(rate=low, by="request_id", keep_level=None)
    second = SamplingFilter(rate=high, by="request_id", keep_level=None)

    assert _kept(first, [value]) <= _kept(second, [value])
    assert _kept(first, [value]) == _kept(first, [value])


def test_sampling_by_field_with_every_has_the_rate_one_in_so_many():
    """
    every=10 and rate=0.1 keep the same requests.
    """
    ids = [f"r{n}" for n in range(1000)]

    assert _kept(SamplingFilter(rate=0.1, by="request_id"), ids) == _kept(
        SamplingFilter(every=10, by="request_id"), ids
    )


def test_sampling_by_field_in_another_process_decides_the_same():
    """
    Neither the hash seed nor the process has a say.
    """
    ids = [f"r{n}" for n in range(500)]
    here = _kept(SamplingFilter(rate=0.3, by="request_id"), ids)
    code = (
        "import logging; from mllog.filters import SamplingFilter\n"
        "f = SamplingFilter(rate=0.3, by='request_id')\n"
        "print(*(i for i in (f'r{n}' for n in range(500)) if f.keeps("
        "logging.makeLogRecord({'levelno': 20, 'request_id': i}))))"
    )

    for seed in ("1", "4242"):
        there = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert here == set(there.stdout.split())


def test_sampling_by_field_stays_as_it_was_released():
    """
    Processes with different versions of mllog agree: these are kept for ever.
    """
    sampling = SamplingFilter(rate=0.1, by="request_id")

    assert {18, 29, 47, 55, 66, 71, 72, 90, 99} == _kept(sampling, range(100))


def test_sampling_by_field_takes_text_and_numbers_alike():
    """
    7, "7", b"7" and a numpy integer are one request.
    """
    numpy = pytest.importorskip("numpy")
    sampling = SamplingFilter(rate=0.5, by="request_id")

    for number in range(100):
        answers = {
            sampling.keeps(_record(request_id=value))
            for value in (
                number,
                str(number),
                str(number).encode(),
                numpy.int64(number),
            )
        }
        assert 1 == len(answers)


def test_sampling_by_field_of_a_record_without_it_falls_back():
    """
    Records without the field, or with None, follow chance or *every*.
    """
    sampling = SamplingFilter(every=2, by="request_id")

    answers = [
        sampling.keeps(_record(**fields))
        for fields in ({}, {"request_id": None}, {}, {})
    ]

    assert [True, False, True, False] == answers


def test_sampling_by_field_sees_what_is_bound(logger):
    """
    The records of one bound request are all kept or all passed over.
    """
    stream = io.StringIO()
    logger.addHandler(
        mllog.ConsoleHandler(
            stream=stream,
            piped="json",
            filters=[SamplingFilter(rate=0.5, by="request_id")],
        )
    )

    for number in range(40):
        with mllog.bind(request_id=number):
            logger.info("request")
            logger.info("response")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    seen = [line["request_id"] for line in lines]
    assert 0 < len(seen) < 80
    assert all(seen.count(number) in (0, 2) for number in range(40))


@pytest.mark.parametrize(
    ("levels", "keep_level"),
    [
        ([40, 50], "ERROR"),
        ([30, 40, 50], "WARNING"),
        ([30, 40, 50], 30),
        ([30, 40, 50], "30"),
        ([], None),
        ([], ""),
    ],
)
def test_sampling_keeps_records_of_a_level(levels, keep_level):
    """
    From *keep_level* on nothing is sampled out; with None there is no rule.
    """
    sampling = SamplingFilter(rate=0, keep_level=keep_level)

    assert levels == [
        level
        for level in (10, 20, 30, 40, 50)
        if sampling.keeps(_record(levelno=level))
    ]


def test_sampling_keeps_slow_records():
    """
    On the record or in its metrics, as any kind of number, at the bound too.
    """
    sampling = SamplingFilter(rate=0, slow_seconds="0.5")

    for slow in (0.5, 2, math.inf, decimal.Decimal("0.7"), 10**400):
        assert sampling.keeps(_record(inference_latency=slow))
        assert sampling.keeps(_record(metrics={"inference_latency": slow}))
    assert not sampling.keeps(_record(inference_latency=0.49))
    assert not sampling.keeps(_record())


@given(value=VALUES)
def test_sampling_of_odd_values_never_raises(value):
    """
    Whatever stands in a field: the record is kept or not, and counted.
    """
    sampling = SamplingFilter(rate=0.5, by="request_id", slow_seconds=1)

    answer = sampling.keeps(
        _record(request_id=value, inference_latency=value, metrics=value)
    )

    assert answer in (True, False)
    assert 1 == sampling.kept + sampling.sampled_out


@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, "99", None, True, b"99", [99], object()]
)
def test_sampling_takes_no_odd_latency_for_slow(value):
    """
    NaN, text, None, bools and objects are not slow.
    """
    sampling = SamplingFilter(rate=0, slow_seconds=1)

    assert not sampling.keeps(_record(inference_latency=value))


class RaisingGet(dict):
    def get(self, *_args):
        raise RuntimeError("get")


def test_sampling_of_metrics_that_raise_finds_nothing_slow():
    """
    The filter never raises into the application, whatever ``metrics`` is.
    """
    sampling = SamplingFilter(rate=0, slow_seconds=1)

    for odd in (RaisingGet(), RaisingMapping(), Liar(dict), 5):
        assert not sampling.keeps(_record(metrics=odd))


def test_sampling_leaves_the_record_as_it_is(logger):
    """
    What is kept is the very record, unchanged.
    """
    record = _record(request_id="r")
    before = dict(record.__dict__)
    sampling = SamplingFilter(rate=1, by="request_id", slow_seconds=1)

    assert sampling.apply(record) is record
    assert passed([sampling], record) is record
    assert sampling.filter(record) in (record, True)
    assert before == record.__dict__
    assert SamplingFilter(rate=0).filter(record) is False


def test_sampling_leaves_the_seed_of_the_application_alone():
    """
    A run with random.seed gives the same numbers with and without it.
    """
    random.seed(7)
    alone = random.random()
    random.seed(7)
    sampling = SamplingFilter(rate=0.5)
    for _ in range(10):
        sampling.keeps(_record())

    assert alone == random.random()


def test_sampling_counts_exactly_under_threads():
    """
    Eight threads lose no count, and every=4 keeps a quarter to the record.
    """
    sampling = SamplingFilter(every=4)

    def run():
        for _ in range(5000):
            sampling.keeps(_record())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (10_000, 30_000) == (sampling.kept, sampling.sampled_out)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_sampling_in_a_forked_child_begins_anew():
    """
    A child counts its own records, has luck of its own, keeps its first.
    """
    sampling = SamplingFilter(every=3)
    chance = SamplingFilter(rate=0.5)
    for _ in range(5):
        sampling.keeps(_record())
    expected = chance._chance.getstate()
    reader, writer = os.pipe()
    if not (child := os.fork()):
        same = chance._chance.getstate() == expected
        first = sampling.keeps(_record())
        found = [first, sampling.kept, sampling.sampled_out, same]
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)

    with os.fdopen(reader, "rb") as answers:
        assert [True, 1, 0, False] == json.load(answers)
    assert (2, 3) == (sampling.kept, sampling.sampled_out)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "exactly one of rate and every"),
        ({"rate": 0.1, "every": 2}, "exactly one of rate and every"),
        ({"rate": "", "every": ""}, "exactly one of rate and every"),
        ({"rate": 1.5}, "rate=1.5"),
        ({"rate": -0.1}, "rate=-0.1"),
        ({"rate": "nan"}, "rate='nan'"),
        ({"rate": "some"}, "0 to 1"),
        ({"rate": True}, "rate=True"),
        ({"every": 0}, "every=0"),
        ({"every": 1.5}, "every=1.5"),
        ({"rate": 1, "by": 3}, "by=3"),
        ({"rate": 1, "keep_level": "LOUD"}, "keep_level='LOUD'"),
        ({"rate": 1, "slow_seconds": 0}, "slow_seconds=0"),
        ({"rate": 1, "slow_field": ""}, "slow_field=''"),
        ({"rat": 1}, "write rate"),
    ],
)
def test_sampling_with_options_that_cannot_work_raises(given, expected):
    """
    The error names the filter, the option and its value.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        SamplingFilter(**given)

    assert str(caught.value).startswith("SamplingFilter: ")
    assert expected in str(caught.value)


def test_sampling_from_a_configuration_samples(logger):
    """
    dictConfig and the kwargs of an INI file give the same filter.
    """
    name = "mllog.SamplingFilter"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"tenth": {"()": name, "every": 10}},
            "handlers": {
                "console": {
                    "class": "mllog.ConsoleHandler",
                    "filters": ["tenth"],
                },
            },
            "loggers": {"sampled": {"handlers": ["console"]}},
        }
    )
    try:
        (from_dict,) = logging.getLogger("sampled").handlers[0].filters
    finally:
        logging.getLogger("sampled").handlers.clear()
    (from_kwargs,) = mllog.ConsoleHandler(
        filters=[{"class": name, "every": "10"}]
    ).filters

    assert isinstance(from_dict, SamplingFilter)
    assert 10 == from_dict.every == from_kwargs.every


def test_sampling_from_a_wrong_configuration_names_what_is_wrong():
    """
    The error is that of the filter, not that it cannot be made.
    """
    with pytest.raises(mllog.ConfigError, match="SamplingFilter: rate=2"):
        filters_from("filters", {"class": "mllog.SamplingFilter", "rate": 2})
