"""
mllog.metrics.quantiles: percentiles within one percent, in bounded memory.
"""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.metrics.quantiles import Quantiles

VALUES = st.one_of(
    st.floats(1e-12, 1e12),
    st.floats(0.001, 10),
    st.integers(0, 1000).map(float),
)
PARTS = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)


def is_close(found, values, part):
    """
    Whether *found* is within 1 % of a value that may stand at *part*.

    Of arrays of both it tells so one by one.
    """
    low = np.quantile(values, part, method="lower")
    high = np.quantile(values, part, method="higher")
    return (low * 0.99 - 1e-12 <= found) & (found <= high * 1.01 + 1e-12)


@given(values=st.lists(VALUES, min_size=1, max_size=200))
def test_quantiles_of_any_numbers_are_within_one_percent(values):
    """
    Each percentile is within 1 % of numpy's exact one.
    """
    found = Quantiles(values).quantiles(PARTS)

    for part, value in zip(PARTS, found):
        assert is_close(value, values, part), part


@given(
    first=st.lists(VALUES, max_size=100),
    second=st.lists(VALUES, min_size=1, max_size=100),
)
def test_merge_is_as_if_one_had_seen_all(first, second):
    """
    Two merged objects say what one of all the numbers says.
    """
    merged, other = Quantiles(first), Quantiles(second)
    merged.merge(other)
    whole = Quantiles([*first, *second])

    assert merged.quantiles(PARTS) == whole.quantiles(PARTS)
    assert merged.count == whole.count
    assert other.count == len(second)
    assert merged.summary().sum == pytest.approx(whole.summary().sum)


@given(values=st.lists(st.floats(0, 1e300), min_size=1, max_size=100))
def test_summary_is_in_order(values):
    """
    min ≤ p50 ≤ p90 ≤ p95 ≤ p99 ≤ max, however large the numbers.
    """
    found = Quantiles(values).summary()

    ordered = [
        found.min,
        found.p50,
        found.p90,
        found.p95,
        found.p99,
        found.max,
    ]
    assert ordered == sorted(ordered)
    assert (found.min, found.max) == (min(values), max(values))
    assert found.count == len(values)


def test_summary_of_nothing_is_nan():
    """
    Without numbers there are no percentiles.
    """
    found = Quantiles().summary()

    assert found.count == 0
    assert found.sum == 0
    for name in ("mean", "min", "p50", "p90", "p95", "p99", "max"):
        assert math.isnan(getattr(found, name))
    assert math.isnan(Quantiles().quantile(0.5))


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-12, 0.0123, 1e12, 1e308])
def test_summary_of_one_value_is_that_value(value):
    """
    A single number is each of its percentiles, exactly.
    """
    found = Quantiles([value]).summary()

    assert found.min == found.p50 == found.p99 == found.max == value
    assert found.mean == value


def test_quantile_of_zeros_among_ones_is_zero():
    """
    Zero is a number like others: the median of three zeros and a one is 0.
    """
    found = Quantiles([0.0, 0.0, 0.0, 1.0])

    assert found.quantile(0.5) == 0
    assert found.quantile(1) == 1


def test_sum_that_is_too_large_is_infinite_and_nothing_is_lost():
    """
    Numbers whose sum no float can hold are still counted.
    """
    found = Quantiles([1e308] * 10).summary()

    assert found.count == 10
    assert found.sum == math.inf
    assert found.max == 1e308


def test_buckets_over_all_floats_are_bounded():
    """
    100 000 numbers between 1e-300 and 1e300 take at most 2 803 buckets.
    """
    rng = np.random.default_rng(7)
    found = Quantiles((10 ** rng.uniform(-300, 300, 100_000)).tolist())

    assert found.count == 100_000
    assert len(found._buckets) <= 2803


def test_latencies_of_a_service_are_within_one_percent():
    """
    100 000 log-normal latencies: every tenth of a percent is within 1 %.
    """
    values = np.random.default_rng(7).lognormal(-4, 1, 100_000)
    found = Quantiles(values.tolist())

    parts = np.linspace(0, 1, 1001)
    quantiles = np.array([found.quantile(part) for part in parts])
    assert is_close(quantiles, values, parts).all()
    assert found.summary().sum == pytest.approx(values.sum())


def test_add_by_many_threads_loses_nothing():
    """
    Eight threads add while one folds, and each number is counted once.
    """
    found = Quantiles()

    def run():
        for n in range(20_000):
            found.add(float(n))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        summary = found.summary()
        assert summary.count == 0 or summary.mean <= summary.max
    for thread in threads:
        thread.join()

    assert found.count == 160_000
    assert found.summary().sum == 8 * sum(range(20_000))


def test_merge_while_the_other_grows_is_of_one_instant():
    """
    Count and sum of a merged object fit together while the other grows.
    """
    other, stop = Quantiles(), threading.Event()

    def run():
        while not stop.wait(0.0005):
            for _ in range(500):
                other.add(2.0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(200):
            merged = Quantiles()
            merged.merge(other)
            found = merged.summary()
            assert found.sum == 2.0 * found.count
    finally:
        stop.set()
        thread.join()


def test_pending_is_due_after_256_values():
    """
    Who adds is told when folding is due.
    """
    found = Quantiles()
    for _ in range(255):
        found.add(1.0)
    assert not found.is_pending

    found.add(1.0)
    assert found.is_pending
    found.fold()

    assert not found.is_pending
